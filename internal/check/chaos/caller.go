package chaos

import (
	"context"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/resultpool/resultpool/internal/check/oracle"
	"github.com/resultpool/resultpool/pool"
)

// A caller is one goroutine that uses the pool.
type caller struct {
	*round
	rng  *rand.Rand
	seen pool.Stats // the last it has looked at
}

// step makes one call, or a pause.
func (c *caller) step() {
	ctx, cancel := c.context()
	defer cancel()
	switch k := c.rng.IntN(100); {
	case k < 30:
		c.Submit(ctx, oracle.Submit, false, c.some(1)...)
	case k < 48:
		c.Submit(ctx, oracle.TrySubmit, false, c.some(1)...)
	case k < 58:
		c.Submit(ctx, oracle.SubmitAll, false, c.some(1+c.rng.IntN(6))...)
	case k < 74:
		deletes := c.rng.IntN(2) == 0 && c.store.fault != lying // or it may be given again what was deleted
		if t := c.Pick(c.rng.IntN(8)); t != nil && c.Get(ctx, t, false) && deletes {
			c.Delete(t)
		}
	case k < 83:
		c.Wait(ctx, false)
	case k < 90:
		c.seen = c.Stats(c.seen, false)
	case k < 91:
		c.Resize(1 + c.rng.IntN(6)) // or nobody may be left to do what others wait for
	case k < 98:
		c.yield(1 + c.rng.IntN(4))
	default:
		c.sleep(30)
	}
}

// control is a step of the goroutine that resizes and ends the pool.
func (c *caller) control() {
	switch c.rng.IntN(6) {
	case 0:
		c.Resize(0)
		c.yield(1 + c.rng.IntN(20))
		c.Resize(1 + c.rng.IntN(5))
	case 1, 2:
		c.Resize(1 + c.rng.IntN(8))
		c.yield(1 + c.rng.IntN(20))
	case 3:
		c.Resize(-1 - c.rng.IntN(3))
	case 4:
		c.sleep(300)
	default:
		c.yield(1 + c.rng.IntN(20))
	}
	c.seen = c.Stats(c.seen, false)
}

func (c *caller) yield(n int) {
	for range n {
		runtime.Gosched()
	}
}

func (c *caller) sleep(most int) { time.Sleep(time.Duration(c.rng.IntN(most)) * time.Microsecond) }

// context returns the context of a call: one that does not end, is done before, ends by
// time, or is cancelled by somebody else.
func (c *caller) context() (context.Context, context.CancelFunc) {
	k := c.rng.IntN(20)
	if k < 3 {
		return context.WithTimeoutCause(context.Background(), time.Duration(c.rng.IntN(60))*time.Microsecond, errGone)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	switch {
	case k < 4:
		cancel(errGone)
	case k < 9:
		pause := c.rng.IntN(20)
		c.callers.Go(func() {
			for range pause {
				runtime.Gosched()
			}
			cancel(errGone)
		})
	}
	return ctx, func() { cancel(nil) }
}

// some makes n tasks. Now and then one of them is nil.
func (c *caller) some(n int) []*oracle.Task {
	tasks := make([]*oracle.Task, n)
	for i := range tasks {
		if c.rng.IntN(150) > 0 {
			tasks[i] = c.task(c.rng, 0)
		}
	}
	return tasks
}
