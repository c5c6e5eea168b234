package jetstream

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/resultpool/resultpool/engine"
)

// saves is what this handle knows of the results of the runs that it has last worked with. It may forget any
// of it: who does not know the last message on a subject is told so by the servers, and reads.
type saves struct {
	mu    sync.Mutex // guards all that follows
	known map[uint64]*knownSave
	order []uint64
}

// maxSaves is of how many runs that is known.
const maxSaves = 4096

type knownSave struct {
	busy chan struct{} // full while a call works with it: two would only be in each other's way
	save save
}

// A save is what is known of the results of a run.
type save struct {
	last     uint64 // the last message on its subject; 0: none
	has      set    // what is stored, or was
	messages int    // that it was written to, since it was last one message
}

// mostMessages is in how many messages the results of a run are, before they are written as one. (Some more if several
// processes save them.) A Load reads all of them, and so does a Delete.
const mostMessages = 16

// acquire returns what is known of a run, and waits while another call works with it. A call that needs several
// takes them in their order.
func (s *saves) acquire(ctx context.Context, seq uint64) (*save, func(), error) {
	s.mu.Lock()
	k := s.known[seq]
	if k == nil {
		if len(s.order) >= maxSaves {
			delete(s.known, s.order[0])
			s.order = s.order[1:]
		}
		k = &knownSave{busy: make(chan struct{}, 1)}
		if s.known == nil {
			s.known = make(map[uint64]*knownSave)
		}
		s.known[seq] = k
		s.order = append(s.order, seq)
	}
	s.mu.Unlock()
	select {
	case k.busy <- struct{}{}:
		return &k.save, func() { <-k.busy }, nil
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
}

// A saving is the results of one run in a Save.
type saving struct {
	seq   uint64
	recs  []engine.Record // that may not be stored yet
	known *save
	data  []byte // the next message, with the first n of recs
	n     int

	isStale bool   // another message may be the last on the subject than the one that is known
	isSaid  bool   // which one the server has said
	last    uint64 // that
}

// Save stores recs, each under an ID that has none yet. The results of a run (the tasks of one message) go into one
// message, if they fit.
func (e *Engine) Save(ctx context.Context, recs []engine.Record) error {
	call, end, err := e.begin(ctx, 0, e.names.result, e.names.get)
	if err != nil {
		return err
	}
	defer end()
	for _, rec := range recs {
		if err := e.fits("the result of task", rec.ID, rec.Data); err != nil {
			return err
		}
	}
	savings := savingsOf(recs)
	for _, s := range savings {
		known, release, err := e.saves.acquire(call, s.seq)
		if err != nil {
			return e.fail(call, "save", err)
		}
		defer release()
		s.known = known
		// What was stored is looked for once more: a server that does not sync may have lost it.
		s.isStale = slices.ContainsFunc(s.recs, func(rec engine.Record) bool { return known.has.has(indexOf(rec.ID)) })
	}
	all := slices.Clone(savings)
	for len(savings) > 0 {
		if err := e.saveRound(call, savings); err != nil {
			return err
		}
		savings = slices.DeleteFunc(savings, func(s *saving) bool { return len(s.recs) == 0 })
	}
	for _, s := range all {
		if s.known.messages > mostMessages {
			e.compact(call, s.seq, s.known) // if it fails, they are where they were
		}
	}
	e.pace.saved(e, len(recs))
	return nil
}

// compact writes the results of a run as one message, or as few as they need.
func (e *Engine) compact(ctx context.Context, seq uint64, known *save) {
	d := deleting{e: e, seq: seq, which: new(set), isCompact: true}
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errNoAnswer)
	defer cancel()
	known.messages = 0
	if isDone, err := d.try(ctx); isDone && err == nil && d.written > 0 {
		known.last = d.written
	}
}

// savingsOf returns recs by run, in the order of runs, each ID once.
func savingsOf(recs []engine.Record) (savings []*saving) {
	bySeq := make(map[uint64]*saving)
	for _, rec := range recs {
		s := bySeq[seqOf(rec.ID)]
		if s == nil {
			s = &saving{seq: seqOf(rec.ID)}
			bySeq[s.seq] = s
			savings = append(savings, s)
		}
		s.recs = append(s.recs, rec)
	}
	for _, s := range savings {
		var had set
		s.recs = slices.DeleteFunc(s.recs, func(rec engine.Record) bool {
			defer had.add(indexOf(rec.ID))
			return had.has(indexOf(rec.ID))
		})
	}
	slices.SortFunc(savings, func(a, b *saving) int { return cmp.Compare(a.seq, b.seq) })
	return savings
}

