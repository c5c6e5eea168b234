package queue_test

import (
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
	_, waiting, running := q.Count()
	assert.Equal(t, []uint64{0, 2}, []uint64{waiting, running}, "slow and b hold one each")
	assert.True(t, q.IsEmpty())
	q.End(&slow)
	q.End(&b)
	assert.True(t, q.IsCleared())
}

// A claim that is left behind, since its worker has a long task, is taken up before more is claimed at
// the head than the claims of all workers together.
func TestClaimIsNotLeftBehind(t *testing.T) {
	const workers = 3
	q := queue.New[int](100_000)
	q.SetWorkers(workers)
	_, n := q.PushAll(all, make([]int, 100_000))
	require.Equal(t, 100_000, n)
	var slow, h queue.Hand[int]
	_, move := q.BeginClaim(&slow, 32)
	move()
	order := []uint64{1}
	for range 1000 {
		it, ok := take(q, &h)
		require.True(t, ok)
		order = append(order, it.ID)
	}
	for i, id := range order {
		assert.LessOrEqual(t, int(id), i+1+32*workers, "start %d", i)
		assert.GreaterOrEqual(t, int(id), i+1-32*(workers+1), "start %d", i)
	}
}

// Claims are of one task while few wait, and grow with what waits, up to 32.
func TestClaimsAreShares(t *testing.T) {
	for _, c := range []struct{ workers, waiting, most int }{
		{1, 7, 1}, {1, 15, 1}, {1, 16, 2}, {2, 31, 1}, {2, 100, 6}, {2, 10_000, 32}, {1000, 10_000, 1}, {10, 1024, 12},
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
