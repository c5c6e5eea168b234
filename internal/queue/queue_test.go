package queue_test

import (
	"fmt"
	"math"
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

// take has h end its task and take another, if there is one.
func take[T any](q *queue.Queue[T], h *queue.Hand[T]) (it queue.Item[T], ok bool) {
	it, _, found := q.Next(h)
	return it, found != queue.None
}

func TestQueueMisuse(t *testing.T) {
	assert.PanicsWithValue(t, "queue: capacity is 0, want 1 or more", func() { queue.New[int](0) })
}

// Memory is taken as the queue fills, so a huge capacity is no reason to panic.
func TestQueueHuge(t *testing.T) {
	q := queue.New[[1 << 10]byte](math.MaxInt)
	_, ok := q.Push(all, [1 << 10]byte{})
	assert.True(t, ok)
	_, ok = take(q, new(queue.Hand[[1 << 10]byte]))
	assert.True(t, ok)
}

func TestQueueConcurrent(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 64, 100, 1000} {
		passOn(t, queue.New[int](capacity), 2000)
	}
}

// A queue that has seen so many tasks works as a new one does, also where an int has
// 32 bits: it passes every task on once and in order, and counts right.
func TestTicketsCrossBoundaries(t *testing.T) {
	for _, start := range boundaries {
		for _, capacity := range []int{1, 3, 64, 1000} {
			t.Run(fmt.Sprintf("start=%d,capacity=%d", start, capacity), func(t *testing.T) {
				passOn(t, queue.NewAt[int](capacity, start), 1000)
			})
		}
	}
}

// passOn has producers push that many tasks each, and wants that every task is taken
// once, in order as each producer sees it, while the owner shuts and opens the tail, counts, and
// pushes as well.
func passOn(t *testing.T, q *queue.Queue[int], each int) {
	t.Helper()
	const producers, consumers = 3, 3
	start := q.Pushed()
	q.SetWorkers(consumers)
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
			var h queue.Hand[int]
			for left.Load() > 0 {
				it, _, found := q.Next(&h)
				if found == queue.None || found == queue.Frozen {
					runtime.Gosched()
					continue
				}
				left.Add(-1)
				if ticket := h.Ticket(); ticket+1 != it.ID || !q.IsPending(ticket) {
					t.Errorf("ticket %d of task %+v", ticket, it)
				}
				got[c] = append(got[c], it)
			}
			for _, _, found := q.Next(&h); found == queue.Frozen; _, _, found = q.Next(&h) {
				runtime.Gosched()
			}
		})
	}
	var before struct{ pushed, begun, ended uint64 }
	for left.Load() > 0 {
		owner.Lock()
		pushed, waiting, running := q.Freeze()
		q.Thaw()
		owner.Unlock()
		begun := pushed - waiting
		ended := begun - running
		if pushed < before.pushed || begun < before.begun || ended < before.ended || running > consumers {
			t.Errorf("pushed %d, waiting %d, running %d after %+v", pushed, waiting, running, before)
		}
		before.pushed, before.begun, before.ended = pushed, begun, ended
		runtime.Gosched()
	}
	wg.Wait()

	byID := func(a, b queue.Item[int]) int { return int(a.ID) - int(b.ID) }
	merged := slices.SortedFunc(slices.Values(slices.Concat(got[:]...)), byID)
	require.Len(t, merged, producers*each)
	var next [producers]int
	for i, it := range merged {
		require.Equal(t, start+uint64(i)+1, it.ID)
		p := it.Task / each
		require.Equal(t, next[p], it.Task%each, "capacity %d: a producer's tasks are out of order", q.Cap())
		next[p]++
	}
	assert.True(t, q.IsEmpty())
	assert.False(t, q.IsReady())
	pushed, waiting, running := q.Freeze()
	q.Thaw()
	assert.Equal(t, []uint64{start + uint64(producers*each), 0, 0}, []uint64{pushed, waiting, running})
	assert.True(t, q.IsCleared())
}

