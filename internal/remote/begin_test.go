package remote_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/internal/remote"
)

// Whether a task that was delivered so often, and started so often by processes that have died, is run, and how many
// starts are counted, before it runs and when it was interrupted. The engine is not asked about one that is no suspect.
func TestRemoteSuspects(t *testing.T) {
	const second, endsOtherwise = time.Second, "started once, and not interrupted"
	marks := func(f fault) faults { return faults{MarkStart: f} }
	first, after := enginetest.First, enginetest.After
	forbidden := enginetest.Fail(errors.ErrUnsupported)
	deaf := func(context.Context, []uint64, func(context.Context) error) error {
		time.Sleep(2 * time.Hour)
		return errors.ErrUnsupported // which would count, but for the host that has closed
	}
	for name, c := range map[string]struct {
		deliveries, starts int
		faults             faults
		want               error // remote.ErrPoisoned, or errClosed: it waits, and is given back when the host closes
		says               string
		running, after     int // starts
		waits              time.Duration
	}{
		"delivered twice":        {2, 9, faults{}, nil, "", 9, 9, 0},
		"never started":          {3, 0, faults{}, nil, "", 1, 0, 0},
		"started once":           {3, 1, faults{}, nil, "", 2, 1, 0},
		endsOtherwise:            {3, 1, faults{}, nil, "", 2, 2, 0},
		"delivered often":        {51, 4, faults{}, nil, "", 5, 4, 0},
		"started five times":     {3, 5, faults{}, remote.ErrPoisoned, "it was started 5 times", 6, 6, 0},
		"not permitted":          {3, 3, marks(forbidden), nil, "", 3, 3, 0},
		"not any more":           {3, 3, marks(after(1, forbidden)), nil, "", 4, 4, 0},
		"only to look":           {3, 3, marks(after(2, forbidden)), nil, "", 3, 3, 0},
		"not permitted, often":   {20, 3, marks(forbidden), nil, "", 3, 3, 0},
		"not permitted, oftener": {21, 3, marks(forbidden), remote.ErrPoisoned, "it was delivered 21 times", 3, 3, 0},
		"is dropped":             {3, 0, marks(first(1, hang)), nil, "", 1, 0, 6 * second},
		// Starts that were counted without an answer are those of nobody.
		"answers are lost":  {3, 0, marks(first(6, bad["loses answer"])), nil, "", 7, 6, second},
		"is down":           {3, 3, marks(bad["fails"]), errClosed, "", 3, 3, 0},
		"hears it too late": {3, 3, marks(deaf), errClosed, "", 3, 3, 0},
		"gone":              {3, 3, marks(enginetest.Fail(engine.ErrGone)), engine.ErrGone, "", 3, 3, 0},
	} {
		bubble(t, name, func(t *testing.T) {
			e := newEngine(c.faults)
			id := e.suspects(t, 1, c.deliveries-1, c.starts)[0]
			h := newHost(t, e, 1)
			h.Start()
			synctest.Wait()
			if c.want == errClosed {
				time.AfterFunc(time.Hour, func() { h.shut(errClosed); e.SetFaults(faults{}) })
			}
			begun := time.Now()
			task, start, err := h.Begin(<-h.tasks)
			assert.ErrorIs(t, err, c.want)
			assert.Equal(t, c.want == errClosed || c.want == engine.ErrGone, remote.IsHandBack(err))
			if c.want == nil {
				assert.Equal(t, []byte{0}, task)
				assert.LessOrEqual(t, time.Since(begun), c.waits)
			} else {
				assert.ErrorContains(t, err, c.says)
			}
			assert.Equal(t, c.running, e.starts(t, id))
			start.End(name != endsOtherwise)
			assert.Equal(t, c.after, e.starts(t, id))
			assert.Equal(t, c.want == engine.ErrGone, h.hasFailed() != nil)
		})
	}
}

// Of suspects that somebody has died at, one runs at a time. Those that wait have not started, and when the host closes
// they are given back. They run at once if nobody is known to have died at them.
func TestRemoteSuspectsTakeTurns(t *testing.T) {
	for name, c := range map[string]struct {
		starts, atOnce int
		mark           fault
	}{
		"somebody has died": {1, 1, nil},
		"not counted":       {1, 4, enginetest.Fail(errors.ErrUnsupported)},
		"fails at first":    {0, 4, enginetest.First(4, bad["fails"])},
	} {
		bubble(t, name, func(t *testing.T) {
			e := newEngine(faults{MarkStart: c.mark})
			ids := e.suspects(t, 4, 2, c.starts)
			h := newHost(t, e, 4)
			h.Start()
			type begun struct {
				start remote.Start
				err   error
			}
			starts := make(chan begun, 4)
			for range 4 {
				go func() {
					_, start, err := h.Begin(<-h.tasks)
					starts <- begun{start, err}
				}()
			}
			next := func(atOnce int) remote.Start {
				time.Sleep(time.Second)
				synctest.Wait()
				require.Len(t, starts, atOnce)
				one := <-starts
				require.NoError(t, one.err)
				return one.start
			}
			if c.atOnce == 4 {
				for n := range 4 {
					start := next(4 - n)
					start.End(false)
				}
				return
			}
			for range 2 {
				start := next(1)
				start.End(false)
			}
			third := next(1)
			all := 0
			for _, id := range ids {
				all += e.starts(t, id)
			}
			assert.Equal(t, 4+3, all)
			h.shut(errClosed)
			fourth := <-starts
			assert.True(t, remote.IsHandBack(fourth.err))
			assert.ErrorContains(t, fourth.err, "pool: given back to the engine: the host is closed")
			third.End(false)
			fourth.start.End(true)
		})
	}
}
