package queue_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

// Each call reaches one of those who have announced themselves, also if it comes before they sleep; and
// who cannot withdraw is called.
func TestIdlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idlers := queue.New[int](1)
		assert.False(t, idlers.Call())
		assert.False(t, idlers.Withdraw())

		var woken atomic.Int64
		sleep := func() {
			_, found := idlers.Sleep(new(queue.Hand[int]))
			assert.Equal(t, queue.None, found)
			woken.Add(1)
		}
		for range 3 {
			idlers.Announce()
			go sleep()
		}
		synctest.Wait()
		assert.Equal(t, 3, idlers.Idle())
		assert.True(t, idlers.Call())
		synctest.Wait()
		assert.EqualValues(t, 1, woken.Load())

		assert.True(t, idlers.Withdraw(), "of the one that is about to sleep now, say")
		idlers.Announce()
		for range 2 {
			go idlers.Call() // one of them waits until the last one sleeps, if need be
		}
		synctest.Wait()
		assert.Zero(t, idlers.Idle())
		assert.EqualValues(t, 3, woken.Load())
		assert.False(t, idlers.Call())
	})
}

// A task is handed to an idle worker, the one that has waited longest if there are others, and nobody
// else finds it.
func TestPushHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New[int](100)
		var h queue.Hand[int]
		push := func(task int) (it queue.Item[int], found queue.Found) {
			q.Announce()
			go func() {
				_, ok := q.Push(all, task)
				assert.True(t, ok)
			}()
			it, found = q.Sleep(&h)
			synctest.Wait()
			return it, found
		}
		for i := range 70 { // over the end of a segment
			it, found := push(i)
			require.Equal(t, queue.Handed, found)
			require.Equal(t, queue.Item[int]{ID: uint64(i) + 1, Task: i}, it)
			require.EqualValues(t, i, h.Ticket())
			require.EqualValues(t, i+1, q.Claimed())
			require.True(t, q.IsPending(h.Ticket()))
			require.True(t, q.IsEmpty())
			require.False(t, q.IsReady())
			pushed, waiting, running := q.Freeze()
			q.Thaw()
			require.Equal(t, []uint64{uint64(i) + 1, 0, 1}, []uint64{pushed, waiting, running})
			_, _, found = q.Next(&h)
			require.Equal(t, queue.None, found)
			require.False(t, q.IsPending(uint64(i)))
		}

		q.Freeze()
		_, found := push(70)
		assert.Equal(t, queue.None, found, "while the owner counts nobody begins a task")
		q.Thaw()
		assert.True(t, q.IsReady())
		it, found := push(71)
		assert.Equal(t, queue.Handed, found)
		assert.Equal(t, 70, it.Task, "the one that has waited longest")
		_, ok := take(q, &h)
		require.False(t, ok, "after a task that was handed over it does not look")
		it, ok = take(q, &h)
		require.True(t, ok)
		require.Equal(t, 71, it.Task)
		q.End(&h)
		assert.True(t, q.IsCleared())
	})
}

// All that waits is handed over while workers are idle, also from claims of others.
func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New[int](100)
		_, n := q.PushAll(all, []int{0, 1, 2, 3, 4})
		require.Equal(t, 5, n)
		var slow queue.Hand[int]
		_, move := q.BeginClaim(&slow, 3) // 1 and 2 wait behind 0
		move()
		var hands [3]queue.Hand[int]
		var got [3]int
		handed := func() (n int) {
			synctest.Wait()
			q.HandOver()
			synctest.Wait()
			assert.Zero(t, q.Idle())
			for i := range hands {
				if hands[i].Holds() {
					got[n] = int(hands[i].Ticket())
					n++
					q.End(&hands[i])
				}
			}
			slices.Sort(got[:n])
			return n
		}
		sleep := func(n int) {
			for i := range n {
				q.Announce()
				go q.Sleep(&hands[i])
			}
		}
		q.HandOver() // nobody is idle
		sleep(3)
		assert.Equal(t, 3, handed())
		assert.Equal(t, [3]int{1, 3, 4}, got)
		sleep(1)
		assert.Equal(t, 1, handed())
		assert.Equal(t, 2, got[0])
		sleep(1)
		assert.Zero(t, handed(), "called in vain")
		q.End(&slow)
		assert.True(t, q.IsCleared())
	})
}

// A worker that is always handed the newest task as it falls asleep still takes up what a slow one has left
// behind in its claim.
func TestHandOverLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New[int](1000)
		q.SetWorkers(2)
		_, n := q.PushAll(all, make([]int, 10))
		require.Equal(t, 10, n)
		var slow, h queue.Hand[int]
		_, move := q.BeginClaim(&slow, 10)
		move()
		left, later := 9, 0 // of those that have not begun, and of those that have and were pushed after them
		for left > 0 {
			q.Announce()
			go q.Push(all, 0)
			_, found := q.Sleep(&h)
			for found != queue.None {
				if h.Ticket() < 10 {
					left--
				} else {
					later++
				}
				_, _, found = q.Next(&h)
			}
			require.LessOrEqual(t, later, 2*64)
		}
	})
}
