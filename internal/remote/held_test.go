package remote_test

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/internal/remote"
)

// What a Finish of a result comes to, given what the engine does. A task is acknowledged only if its result is saved.
func TestRemoteFinish(t *testing.T) {
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
		"Save calls Goexit":     {faults{Save: enginetest.Goexit()}, guard.ErrGoexit, false, false, false, 0},
		"Save panics":           {faults{Save: enginetest.Panic(errFinal)}, errFinal, false, false, false, 0},
		"Ack fails":             {faults{Ack: bad["fails"]}, nil, false, true, false, 0},
		"Ack hangs":             {faults{Ack: hang}, nil, false, true, false, 5 * time.Second},
		"Ack is not permitted":  {faults{Ack: enginetest.Fail(errFinal)}, nil, true, true, false, 0},
	} {
		bubble(t, name, func(t *testing.T) {
			e := newEngine(c.faults)
			e.final = func(err error) bool { return errors.Is(err, errFinal) || errors.Is(err, guard.ErrGoexit) }
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
		})
	}
}

// Of several tasks those without a record are given back first, and the engine is not called for nothing. One that hangs
// when tasks are given back is waited for once.
func TestRemoteGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var saves, acks, nacks atomic.Int64
		calls := func() []int64 { return []int64{saves.Load(), acks.Load(), nacks.Load()} }
		e := newEngine(faults{Save: counts(&saves), Ack: counts(&acks), Nack: counts(&nacks)})
		ids := e.suspects(t, 3, 0, 0)
		h := newHost(t, e, 3)
		h.Start()
		synctest.Wait()
		h.resize(0) // what is given back stays in the engine
		synctest.Wait()
		assert.NoError(t, h.Finish(t.Context(), record(ids[0], "x")))
		assert.Equal(t, []int64{1, 1, 0}, calls())
		assert.NoError(t, h.Finish(t.Context(), []engine.Record{{ID: ids[1]}}))
		assert.Equal(t, []int64{1, 1, 1}, calls())
		ds, err := e.memory.Pull(t.Context(), 3)
		require.NoError(t, err)
		require.Len(t, ds, 1)
		assert.Equal(t, ids[1], ds[0].ID)
		assert.Equal(t, 2, e.size(t))
		begun := time.Now()
		h.Forget(ids[2]) // its result was given up: it is another's when its lease ends
		_, err = e.memory.Pull(t.Context(), 1)
		assert.NoError(t, err)
		assert.Equal(t, lease, time.Since(begun))
	})
	synctest.Test(t, func(t *testing.T) {
		var nacks atomic.Int64
		e := newEngine(faults{Save: hang, Nack: enginetest.Chain(counts(&nacks), late)})
		ids := e.suspects(t, 3, 0, 0)
		h := newHost(t, e, 3)
		h.Start()
		synctest.Wait()
		begun := time.Now()
		time.AfterFunc(time.Second, func() {
			ds, err := e.memory.Pull(t.Context(), 3)
			assert.NoError(t, err)
			assert.Len(t, ds, 1)
			assert.Equal(t, time.Second, time.Since(begun), "it waits for the others of its batch")
		})
		h.resize(0)
		err := h.Finish(t.Context(), []engine.Record{{ID: ids[0], Data: []byte("x")}, {ID: ids[1]}})
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NoError(t, h.Finish(t.Context(), []engine.Record{{ID: ids[2]}}))
		assert.Equal(t, 10*time.Second, time.Since(begun))
		assert.EqualValues(t, 1, nacks.Load())
	})
}

// One call of each method, of which one is the first, second or third, ends as it should not: no task is lost or run twice,
// nothing hangs, and nothing is left.
func TestRemoteOneCallIsBad(t *testing.T) {
	for _, method := range []string{"Push", "Pull", "Load", "MarkStart", "Extend", "Save", "Ack", "Nack", "Wait", "Size"} {
		for how, f := range bad {
			if (how == "hangs" || how == "is late") && (method == "Pull" || method == "Wait") {
				continue // they may take long, and the engine bounds its requests itself
			}
			bubble(t, method+" "+how, func(t *testing.T) {
				for nth := range 3 {
					var fs faults
					one := enginetest.After(nth, enginetest.First(1, f))
					reflect.ValueOf(&fs).Elem().FieldByName(method).Set(reflect.ValueOf(one))
					oneCallIsBad(t, fs)
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

// Leases are extended three times in each, for as long as a task is held, also while the host closes and after nothing
// was held, and in vain now and then. A task that is delivered again while it is held is not run again, and all its deliveries
// are acknowledged: an engine may know a task by its delivery.
func TestRemoteLeasesAreKept(t *testing.T) {
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
			var acks atomic.Int64 // of deliveries
			ack := func(ctx context.Context, ids []uint64, do func(context.Context) error) error {
				acks.Add(int64(len(ids)))
				return do(ctx)
			}
			e := newEngine(faults{Extend: c.extend, Ack: ack})
			h := newHost(t, e, 2)
			h.work(lasting(10 * lease))
			time.Sleep(2 * lease)
			ids := e.suspects(t, 1, 0, 0)
			synctest.Wait()
			time.Sleep(c.restore)
			if c.restore > 0 {
				assert.ErrorIs(t, h.failures.Now().Err, errDown)
				e.SetFaults(faults{Ack: ack})
			}
			h.close()
			other := newHost(t, over(e.memory, faults{}), 2)
			other.work(lasting(0))
			h.running.Wait()
			assert.Equal(t, acks.Load() > 1, c.restore > 0)
			assert.Zero(t, e.size(t))
			ranOnce(t, ids, h, other)
			assert.NoError(t, h.hasFailed())
		})
	}
	bubble(t, "three times", func(t *testing.T) {
		var calls atomic.Int64
		e := newEngine(faults{Extend: counts(&calls)})
		h := newHost(t, e, 1)
		h.work(lasting(10 * lease))
		time.Sleep(10 * lease)
		assert.Zero(t, calls.Load(), "nothing is held")
		e.suspects(t, 1, 0, 0)
		time.Sleep(11 * lease)
		assert.InDelta(t, 30, calls.Load(), 1)
	})
}

// An Extend under way does not hold up the end, which waits for its return, and what an engine says of a call that was ended
// so is no final error.
func TestRemoteEndOfExtend(t *testing.T) {
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
