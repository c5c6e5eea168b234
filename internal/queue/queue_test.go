package queue_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

// all gives every ticket the ID ticket + 1.
var all = queue.Range{Offset: 1, End: math.MaxInt64}

// boundaries are tickets a little before those at which a smaller or a signed number
// would turn over, and near the last one that there is.
var boundaries = []uint64{1<<31 - 100, 1<<32 - 100, 1<<62 - 100, math.MaxInt64 - 20_000}

// fill pushes tasks as the owner does, with the tail shut, until there is no room.
func fill(q *queue.Queue[int]) {
	q.ShutTail(true)
	for n := 1; n > 0; {
		_, n = q.PushShut(all, make([]int, q.Cap()-q.Len()))
	}
	q.ShutTail(false)
}

func TestQueueMisuse(t *testing.T) {
	assert.PanicsWithValue(t, "queue: capacity is 0, want 1 or more", func() { queue.New[int](0) })
}

// Memory is taken as the queue fills, so a huge capacity is no reason to panic.
func TestQueueHuge(t *testing.T) {
	q := queue.New[[1 << 20]byte](math.MaxInt)
	_, ok := q.Push(all, [1 << 20]byte{})
	assert.True(t, ok)
	_, ok = q.Pop(new(atomic.Uint64))
	assert.True(t, ok)
}

func TestQueueConcurrent(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 64, 100, 1000} {
		passOn(t, queue.New[int](capacity), 2000)
	}
}

// A queue that has seen so many items works as a new one does, also where an int has
// 32 bits: it grows, passes every item on once and in order, and counts right.
func TestTicketsCrossBoundaries(t *testing.T) {
	for _, start := range boundaries {
		for _, capacity := range []int{1, 3, 64, 1000} {
			t.Run(fmt.Sprintf("start=%d,capacity=%d", start, capacity), func(t *testing.T) {
				passOn(t, queue.NewAt[int](capacity, start), 1000)
			})
		}
	}
}

// passOn has producers push that many items each, and wants that every item is popped
// once, in order as each producer and each consumer sees it, while the owner shuts and
// opens both ends, pushes as well, and the queue grows.
func passOn(t *testing.T, q *queue.Queue[int], each int) {
	t.Helper()
	const producers, consumers = 3, 3
	start := q.Pushed()
	var got [consumers][]queue.Item[int]
	var left atomic.Int64
	left.Store(int64(producers * each))
	var owner sync.Mutex
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := 0; i < each; {
				var n int
				tasks := []int{p*each + i, p*each + i + 1, p*each + i + 2}
				tasks = tasks[:min(len(tasks), each-i)]
				switch (p + i) % 3 {
				case 0:
					if _, ok := q.Push(all, tasks[0]); ok {
						n = 1
					}
				case 1:
					_, n = q.PushAll(all, tasks)
				}
				if n == 0 {
					owner.Lock()
					q.ShutTail(true)
					_, n = q.PushShut(all, tasks)
					q.ShutTail(false)
					owner.Unlock()
				}
				if n == 0 {
					runtime.Gosched()
				}
				i += n
			}
		})
	}
	for c := range consumers {
		wg.Go(func() {
			var mark atomic.Uint64
			for left.Load() > 0 {
				it, ok := q.Pop(&mark)
				if !ok {
					runtime.Gosched()
					continue
				}
				left.Add(-1)
				if n := q.Len(); n < 0 {
					t.Errorf("%d items wait", n)
				}
				if mark.Load() != it.ID {
					t.Errorf("mark %d of item %+v", mark.Load(), it)
				}
				got[c] = append(got[c], it)
			}
		})
	}
	for left.Load() > 0 {
		owner.Lock()
		q.ShutHead(true)
		h := q.Popped()
		if n := q.Len(); n > q.Cap() {
			t.Errorf("%d items wait, and there is room for %d", n, q.Cap())
		}
		runtime.Gosched()
		if q.Popped() != h {
			t.Error("an item was popped from a shut head")
		}
		q.ShutHead(false)
		owner.Unlock()
		runtime.Gosched()
	}
	wg.Wait()

	byID := func(a, b queue.Item[int]) int { return int(a.ID) - int(b.ID) }
	for _, items := range got {
		assert.True(t, slices.IsSortedFunc(items, byID))
	}
	merged := slices.SortedFunc(slices.Values(slices.Concat(got[:]...)), byID)
	require.Len(t, merged, producers*each)
	var next [producers]int
	for i, it := range merged {
		require.Equal(t, start+uint64(i)+1, it.ID)
		p := it.Task / each
		require.Equal(t, next[p], it.Task%each, "capacity %d: a producer's items are out of order", q.Cap())
		next[p]++
	}
	assert.Zero(t, q.Len())
	assert.False(t, q.IsReady())
	assert.Equal(t, start+uint64(producers*each), q.Pushed())
	assert.True(t, q.IsCleared())
}

