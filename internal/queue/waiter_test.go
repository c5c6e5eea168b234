package queue_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

// A task is pending from the moment at which its ticket is given out until it is ended, wherever it
// is, and those who wait for it are told then.
func TestAwait(t *testing.T) {
	q := queue.New[int](1000)
	assert.Nil(t, q.Await(0), "no such task")
	publish := q.BeginPush(0) // ticket 0
	require.NotNil(t, q.Await(0), "not published")
	publish()
	_, n := q.PushAll(all, make([]int, 199)) // 1 to 199
	require.Equal(t, 199, n)
	var h, other queue.Hand[int]
	_, move := q.BeginClaim(&h, 10)
	pending := func(from, to uint64) {
		t.Helper()
		for ticket := range uint64(200) {
			want := from <= ticket && ticket < to
			assert.Equal(t, want, q.IsPending(ticket), "ticket %d", ticket)
			assert.Equal(t, want, q.Await(ticket) != nil, "ticket %d", ticket)
		}
		assert.False(t, q.IsPending(200))
	}
	pending(0, 200) // the claim is made, and the head not moved
	move()
	pending(0, 200)
	waiters := make([]*queue.Waiter, 200)
	for ticket := range waiters {
		waiters[ticket] = q.Await(uint64(ticket))
		assert.Same(t, waiters[ticket], q.Await(uint64(ticket)), "all wait for the same")
	}
	for ticket := range uint64(200) {
		_, waiter, found := q.Next(&h)
		if ticket < 199 {
			require.NotEqual(t, queue.None, found)
		}
		require.Same(t, waiters[ticket], waiter)
		pending(ticket+1, 200)
	}
	_, waiter, found := q.Next(&other)
	assert.Nil(t, waiter)
	assert.Equal(t, queue.None, found)
	assert.True(t, q.IsCleared())
}

// Who waits for a task is told, or sees that it is over: there is no moment between the two.
func TestAwaitRacesEnd(t *testing.T) {
	const n = 20_000
	q := queue.New[int](64)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			var h queue.Hand[int]
			for q.Pushed() < n || !q.IsEmpty() || h.Holds() {
				_, w, found := q.Next(&h)
				if w != nil {
					w.Tell()
				}
				if found == queue.None {
					runtime.Gosched()
				}
			}
		})
	}
	for i := range uint64(n) {
		for _, ok := q.Push(all, 0); !ok; _, ok = q.Push(all, 0) {
			runtime.Gosched()
		}
		if w := q.Await(i - i%3); w != nil {
			<-w.Told()
		}
		if q.IsPending(i - i%3) {
			t.Fatalf("ticket %d is pending", i-i%3)
		}
	}
	wg.Wait()
}
