package dense

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// TestLinearizable records what goroutines see of two IDs while their segment is
// retired and another takes its place, and looks for an order of the operations that
// explains it: each ID must behave like a variable under a mutex.
func TestLinearizable(t *testing.T) {
	const (
		workers = 3
		ops     = 5
		rounds  = 2000
	)
	ctx := t.Context()
	s := New[int]()
	retirements := 0
	for round := range uint64(rounds) {
		open := 1 + int(round%2) // how many slots are not deleted yet
		first := nearlyRetired(s, round+1, open)
		old := s.dir.find(round + 1)
		var clock atomic.Int64
		var histories [workers][ops]operation
		var wg sync.WaitGroup
		for worker := range workers {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(round, uint64(worker)))
				for i := range ops {
					op := &histories[worker][i]
					op.kind = kind(rng.IntN(3))
					op.id = first + store.ID(rng.IntN(2))
					op.value = 1 + worker*ops + i
					op.began = clock.Add(1)
					op.do(ctx, s)
					op.ended = clock.Add(1)
				}
			})
		}
		wg.Wait()

		for id := first; id < first+2; id++ {
			var history []operation
			for _, h := range histories {
				for _, op := range h {
					if op.id == id {
						history = append(history, op)
					}
				}
			}
			require.True(t, linearizable(history), "round %d: no order explains\n%v", round, history)
		}
		if old.retired {
			retirements++
			require.NotSame(t, old, s.dir.find(round+1), "a retired segment is still in use")
		}
		s.dir.table.Store(newTable[int](smallest))
	}
	t.Logf("%d of %d segments were retired", retirements, rounds)
	require.NotZero(t, retirements)
}

func TestLinearizableTellsTheDifference(t *testing.T) {
	const id = 7
	put := operation{kind: put, id: id, value: 1, ok: true, began: 1, ended: 2}
	late := operation{kind: get, id: id, ok: false, began: 3, ended: 4}
	require.False(t, linearizable([]operation{put, late}), "a Get misses what was put before")
	meanwhile := operation{kind: get, id: id, ok: false, began: 1, ended: 4}
	require.True(t, linearizable([]operation{put, meanwhile}))
	twice := operation{kind: 0, id: id, value: 2, ok: true, began: 1, ended: 4}
	require.False(t, linearizable([]operation{put, twice}), "two Puts succeed")
	del := operation{kind: del, id: id, began: 3, ended: 3}
	require.True(t, linearizable([]operation{put, twice, del}))
}

type kind int

const (
	put kind = iota
	get
	del
)

// An operation is one call and what came of it.
type operation struct {
	kind         kind
	id           store.ID
	value        int  // put, or found by get
	ok           bool // of put: stored; of get: found
	began, ended int64
}

func (op *operation) do(ctx context.Context, s *Store[int]) {
	switch op.kind {
	case put:
		op.ok = s.Put(ctx, result(op.id, op.value)) == nil
	case get:
		res, err := s.Get(ctx, op.id)
		op.ok = !errors.Is(err, store.ErrNotFound)
		op.value = res.Value
		if op.ok && res != result(op.id, op.value) {
			op.value = -1 // which nobody put
		}
	case del:
		_ = s.Delete(ctx, op.id)
	}
}

func (op operation) String() string {
	name := [...]string{"Put", "Get", "Delete"}[op.kind]
	return fmt.Sprintf("[%d,%d] %s value %d ok %t\n", op.began, op.ended, name, op.value, op.ok)
}

// linearizable reports whether the operations, all on one ID that is not held at
// first, can have happened one at a time, each between its beginning and its end.
func linearizable(history []operation) bool {
	type point struct{ done, value int } // done is a bit set; value 0 is "not held"
	dead := make(map[point]bool)
	var search func(point) bool
	search = func(p point) bool {
		if p.done == 1<<len(history)-1 {
			return true
		}
		if dead[p] {
			return false
		}
		for i, op := range history {
			value, fits := op.apply(p.value)
			if p.done&(1<<i) != 0 || !fits || mustWait(history, p.done, op) {
				continue
			}
			if search(point{p.done | 1<<i, value}) {
				return true
			}
		}
		dead[p] = true
		return false
	}
	return search(point{})
}

// mustWait reports whether an operation that is not done ended before op began.
func mustWait(history []operation, done int, op operation) bool {
	for i, other := range history {
		if done&(1<<i) == 0 && other.ended < op.began {
			return true
		}
	}
	return false
}

// apply returns what is held after op, and whether op came out as it should.
func (op operation) apply(value int) (after int, fits bool) {
	switch op.kind {
	case put:
		if op.ok {
			return op.value, value == 0
		}
		return value, value != 0
	case get:
		return value, op.ok == (value != 0) && (!op.ok || op.value == value)
	default:
		return 0, true
	}
}
