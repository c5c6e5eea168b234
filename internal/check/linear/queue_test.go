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

	"github.com/anishathalye/porcupine"
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
	logs := make([][]porcupine.Operation, goroutines)
	for i := range logs {
		rng := rand.New(rand.NewPCG(seed, uint64(i+1)))
		wg.Go(func() {
			add := func(call int64, ok bool, first, second, failure step) {
				ret := clock.Add(1)
				if ok {
					logs[i] = append(logs[i], porcupine.Operation{Input: second, Call: call, Return: ret})
					failure = first
				}
				logs[i] = append(logs[i], porcupine.Operation{Input: failure, Call: call, Return: ret})
			}
			for there.Add(1); there.Load() < int64(goroutines); { // or one is through before the last is there
				runtime.Gosched()
			}
			for range 7 {
				call := clock.Add(1)
				if task := rng.Int(); rng.IntN(2) == 0 {
					ticket, ok := q.push(task)
					add(call, ok, step{take, ticket, task}, step{publish, ticket, task}, step{kind: full})
				} else {
					ticket, task, ok := q.pop()
					add(call, ok, step{pop, ticket, task}, step{free, ticket, task}, step{kind: nothing})
				}
				if rng.IntN(4) == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
	if err := explain(model(uint64(capacity)), slices.Concat(logs...)); err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	return nil
}

// TestQueueCheckerBites: with any of these faults a queue is rejected.
func TestQueueCheckerBites(t *testing.T) {
	for name, spoil := range map[string]func(q *line){
		"full too early": func(q *line) {
			push := q.push
			q.push = func(task int) (uint64, bool) {
				if task%3 == 0 {
					return 0, false
				}
				return push(task)
			}
		},
		"another's task": func(q *line) {
			push := q.push
			q.push = func(task int) (uint64, bool) { return push(task + 1) }
		},
		"loses one": func(q *line) {
			pop := q.pop
			q.pop = func() (uint64, int, bool) {
				ticket, task, ok := pop()
				return ticket, task, ok && task%3 != 0
			}
		},
		"room for 100": func(q *line) { *q = realLine(100) },
	} {
		err := error(nil)
		for seed := uint64(0); err == nil && seed < 3000; seed++ {
			err = round(func(capacity int) line {
				q := realLine(capacity)
				spoil(&q)
				return q
			}, seed)
		}
		assert.Error(t, err, name)
	}
}
