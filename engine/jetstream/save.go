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
	last uint64 // the last message on its subject; 0: none
	has  set    // what is stored, or was
}

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
	seq    uint64
	recs   []engine.Record // that may not be stored yet
	known  *save
	parts  [][]byte // messages to be published, of recs
	counts []int    // how many of recs each has
	stale  bool     // another message is the last on the subject
}

// Save stores recs, each under an ID that has none yet: those of a run in one message, if they fit.
func (e *Engine) Save(ctx context.Context, recs []engine.Record) error {
	call, end, err := e.begin(ctx, 0, e.names.result)
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
	}
	for len(savings) > 0 {
		if err := e.saveRound(call, savings); err != nil {
			return err
		}
		savings = slices.DeleteFunc(savings, func(s *saving) bool { return len(s.recs) == 0 })
	}
	e.pace.saved(e, len(recs))
	return nil
}

// savingsOf returns recs by run, in the order of runs.
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
	slices.SortFunc(savings, func(a, b *saving) int { return cmp.Compare(a.seq, b.seq) })
	return savings
}

// saveRound publishes the next message of each run. Where others have written, it reads what.
func (e *Engine) saveRound(call context.Context, savings []*saving) error {
	for _, s := range savings {
		s.cut(e.mostBytes())
	}
	todo := slices.DeleteFunc(slices.Clone(savings), func(s *saving) bool { return len(s.parts) == 0 })
	stored := 0
	var failed error
	publishing := publishing{
		e: e, ctx: call,
		message: func(i int) *nats.Msg { return e.resultsMessage(todo[i].seq, todo[i].known.last, todo[i].parts[0]) },
		done: func(i int, ack *jetstream.PubAck, err error) fate {
			s := todo[i]
			switch {
			case err == nil:
				stored++
				s.stored(ack.Sequence)
				return settled
			case isThere(err):
				stored++
				s.stale = true
				s.known.last = lastOf(err)
				return settled
			case isSaving(err):
				return underWay
			}
			failed = cmp.Or(failed, err)
			return over
		},
	}
	failed = cmp.Or(publishing.run(len(todo)), failed)
	if failed == nil && stored < len(todo) {
		return e.fail(call, "save", context.Cause(call))
	}
	if failed == nil {
		failed = e.refresh(call, todo)
	}
	if failed != nil {
		return e.failAt(call, "save", e.names.results, failed)
	}
	return nil
}

// cut leaves out what is stored, and makes messages of the rest.
func (s *saving) cut(most int) {
	var had set
	s.recs = slices.DeleteFunc(s.recs, func(rec engine.Record) bool {
		i := indexOf(rec.ID)
		if s.known.has.has(i) || had.has(i) {
			return true
		}
		had.add(i)
		return false
	})
	s.parts, s.counts = nil, nil
	var data []byte
	n := 0
	for _, rec := range s.recs {
		if n > 0 && len(data)+len(rec.Data)+8 > most {
			break // in the next round
		}
		data = appendResult(data, result{indexOf(rec.ID), rec.Data})
		n++
	}
	if n > 0 {
		s.parts, s.counts = [][]byte{data}, []int{n}
	}
}

// stored follows the answer that the first of recs are stored.
func (s *saving) stored(seq uint64) {
	for _, rec := range s.recs[:s.counts[0]] {
		s.known.has.add(indexOf(rec.ID))
	}
	s.known.last = seq
}

// refresh reads the results of runs that others have written to.
func (e *Engine) refresh(ctx context.Context, savings []*saving) error {
	reads, ctx := errgroup.WithContext(ctx)
	reads.SetLimit(16)
	for _, s := range savings {
		if !s.stale {
			continue
		}
		s.stale = false
		reads.Go(func() error {
			ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, errNoAnswer)
			defer cancel()
			msgs, err := e.readRun(ctx, s.seq)
			if err != nil {
				return err
			}
			// The last one may be one that cannot be read.
			s.known.has = set{}
			for _, m := range msgs {
				s.known.last = max(s.known.last, m.seq)
				for _, r := range m.results {
					s.known.has.add(r.index)
				}
			}
			return nil
		})
	}
	return reads.Wait()
}

// lastOf returns the sequence that the server's error says is the last, or 0.
func lastOf(err error) uint64 {
	api := apiError(err)
	if api == nil {
		return 0
	}
	_, last, _ := strings.Cut(api.Description, ": ")
	seq, _ := strconv.ParseUint(strings.TrimSpace(last), 10, 64)
	return seq
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
