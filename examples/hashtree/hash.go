package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// An outcome is what became of the files. Each is in one of kept, done, failed and
// notRun.
type outcome struct {
	kept, done []hashed // from earlier runs and from this one
	failed     []failure
	notRun     int
	bytes      int64 // read, also of files that failed; by this hashtree
	err        error // why files were not even begun, or sums not saved

	remembers bool  // with -store bolt:FILE or -engine
	shared    bool  // with -engine
	here      int64 // with -engine: files that were hashed by this hashtree
}

type hashed struct {
	path string
	sum  sum
}

// sums returns all that are known, sorted by path.
func (o outcome) sums() []hashed {
	return sortedByPath(slices.Concat(o.kept, o.done), func(s hashed) string { return s.path })
}

// hashAll hashes files on a pool, which puts the sums into st. When stopping is done,
// it begins no more files; when cancelled is done, it ends those that are being read.
func (h *hashtree) hashAll(stopping, cancelled context.Context, files []file, st store.ResultStore[record], workers int) outcome {
	if len(files) == 0 {
		return outcome{}
	}
	var total int64
	for _, f := range files {
		total += f.version.Size
	}

	r := reader{open: h.open}
	// The queue is short since a file that waits in it when Ctrl-C comes has a result
	// too, which says that it was not read, and which a FILE keeps until the next run.
	p, err := pool.New(cancelled, r.sum, st, &pool.Options{Workers: workers, Queue: 64})
	if err != nil {
		return outcome{notRun: len(files), err: err}
	}
	hide := h.console.show(newBar(h.console.w, total), func(b bar) {
		st := p.Stats()
		b.Describe(fmt.Sprintf("%d/%d files", st.Succeeded+st.Failed+st.Panicked, len(files)))
		_ = b.Set64(r.bytes.Load()) // an error says that files have grown
	})
	defer hide()

	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-stopping.Done():
			_ = p.Resize(0) // an error says that the pool has ended
			if n := p.Stats().Running; n > 0 {
				h.console.say("interrupted: finishing %s; press Ctrl-C again to give up", count(n, "file"))
			}
		case <-p.Done():
		}
	})

	ids, refused := p.SubmitAll(stopping, files)
	stopped := p.Stop(context.Background())
	watch.Wait()

	out := collect(p, files, ids, stopped)
	out.bytes = r.bytes.Load()
	if stopping.Err() == nil { // else it only says that files were not submitted
		out.err = errors.Join(out.err, refused)
	}
	return out
}

// collect asks a pool that has ended for the results of files. ids[i] is that of
// files[i]; those that were not submitted have none. stopped is what Stop returned: the
// results in it, which the store did not take, are to be had nowhere else.
func collect(p *pool.Pool[file, record], files []file, ids []store.ID, stopped error) outcome {
	out := outcome{notRun: len(files) - len(ids)}
	unsaved := make(map[store.ID]store.Result[record])
	var lost *pool.UnsavedError[record]
	if errors.As(stopped, &lost) {
		sums := uint64(0)
		for _, res := range lost.Results {
			unsaved[res.ID] = res
			if res.Err == nil {
				sums++
			}
		}
		out.err = fmt.Errorf("not saved for the next run: %s: %w", count(sums, "sum"), lost.Err)
	}
	for i, id := range ids {
		res, ok := unsaved[id]
		if !ok {
			res.Value, res.Err = p.Get(context.Background(), id)
		}
		f := files[i]
		switch {
		case errors.Is(res.Err, pool.ErrNotRun):
			out.notRun++
		case res.Err != nil:
			out.failed = append(out.failed, failure{f.path, f.real, res.Err})
		default:
			out.done = append(out.done, hashed{f.path, res.Value.Sum})
		}
	}
	return out
}
