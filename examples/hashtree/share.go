package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A share is one hashtree's part of the work with -engine.
//
// From its beginning to its end it reads files, whoever has submitted them. What must not
// be done by two at once it does when it has the turn: it waits until nothing is left in
// the queue of one that has died, looks which sums there are, looks for files, submits
// those that have no sum, and waits for them. So no file is submitted twice, and who has
// the turn next finds all sums and has nothing to do but to print them.
type share struct {
	*hashtree
	site   *site
	pool   *pool.Pool[quoted, record]
	reader *reader
}

// share is hash with -engine.
func (h *hashtree) share(opts options) int {
	began := time.Now()
	stopping, cancelled, release := interrupts(h.signals)
	defer release()

	s, err := h.join(stopping, cancelled, opts)
	switch {
	case err != nil && stopping.Err() != nil:
		h.console.say("interrupted while opening %s", shown(opts.engine))
		return exitInterrupted
	case err != nil:
		return h.wrongCall(fmt.Errorf("-engine %s: %w", shown(opts.engine), err))
	}
	var watch sync.WaitGroup
	watch.Go(func() { s.stopWith(stopping) })
	found, out, hadTurn := s.takePart(stopping, opts)
	_ = s.pool.Stop(context.Background()) // an error says that it was interrupted, or what others do again
	watch.Wait()
	out.here, out.bytes = s.reader.files.Load(), s.reader.bytes.Load()
	if stopping.Err() != nil {
		s.sayLeft(opts)
	}
	s.site.close()
	if !hadTurn {
		h.console.say("interrupted while reading for another hashtree: %s, %s", count(out.here, "file"), size(float64(out.bytes)))
		return exitInterrupted
	}
	return h.report(stopping, found, out, began, nil)
}

// join opens what -engine says, and begins to read files.
func (h *hashtree) join(stopping, cancelled context.Context, opts options) (*share, error) {
	st, err := h.openSite(stopping, siteOptions{
		where: opts.engine, name: siteName(opts.dirs), lease: h.lease, settling: defaultSettling, say: h.console.say})
	if err != nil {
		return nil, err
	}
	s := &share{hashtree: h, site: st, reader: &reader{open: h.open}}
	if s.pool, err = pool.Join(cancelled, s.reader.shared, st.files, &pool.Options{Workers: opts.workers}); err != nil {
		st.close()
		return nil, err
	}
	return s, nil
}

// stopWith stops the pool when stopping is done.
func (s *share) stopWith(stopping context.Context) {
	select {
	case <-stopping.Done():
		_ = s.pool.Resize(0) // an error says that the pool has ended
		if n := s.reader.reading.Load(); n > 0 {
			s.console.say("interrupted: finishing %s; press Ctrl-C again to give up", count(n, "file"))
		}
		_ = s.pool.Stop(stopping) // which is done: it does not wait
	case <-s.pool.Done():
	}
}

// takePart returns when all files are hashed, by whomever, or stopping is done. Without
// having had the turn nothing is known of them.
func (s *share) takePart(stopping context.Context, opts options) (found tree, out outcome, hadTurn bool) {
	hide := s.show()
	t, err := takeTurn(stopping, s.site.turns, func() {
		s.console.say("another hashtree has the turn: reading for it until it is done")
	})
	hide()
	if err != nil {
		return found, outcome{err: err}, stopping.Err() == nil
	}
	defer t.release()
	found, out = s.haveTurn(stopping, opts)
	return found, out, true
}

// show shows what is read here, until hide is called.
func (s *share) show() (hide func()) {
	return s.console.show(newSpinner(s.console.w), func(b bar) {
		b.Describe(fmt.Sprintf("reading: %s, %s", count(s.reader.files.Load(), "file"), size(float64(s.reader.bytes.Load()))))
	})
}