// saveRound publishes the next message of each run. It reads first what others have written.
func (e *Engine) saveRound(call context.Context, savings []*saving) error {
	if err := e.refresh(call, savings); err != nil {
		return e.failAt(call, "save", e.names.results, err)
	}
	var todo []*saving
	for _, s := range savings {
		if s.cut(e.mostBytes()); s.n > 0 {
			todo = append(todo, s)
		}
	}
	answered := 0
	var failed error
	publishing := publishing{
		e: e, ctx: call,
		message: func(i int) *nats.Msg { return e.resultsMessage(todo[i].seq, todo[i].known.last, todo[i].data) },
		done: func(i int, ack *jetstream.PubAck, err error) fate {
			s := todo[i]
			switch {
			case err == nil:
				s.stored(ack.Sequence)
			case isThere(err):
				s.isStale = true
				s.last, s.isSaid = lastOf(err)
			case isSaving(err):
				return underWay
			default:
				failed = cmp.Or(failed, err)
				return over
			}
			answered++
			return settled
		},
	}
	failed = cmp.Or(publishing.run(len(todo)), failed)
	switch {
	case failed != nil:
		return e.failAt(call, "save", e.names.results, failed)
	case answered < len(todo):
		return e.fail(call, "save", context.Cause(call))
	}
	return nil
}

// cut leaves out what is stored, and makes a message of what is first.
func (s *saving) cut(most int) {
	s.recs = slices.DeleteFunc(s.recs, func(rec engine.Record) bool { return s.known.has.has(indexOf(rec.ID)) })
	s.data, s.n = nil, 0
	for _, rec := range s.recs {
		if s.n > 0 && len(s.data)+len(rec.Data)+8 > most {
			break
		}
		s.data = appendResult(s.data, result{index: indexOf(rec.ID), data: rec.Data})
		s.n++
	}
}

// stored follows the answer that the message is stored.
func (s *saving) stored(seq uint64) {
	for _, rec := range s.recs[:s.n] {
		s.known.has.add(indexOf(rec.ID))
	}
	s.known.last = seq
	s.known.messages++
	s.recs = s.recs[s.n:]
}

// refresh reads the results of runs that others have written to. What is known changes only if that has
// succeeded: who knows the last message knows what is in all.
func (e *Engine) refresh(ctx context.Context, savings []*saving) error {
	reads, ctx := errgroup.WithContext(ctx)
	reads.SetLimit(16)
	for _, s := range savings {
		if !s.isStale {
			continue
		}
		reads.Go(func() error {
			ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errNoAnswer)
			defer cancel()
			msgs, err := e.readRun(ctx, s.seq)
			if err != nil {
				return err
			}
			var known save
			if s.isSaid {
				known.last = s.last
			}
			for _, m := range msgs {
				if !s.isSaid { // what the server says holds also if the last one cannot be read
					known.last = m.seq
				}
				for _, r := range m.results {
					known.has.add(r.index)
				}
			}
			*s.known, s.isStale, s.isSaid = known, false, false
			return nil
		})
	}
	return reads.Wait()
}

// lastOf returns the sequence that the server's error says is the last, 0 if there is none.
func lastOf(err error) (seq uint64, ok bool) {
	_, last, _ := strings.Cut(apiError(err).Description, ": ")
	seq, bad := strconv.ParseUint(strings.TrimSpace(last), 10, 64)
	return seq, bad == nil
}

// mostBytes is how many bytes of several results are in a message.
func (e *Engine) mostBytes() int { return min(maxRunBytes, int(e.nc.MaxPayload())-overhead) }

// pack returns results as messages.
func (e *Engine) pack(results []result) (msgs [][]byte) {
	var data []byte
	for _, r := range results {
		if len(data) > 0 && len(data)+len(r.data)+8 > e.mostBytes() {
			msgs = append(msgs, data)
			data = nil
		}
		data = appendResult(data, r)
	}
	if len(data) > 0 {
		msgs = append(msgs, data)
	}
	return msgs
}

// resultsMessage is stored only if the last one on its subject is the one with that sequence.
func (e *Engine) resultsMessage(seq, last uint64, data []byte) *nats.Msg {
	return &nats.Msg{Subject: e.resultSubject(seq), Data: data, Header: nats.Header{
		nats.ExpectedLastSubjSeqHdr: {fmt.Sprint(last)},
	}}
}
