package linear

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestWatchNeverGoesBack hands a ball to and fro between goroutines: whoever gets
// it must not read an earlier time than was read by the one who had it before.
func TestWatchNeverGoesBack(t *testing.T) {
	const rounds = 4000
	now := watch()
	var ball atomic.Int64 // odd: in the second goroutine's court
	var last, back int64  // only whoever has the ball looks at them
	together(2, func(i int) {
		for range rounds {
			for spin := 0; ball.Load()%2 != int64(i); spin++ {
				if spin > 100 {
					runtime.Gosched()
				}
			}
			at := now()
			if at < last {
				back++
			}
			last = at
			ball.Add(1)
		}
	})
	assert.Zero(t, back, "of %d times", 2*rounds)
}

func TestClocksAdvance(t *testing.T) {
	c := counter()
	first := c()
	assert.Less(t, first, c())
	assert.Positive(t, step(watch()))
}
