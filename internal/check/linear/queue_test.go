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
	push               func(task int) (ticket uint64, ok bool)
	pop                func() (ticket uint64, task int, ok bool)
	shutTail, shutHead func(on bool)
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
		shutTail: q.ShutTail,
		shutHead: q.ShutHead,
	}
}

func TestQueueIsLinearizable(t *testing.T) {
	rounds := 0
	for began := time.Now(); rounds < 2 || time.Since(began) < *forFlag; rounds++ {
		require.NoError(t, round(realLine, rand.Uint64()))
	}
	t.Logf("%d rounds", rounds)
}

// round has two or three goroutines use a line. The first one shuts its ends.
func round(newLine func(capacity int) line, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 0))
	goroutines, capacity := 2+rng.IntN(2), 1+rng.IntN(5)
	q := newLine(capacity)
	var clock, there atomic.Int64
	var wg sync.WaitGroup
	logs := make([]history, goroutines)
	pushed, popped := make([]map[uint64]int, goroutines), make([]map[uint64]int, goroutines)
	for i := range goroutines {
		rng := rand.New(rand.NewPCG(seed, uint64(i+1)))
		pushed[i], popped[i] = make(map[uint64]int), make(map[uint64]int)
		do := func(k int) {
			call := clock.Add(1)
			switch {
			case k < 5:
				task := rng.Int()
				if ticket, ok := q.push(task); ok {
					pushed[i][ticket] = task
					logs[i].add(call, clock.Add(1), step{kind: take, ticket: ticket}, step{kind: publish, ticket: ticket})
				} else {
					logs[i].add(call, clock.Add(1), step{kind: full})
				}
			case k < 10:
				if ticket, task, ok := q.pop(); ok {
					popped[i][ticket] = task
					logs[i].add(call, clock.Add(1), step{kind: pop, ticket: ticket}, step{kind: free, ticket: ticket})
				} else {
					logs[i].add(call, clock.Add(1), step{kind: nothing})
				}
			case k < 12:
				q.shutTail(k == 10)
				logs[i].add(call, clock.Add(1), step{kind: shutTail, on: k == 10})
			default:
				q.shutHead(k == 12)
				logs[i].add(call, clock.Add(1), step{kind: shutHead, on: k == 12})
			}
		}
		wg.Go(func() {
			for there.Add(1); there.Load() < int64(goroutines); { // or one is through before the last is there
				runtime.Gosched()
			}
			for range 7 {
				if i == 0 {
					do(rng.IntN(14))
				} else {
					do(rng.IntN(10))
				}
				if rng.IntN(4) == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
	tasks := make(map[uint64]int)
	for _, of := range pushed {
		for ticket, task := range of {
			tasks[ticket] = task
		}
	}
	for _, of := range popped {
		for ticket, task := range of {
			if tasks[ticket] != task {
				return fmt.Errorf("seed %d: task %d was popped under ticket %d, which task %d has", seed, task, ticket, tasks[ticket])
			}
		}
	}
	return slices.Concat(logs...).explain(uint64(capacity))
}

// TestQueueCheckerBites: a queue under a mutex is rejected with any of these faults,
// and not without.
func TestQueueCheckerBites(t *testing.T) {
	for _, fault := range []string{
		"", "last in, first out", "one too many", "full too early", "pops twice", "misses one",
		"the tail does not shut", "the head does not shut", "tickets leave a gap", "another's task",
	} {
		t.Run("fault="+fault, func(t *testing.T) {
			var err error
			seed := uint64(0)
			for began := time.Now(); err == nil && seed < 3000 && time.Since(began) < time.Minute; seed++ {
				err = round(func(capacity int) line { return simpleLine(capacity, fault) }, seed)
			}
			assert.Equal(t, fault != "", err != nil, "after %d rounds: %v", seed, err)
		})
	}
}

// simpleLine makes a line under a mutex, with a fault that strikes one time in three.
func simpleLine(capacity int, fault string) line {
	type item struct {
		ticket uint64
		task   int
	}
	var (
		mu            sync.Mutex
		items         []item
		next          uint64
		calls         int
		noPush, noPop bool
		at            = func(f string) bool { calls++; return f == fault && calls%3 == 0 }
		shutter       = func(shut *bool) func(bool) {
			return func(on bool) {
				mu.Lock()
				defer mu.Unlock()
				*shut = on
			}
		}
	)
	return line{
		push: func(task int) (uint64, bool) {
			mu.Lock()
			defer mu.Unlock()
			room := capacity - len(items)
			switch {
			case noPush && !at("the tail does not shut"):
				return 0, false
			case at("one too many"):
				room++
			case at("full too early"):
				room = 0
			case at("tickets leave a gap"):
				next++
			case at("another's task"):
				task++
			}
			if room <= 0 {
				return 0, false
			}
			next++
			items = append(items, item{next - 1, task})
			return next - 1, true
		},
		pop: func() (uint64, int, bool) {
			mu.Lock()
			defer mu.Unlock()
			if len(items) == 0 || noPop && !at("the head does not shut") || at("misses one") {
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
			return it.ticket, it.task, true
		},
		shutTail: shutter(&noPush),
		shutHead: shutter(&noPop),
	}
}