// haveTurn does what only one may do at a time.
func (s *share) haveTurn(stopping context.Context, opts options) (tree, outcome) {
	out := outcome{remembers: true, shared: true}
	hide := s.show()
	results, err := s.settled(stopping)
	hide()
	if err != nil {
		out.err = unlessDone(stopping, err)
		return tree{partial: stopping.Err() != nil}, out
	}
	past, _ := recollect(each(results)) // which fails if its argument does
	found := s.walk(stopping, opts.dirs, s.site.isOwn)
	kept, todo := past.recall(found.files)
	out.kept = kept

	defer s.show()()
	paths := make([]quoted, len(todo))
	for i, f := range todo {
		paths[i] = quoted(f.real)
	}
	ids, err := s.pool.SubmitAll(stopping, paths)
	out.err = unlessDone(stopping, err)
	if len(ids) > 0 {
		results, err = s.settled(stopping)
		if stopping.Err() != nil {
			results, err = s.soFar()
		}
		out.err = errors.Join(out.err, err)
	}
	s.collect(stopping, &out, todo, ids, results)
	if stopping.Err() == nil && out.err == nil {
		out.err = unlessDone(stopping, s.forget(stopping, past.obsolete(found)))
	}
	return found, out
}

// unlessDone returns err, or nil if it only says that ctx is done.
func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

type results = map[store.ID]store.Result[record]

// settled waits until the queue is empty, and returns all results then.
func (s *share) settled(stopping context.Context) (res results, err error) {
	if err := s.pool.Wait(stopping); err != nil {
		return nil, err
	}
	err = again(stopping, s.site.files, func() (err error) {
		res, err = s.results(stopping)
		return err
	})
	return res, err
}

// results returns all results that can be read. Of one that cannot, Get says so.
func (s *share) results(ctx context.Context) (results, error) {
	res, err := s.pool.Results(ctx)
	if res != nil {
		return res, nil
	}
	return nil, err
}

// patience is how long an engine is waited for when somebody has pressed Ctrl-C.
const patience = 5 * time.Second

// soFar waits until what is read here is read, and returns the results that there are.
func (s *share) soFar() (results, error) {
	_ = s.pool.Stop(context.Background()) // an error says that it was interrupted
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	res, err := s.results(ctx)
	if err != nil {
		err = fmt.Errorf("the sums that are done cannot be had: %w", err)
	}
	return res, err
}

// collect adds what became of the files that were submitted. ids[i] is that of files[i].
func (s *share) collect(stopping context.Context, out *outcome, files []file, ids []store.ID, results results) {
	out.notRun = len(files) - len(ids)
	for i, id := range ids {
		f := files[i]
		res, ok := results[id]
		if !ok {
			// A replica may lag, so ask for it. After Ctrl-C it is not there yet.
			res.Value, res.Err = s.pool.Get(stopping, id)
		}
		switch {
		case !ok && stopping.Err() != nil:
			out.notRun++
		case res.Err != nil:
			out.failed = append(out.failed, failure{f.path, f.real, res.Err})
		default:
			out.done = append(out.done, hashed{f.path, res.Value.Sum})
		}
	}
}

// forget has the engine forget sums that are of no use any more.
func (s *share) forget(ctx context.Context, obsolete []store.ID) error {
	if len(obsolete) == 0 {
		return nil
	}
	ids := make([]uint64, len(obsolete))
	for i, id := range obsolete {
		ids[i] = uint64(id)
	}
	return again(ctx, s.site.files, func() error { return s.site.files.Delete(ctx, ids) })
}

// sayLeft says what this hashtree leaves to others.
func (s *share) sayLeft(opts options) {
	sizer, ok := s.site.files.(engine.Sizer)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if n, err := sizer.Size(ctx); err == nil && n > 0 {
		s.console.say("left: %s, for those who share %s, or for the next run", count(n, "file"), shown(opts.engine))
	}
}

// shared hashes a file by its real path.
func (r *reader) shared(ctx context.Context, path quoted) (record, error) {
	r.reading.Add(1)
	defer r.reading.Add(-1)
	rec, err := r.sum(ctx, file{path: string(path), real: string(path)})
	if err != nil {
		return rec, reason(err) // here: from another process comes its text only
	}
	r.files.Add(1)
	return rec, nil
}

// each ranges over results.
func each(results results) iter.Seq2[store.Result[record], error] {
	return func(yield func(store.Result[record], error) bool) {
		for _, id := range slices.Sorted(maps.Keys(results)) {
			if !yield(results[id], nil) {
				return
			}
		}
	}
}
