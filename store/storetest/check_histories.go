package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

const (
	recorders = 4  // goroutines; the last one only gets
	eachRound = 10 // calls that each of them makes in a round
	hot       = 2  // IDs that they use in a round
)

// histories has several goroutines put, get and delete the same few IDs, round after round.
// Of what they saw of an ID in a round it wants that it could have happened one call at a
// time: that the ID is linearizable.
func histories(s *subject) {
	o := s.open()
	block := store.ID(s.size(1022, 200))
	for n := range s.size(200, recorders*eachRound) {
		kit.Within(fmt.Sprintf("round %d", n), func() {
			r := &round{script: o, number: n, first: o.prepare(n, block)}
			kit.Parallel(recorders, r.record)
			for i := range hot {
				r.get(0, i)
				var h history
				for by := range recorders {
					h = append(h, r.events[by][i]...)
				}
				if err := h.explain(r.first + store.ID(i)); err != nil {
					kit.Fail(err)
				}
			}
		})
	}
}

// prepare returns the first of the hot IDs of round n, of which none is held. They are by
// turns the same few again, new ones, so that the store grows, and the last ones of a
// block of 1,024 which has been deleted, which a store may be about to give back.
func (o *script) prepare(n int, block store.ID) (first store.ID) {
	switch n % 8 {
	default:
		for i := range store.ID(hot) {
			o.remove(7 + i)
		}
		return 7
	case 1, 4:
		return store.ID(100 + n*hot)
	case 7:
		first := store.ID(8+n) << 10
		o.put(batch(first, int(block))...)
		for i := range block {
			o.del(first + i)
		}
		return first + block
	}
}

// A round is what goroutines do at once, and what they see.
type round struct {
	*script
	number int
	first  store.ID
	clock  atomic.Int64 // ticks before and after each call
	events [recorders][hot]history
}

func (r *round) record(by int) {
	rng := rand.New(rand.NewPCG(uint64(by), uint64(r.number)))
	for call := range eachRound {
		i := rng.IntN(hot)
		op := rng.IntN(10)
		switch {
		case by == recorders-1 || op < 3:
			r.get(by, i)
		case op < 7:
			r.tryPut(by, i, 1+(r.number*recorders+by)*eachRound+call)
		default:
			began := r.clock.Add(1)
			r.del(r.first + store.ID(i))
			r.add(i, event{didDelete, 0, began, r.clock.Add(1), by})
		}
		if rng.IntN(2) == 0 {
			runtime.Gosched()
		}
	}
}

func (r *round) add(i int, e event) { r.events[e.by][i] = append(r.events[e.by][i], e) }

func (r *round) tryPut(by, i, value int) {
	began := r.clock.Add(1)
	kind := didRefuse
	if r.script.tryPut(recorded(r.first+store.ID(i), value)) {
		kind = didPut
	}
	r.add(i, event{kind, value, began, r.clock.Add(1), by})
}

func (r *round) get(by, i int) {
	id := r.first + store.ID(i)
	began := r.clock.Add(1)
	res, err := r.st.Get(r.ctx, id)
	e := event{didFind, res.Value, began, r.clock.Add(1), by}
	switch {
	case errors.Is(err, store.ErrNotFound):
		e.kind = didMiss
	case err != nil:
		kit.Failf("Get(%d) returned error %q, want nil or one matching store.ErrNotFound", id, err)
	case !same(res, recorded(id, res.Value)):
		kit.Failf("Get(%d) returned %+v, which was never put", id, res)
	}
	r.add(i, e)
}
