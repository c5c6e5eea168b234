package queue_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

// A Push and a Pop have two steps each. The tests of this file stop between them, where
// a goroutine that loses its processor does.

// A Pop that meets a Push between its steps finds nothing, also not what is published
// behind it.
func TestPopMeetsPush(t *testing.T) {
	q := queue.New[int](10)
	publish := q.BeginPush(1)
	_, ok := q.Push(all, 2)
	require.True(t, ok)
	var mark atomic.Uint64
	it, ok := q.Pop(&mark)
	assert.False(t, ok)
	assert.Zero(t, it)
	assert.Zero(t, mark.Load())
	assert.False(t, q.IsReady())
	assert.Equal(t, 2, q.Len())
	publish()
	assert.True(t, q.IsReady())
	for want := 1; want <= 2; want++ {
		it, ok := q.Pop(&mark)
		assert.True(t, ok)
		assert.Equal(t, queue.Item[int]{ID: uint64(want), Task: want}, it)
	}
}

// A slot that is being emptied is not written to, though its item waits no more, and
// neither is what follows it in a batch.
func TestPushMeetsPop(t *testing.T) {
	for capacity, slots := range map[int]int{1: 2, 2: 2, 3: 4, 16: 16} {
		for late := range capacity {
			q := queue.New[int](capacity)
			_, n := q.PushAll(all, make([]int, capacity))
			require.Equal(t, capacity, n)
			var mark atomic.Uint64
			var empty func()
			for i := range capacity {
				if i == late {
					empty = q.BeginPop(new(atomic.Uint64))
					continue
				}
				_, ok := q.Pop(&mark)
				require.True(t, ok)
			}
			require.Zero(t, q.Len())
			_, n = q.PushAll(all, make([]int, capacity))
			assert.Equal(t, min(capacity, late+slots-capacity), n, "capacity %d, slot %d", capacity, late)
			_, ok := q.Push(all, 1)
			assert.False(t, ok, "capacity %d, slot %d", capacity, late)
			if n < capacity {
				assert.False(t, q.IsFree(), "capacity %d, slot %d", capacity, late)
			}
			empty()
			_, ok = q.Push(all, 1)
			assert.Equal(t, n < capacity, ok, "capacity %d, slot %d", capacity, late)
		}
	}
}

// An owner that finds the next slot being emptied makes another ring, if it may.
func TestOwnerMeetsPop(t *testing.T) {
	const size = 16 // of the first ring
	q := queue.New[int](100)
	_, n := q.PushAll(all, make([]int, size))
	require.Equal(t, size, n)
	empty := q.BeginPop(new(atomic.Uint64))
	q.ShutTail(true)
	first, n := q.PushShut(all, []int{1, 2, 3})
	assert.Equal(t, 3, n)
	assert.EqualValues(t, size+1, first)
	empty()
	for want := uint64(2); want <= size+3; want++ {
		it, ok := q.Pop(new(atomic.Uint64))
		require.True(t, ok)
		require.Equal(t, want, it.ID)
	}
}

// An item waits until its Pop is over, and then is in the mark.
func TestIsWaitingMeetsPop(t *testing.T) {
	q := queue.New[int](10)
	q.PushAll(all, make([]int, 3))
	var mark atomic.Uint64
	for ticket := range uint64(3) {
		assert.True(t, q.IsWaiting(ticket))
		empty := q.BeginPop(&mark)
		assert.True(t, q.IsWaiting(ticket), "the item is in no mark yet")
		empty()
		assert.False(t, q.IsWaiting(ticket))
		assert.Equal(t, ticket+1, mark.Load())
	}
}

// What was dropped does not wait, published or not, in however many steps it went. Its
// task is forgotten at once, or by the Sweep after it was published; what is not
// dropped is kept.
func TestDropMeetsPush(t *testing.T) {
	q := queue.New[*int](10)
	q.PushAll(all, []*int{new(int)})
	publish := q.BeginPush(new(int))
	q.PushAll(all, []*int{new(int), new(int), new(int)})
	q.ShutTail(true)
	q.ShutHead(true)
	for dropped := range uint64(4) {
		q.Drop(1)
		assert.EqualValues(t, 4-dropped, q.Len())
		for ticket := range uint64(5) {
			assert.Equal(t, ticket > dropped, q.IsWaiting(ticket), "ticket %d, with %d dropped", ticket, dropped+1)
		}
	}
	publish()
	assert.False(t, q.IsWaiting(1))
	q.Drop(1)
	assert.False(t, q.IsCleared(), "nobody has seen the task that was published late")
	q.Sweep()
	assert.True(t, q.IsCleared())
}
