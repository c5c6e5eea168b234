package linear

import (
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

func TestQueueIsLinearizable(t *testing.T) {
	repeat(t, func(k *checker, now clock, seed uint64) error {
		return runQueue(k, func(capacity int) line { return queue.New[int](capacity) }, now, seed)
	})
}

// simple is a queue under a mutex, with a fault.
type simple struct {
	fault    string
	capacity int

	mu                 sync.Mutex
	items              []queue.Item[int]
	next               uint64
	calls              int
	tailShut, headShut bool
}

// faults are what a simple queue can do wrong; "" is none.
var faults = []string{
	"", "last in, first out", "one too many", "full too early", "pops twice", "loses one", "misses one",
	"the tail does not shut", "the head does not shut", "IDs leave a gap", "another's task", "IsReady lies",
}

// at reports whether the fault is that one and strikes now.
func (q *simple) at(fault string) bool {
	q.calls++
	return q.fault == fault && q.calls%3 == 0
}

func (q *simple) Push(ids queue.Range, task int) (uint64, bool) {
	first, n := q.PushAll(ids, []int{task})
	return first, n == 1
}

func (q *simple) PushAll(ids queue.Range, tasks []int) (uint64, int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.tailShut && !q.at("the tail does not shut") {
		return 0, 0
	}
	return q.pushLocked(ids, tasks)
}

func (q *simple) PushShut(ids queue.Range, tasks []int) (uint64, int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pushLocked(ids, tasks)
}

func (q *simple) pushLocked(ids queue.Range, tasks []int) (uint64, int) {
	room := q.capacity - len(q.items)
	switch {
	case q.at("one too many"):
		room++
	case q.at("full too early"):
		room = 0
	case q.at("IDs leave a gap"):
		q.next++
	}
	n := min(room, len(tasks))
	if n <= 0 {
		return 0, 0
	}
	first := q.next + ids.Offset
	for _, task := range tasks[:n] {
		if q.at("another's task") {
			task++
		}
		q.items = append(q.items, queue.Item[int]{ID: q.next + ids.Offset, Task: task})
		q.next++
	}
	return first, n
}

func (q *simple) Pop(mark *atomic.Uint64) (it queue.Item[int], ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 || q.headShut && !q.at("the head does not shut") || q.at("misses one") {
		return it, false
	}
	if q.at("loses one") {
		q.items = q.items[1:]
		return it, false
	}
	i := 0
	if q.at("last in, first out") {
		i = len(q.items) - 1
	}
	it = q.items[i]
	if !q.at("pops twice") {
		q.items = slices.Delete(q.items, i, i+1)
	}
	mark.Store(it.ID)
	return it, true
}

func (q *simple) IsReady() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) > 0 != q.at("IsReady lies")
}

func (q *simple) ShutTail(on bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tailShut = on
}

func (q *simple) ShutHead(on bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.headShut = on
}

func TestQueueCheckerBites(t *testing.T) {
	for _, fault := range faults {
		t.Run("fault="+fault, func(t *testing.T) {
			k := &checker{dir: t.TempDir()}
			began := time.Now()
			for round := 0; time.Since(began) < time.Minute; round++ {
				// Only the rings of package queue grow, so the model has none of
				// more than 16 that is not made at once.
				err := runQueue(k, func(capacity int) line {
					return &simple{fault: fault, capacity: min(capacity, 16)}
				}, clockOf(round), uint64(round+1))
				if fault == "" && round < 300 {
					require.NoError(t, err)
					continue
				}
				if fault == "" {
					return
				}
				if err != nil {
					require.ErrorIs(t, err, errRejected)
					t.Logf("rejected in round %d, after %d operations", round, k.operations)
					return
				}
			}
			t.Errorf("not rejected in a minute: %v", k)
		})
	}
}

// TestQueueModel: histories written by hand, of a queue with room for two.
func TestQueueModel(t *testing.T) {
	at := func(kind queueKind, first uint64, call, ret int64) operation[queueStep, struct{}] {
		return operation[queueStep, struct{}]{queueStep{kind: kind, first: first, n: 1}, struct{}{}, call, ret}
	}
	shut := func(kind queueKind, on bool, call, ret int64) operation[queueStep, struct{}] {
		return operation[queueStep, struct{}]{queueStep{kind: kind, on: on}, struct{}{}, call, ret}
	}
	push := func(i uint64, call, ret int64) []operation[queueStep, struct{}] {
		return []operation[queueStep, struct{}]{at(take, i, call, ret), at(publish, i, call, ret)}
	}
	pops := func(i uint64, call, ret int64) []operation[queueStep, struct{}] {
		return []operation[queueStep, struct{}]{at(pop, i, call, ret), at(free, i, call, ret)}
	}
	type ops = []operation[queueStep, struct{}]
	for _, c := range []struct {
		name string
		ok   bool
		ops  ops
	}{
		{"in and out", true, slices.Concat(push(0, 1, 2), push(1, 3, 4), pops(0, 5, 6), pops(1, 7, 8))},
		{"out in another order", false, slices.Concat(push(0, 1, 2), push(1, 3, 4), pops(1, 5, 6), pops(0, 7, 8))},
		{"out before in", false, slices.Concat(pops(0, 1, 2), push(0, 3, 4))},
		{"out twice", false, slices.Concat(push(0, 1, 2), pops(0, 3, 4), pops(0, 5, 6))},
		{"three in room for two", false, slices.Concat(push(0, 1, 2), push(1, 3, 4), push(2, 5, 6))},
		{"full", true, slices.Concat(push(0, 1, 2), push(1, 3, 4), ops{at(full, 0, 5, 6)})},
		{"full with room", false, slices.Concat(push(0, 1, 2), ops{at(full, 0, 5, 6)})},
		{"full, since a slot is being emptied", true,
			slices.Concat(push(0, 1, 2), push(1, 3, 4), pops(0, 5, 8), ops{at(full, 0, 6, 7)})},
		{"nothing, with one that is there", false, slices.Concat(push(0, 1, 2), ops{at(nothing, 0, 3, 4)})},
		{"nothing, with one that is on its way before it", true,
			slices.Concat(push(0, 1, 9), push(1, 2, 3), ops{at(nothing, 0, 4, 5)})},
		{"nothing, with one that is on its way behind it", false,
			slices.Concat(push(0, 1, 2), push(1, 3, 9), ops{at(nothing, 0, 4, 5)})},
		{"in after the tail was shut", false, slices.Concat(ops{shut(shutTail, true, 1, 2)}, push(0, 3, 4))},
		{"out after the head was shut", false,
			slices.Concat(push(0, 1, 2), ops{shut(shutHead, true, 3, 4)}, pops(0, 5, 6))},
		{"in after the tail was opened", true,
			slices.Concat(ops{shut(shutTail, true, 1, 2), shut(shutTail, false, 3, 4)}, push(0, 5, 6))},
	} {
		l := newLog[queueStep, struct{}](0, counter(), 0)
		l.ops = c.ops
		assert.Equal(t, c.ok, porcupine.CheckOperations(queueModel(2), history(l)), c.name)
	}
}