// As long as there is room no Push fails, whoever else pushes; as long as something waits nobody is
// sent away without a task, whoever else takes, and IsReady is true. A fault here is a race of two
// instructions, which .ci/yield makes frequent.
func TestQueueNeverFailsWithoutCause(t *testing.T) {
	const others, each = 3, 100
	q := queue.New[int](2 * others * each)
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

		var taken atomic.Int64
		for range 2 * others {
			wg.Go(func() {
				var h queue.Hand[int]
				for taken.Add(1) < int64(q.Cap()) { // one stays
					if _, ok := take(q, &h); !ok {
						t.Error("no task, and something waits")
					}
				}
				if h.Holds() {
					q.End(&h)
				}
			})
		}
		for taken.Load() < int64(q.Cap()) {
			if !q.IsReady() {
				t.Error("IsReady is false, and something waits")
			}
		}
		wg.Wait()
		var h queue.Hand[int]
		_, ok := take(q, &h)
		require.True(t, ok)
		_, ok = take(q, &h)
		require.False(t, ok)
		if t.Failed() {
			return
		}
	}
}

// Who looks for a task while another is being published finds nothing, also not what is published
// behind it.
func TestNextMeetsPush(t *testing.T) {
	q := queue.New[int](10)
	publish := q.BeginPush(1)
	_, ok := q.Push(all, 2)
	require.True(t, ok)
	var h queue.Hand[int]
	it, ok := take(q, &h)
	assert.False(t, ok)
	assert.Zero(t, it)
	assert.False(t, q.IsReady())
	assert.False(t, q.IsEmpty())
	publish()
	assert.True(t, q.IsReady())
	for want := 1; want <= 2; want++ {
		it, ok := take(q, &h)
		assert.True(t, ok)
		assert.Equal(t, queue.Item[int]{ID: uint64(want), Task: want}, it)
	}
}

// Who finds a claim at the head moves the head on.
func TestNextMeetsClaim(t *testing.T) {
	for name, look := range map[string]func(*queue.Queue[int]){
		"Next":    func(q *queue.Queue[int]) { take(q, new(queue.Hand[int])) },
		"IsReady": func(q *queue.Queue[int]) { q.IsReady() },
		"Freeze": func(q *queue.Queue[int]) {
			_, waiting, running := q.Freeze()
			q.Thaw()
			assert.Equal(t, []uint64{6, 1}, []uint64{waiting, running})
		},
	} {
		q := queue.New[int](7)
		_, n := q.PushAll(all, make([]int, 7))
		require.Equal(t, 7, n)
		var h queue.Hand[int]
		_, move := q.BeginClaim(&h, 3)
		_, ok := q.Push(all, 0)
		assert.False(t, ok, "%s: there is no room yet", name)
		look(q)
		assert.GreaterOrEqual(t, q.Claimed(), uint64(3), name)
		_, ok = q.Push(all, 0)
		assert.True(t, ok, name)
		move()
		assert.GreaterOrEqual(t, q.Claimed(), uint64(3), name)
	}
}

// Memory follows what waits and runs: also behind a task that runs for long.
func TestSegmentsAreForgotten(t *testing.T) {
	q := queue.New[*int](1 << 20)
	var slow, h queue.Hand[*int]
	for range 100 {
		_, n := q.PushAll(all, slices.Repeat([]*int{new(int)}, 10_000))
		require.Equal(t, 10_000, n)
		if !slow.Holds() {
			_, ok := take(q, &slow)
			require.True(t, ok)
		}
		for _, ok := take(q, &h); ok; {
			_, ok = take(q, &h)
		}
		require.LessOrEqual(t, q.Segments(), 3)
	}
	require.True(t, q.IsPending(0))
	q.End(&slow)
	require.True(t, q.IsCleared())
}

// A ticket that was taken counts as one that is not done, also before there is a segment for it.
func TestOldestMeetsPush(t *testing.T) {
	q := queue.New[int](10)
	publish := q.BeginPush(1)
	assert.Zero(t, q.Oldest())
	publish()
	var h queue.Hand[int]
	_, ok := take(q, &h)
	require.True(t, ok)
	assert.Zero(t, q.Oldest())
}
