package storetest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// randomOperations compares the store with a plain map through sequences of
// operations that are random but the same in every run.
func randomOperations(ctx context.Context, s *subject) error {
	const steps = 1000
	for seed := range uint64(s.size(8, steps/3)) {
		if err := compareWithMap(s.open(ctx), seed, steps); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	return nil
}

func compareWithMap(o *script, seed uint64, steps int) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	model := make(map[store.ID]store.Result[int])
	history := make(map[store.ID][]string)
	for step := range steps {
		id := store.ID(1000 + rng.IntN(40)) // across a power of two
		if n := rng.IntN(20); n < 10 {
			id = 1<<32 - 5 + store.ID(n)
		}
		_, held := model[id]
		switch op := rng.IntN(100); {
		case op < 40:
			res := recorded(id, 1+step) // some have errors
			history[id] = append(history[id], fmt.Sprintf("Put(%d)", res.Value))
			if held {
				o.refuse(res)
			} else {
				model[id] = res
				o.put(res)
			}
		case op < 70:
			history[id] = append(history[id], "Get")
		case op < 98:
			history[id] = append(history[id], "Delete")
			delete(model, id)
			o.del(id)
		default:
			o.holdsOnly(model)
		}
		if want, held := model[id]; held {
			o.has(want)
		} else {
			o.lacks(id)
		}
		if o.err != nil {
			return fmt.Errorf("step %d: %w\nuntil then, on ID %d: %s", step, o.err, id, strings.Join(history[id], ", "))
		}
	}
	o.holdsOnly(model)
	return o.err
}

// concurrentGrowth has several goroutines put, get and delete as a pool and its
// readers do, and one loop over All meanwhile. Each ID is put by exactly one of
// them, so that in the end it is known of every ID what the store has to hold.
func concurrentGrowth(ctx context.Context, s *subject) error {
	const workers = 4
	g := &growth{n: s.size(9000, 2)}
	g.stays = make([]atomic.Bool, g.n+1)
	g.running.Store(workers)
	o := s.open(ctx)
	err := parallel(workers+1, func(i int) error {
		o := o.fork()
		if i == workers {
			g.read(o)
			return o.err
		}
		defer g.running.Add(-1)
		g.work(o, rand.New(rand.NewPCG(uint64(i), 2)))
		return o.err
	})
	if err != nil {
		return err
	}

	want := make(map[store.ID]store.Result[int])
	for i := range g.n {
		id := store.ID(i + 1)
		switch {
		case id%9 == 0:
			want[id] = result(id, 1)
		case id%3 == 0:
			o.lacks(id)
		default:
			want[id] = result(id, 0)
		}
	}
	for _, res := range want {
		o.has(res)
	}
	o.holdsOnly(want)
	return o.err
}

// growth is what the goroutines of concurrentGrowth know of one another. Of the
// IDs from 1 to n, every third is deleted after it was put, and every ninth is
// then put again.
type growth struct {
	n       int
	last    atomic.Int64  // the last ID that a worker has taken
	stays   []atomic.Bool // by ID: it has been put and will not be deleted
	running atomic.Int32  // how many workers have not ended
}

func (g *growth) work(o *script, rng *rand.Rand) {
	for o.err == nil {
		id := store.ID(g.last.Add(1))
		if int(id) > g.n {
			return
		}
		o.put(result(id, 0))
		o.has(result(id, 0))
		if id%3 == 0 {
			o.del(id)
			o.lacks(id)
			if id%9 == 0 {
				o.put(result(id, 1))
				o.has(result(id, 1))
			}
		} else {
			g.stays[id].Store(true)
		}
		if other := store.ID(1 + rng.IntN(int(id))); g.stays[other].Load() {
			o.has(result(other, 0))
			o.refuse(result(other, 1))
		}
		if id%16 == 0 {
			runtime.Gosched()
		}
	}
}

func (g *growth) read(o *script) {
	for more := true; more && o.err == nil; {
		more = g.running.Load() > 0 // one loop more when they have ended
		missing := make(map[store.ID]bool)
		for id := range g.stays {
			if g.stays[id].Load() {
				missing[store.ID(id)] = true
			}
		}
		seen := make(map[store.ID]bool)
		o.each(func(res store.Result[int]) {
			switch {
			case res.ID == 0 || int64(res.ID) > g.last.Load():
				o.fail("All yielded ID %d, which was never put", res.ID)
			case !same(res, result(res.ID, 0)) && (res.ID%9 != 0 || !same(res, result(res.ID, 1))):
				o.fail("All yielded %+v, want %+v", res, result(res.ID, 0))
			case seen[res.ID] && res.ID%9 != 0:
				o.fail("All yielded ID %d twice, which was put only once", res.ID)
			}
			seen[res.ID] = true
			delete(missing, res.ID)
		})
		for id := range maps.Keys(missing) {
			o.fail("All did not yield ID %d, which was held throughout", id)
		}
	}
}
