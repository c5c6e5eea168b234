// Package chaos attacks pools at random. From one seed it makes a random pool over a
// random store, random tasks and random callers, lets them race, and has package
// oracle judge what it sees.
//
// The seed determines all but the scheduling: one half of the rounds runs in real
// time and the other in a synctest bubble, where time is free and a deadlock is
// seen at once. A soak is many such loads, one after the other, on one pool: heap
// and goroutines have to stay what they were.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/check/oracle"
	"github.com/resultpool/resultpool/pool"
)

var (
	errCause = errors.New("the round is cancelled")
	errGone  = errors.New("the caller has gone")

	none pool.Stats
)

// A round is one plan that is carried out.
type round struct {
	*oracle.Oracle
	*plan
	callers sync.WaitGroup // and what they have started
	tasks   atomic.Int64   // that were made
}

// InBubble tells whether the round of that seed has to run in a synctest bubble.
func InBubble(seed uint64) bool { return newPlan(seed).bubble }

// Round carries out the round of that seed on a pool that newPool makes, and returns
// all that is wrong with it. It must be called in a bubble if [InBubble] says so.
func Round(seed uint64, newPool oracle.Maker) error {
	p := newPlan(seed)
	r, err := open(p, newPool)
	if err != nil {
		return fmt.Errorf("%w\n%+v", err, p)
	}
	r.load(rand.New(rand.NewPCG(seed, 1)), func(c *caller) {
		r.end(c)
		if r.store.endless() {
			c.sleep(50)
			r.Cancel()
		}
		r.Stop(context.Background(), false)
	})
	r.End()
	if err := r.Err(); err != nil {
		return fmt.Errorf("%w\n%+v", err, p)
	}
	return nil
}

// open makes the pool of a plan.
func open(p *plan, newPool oracle.Maker) (*round, error) {
	cause := errCause
	if p.noCause {
		cause = context.Canceled
	}
	r := &round{Oracle: oracle.New(cause, &p.opts), plan: p}
	if p.born {
		r.Cancel()
	}
	return r, r.Open(newPool, r.do, p.store.open(r.Oracle), &p.opts)
}

// load lets callers use the pool, and a controller, who ends it. It returns when all
// have.
func (r *round) load(rng *rand.Rand, end func(*caller)) {
	begin := func() *caller { return &caller{round: r, rng: rand.New(rand.NewPCG(rng.Uint64(), 0))} }
	callers, steps := 1+rng.IntN(5), 5+rng.IntN(20)
	for range callers {
		c := begin()
		r.callers.Go(func() {
			defer r.Guard()
			for range steps {
				c.step()
			}
		})
	}
	controls, c := rng.IntN(5), begin()
	func() {
		defer r.Guard()
		for range controls {
			c.control()
		}
		c.sleep(300)
		end(c)
	}()
	r.callers.Wait()
}

// end brings the pool to its end in the way of the plan, but for the last Stop.
func (r *round) end(c *caller) {
	done, cancel := context.WithCancelCause(context.Background())
	cancel(errGone)
	switch r.ending {
	case endPatient:
		if !r.store.endless() {
			r.Resize(6) // or the callers may wait for ever
			r.callers.Wait()
		}
	case endStop:
	case endStops:
		for range 6 {
			ctx, cancel := c.context()
			r.callers.Go(func() {
				defer r.Guard()
				defer cancel()
				r.Stop(ctx, false)
			})
		}
	case endCancel:
		r.Cancel()
	case endZero:
		r.Resize(0)
	case endRace:
		r.callers.Go(func() {
			defer r.Guard()
			r.Stop(context.Background(), false)
		})
		r.Cancel()
	case endHurry:
		r.Stop(done, false)
		c.sleep(50)
		if c.rng.IntN(2) == 0 {
			r.Cancel()
		} else {
			r.Resize(0)
		}
	}
}
