package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// histories has several goroutines put, get and delete the same few IDs, and one
// loop over All, round after round. Of what they saw of an ID in a round it wants
// that it could have happened one call at a time: that the ID is linearizable.
func histories(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	r := &recorder{
		rounds: make([]round, s.size(200, recorders*eachRound)),
		block:  s.size(1022, 200),
		begin:  make(chan struct{}),
	}
	err := parallel(recorders, func(by int) error {
		defer r.leave() // also after a panic
		o := o.fork()
		r.run(o, by)
		return o.err
	})
	if err != nil {
		return err
	}
	for i := range r.rounds {
		for n := range hot {
			id := r.rounds[i].id(n)
			if err := r.rounds[i].history(n).explain(id); err != nil {
				return fmt.Errorf("round %d: %w", i, err)
			}
		}
	}
	return nil
}

const (
	recorders = 4 // goroutines; the last one loops over All, the one before it only gets
	eachRound = 6 // calls that each of the others makes in a round
	maxLoops  = 3 // over All in a round, one after the other while there are calls
	hot       = 2 // IDs that they use in a round
)

// A recorder has goroutines make the same rounds together.
type recorder struct {
	rounds []round
	block  int          // how many IDs beside the hot ones are put and deleted in some rounds
	clock  atomic.Int64 // ticks before and after each call
	busy   atomic.Int32 // goroutines that still make calls in this round

	mu      sync.Mutex
	arrived int           // how often a goroutine has come to begin a round; guarded by mu
	begin   chan struct{} // closed when all have; guarded by mu
	over    bool          // a goroutine has ended; guarded by mu
}

type round struct {
	first  store.ID // the hot IDs are first and those that follow
	events [recorders][hot]history
}

func (r *round) id(n int) store.ID { return r.first + store.ID(n) }

func (r *round) history(n int) history {
	var h history
	for by := range r.events {
		h = append(h, r.events[by][n]...)
	}
	return h
}

// meet returns true when all goroutines have come to begin the next round, or
// false once one has ended. The last to come calls between first, while nobody
// uses the store.
func (r *recorder) meet(between func()) bool {
	r.mu.Lock()
	r.arrived++
	begin, last := r.begin, r.arrived%recorders == 0
	r.mu.Unlock()
	if last {
		between()
		r.mu.Lock()
		if !r.over {
			r.begin = make(chan struct{})
			close(begin)
		}
		r.mu.Unlock()
	}

	<-begin
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.over
}

// leave lets those go that wait for others.
func (r *recorder) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.over = true
		close(r.begin)
	}
}

func (r *recorder) run(o *script, by int) {
	rng := rand.New(rand.NewPCG(uint64(by), 5))
	for i := range r.rounds {
		between := func() {
			if i > 0 {
				r.rest(o, &r.rounds[i-1], by)
			}
			r.prepare(o, i)
			r.busy.Store(recorders - 1)
		}
		if !r.meet(between) {
			return
		}
		now := &r.rounds[i]
		if by == recorders-1 {
			for n := 0; n == 0 || n < maxLoops && r.busy.Load() > 0; n++ {
				r.loop(o, now, by)
				runtime.Gosched()
			}
		} else {
			for call := range eachRound {
				r.call(o, now, by, rng, 1+(i*recorders+by)*eachRound+call)
			}
			r.busy.Add(-1)
		}
		if o.err != nil {
			return
		}
	}
	r.meet(func() { r.rest(o, &r.rounds[len(r.rounds)-1], by) })
}

// prepare sees to it that the hot IDs of round i are not held. They are by turns
// the same few again, new ones, so that the store grows, and the last ones of a
// block of 1,024 which has been deleted, which a store may be about to give back.
func (r *recorder) prepare(o *script, i int) {
	now := &r.rounds[i]
	switch i % 8 {
	default:
		now.first = 7
		for n := range hot {
			o.del(now.id(n))
			o.lacks(now.id(n))
		}
	case 1, 4:
		now.first = store.ID(100 + i*hot)
	case 7:
		block := store.ID(8+i) << 10
		now.first = block + store.ID(r.block)
		for n := range store.ID(r.block) {
			o.put(result(block+n, 0))
		}
		for n := range store.ID(r.block) {
			o.del(block + n)
		}
		o.lacks(block)
	}
}

// rest has a look at what is left after a round.
func (r *recorder) rest(o *script, now *round, by int) {
	for n := range hot {
		r.get(o, now, by, n)
	}
	r.loop(o, now, by)
}

// call makes a random call. If it puts, then the Result with that value.
func (r *recorder) call(o *script, now *round, by int, rng *rand.Rand, value int) {
	if o.err != nil {
		return
	}
	n := rng.IntN(hot)
	began := r.clock.Add(1)
	op := rng.IntN(10)
	switch {
	case by == recorders-2 || op < 3:
		r.get(o, now, by, n)
	case op < 7:
		kind := didPut
		if err := o.st.Put(o.ctx, recorded(now.id(n), value)); errors.Is(err, store.ErrExists) {
			kind = didRefuse
		} else if err != nil {
			o.fail("Put(%d) returned error %q, want nil or one matching store.ErrExists", now.id(n), err)
		}
		r.add(now, n, event{kind, value, began, r.clock.Add(1), by})
	default:
		o.del(now.id(n))
		r.add(now, n, event{didDelete, 0, began, r.clock.Add(1), by})
	}
	if rng.IntN(2) == 0 {
		runtime.Gosched()
	}
}

func (r *recorder) add(now *round, n int, e event) {
	now.events[e.by][n] = append(now.events[e.by][n], e)
}

func (r *recorder) get(o *script, now *round, by, n int) {
	if o.err != nil {
		return
	}
	began := r.clock.Add(1)
	res, err := o.st.Get(o.ctx, now.id(n))
	e := event{didFind, res.Value, began, r.clock.Add(1), by}
	switch {
	case errors.Is(err, store.ErrNotFound):
		e.kind = didMiss
	case err != nil:
		o.fail("Get(%d) returned error %q, want nil or one matching store.ErrNotFound", now.id(n), err)
	case !same(res, recorded(now.id(n), res.Value)):
		o.fail("Get(%d) returned %+v, which was never put", now.id(n), res)
	}
	r.add(now, n, e)
}

func (r *recorder) loop(o *script, now *round, by int) {
	began := r.clock.Add(1)
	var seen [hot][]int
	o.each(func(res store.Result[int]) {
		if res.ID < now.first || res.ID >= now.first+hot {
			return
		}
		n := int(res.ID - now.first)
		if !same(res, recorded(res.ID, res.Value)) {
			o.fail("All yielded %+v, which was never put", res)
		}
		for _, value := range seen[n] {
			if value == res.Value {
				o.fail("All yielded %+v twice, which was put only once", res)
			}
		}
		seen[n] = append(seen[n], res.Value)
		r.add(now, n, event{didYield, res.Value, began, r.clock.Add(1), by})
		runtime.Gosched()
	})
	for n := range hot {
		if len(seen[n]) == 0 {
			r.add(now, n, event{didSkip, 0, began, r.clock.Add(1), by})
		}
	}
}

// recorded returns the Result that is put with that value. Every third has an
// error, so that one can tell if the parts of two are mixed.
func recorded(id store.ID, value int) store.Result[int] {
	res := store.Result[int]{ID: id, Value: value}
	if value%3 == 0 {
		res.Err = sentinels[value/3%len(sentinels)]
	}
	return res
}
