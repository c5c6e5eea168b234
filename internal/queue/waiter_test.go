package queue_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

// A task is pending from the moment at which its ticket is given out until it is ended, wherever it
// is, and those who wait for it are told then.
func TestAwait(t *testing.T) {
	q := queue.New[int](1000)
	assert.True(t, q.Await(0, gone), "no such task")
	publish := q.BeginPush(0) // ticket 0
	require.False(t, q.Await(0, gone), "not published")
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
			assert.Equal(t, !want, q.Await(ticket, gone), "ticket %d", ticket)
		}
		assert.False(t, q.IsPending(200))
	}
	pending(0, 200) // the claim is made, and the head not moved
	move()
	pending(0, 200)
	var told [200]atomic.Int32
	var wg sync.WaitGroup
	for ticket := range uint64(200) {
		for range 3 {
			wg.Go(func() {
				assert.True(t, q.Await(ticket, nil))
				told[ticket].Add(1)
			})
		}
	}
	for q.Waiting(0) < 3 || q.Waiting(199) < 3 {
		runtime.Gosched()
	}
	for ticket := range uint64(200) {
		_, waiter, found := q.Next(&h)
		if ticket < 199 {
			require.NotEqual(t, queue.None, found)
		}
		waiter.Tell()
		pending(ticket+1, 200)
	}
	wg.Wait()
	for ticket := range told {
		require.EqualValues(t, 3, told[ticket].Load())
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
				w.Tell()
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
		switch i % 4 {
		case 0: // gives up
			wg.Go(func() { q.Await(i, gone) })
		case 1:
			wg.Go(func() { assert.True(t, q.Await(i, nil)) })
		}
		assert.True(t, q.Await(i-i%3, nil))
		if q.IsPending(i - i%3) {
			t.Fatalf("ticket %d is pending", i-i%3)
		}
	}
	wg.Wait()
}

// Who gives up leaves the list, wherever it stands there, and the others are told.
func TestAwaitGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New[int](10)
		_, ok := q.Push(all, 0)
		require.True(t, ok)
		const n = 6
		var giveUp [n]chan struct{}
		var ended atomic.Int32
		for i := range n {
			giveUp[i] = make(chan struct{})
			go func() {
				if q.Await(0, giveUp[i]) {
					ended.Add(1)
				}
			}()
			synctest.Wait() // so that they stand in this order, the last one first
		}
		for k, i := range []int{5, 2, 0, 3} {
			close(giveUp[i])
			synctest.Wait()
			assert.Equal(t, n-1-k, q.Waiting(0))
		}
		var h queue.Hand[int]
		_, ok = take(q, &h)
		require.True(t, ok)
		q.End(&h).Tell()
		synctest.Wait()
		assert.EqualValues(t, 2, ended.Load())
		assert.Zero(t, q.Waiting(0))
	})
}
