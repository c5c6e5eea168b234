package queue_test

import (
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

// A queue does what a slice does, whatever the order of the calls, wherever in a
// ring it stands, and while it grows.
func TestQueueAgainstSlice(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 0))
		capacity := 1 + rng.IntN(1+rng.IntN(300))
		q := queue.New[uint64](capacity)
		assert.Equal(t, capacity, q.Cap())
		var waiting []uint64 // tickets
		var pushed, popped uint64
		tailShut, headShut := false, false
		for range 2000 {
			switch rng.IntN(8) {
			case 0:
				tailShut = rng.IntN(2) == 0
				q.ShutTail(tailShut)
			case 1:
				headShut = rng.IntN(2) == 0
				q.ShutHead(headShut)
			case 2, 3:
				id, ok := q.Push(all, pushed)
				if ok {
					require.False(t, tailShut, "seed %d", seed)
					require.Equal(t, pushed+1, id, "seed %d", seed)
					waiting = append(waiting, pushed)
					pushed++
				}
				require.LessOrEqual(t, len(waiting), capacity, "seed %d", seed)
			case 4:
				tasks := make([]uint64, rng.IntN(capacity+2))
				for i := range tasks {
					tasks[i] = pushed + uint64(i)
				}
				push := q.PushAll
				if tailShut {
					push = q.PushShut
				}
				end := pushed + uint64(rng.IntN(capacity+2))
				first, n := push(queue.Range{Offset: 1, End: end}, tasks)
				require.LessOrEqual(t, pushed+uint64(n), max(pushed, end), "seed %d", seed)
				if n > 0 {
					require.Equal(t, pushed+1, first, "seed %d", seed)
				}
				waiting = append(waiting, tasks[:n]...)
				pushed += uint64(n)
				require.LessOrEqual(t, len(waiting), capacity, "seed %d", seed)
			default:
				var mark atomic.Uint64
				it, ok := q.Pop(&mark)
				require.Equal(t, len(waiting) > 0 && !headShut, ok, "seed %d", seed)
				if ok {
					require.Equal(t, queue.Item[uint64]{ID: popped + 1, Task: waiting[0]}, it, "seed %d", seed)
					require.Equal(t, popped+1, mark.Load())
					waiting = waiting[1:]
					popped++
				}
			}
			require.Equal(t, len(waiting), q.Len(), "seed %d", seed)
			require.Equal(t, len(waiting) > 0, q.IsReady(), "seed %d", seed)
			require.Equal(t, pushed, q.Pushed(), "seed %d", seed)
			require.Equal(t, popped, q.Popped(), "seed %d", seed)
			if pushed > 0 {
				ticket := rng.Uint64N(pushed)
				require.Equal(t, ticket >= popped, q.IsWaiting(ticket), "seed %d", seed)
			}
		}
	}
}

// There is always room for as many as the capacity says, if one asks with the tail
// shut, and never for more.
func TestQueueCapacity(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 63, 64, 65, 1000, 1024, 5000} {
		q := queue.New[int](capacity)
		var mark atomic.Uint64
		for lap := range 3 {
			q.ShutTail(true)
			for n := 0; n < capacity; {
				_, k := q.PushShut(all, make([]int, capacity+1-n))
				require.NotZero(t, k, "capacity %d, with %d waiting", capacity, n)
				n += k
			}
			require.Equal(t, capacity, q.Len())
			_, k := q.PushShut(all, []int{1})
			require.Zero(t, k)
			assert.Equal(t, q.Popped()+1, q.RoomAfter(1))
			assert.Equal(t, q.Popped()+uint64(capacity), q.RoomAfter(capacity))
			q.ShutTail(false)
			_, ok := q.Push(all, 1)
			require.False(t, ok)
			for range capacity {
				_, ok := q.Pop(&mark)
				require.True(t, ok)
			}
			require.Zero(t, q.Len(), "lap %d", lap)
			assert.True(t, q.IsFree())
		}
	}
}

// Memory is taken as the queue fills, so a huge capacity is no reason to panic.
func TestQueueHuge(t *testing.T) {
	q := queue.New[[1 << 20]byte](math.MaxInt)
	_, ok := q.Push(all, [1 << 20]byte{})
	assert.True(t, ok)
	var mark atomic.Uint64
	_, ok = q.Pop(&mark)
	assert.True(t, ok)
}

