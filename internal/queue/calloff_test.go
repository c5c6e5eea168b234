package queue_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

// CallOff says what a task does, wherever it is, and marks it unless it has ended. The mark is found by whoever
// has taken the task, and by no task that uses the slot later.
func TestCallOff(t *testing.T) {
	q := queue.New[*int](1024)
	in := make([]*int, 100)
	for i := range in {
		in[i] = new(int)
	}
	_, n := q.PushAll(all, in)
	require.Equal(t, 100, n)
	var a queue.Hand[*int]
	_, move := q.BeginClaim(&a, 10)
	for _, moved := range []bool{false, true} {
		if moved {
			move()
		}
		for _, c := range []struct {
			ticket  uint64
			want    queue.State
			claimed bool
		}{{0, queue.Begun, true}, {1, queue.Waiting, true}, {9, queue.Waiting, true}, {10, queue.Waiting, false}, {99, queue.Waiting, false}, {100, queue.Gone, false}} {
			state, claimed := q.CallOff(c.ticket)
			assert.Equal(t, c.want, state, "%d", c.ticket)
			assert.Equal(t, c.claimed, claimed, "%d", c.ticket)
			assert.Equal(t, c.ticket == 0, q.HasBegun(c.ticket))
		}
	}
	assert.True(t, a.IsCalledOff())
	assert.True(t, a.Place().IsCalledOff())
	place := a.Place()
	for i := 1; i < 100; i++ {
		it, ok := take(q, &a)
		require.True(t, ok)
		off := i == 1 || i == 9 || i == 10 || i == 99
		assert.Equal(t, off, a.IsCalledOff(), "%d", i)
		assert.Equal(t, off, it.Task == nil, "the queue keeps a task that is called off")
		assert.EqualValues(t, i+1, it.ID)
	}
	_, ok := take(q, &a)
	require.False(t, ok)
	state, _ := q.CallOff(50)
	assert.Equal(t, queue.Gone, state)

	for range 2048 { // the slots are used again
		_, ok := q.Push(all, new(int))
		require.True(t, ok)
		_, ok = take(q, &a)
		require.True(t, ok)
		require.False(t, a.IsCalledOff())
	}
	assert.False(t, place.IsCalledOff())
	take(q, &a)
	assert.True(t, q.IsCleared())
}

// A task that is called off may end for those who wait for it before its turn comes.
func TestSettle(t *testing.T) {
	q := queue.New[int](4)
	for range 4 {
		_, ok := q.Push(all, 1)
		require.True(t, ok)
	}
	ended := make(chan bool)
	go func() { ended <- q.Await(2, nil) }()
	for q.Waiting(2) == 0 {
		runtime.Gosched()
	}
	q.CallOff(2)
	assert.True(t, q.IsPending(2))
	q.Settle(2).Tell()
	assert.True(t, <-ended)
	assert.False(t, q.IsPending(2))
	assert.True(t, q.Await(2, nil), "who comes later need not wait")
	assert.True(t, q.IsPending(1) && q.IsPending(3))
}

// A task that is called off takes up no room, until the queue is told that its turn has come.
func TestAddRoom(t *testing.T) {
	q := queue.New[int](4)
	push := func() bool { _, ok := q.Push(all, 1); return ok }
	for range 4 {
		require.True(t, push())
	}
	require.False(t, push())
	assert.EqualValues(t, 1, q.RoomAfter(1))
	q.AddRoom(1)
	assert.EqualValues(t, 0, q.RoomAfter(1))
	assert.True(t, push())
	assert.False(t, push())
	assert.Equal(t, 4, q.Cap())
	var a queue.Hand[int]
	_, ok := take(q, &a)
	require.True(t, ok)
	q.AddRoom(-1)
	assert.False(t, push())
	_, ok = take(q, &a)
	require.True(t, ok)
	assert.True(t, push())
}

// Running has what has begun and not ended, in claims that are over, under way, and left to others.
func TestRunningTickets(t *testing.T) {
	q := queue.New[int](1024)
	running := func() []uint64 {
		_, _, n := q.Freeze()
		defer q.Thaw()
		tickets := q.Running()
		assert.Len(t, tickets, int(n))
		return tickets
	}
	assert.Empty(t, running())
	_, n := q.PushAll(all, make([]int, 512))
	require.Equal(t, 512, n)
	assert.Empty(t, running())
	var a, b queue.Hand[int]
	_, move := q.BeginClaim(&a, 10)
	assert.Equal(t, []uint64{0}, running())
	move()
	take(q, &a)
	assert.Equal(t, []uint64{1}, running())
	for range 256 {
		_, ok := take(q, &b)
		require.True(t, ok)
	}
	assert.ElementsMatch(t, []uint64{1, b.Ticket()}, running())
	q.End(&a)
	b.Pass()
	assert.Equal(t, []uint64{b.Ticket()}, running())
	q.EndTicket(b.Ticket())
	assert.Empty(t, running())
}
