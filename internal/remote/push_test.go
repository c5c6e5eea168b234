package remote_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/internal/remote"
)

// What a Push with a minute's time comes to, given what the engine does.
func TestRemotePush(t *testing.T) {
	fail, first, after := enginetest.Fail, enginetest.First, enginetest.After
	lostThen := func(f fault) fault { return enginetest.Chain(first(1, enginetest.Lose(errDown)), after(1, f)) }
	refused := fmt.Errorf("not connected: %w", engine.ErrRefused)
	gone := fmt.Errorf("a test: %w: %w", engine.ErrRefused, engine.ErrGone)
	errFinal := errors.New("not permitted")
	deaf := func(context.Context, []uint64, func(context.Context) error) error {
		time.Sleep(61 * time.Second)
		return errFinal
	}
	type errs = []error
	for name, c := range map[string]struct {
		fault     fault
		wait      bool
		want, not errs // no want: it is accepted
		took      time.Duration
	}{
		"accepted":         {nil, true, nil, nil, 0},
		"down for a while": {first(2, fail(errDown)), true, nil, nil, 30 * time.Millisecond},
		"answer lost":      {lostThen(nil), true, nil, nil, 10 * time.Millisecond},
		"request dropped":  {first(1, hang), true, nil, nil, 5*time.Second + 10*time.Millisecond},
		"answer is late":   {first(1, late), true, nil, nil, 5*time.Second + 10*time.Millisecond},
		"down":             {fail(errDown), true, errs{context.DeadlineExceeded, errDown, remote.ErrUnconfirmed}, nil, time.Minute},
		"down, no waiting": {fail(errDown), false, errs{context.DeadlineExceeded, errDown, remote.ErrUnconfirmed}, nil, time.Minute},
		"hangs":            {hang, true, errs{context.DeadlineExceeded, remote.ErrUnconfirmed}, nil, time.Minute},
		// A queue that is full is asked again soon, however long it was full, and is no failure.
		"full for a while": {first(3, fail(engine.ErrFull)), true, nil, nil, 70 * time.Millisecond},
		"full for long":    {first(300, fail(engine.ErrFull)), true, nil, nil, 29750 * time.Millisecond},
		"full":             {fail(engine.ErrFull), true, errs{context.DeadlineExceeded}, errs{remote.ErrUnconfirmed, engine.ErrFull}, time.Minute},
		"full, no waiting": {fail(engine.ErrFull), false, errs{remote.ErrQueueFull}, errs{remote.ErrUnconfirmed}, 0},
		"too large":        {fail(engine.ErrTooLarge), true, errs{engine.ErrTooLarge}, errs{remote.ErrUnconfirmed}, 0},
		"not permitted":    {fail(errFinal), true, errs{errFinal, remote.ErrUnconfirmed}, nil, 0},
		"ended by its ctx": {deaf, true, errs{context.DeadlineExceeded, remote.ErrUnconfirmed}, errs{errFinal}, 61 * time.Second},
		"refused":          {fail(refused), true, errs{context.DeadlineExceeded, refused}, errs{remote.ErrUnconfirmed}, time.Minute},
		"lost, then refused": {lostThen(fail(refused)), true,
			errs{context.DeadlineExceeded, refused, remote.ErrUnconfirmed}, nil, time.Minute},
		"lost, then too large": {lostThen(fail(engine.ErrTooLarge)), true,
			errs{engine.ErrTooLarge}, errs{remote.ErrUnconfirmed}, 10 * time.Millisecond},
		// The host's refusal comes at once, whatever the engine and the caller's own context do.
		"full, and closed":  {fail(engine.ErrFull), true, errs{errClosed, errDown}, errs{remote.ErrUnconfirmed}, time.Second},
		"hangs, and closed": {hang, true, errs{errClosed, errDown, remote.ErrUnconfirmed}, nil, time.Second},
		"gone":              {fail(gone), true, errs{engine.ErrGone}, errs{remote.ErrUnconfirmed}, 0},
		"lost, then gone":   {lostThen(fail(gone)), true, errs{engine.ErrGone, remote.ErrUnconfirmed}, nil, 10 * time.Millisecond},
	} {
		bubble(t, name, func(t *testing.T) {
			e := newEngine(faults{Push: c.fault})
			e.final = func(err error) bool { return errors.Is(err, errFinal) || errors.Is(err, engine.ErrFull) }
			h := newHost(t, e, 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if slices.Contains(c.want, errClosed) {
				time.AfterFunc(time.Second, func() { h.Fail(errDown) })
			}
			begun := time.Now()
			ids, err := h.Push(ctx, tasks(2), c.wait)
			assert.Equal(t, c.took, time.Since(begun))
			assert.Zero(t, h.failures.Now(), "nothing is tried any more")
			if c.want == nil {
				assert.NoError(t, err)
				assert.Len(t, ids, 2)
				assert.Equal(t, 2, e.size(t), "each task is there once")
				return
			}
			for _, want := range c.want {
				assert.ErrorIs(t, err, want)
			}
			for _, not := range c.not {
				assert.NotErrorIs(t, err, not)
			}
			assert.Empty(t, ids)
			assert.Equal(t, errors.Is(err, engine.ErrGone) || errors.Is(err, errClosed), h.hasFailed() != nil)
		})
	}
}

// More tasks than the queue has room for, in one call, are there once each, also if answers are lost and the queue is
// full for longer than an engine remembers a key: what was certainly not accepted gets another one.
func TestRemotePushPastTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(faults{})
		e.memory = enginetest.NewMemory(&enginetest.MemoryOptions{QueueBound: 2})
		e.Faulty = enginetest.WithFaults(e.memory.Open(), faults{Push: enginetest.First(1, late)})
		begun, keys := make(map[string]time.Time), 0
		e.push = func(key string, _ [][]byte, do func() ([]uint64, error)) ([]uint64, error) {
			if begun[key].IsZero() {
				begun[key] = time.Now()
				keys++
			}
			assert.Less(t, time.Since(begun[key]), 10*time.Second)
			assert.Regexp(t, "^[-0-9a-zA-Z]{1,64}$", key)
			return do()
		}
		h := newHost(t, e, 1)
		time.AfterFunc(time.Minute, func() { h.work(lasting(time.Second)) })
		ids, err := h.Push(t.Context(), tasks(9), true)
		assert.NoError(t, err)
		assert.Len(t, ids, 9)
		assert.NoError(t, h.Wait(t.Context()))
		ranOnce(t, ids, h)
		assert.Greater(t, keys, 100)
	})
}

// An answer that makes no sense leaves open what was accepted, and so does one with an ID behind a gap.
func TestRemotePushAnswersNonsense(t *testing.T) {
	for name, c := range map[string]struct {
		ids  []uint64
		err  error
		says string
	}{
		"too few":       {[]uint64{7, 8}, nil, "the engine has returned the IDs [7 8] for 3 tasks"},
		"too many":      {[]uint64{7, 8, 9, 10}, nil, "the engine has returned the IDs [7 8 9 10]"},
		"none":          {nil, nil, "the engine has returned the IDs []"},
		"a zero":        {[]uint64{7, 0, 9}, nil, "the engine has returned the IDs [7 0 9]"},
		"full, but one": {[]uint64{0, 8, 0}, engine.ErrFull, "queue is full"},
	} {
		bubble(t, name, func(t *testing.T) {
			e := newEngine(faults{})
			e.push = func(string, [][]byte, func() ([]uint64, error)) ([]uint64, error) { return c.ids, c.err }
			ids, err := newHost(t, e, 1).Push(t.Context(), tasks(3), false)
			assert.ErrorContains(t, err, c.says)
			assert.ErrorIs(t, err, remote.ErrUnconfirmed)
			assert.Empty(t, ids)
		})
	}
}
