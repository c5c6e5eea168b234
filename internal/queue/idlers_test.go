package queue_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/queue"
)

// Each call reaches one of those who have announced themselves, also if it comes before they sleep; and
// who cannot withdraw is called.
func TestIdlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idlers := queue.NewIdlers()
		assert.False(t, idlers.Call())
		assert.False(t, idlers.Withdraw())

		var woken atomic.Int64
		sleep := func() { idlers.Await(); woken.Add(1) }
		for range 3 {
			idlers.Announce()
			go sleep()
		}
		synctest.Wait()
		assert.Equal(t, 3, idlers.Len())
		assert.True(t, idlers.Call())
		synctest.Wait()
		assert.EqualValues(t, 1, woken.Load())

		assert.True(t, idlers.Withdraw(), "of the one that is about to sleep now, say")
		idlers.Announce()
		for range 2 {
			go idlers.Call() // one of them waits until the last one sleeps, if need be
		}
		synctest.Wait()
		assert.Zero(t, idlers.Len())
		assert.EqualValues(t, 3, woken.Load())
		assert.False(t, idlers.Call())
	})
}
