package remote_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
)

// Leases are extended three times in each, for as long as a task is held, also while the host closes and after nothing
// was held, and in vain now and then. A task that is delivered again while it is held is not run again.
func TestLeasesAreKept(t *testing.T) {
	alternating := func(f fault) fault {
		calls := 0
		return func(ctx context.Context, ids []uint64, do func(context.Context) error) error {
			if calls++; calls%2 == 1 {
				return f(ctx, ids, do)
			}
			return do(ctx)
		}
	}
	cutOff := enginetest.Fail(errDown)
	for name, c := range map[string]struct {
		extend  fault
		restore time.Duration // when Extend works, if it is not 0
	}{
		"works":            {nil, 0},
		"fails":            {alternating(bad["fails"]), 0},
		"hangs":            {alternating(hang), 0},
		"for more than it": {cutOff, lease + time.Second}, // then the last delivery counts
	} {
		bubble(t, name, func(t *testing.T) {
			e := newEngine(faults{Extend: c.extend})
			h := newHost(t, e, 2)
			h.work(lasting(10 * lease))
			time.Sleep(2 * lease)
			ids := e.suspects(t, 1, 0, 0)
			synctest.Wait()
			time.Sleep(c.restore)
			if c.restore > 0 {
				assert.ErrorIs(t, h.failures.Now().Err, errDown)
				e.SetFaults(faults{})
			}
			h.close()
			other := newHost(t, over(e.memory, faults{}), 2)
			other.work(lasting(0))
			h.running.Wait()
			assert.Zero(t, e.size(t))
			ranOnce(t, ids, h, other)
			assert.NoError(t, h.hasFailed())
		})
	}
	bubble(t, "three times", func(t *testing.T) {
		calls := 0
		e := newEngine(faults{Extend: counts(&calls)})
		h := newHost(t, e, 1)
		h.work(lasting(10 * lease))
		time.Sleep(10 * lease)
		assert.Zero(t, calls, "nothing is held")
		e.suspects(t, 1, 0, 0)
		time.Sleep(11 * lease)
		assert.InDelta(t, 30, calls, 1)
	})
}

// A task whose result was given up is another's when its lease ends, as is all that a share holds that cannot extend.
func TestLeasesThatEnd(t *testing.T) {
	for name, c := range map[string]struct {
		extend fault
		why    error
	}{
		"given up": {nil, nil},
		"final":    {enginetest.Fail(engine.ErrClosed), engine.ErrClosed},
	} {
		bubble(t, name, func(t *testing.T) {
			e := newEngine(faults{Extend: c.extend})
			id := e.suspects(t, 1, 0, 0)[0]
			h := newHost(t, e, 1)
			h.Start()
			end := h.begin(<-h.tasks)
			begun := time.Now()
			if c.why == nil {
				h.shut(errClosed)
				end()
				h.Forget(id)
				h.running.Wait()
			}
			other := newHost(t, over(e.memory, faults{}), 1)
			other.Start()
			assert.Equal(t, id, <-other.tasks)
			assert.Equal(t, lease, time.Since(begun))
			assert.ErrorIs(t, h.hasFailed(), c.why)
		})
	}
}

// A task that is delivered again while it is held is not run again, and all its deliveries are acknowledged or given
// back: an engine may know a task by its delivery.
func TestDeliveredAgainWhileHeld(t *testing.T) {
	for name, save := range map[string]bool{"saved": true, "given back": false} {
		bubble(t, name, func(t *testing.T) {
			acks, nacks := 0, 0
			count := func(n *int) fault { // of deliveries
				return func(_ context.Context, ids []uint64, _ func(context.Context) error) error {
					*n += len(ids)
					return nil
				}
			}
			e := newEngine(faults{Extend: enginetest.First(12, bad["fails"]), Ack: count(&acks), Nack: count(&nacks)})
			id := e.suspects(t, 1, 0, 0)[0]
			h := newHost(t, e, 3)
			h.Start()
			end := h.begin(<-h.tasks)
			time.Sleep(2 * lease)
			assert.Empty(t, h.tasks)
			h.shut(errClosed)
			end()
			rec := []engine.Record{{ID: id}}
			if save {
				rec[0].Data = []byte("x")
			}
			assert.NoError(t, h.Finish(t.Context(), rec))
			assert.Equal(t, map[bool][]int{true: {2, 0}, false: {0, 2}}[save], []int{acks, nacks})
		})
	}
}

// An Extend under way does not hold up the end, which waits for its return, and what an engine says of a call that was ended
// so is no final error.
func TestEndOfExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside := make(chan struct{}, 1)
		e := newEngine(faults{Extend: func(ctx context.Context, _ []uint64, _ func(context.Context) error) error {
			inside <- struct{}{}
			<-ctx.Done()
			time.Sleep(time.Second)
			<-inside
			return ctx.Err()
		}})
		e.final = anyError
		id := e.suspects(t, 1, 0, 0)[0]
		h := newHost(t, e, 1)
		h.Start()
		end := h.begin(<-h.tasks)
		time.Sleep(11 * time.Second)
		assert.Len(t, inside, 1)
		h.shut(errClosed)
		end()
		assert.NoError(t, h.Finish(t.Context(), record(id, "x")))
		begun := time.Now()
		h.running.Wait()
		assert.Equal(t, time.Second, time.Since(begun))
		assert.Empty(t, inside, "the engine may be closed after that")
		assert.NoError(t, h.hasFailed())
	})
}
