package linear

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

var forFlag = flag.Duration("linear.for", 200*time.Millisecond, "how long histories are recorded")

// A line is what a history is taken of: a queue, or one that is broken on purpose.
type line struct {
	push func(task int) (ticket uint64, ok bool)
	pop  func() (ticket uint64, task int, ok bool)
}

func realLine(capacity int) line {
	q := queue.New[int](capacity)
	return line{
		push: func(task int) (uint64, bool) { return q.Push(queue.Range{End: math.MaxInt64}, task) },
		pop: func() (uint64, int, bool) {
			var mark atomic.Uint64
			it, ok := q.Pop(&mark)
			return it.ID, it.Task, ok
		},
	}
}

func TestQueueIsLinearizable(t *testing.T) {
	rounds := 0
	for began := time.Now(); rounds < 2 || time.Since(began) < *forFlag; rounds++ {
		require.NoError(t, round(realLine, rand.Uint64()))
	}
	t.Logf("%d rounds", rounds)
}

// round has two or three goroutines use a line.
func round(newLine func(capacity int) line, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	goroutines, capacity := 2+rng.IntN(2), 1+rng.IntN(5)
	q := newLine(capacity)
	var clock, there atomic.Int64
	var wg sync.WaitGroup
	logs := make([]history, goroutines)
	for i := range logs {
		log, rng := &logs[i], rand.New(rand.NewPCG(seed, uint64(i+1)))
		wg.Go(func() {
			for there.Add(1); there.Load() < int64(goroutines); { // or one is through before the last is there
				runtime.Gosched()
			}
			for range 7 {
				call := clock.Add(1)
				if task := rng.Int(); rng.IntN(2) == 0 {
					ticket, ok := q.push(task)
					log.add(call, clock.Add(1), ok, step{take, ticket, task}, step{publish, ticket, task}, step{kind: full})
				} else {
					ticket, task, ok := q.pop()
					log.add(call, clock.Add(1), ok, step{pop, ticket, task}, step{free, ticket, task}, step{kind: nothing})
				}
				if rng.IntN(4) == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
	if err := slices.Concat(logs...).explain(uint64(capacity)); err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	return nil
}

// TestQueueCheckerBites: a queue under a mutex is rejected with any of these faults,
// and not without.
func TestQueueCheckerBites(t *testing.T) {
	for _, fault := range []string{
		"", "last in, first out", "one too many", "full too early", "pops twice", "misses one", "another's task",
	} {
		t.Run("fault="+fault, func(t *testing.T) {
			var err error
			seed := uint64(0)
			for ; err == nil && seed < 3000; seed++ {
				err = round(func(capacity int) line { return simpleLine(capacity, fault) }, seed)
			}
			assert.Equal(t, fault != "", err != nil, "after %d rounds: %v", seed, err)
		})
	}
}

// simpleLine makes a line under a mutex, with a fault that strikes one time in three.
func simpleLine(capacity int, fault string) line {
	var mu sync.Mutex
	var items []queue.Item[int]
	var next uint64
	calls := 0
	at := func(f string) bool {
		if f == fault {
			calls++
		}
		return f == fault && calls%3 == 0
	}
	return line{
		push: func(task int) (uint64, bool) {
			mu.Lock()
			defer mu.Unlock()
			room := capacity - len(items)
			switch {
			case at("one too many"):
				room++
			case at("full too early"):
				room = 0
			case at("another's task"):
				task++
			}
			if room <= 0 {
				return 0, false
			}
			next++
			items = append(items, queue.Item[int]{ID: next - 1, Task: task})
			return next - 1, true
		},
		pop: func() (uint64, int, bool) {
			mu.Lock()
			defer mu.Unlock()
			if len(items) == 0 || at("misses one") {
				return 0, 0, false
			}
			i := 0
			if at("last in, first out") {
				i = len(items) - 1
			}
			it := items[i]
			if !at("pops twice") {
				items = slices.Delete(items, i, i+1)
			}
			return it.ID, it.Task, true
		},
	}
}