// As long as there is room no Push fails, whoever else pushes; as long as something waits
// no Pop fails, whoever else pops, and IsReady is true. A fault here is a race of two
// instructions, which .ci/yield makes frequent.
func TestQueueNeverFailsWithoutCause(t *testing.T) {
	const others, each = 3, 100
	q := queue.New[int](2 * others * each)
	fill(q) // until the ring is as large as it will be
	var mark atomic.Uint64
	for range 2 * others * each {
		q.Pop(&mark)
	}
	for range 50 {
		var wg sync.WaitGroup
		for range others {
			wg.Go(func() {
				for i := range each {
					if _, ok := q.Push(all, i); !ok {
						t.Error("Push failed, and there is room")
					}
				}
			})
			wg.Go(func() {
				for range each {
					if first, n := q.PushAll(all, make([]int, 1)); n != 1 || first == 0 {
						t.Errorf("PushAll returned %d, %d, and there is room", first, n)
					}
				}
			})
		}
		wg.Wait()
		require.Equal(t, q.Cap(), q.Len())

		var popped atomic.Int64
		for range 2 * others {
			wg.Go(func() {
				var mark atomic.Uint64
				for popped.Add(1) < int64(q.Cap()) { // one stays
					if _, ok := q.Pop(&mark); !ok {
						t.Error("Pop failed, and something waits")
					}
				}
			})
		}
		for popped.Load() < int64(q.Cap()) {
			if !q.IsReady() {
				t.Error("IsReady is false, and something waits")
			}
		}
		wg.Wait()
		_, ok := q.Pop(&mark)
		require.True(t, ok)
		if t.Failed() {
			return
		}
	}
}

// An item that is neither waiting nor in its worker's mark is over: there is no
// moment between the two.
func TestQueueMark(t *testing.T) {
	const n = 10_000
	q := queue.New[int](64)
	fill(q) // the ring is as large as it will be
	first := q.Pushed()
	var marks [2]atomic.Uint64
	over := make([]atomic.Bool, first+n)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for c := range marks {
		wg.Go(func() {
			last := uint64(0)
			for !stop.Load() {
				it, ok := q.Pop(&marks[c])
				if !ok {
					runtime.Gosched()
					continue
				}
				// The mark has changed: only now is the one before over.
				if last != 0 {
					over[last-1].Store(true)
				}
				last = it.ID
			}
		})
	}
	for i := range uint64(n) {
		for _, ok := q.Push(all, 0); !ok; _, ok = q.Push(all, 0) {
			runtime.Gosched()
		}
		ticket := first + i
		if i%2 == 0 {
			ticket -= min(ticket, rand.Uint64N(80))
		}
		isMarked := func() bool { return marks[0].Load() == ticket+1 || marks[1].Load() == ticket+1 }
		if q.IsWaiting(ticket) || isMarked() {
			continue
		}
		// A mark has moved past the ticket; the worker is about to say so.
		for !over[ticket].Load() {
			if isMarked() {
				t.Fatalf("ticket %d seemed over and is in a mark", ticket)
			}
			runtime.Gosched()
		}
	}
	for q.Len() > 0 {
		runtime.Gosched()
	}
	stop.Store(true)
	wg.Wait()
}

// Tasks that are dropped while they are being pushed are forgotten in the end, and
// until they are published nobody but the pusher touches them.
func TestDropRacesPush(t *testing.T) {
	for range 100 {
		q := queue.New[*int](16)
		var wg sync.WaitGroup
		var owner sync.Mutex
		dropped := false // guarded by owner
		for range 3 {
			wg.Go(func() {
				for ok := true; ok; {
					_, ok = q.Push(all, new(int))
					owner.Lock()
					if dropped {
						q.Sweep()
					}
					owner.Unlock()
				}
			})
		}
		runtime.Gosched()
		owner.Lock()
		q.ShutTail(true)
		q.ShutHead(true)
		q.Drop(q.Len())
		dropped = true
		owner.Unlock()
		wg.Wait()
		require.Zero(t, q.Len())
		require.True(t, q.IsCleared())
	}
}
