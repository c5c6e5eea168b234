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

// What a Finish of a result comes to, given what the engine does. A task is acknowledged only if its result is saved.
func TestFinish(t *testing.T) {
	errFinal := errors.New("not permitted")
	for name, c := range map[string]struct {
		faults      faults
		want        error
		final       bool // want is a FinalError, and the host has failed
		saved, gone bool // the result is there; the task is not
		took        time.Duration
	}{
		"works":                 {faults{}, nil, false, true, true, 0},
		"Save fails":            {faults{Save: bad["fails"]}, errDown, false, false, false, 0},
		"Save hangs":            {faults{Save: hang}, context.DeadlineExceeded, false, false, false, 5 * time.Second},
		"Save loses its answer": {faults{Save: bad["loses answer"]}, errDown, false, true, false, 0},
		"Save says too large":   {faults{Save: enginetest.Fail(engine.ErrTooLarge)}, engine.ErrTooLarge, false, false, false, 0},
		"Save is not permitted": {faults{Save: enginetest.Fail(errFinal)}, errFinal, true, false, false, 0},
		"gone":                  {faults{Save: enginetest.Fail(engine.ErrGone)}, engine.ErrGone, true, false, false, 0},
		"Ack fails":             {faults{Ack: bad["fails"]}, nil, false, true, false, 0},
		"Ack hangs":             {faults{Ack: hang}, nil, false, true, false, 5 * time.Second},
		"Ack is not permitted":  {faults{Ack: enginetest.Fail(errFinal)}, nil, true, true, false, 0},
	} {
		bubble(t, name, func(t *testing.T) {
			e := newEngine(c.faults)
			e.final = func(err error) bool { return errors.Is(err, errFinal) }
			id := e.suspects(t, 1, 0, 0)[0]
			h := newHost(t, e, 1)
			h.Start()
			h.begin(<-h.tasks)()
			begun := time.Now()
			err := h.Finish(t.Context(), record(id, "x"))
			assert.Equal(t, c.took, time.Since(begun))
			assert.ErrorIs(t, err, c.want)
			var final *remote.FinalError
			assert.Equal(t, c.final && c.want != nil, errors.As(err, &final))
			assert.Equal(t, c.final, h.hasFailed() != nil)
			if final != nil {
				assert.ErrorContains(t, final, "pool: saving results: ")
				assert.Equal(t, final, h.hasFailed())
			}
			_, err = e.memory.Load(t.Context(), id)
			assert.Equal(t, c.saved, err == nil)
			assert.Equal(t, c.gone, e.size(t) == 0)
			h.close()
			e.SetFaults(faults{})
			h.Forget(id)
			other := newHost(t, over(e.memory, faults{}), 1)
			other.work(lasting(0))
			time.Sleep(2 * lease)
			assert.Zero(t, e.size(t))
			assert.Equal(t, c.saved, other.runs[id] == 0, "a result that is saved is found")
		})
	}
}

// Of several tasks those without a record are given back first, and the engine is not called for nothing. One that hangs
// when tasks are given back is waited for once.
func TestGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var saves, acks, nacks int
		e := newEngine(faults{Save: counts(&saves), Ack: counts(&acks), Nack: counts(&nacks)})
		ids := e.suspects(t, 3, 0, 0)
		h := newHost(t, e, 3)
		h.Start()
		synctest.Wait()
		h.resize(0) // what is given back stays in the engine
		synctest.Wait()
		assert.NoError(t, h.Finish(t.Context(), record(ids[0], "x")))
		assert.Equal(t, []int{1, 1, 0}, []int{saves, acks, nacks})
		assert.NoError(t, h.Finish(t.Context(), []engine.Record{{ID: ids[1]}}))
		assert.Equal(t, []int{1, 1, 1}, []int{saves, acks, nacks})
		ds, err := e.memory.Pull(t.Context(), 3)
		require.NoError(t, err)
		require.Len(t, ds, 1)
		assert.Equal(t, ids[1], ds[0].ID)
		assert.Equal(t, 2, e.size(t))
	})
	synctest.Test(t, func(t *testing.T) {
		nacks := 0
		e := newEngine(faults{Save: hang, Nack: enginetest.Chain(counts(&nacks), late)})
		ids := e.suspects(t, 3, 0, 0)
		h := newHost(t, e, 3)
		h.Start()
		synctest.Wait()
		begun := time.Now()
		time.AfterFunc(time.Second, func() {
			ds, err := e.memory.Pull(t.Context(), 3)
			assert.NoError(t, err)
			assert.Len(t, ds, 1, "it waits for the others of its batch")
		})
		h.resize(0)
		err := h.Finish(t.Context(), []engine.Record{{ID: ids[0], Data: []byte("x")}, {ID: ids[1]}})
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NoError(t, h.Finish(t.Context(), []engine.Record{{ID: ids[2]}}))
		assert.Equal(t, 10*time.Second, time.Since(begun))
		assert.Equal(t, 1, nacks)
	})
}

// One call of each method, of which one is the first, second or third, ends as it should not: no task is lost or run twice,
// nothing hangs, and nothing is left.
func TestOneCallIsBad(t *testing.T) {
	for method, of := range map[string]func(f fault) faults{
		"Push":      func(f fault) faults { return faults{Push: f} },
		"Pull":      func(f fault) faults { return faults{Pull: f} },
		"Load":      func(f fault) faults { return faults{Load: f} },
		"MarkStart": func(f fault) faults { return faults{MarkStart: f} },
		"Extend":    func(f fault) faults { return faults{Extend: f} },
		"Save":      func(f fault) faults { return faults{Save: f} },
		"Ack":       func(f fault) faults { return faults{Ack: f} },
		"Nack":      func(f fault) faults { return faults{Nack: f} },
		"Wait":      func(f fault) faults { return faults{Wait: f} },
		"Size":      func(f fault) faults { return faults{Size: f} },
	} {
		for how, f := range bad {
			if (how == "hangs" || how == "is late") && (method == "Pull" || method == "Wait") {
				continue // they may take long, and the engine bounds its requests itself
			}
			bubble(t, method+" "+how, func(t *testing.T) {
				for nth := range 3 {
					oneCallIsBad(t, of(enginetest.Chain(enginetest.After(nth, enginetest.First(1, f)))))
				}
			})
		}
	}
}

func oneCallIsBad(t *testing.T, fs faults) {
	t.Helper()
	e := newEngine(fs)
	h := newHost(t, e, 2)
	ids := e.suspects(t, 3, 2, 1)
	e.dies(t)
	h.work(lasting(2 * lease))
	time.Sleep(lease)
	for range 3 {
		pushed, err := h.Push(t.Context(), tasks(1), true)
		require.NoError(t, err)
		ids = append(ids, pushed...)
	}
	for _, id := range ids {
		_, err := h.Load(t.Context(), id, true)
		require.NoError(t, err)
	}
	require.NoError(t, h.Wait(t.Context()))
	ranOnce(t, ids, h)
	assert.Zero(t, h.failures.Now())

	late, err := h.Push(t.Context(), tasks(6), true)
	require.NoError(t, err)
	time.Sleep(time.Second) // two are running
	h.close()
	other := newHost(t, over(e.memory, faults{}), 6)
	other.work(lasting(0))
	require.NoError(t, other.Wait(t.Context()))
	ranOnce(t, late, h, other)
	assert.NoError(t, h.hasFailed())
	h.running.Wait()
}
