package queue_test

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

// No task waits behind another of its claim while a worker looks for one.
func TestClaimIsTakenOver(t *testing.T) {
	q := queue.New[int](1000)
	_, n := q.PushAll(all, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	require.Equal(t, 10, n)
	var slow, a, b queue.Hand[int]
	_, move := q.BeginClaim(&slow, 10)
	move()
	for i := 1; i < 10; i += 3 {
		assert.False(t, q.IsEmpty())
		assert.True(t, q.IsReady())
		for k, h := range []*queue.Hand[int]{&a, &b, &a} {
			it, ok := take(q, h)
			require.True(t, ok)
			require.Equal(t, i+k, it.Task)
		}
	}
	_, ok := take(q, &a)
	assert.False(t, ok)
	_, waiting, running := q.Freeze()
	q.Thaw()
	assert.Equal(t, []uint64{0, 2}, []uint64{waiting, running}, "slow and b hold one each")
	assert.True(t, q.IsEmpty())
	q.End(&slow)
	q.End(&b)
	assert.True(t, q.IsCleared())
}

// Several workers, some of which are slow, begin no task after more than 64 for each worker that were
// pushed after it: a claim that is left behind, since its worker has a long task, is taken up before more
// is claimed at the head than the claims of all workers together.
func TestClaimIsNotLeftBehind(t *testing.T) {
	for _, workers := range []int{1, 2, 5} {
		rng := rand.New(rand.NewPCG(1, uint64(workers)))
		q := queue.New[int](1 << 20)
		q.SetWorkers(workers)
		const n = 50_000
		_, pushed := q.PushAll(all, make([]int, n))
		require.Equal(t, n, pushed)
		hands := make([]queue.Hand[int], workers)
		for i := range hands {
			hands[i].SetLimit(32)
		}
		begun, next, most := make([]bool, n), 0, 0 // those before next have begun
		for began := range n {
			i := rng.IntN(workers)
			if rng.IntN(1000) > 0 && workers > 1 { // the first ones are slow
				i = workers/2 + rng.IntN(workers-workers/2)
			}
			it, ok := take(q, &hands[i])
			require.True(t, ok)
			begun[it.ID-1] = true
			for next < n && begun[next] {
				next++
			}
			most = max(most, began+1-next) // so many have begun that were pushed after next
		}
		require.LessOrEqual(t, most, 64*workers, "%d workers", workers)
		assert.Equal(t, workers == 1, most == 0, "%d workers: %d", workers, most)
	}
}

// Claims are of one task while few wait, and grow with what waits, up to 32.
func TestClaimsAreShares(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	for _, c := range []struct{ workers, waiting, most int }{
		{1, 7, 1}, {1, 31, 1}, {1, 32, 2}, {2, 31, 1}, {2, 100, 6}, {2, 10_000, 32}, {1000, 10_000, 32}, {1000, 100, 4}, {3, 100, 4},
		{math.MaxInt, 100, 4},
	} {
		q := queue.New[int](10_000)
		q.SetWorkers(c.workers)
		_, n := q.PushAll(all, make([]int, c.waiting))
		require.Equal(t, c.waiting, n)
		var h queue.Hand[int]
		h.SetLimit(32)
		_, ok := take(q, &h)
		require.True(t, ok)
		assert.EqualValues(t, c.most, q.Claimed(), "%+v", c)
	}
}

// The owner's search says None only if no task waits, also for a worker whose last task was handed over.
func TestOwnerIsNotToldNone(t *testing.T) {
	q := queue.New[int](100)
	var h queue.Hand[int]
	q.Announce()
	handed := make(chan queue.Found)
	go func() {
		_, found := q.Sleep(&h)
		handed <- found
	}()
	_, ok := q.Push(all, 1)
	require.True(t, ok)
	require.Equal(t, queue.Handed, <-handed)
	_, ok = q.Push(all, 2)
	require.True(t, ok)
	it, _, found := q.NextOwned(&h)
	assert.Equal(t, queue.Claimed, found)
	assert.Equal(t, 2, it.Task)
}

// Tasks that are claimed have not begun with that.
func TestHasBegunBelow(t *testing.T) {
	q := queue.New[int](100)
	_, n := q.PushAll(all, make([]int, 6))
	require.Equal(t, 6, n)
	var a, b queue.Hand[int]
	_, move := q.BeginClaim(&a, 4)
	move()
	begun := func(want ...bool) {
		t.Helper()
		for i, ticket := range []uint64{0, 4, 6} {
			assert.Equal(t, want[i], q.HasBegunBelow(ticket), "%d", ticket)
		}
	}
	begun(true, false, false)
	for range 3 {
		_, ok := take(q, &a)
		require.True(t, ok)
	}
	begun(true, true, false)
	_, ok := take(q, &b)
	require.True(t, ok)
	begun(true, true, false)
	_, ok = take(q, &b)
	require.True(t, ok)
	begun(true, true, true)
}

// Workers are turned away at a price that does not grow with the tasks that have begun: a pool does so
// for each of its parked tasks. That is measured by what it allocates; it did when it went through all segments.
func TestTurnAwayIsCheap(t *testing.T) {
	q := queue.New[int](1 << 20)
	_, n := q.PushAll(all, make([]int, 100_000))
	require.Equal(t, 100_000, n)
	hands := make([]queue.Hand[int], n)
	for i := range hands {
		hands[i].SetLimit(1)
		_, ok := take(q, &hands[i])
		require.True(t, ok)
	}
	assert.Zero(t, testing.AllocsPerRun(10, func() { q.TurnAway(true); q.TurnAway(false) }))
}
