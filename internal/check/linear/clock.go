package linear

import (
	"sync/atomic"
	"time"
)

// A clock gives the moments between which an operation lies. What it must not do
// is to put the end of one after the beginning of another that has begun later:
// an order that is asked for and was not there is a false alarm. Equal moments are
// no order at all.
type clock func() int64

// counter counts its own calls. It is right on every machine, but each call waits
// for the ones before, so operations overlap less, and the race detector takes all
// that came before one call as known to the next.
func counter() clock {
	var n atomic.Int64
	return func() int64 { return n.Add(1) }
}

// watch reads the system's monotonic clock, which takes no goroutine's time but the
// caller's. All processors read the same one; TestWatchNeverGoesBack looks whether
// they do.
func watch() clock {
	start := time.Now()
	return func() int64 { return int64(time.Since(start)) }
}

// coarse is a step of the watch with which too many operations seem to overlap:
// the search for an order would not end.
const coarse = 2 * time.Microsecond

// step returns the smallest of a few steps that c is seen to make.
func step(c clock) time.Duration {
	least := time.Hour
	for range 20 {
		before := c()
		now := c()
		for now == before {
			now = c()
		}
		least = min(least, time.Duration(now-before))
	}
	return least
}