// Every item that is pushed is popped once, in order as each producer and each
// consumer sees it, while the owner shuts and opens both ends, pushes as well, and
// the queue grows.
func TestQueueConcurrent(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 64, 100, 1000} {
		const producers, consumers, each = 3, 3, 2000
		q := queue.New[int](capacity)
		var got [consumers][]queue.Item[int]
		var left atomic.Int64
		left.Store(producers * each)
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
			runtime.Gosched()
			if q.Popped() != h {
				t.Error("an item was popped from a shut head")
			}
			q.ShutHead(false)
			owner.Unlock()
			runtime.Gosched()
		}
		wg.Wait()

		var merged []queue.Item[int]
		for _, items := range got {
			assert.True(t, slices.IsSortedFunc(items, func(a, b queue.Item[int]) int { return int(a.ID) - int(b.ID) }))
			merged = append(merged, items...)
		}
		slices.SortFunc(merged, func(a, b queue.Item[int]) int { return int(a.ID) - int(b.ID) })
		require.Len(t, merged, producers*each)
		var next [producers]int
		for i, it := range merged {
			require.EqualValues(t, i+1, it.ID)
			p := it.Task / each
			require.Equal(t, next[p], it.Task%each, "capacity %d: a producer's items are out of order", capacity)
			next[p]++
		}
		assert.Zero(t, q.Len())
		assert.True(t, q.IsCleared())
	}
}

// An item that is neither waiting nor in its worker's mark is over: there is no
// moment between the two.
func TestQueueMark(t *testing.T) {
	const n = 10_000
	q := queue.New[int](64)
	var owner sync.Mutex
	var marks [2]atomic.Uint64
	over := make([]atomic.Bool, n)
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
	for i := range n {
		for {
			if _, ok := q.Push(all, i); ok {
				break
			}
			owner.Lock()
			q.ShutTail(true)
			q.PushShut(all, nil)
			q.ShutTail(false)
			owner.Unlock()
			runtime.Gosched()
		}
		ticket := uint64(i)
		if i%2 == 0 {
			ticket -= min(ticket, uint64(rand.IntN(80)))
		}
		if q.IsWaiting(ticket) || marks[0].Load() == ticket+1 || marks[1].Load() == ticket+1 {
			continue
		}
		// A mark has moved past the ticket; the worker is about to say so.
		for !over[ticket].Load() {
			if marks[0].Load() == ticket+1 || marks[1].Load() == ticket+1 {
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

func TestQueueDrop(t *testing.T) {
	q := queue.New[*int](100)
	var mark atomic.Uint64
	for range 10 {
		_, ok := q.Push(all, new(int))
		require.True(t, ok)
	}
	it, ok := q.Pop(&mark)
	require.True(t, ok)
	require.NotNil(t, it.Task)
	q.ShutTail(true)
	q.ShutHead(true)
	q.Drop(4)
	assert.Equal(t, 5, q.Len())
	assert.EqualValues(t, 5, q.Popped())
	for ticket := range uint64(10) {
		assert.Equal(t, ticket >= 5, q.IsWaiting(ticket), "ticket %d", ticket)
	}
	_, ok = q.Pop(&mark)
	assert.False(t, ok, "the head is shut")
	q.Drop(5)
	assert.Zero(t, q.Len())
	assert.True(t, q.IsCleared())
}

func TestQueueMisuse(t *testing.T) {
	assert.PanicsWithValue(t, "queue: capacity is 0, want 1 or more", func() { queue.New[int](0) })
}

// IsReady is true for as long as something waits, while others pop.
func TestQueueIsReady(t *testing.T) {
	const n = 1 << 14
	for range 5 {
		q := queue.New[int](n)
		q.ShutTail(true)
		for k := 0; k < n; {
			_, m := q.PushShut(all, make([]int, n-k))
			k += m
		}
		var popped atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			var mark atomic.Uint64
			for range n - 1 { // one stays
				if _, ok := q.Pop(&mark); !ok {
					t.Error("Pop failed")
				}
			}
			popped.Store(true)
		})
		for !popped.Load() {
			if !q.IsReady() {
				t.Error("IsReady is false, and something waits")
				break
			}
		}
		wg.Wait()
	}
}
