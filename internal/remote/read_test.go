package remote_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
)

// What a Load with two hours' time comes to, given what the engine does.
func TestRemoteLoad(t *testing.T) {
	const hour, never, ms = time.Hour, -1, time.Millisecond
	load := func(f fault) faults { return faults{Load: f} }
	wait := func(f fault) faults { return faults{Wait: f} }
	first, fail := enginetest.First, enginetest.Fail
	errFinal := errors.New("not permitted")
	deaf := func(context.Context, []uint64, func(context.Context) error) error {
		time.Sleep(2*hour + time.Second)
		return errFinal
	}
	for name, c := range map[string]struct {
		faults faults
		wait   bool
		saved  time.Duration // when the result is; never: the task is not there either
		want   error
		not    error
		took   time.Duration
	}{
		"there":               {faults{}, true, 0, nil, nil, 0},
		"later":               {faults{}, true, hour, nil, nil, hour},
		"later, and asked":    {faults{}, true, hour, nil, nil, hour},
		"no waiting":          {faults{}, false, hour, engine.ErrNotFound, nil, 0},
		"never was":           {faults{}, true, never, engine.ErrNotFound, nil, 0},
		"down for a while":    {load(first(2, fail(errDown))), true, 0, nil, nil, 30 * ms},
		"down, no waiting":    {load(first(2, fail(errDown))), false, 0, nil, nil, 30 * ms},
		"dropped":             {load(first(1, hang)), true, 0, nil, nil, 5010 * ms},
		"down while it waits": {wait(first(1, fail(errDown))), true, hour, nil, nil, hour},
		"Wait panics":         {wait(first(2, bad["panics"])), true, hour, nil, nil, hour},
		"Wait calls Goexit":   {wait(first(2, bad["calls Goexit"])), true, hour, nil, nil, hour},
		"down":                {load(fail(errDown)), true, 0, errDown, nil, 2 * hour},
		"hangs":               {wait(hang), true, 3 * hour, context.DeadlineExceeded, nil, 2 * hour},
		"final":               {load(fail(errFinal)), true, 0, errFinal, nil, 0},
		"ended by its ctx":    {load(deaf), true, 0, context.DeadlineExceeded, errFinal, 2*hour + time.Second},
		"gone":                {load(fail(engine.ErrGone)), true, 0, engine.ErrGone, nil, 0},
	} {
		bubble(t, name, func(t *testing.T) {
			e := newEngine(c.faults)
			e.final = func(err error) bool { return errors.Is(err, errFinal) || errors.Is(err, engine.ErrNotFound) }
			var subject engine.Engine = e
			if name == "later, and asked" {
				subject = struct{ engine.Engine }{e} // no Waiter: it is asked every 100 ms
			}
			h := newHost(t, subject, 0)
			id := e.suspects(t, 1, 0, 0)[0]
			switch c.saved {
			case never:
				id++
			case 0:
				e.save(t, id, "r")
			default:
				time.AfterFunc(c.saved, func() { _ = e.memory.Save(context.Background(), record(id, "r")) })
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*hour)
			defer cancel()
			begun := time.Now()
			if c.saved == hour {
				time.AfterFunc(time.Minute, func() { assert.Zero(t, h.failures.Now(), "to wait is no failure") })
			}
			data, err := h.Load(ctx, id, c.wait)
			assert.InDelta(t, c.took, time.Since(begun), float64(100*ms))
			assert.Equal(t, errors.Is(err, engine.ErrGone), h.hasFailed() != nil)
			assert.Zero(t, h.failures.Now())
			if c.want == nil {
				assert.NoError(t, err)
				assert.Equal(t, "r", string(data))
				return
			}
			assert.ErrorIs(t, err, c.want)
			if c.took == 2*hour {
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			}
			if c.not != nil {
				assert.NotErrorIs(t, err, c.not)
			}
			if c.want == errFinal {
				assert.ErrorContains(t, err, fmt.Sprintf("pool: task %d: not permitted", id))
			}
			time.Sleep(2 * hour)
		})
	}
}

// When the engine has failed for good, nobody waits for it, and what is stored can still be read.
func TestRemoteCloseWakesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(faults{})
		h := newHost(t, e, 0)
		ids := e.suspects(t, 2, 0, 0)
		e.save(t, ids[1], "r")
		waiting := make(chan error, 2)
		go func() { _, err := h.Load(t.Context(), ids[0], true); waiting <- err }()
		go func() { waiting <- h.Wait(t.Context()) }()
		synctest.Wait()
		gate := make(chan struct{})
		e.SetFaults(faults{Load: func(ctx context.Context, _ []uint64, do func(context.Context) error) error {
			<-gate
			return do(ctx)
		}})
		reading := make(chan error, 1)
		go func() { _, err := h.Load(t.Context(), ids[1], true); reading <- err }()
		synctest.Wait()
		h.Close(errClosed)
		for range 2 {
			assert.Equal(t, errClosed, <-waiting)
		}
		close(gate)
		assert.NoError(t, <-reading)
		_, err := h.Load(t.Context(), ids[0], true)
		assert.Equal(t, errClosed, err)
		data, err := h.Load(t.Context(), ids[1], true)
		assert.NoError(t, err)
		assert.Equal(t, "r", string(data))
		assert.Equal(t, errClosed, h.Wait(t.Context()))
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errDown)
		assert.Equal(t, errDown, h.Wait(ctx), "the caller's own context comes first")
	})
}

// Wait asks until the shared queue is empty, soon again while it is not, and past failures; its error says what is left.
func TestRemoteWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		e := newEngine(faults{Size: enginetest.Chain(counts(&asked), enginetest.First(3, bad["fails"]))})
		h := newHost(t, e, 1)
		assert.NoError(t, h.Wait(t.Context()))
		assert.EqualValues(t, 4, asked.Load())
		e.suspects(t, 2, 0, 0)
		minute := func() context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			t.Cleanup(cancel)
			return ctx
		}
		err := h.Wait(minute())
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "tasks, or messages with several, in the shared queue: 2; tasks with this pool: 0; "+
			"what a process had that has died is delivered again within 30s of its death")
		assert.InDelta(t, 600, asked.Load(), 20)

		e.SetFaults(faults{})
		h.work(lasting(time.Minute))
		begun := time.Now()
		assert.NoError(t, h.Wait(t.Context()))
		assert.InDelta(t, 2*time.Minute, time.Since(begun), float64(100*time.Millisecond))
	})
}

// The results of all processes, and their deletion; an engine that is gone ends the host here as well.
func TestRemoteAllAndDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(faults{})
		h := newHost(t, e, 0)
		e.save(t, 5, "a")
		e.save(t, 6, "b")
		data, err := h.Peek(t.Context(), 5)
		assert.NoError(t, err)
		assert.Equal(t, "a", string(data))
		assert.NoError(t, h.Delete(t.Context(), 5))
		for rec, err := range h.All(t.Context()) {
			assert.NoError(t, err)
			assert.Equal(t, engine.Record{ID: 6, Data: []byte("b")}, rec)
			break
		}
		assert.NoError(t, h.hasFailed())
		e.Down(engine.ErrGone)
		for _, err := range h.All(t.Context()) {
			assert.ErrorIs(t, err, engine.ErrGone)
		}
		assert.ErrorIs(t, h.hasFailed(), engine.ErrGone)
	})
}
