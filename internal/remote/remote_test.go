package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/internal/remote"
)

var errDown = errors.New("down")

// A share takes over what its workers can begin: with long tasks one for each worker, another when one
// has ended, more after Resized, and none that another process could run.
func TestTakesOverWhatCanBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, newMemory(), 2)
		push(t, h, 10)
		h.Start()
		synctest.Wait()
		assert.Len(t, h.tasks, 2)
		time.Sleep(time.Second)
		h.run(t)
		synctest.Wait()
		assert.Len(t, h.tasks, 2, "another one for the worker that has ended")
		h.resize(5)
		synctest.Wait()
		assert.Len(t, h.tasks, 5)
		h.resize(0)
		h.run(t)
		synctest.Wait()
		assert.Len(t, h.tasks, 4)
	})
}

// What workers end quickly is taken over ahead of them, for 50 ms.
func TestTakesOverAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, newMemory(), 1)
		for range 3 {
			push(t, h, 200)
		}
		h.Start()
		for range 200 { // one in a millisecond
			h.run(t)
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		assert.InDelta(t, 50, len(h.tasks), 15)
	})
}

// When the host is closed, what has not begun is given back, and another process has it at once.
func TestCloseGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory()
		h, other := newHost(t, eng, 3), newHost(t, eng.Open(), 3)
		push(t, h, 3)
		h.Start()
		synctest.Wait()
		assert.Len(t, h.tasks, 3)
		begun := time.Now()
		h.close()
		other.Start()
		synctest.Wait()
		assert.Len(t, other.tasks, 3)
		assert.Zero(t, time.Since(begun))
	})
}

// Leases are extended for as long as a task is held, also when the host is closed.
func TestLeasesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory()
		h, other := newHost(t, eng, 1), newHost(t, eng.Open(), 1)
		push(t, h, 1)
		h.Start()
		id := <-h.tasks
		_, start, err := h.Begin(id)
		require.NoError(t, err)
		other.Start()
		h.shut(errClosed)
		time.Sleep(10 * lease)
		assert.Empty(t, other.tasks)
		start.End(false)
		h.Forget(id) // its result was given up: nobody extends its lease
		time.Sleep(2 * lease)
		assert.Len(t, other.tasks, 1)
	})
}

// A task that was delivered before and is saved is acknowledged and not run; one that is held here is not
// run twice at once.
func TestDeliveredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory()
		faulty := enginetest.WithFaults(eng, enginetest.Faults{})
		h := newHost(t, faulty, 2)
		ids := push(t, h, 2)
		_, err := eng.Open().Pull(t.Context(), 2) // by a process that dies,
		require.NoError(t, err)
		require.NoError(t, eng.Save(t.Context(), []engine.Record{{ID: ids[0], Data: []byte("saved")}}))
		h.Start()
		time.Sleep(lease + time.Second)
		require.Len(t, h.tasks, 1)
		assert.Equal(t, ids[1], <-h.tasks)
		size, err := eng.Size(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, size, "the other is acknowledged")

		faulty.SetFaults(enginetest.Faults{Extend: enginetest.Fail(errDown)})
		time.Sleep(2 * lease) // it comes again while it is held here
		assert.Empty(t, h.tasks)
		assert.ErrorIs(t, h.failures.Now().Err, errDown)
		_, start, err := h.Begin(ids[1])
		require.NoError(t, err)
		start.End(false)
		require.NoError(t, h.Finish(t.Context(), []engine.Record{{ID: ids[1], Data: []byte("x")}}))
		size, _ = eng.Size(t.Context())
		assert.Zero(t, size)
	})
}

// What a Push comes to, given what the engine does.
func TestPush(t *testing.T) {
	lose := enginetest.Lose(errDown)
	full := fmt.Errorf("a test: %w", engine.ErrFull)
	final := fmt.Errorf("a test: %w", engine.ErrTooLarge)
	for name, c := range map[string]struct {
		fault enginetest.Fault
		wait  bool
		want  error // nil: accepted
		took  time.Duration
		not   error
	}{
		"accepted":         {nil, true, nil, 0, nil},
		"down for a while": {enginetest.First(2, enginetest.Fail(errDown)), true, nil, 30 * time.Millisecond, nil},
		"answer lost":      {enginetest.First(1, lose), true, nil, 10 * time.Millisecond, nil},
		"full for a while": {enginetest.First(3, enginetest.Fail(full)), true, nil, 70 * time.Millisecond, nil},
		"full":             {enginetest.Fail(full), false, remote.ErrQueueFull, 0, remote.ErrUnconfirmed},
		"final":            {enginetest.Fail(final), true, engine.ErrTooLarge, 0, remote.ErrUnconfirmed},
		"down":             {enginetest.Fail(errDown), true, remote.ErrUnconfirmed, time.Minute, nil},
		"hangs":            {enginetest.Drop(), true, remote.ErrUnconfirmed, time.Minute, nil},
		"panics":           {enginetest.First(1, enginetest.Panic(io.EOF)), true, nil, 10 * time.Millisecond, nil},
		"calls Goexit":     {enginetest.First(1, enginetest.Goexit()), true, nil, 10 * time.Millisecond, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eng := newMemory()
				h := newHost(t, enginetest.WithFaults(eng, enginetest.Faults{Push: c.fault}), 1)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				begun := time.Now()
				ids, err := h.Push(ctx, [][]byte{{1}, {2}}, c.wait)
				assert.Equal(t, c.took, time.Since(begun))
				size, _ := eng.Size(t.Context())
				if c.want == nil {
					assert.NoError(t, err)
					assert.Len(t, ids, 2)
					assert.EqualValues(t, 2, size, "each task is there once")
					return
				}
				assert.ErrorIs(t, err, c.want)
				assert.Empty(t, ids)
				if c.not != nil {
					assert.NotErrorIs(t, err, c.not)
				} else {
					assert.ErrorIs(t, err, context.DeadlineExceeded)
				}
				assert.Zero(t, h.failures.Now(), "nothing is tried any more")
			})
		})
	}
}

// A Push says why the host refuses, whatever the engine does.
func TestPushIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, enginetest.WithFaults(newMemory(), enginetest.Faults{Push: enginetest.Fail(engine.ErrFull)}), 1)
		refused := make(chan error)
		go func() {
			_, err := h.Push(t.Context(), [][]byte{{1}}, true)
			refused <- err
		}()
		synctest.Wait()
		h.close()
		assert.ErrorIs(t, <-refused, errClosed)
	})
}

// An engine that returns too few IDs, or none, has made a mistake that is said.
func TestPushWithoutIDs(t *testing.T) {
	eng := badIDs{newMemory()}
	_, err := newHost(t, eng, 1).Push(t.Context(), [][]byte{{1}, {2}}, true)
	assert.ErrorContains(t, err, "the engine has returned the IDs [7] for 2 tasks")
	assert.ErrorIs(t, err, remote.ErrUnconfirmed)
}

type badIDs struct{ engine.Engine }

func (badIDs) Push(context.Context, string, [][]byte) ([]uint64, error) { return []uint64{7}, nil }

// Starts are counted from the third delivery on; five are the limit.
func TestSuspects(t *testing.T) {
	for name, c := range map[string]struct {
		deliveries, starts int
		counts             bool // the engine can count starts
		poisoned           bool
	}{
		"delivered twice":             {2, 9, true, false},
		"never started":               {9, 0, true, false},
		"started four times":          {9, 4, true, false},
		"started five times":          {9, 5, true, true},
		"not counted":                 {20, 0, false, false},
		"not counted, too many times": {21, 0, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eng := newMemory()
				var subject engine.Engine = eng
				if !c.counts {
					subject = struct{ engine.Engine }{eng}
				}
				h := newHost(t, subject, 1)
				id := push(t, h, 1)[0]
				for range c.deliveries - 1 {
					ds, err := eng.Pull(t.Context(), 1)
					require.NoError(t, err)
					require.NoError(t, eng.Nack(t.Context(), ds))
				}
				for range c.starts {
					_, err := eng.MarkStart(t.Context(), id, 1)
					require.NoError(t, err)
				}
				h.Start()
				_, start, err := h.Begin(<-h.tasks)
				if c.poisoned {
					assert.ErrorIs(t, err, remote.ErrPoisoned)
				} else {
					assert.NoError(t, err)
				}
				start.End(true) // it was interrupted: the start is taken back
				if c.counts {
					n, err := eng.MarkStart(t.Context(), id, 1)
					assert.NoError(t, err)
					assert.Equal(t, c.starts+1, max(n, c.starts+1), "a start is lost")
				}
				require.NoError(t, h.Finish(t.Context(), []engine.Record{{ID: id, Data: []byte("x")}}))
			})
		})
	}
}

// Of suspects that somebody has died at, one runs at a time. The host's close lets none of them run.
func TestSuspectsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory()
		h := newHost(t, eng, 2)
		for _, id := range push(t, h, 3) {
			_, err := eng.MarkStart(t.Context(), id, 1)
			require.NoError(t, err)
		}
		for range 2 {
			ds, err := eng.Pull(t.Context(), 3)
			require.NoError(t, err)
			require.NoError(t, eng.Nack(t.Context(), ds))
		}
		h.workers = 3
		h.Start()
		type begun struct {
			start remote.Start
			err   error
		}
		starts := make(chan begun, 3)
		for range 3 {
			go func() {
				_, start, err := h.Begin(<-h.tasks)
				starts <- begun{start, err}
			}()
		}
		synctest.Wait()
		require.Len(t, starts, 1)
		first := <-starts
		require.NoError(t, first.err)
		first.start.End(false)
		synctest.Wait()
		require.Len(t, starts, 1)
		second := <-starts
		h.shut(errClosed)
		third := <-starts
		assert.True(t, remote.IsHandBack(third.err))
		assert.ErrorIs(t, third.err, errClosed)
		second.start.End(false)
		third.start.End(true)
		for id := uint64(1); id <= 3; id++ {
			h.Forget(id)
		}
	})
}

// What a Finish comes to.
func TestFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := enginetest.WithFaults(newMemory(), enginetest.Faults{})
		h := newHost(t, eng, 4)
		ids := push(t, h, 4)
		h.Start()
		synctest.Wait()
		for range 4 {
			_, start, err := h.Begin(<-h.tasks)
			require.NoError(t, err)
			start.End(false)
		}
		h.resize(0) // what is given back stays in the engine
		save := func(id uint64) error {
			return h.Finish(t.Context(), []engine.Record{{ID: id, Data: []byte("x")}})
		}
		require.NoError(t, save(ids[0]))
		require.NoError(t, h.Finish(t.Context(), []engine.Record{{ID: ids[1]}}), "given back")
		size, err := eng.Size(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 3, size)

		eng.SetFaults(enginetest.Faults{Save: enginetest.Fail(errDown)})
		assert.ErrorIs(t, save(ids[2]), errDown)
		eng.SetFaults(enginetest.Faults{Save: enginetest.Drop()})
		assert.ErrorIs(t, save(ids[2]), context.DeadlineExceeded, "a request that is lost is not waited for")
		eng.SetFaults(enginetest.Faults{Save: enginetest.Fail(engine.ErrTooLarge)})
		assert.ErrorIs(t, save(ids[2]), engine.ErrTooLarge)
		assert.NoError(t, h.hasFailed())
		eng.SetFaults(enginetest.Faults{Ack: enginetest.Drop()})
		assert.NoError(t, save(ids[2]), "it is saved")
		eng.SetFaults(enginetest.Faults{Save: enginetest.Fail(engine.ErrGone)})
		var final *remote.FinalError
		assert.ErrorAs(t, save(ids[3]), &final)
		assert.ErrorIs(t, h.hasFailed(), engine.ErrGone)
		h.Forget(ids[3])
	})
}

// What a Load comes to, given what the engine does.
func TestLoad(t *testing.T) {
	for name, c := range map[string]struct {
		faults enginetest.Faults
		wait   bool
		waiter bool
		saved  time.Duration // when the result is; -1: never, and the task is not there
		want   error
		took   time.Duration
	}{
		"there":                         {enginetest.Faults{}, true, true, 0, nil, 0},
		"later":                         {enginetest.Faults{}, true, true, time.Hour, nil, time.Hour},
		"later, and the engine is lazy": {enginetest.Faults{}, true, false, 150 * time.Millisecond, nil, 150 * time.Millisecond},
		"no waiting":                    {enginetest.Faults{}, false, true, time.Hour, engine.ErrNotFound, 0},
		"never was":                     {enginetest.Faults{}, true, true, -1, engine.ErrNotFound, 0},
		"down for a while":              {enginetest.Faults{Load: enginetest.First(2, enginetest.Fail(errDown))}, true, true, 0, nil, 30 * time.Millisecond},
		"down while it waits":           {enginetest.Faults{Wait: enginetest.First(1, enginetest.Fail(errDown))}, true, true, time.Hour, nil, time.Hour},
		"down":                          {enginetest.Faults{Load: enginetest.Fail(errDown)}, true, true, 0, errDown, 2 * time.Hour},
		"final":                         {enginetest.Faults{Load: enginetest.Fail(errors.ErrUnsupported)}, true, true, 0, errors.ErrUnsupported, 0},
		"gone":                          {enginetest.Faults{Load: enginetest.Fail(engine.ErrGone)}, true, true, 0, engine.ErrGone, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eng := newMemory()
				var subject engine.Engine = enginetest.WithFaults(eng, c.faults)
				if !c.waiter {
					subject = struct{ engine.Engine }{subject}
				}
				h := newHost(t, subject, 0)
				id := push(t, h, 1)[0]
				switch {
				case c.saved < 0:
					id += 100
				case c.saved == 0:
					require.NoError(t, eng.Save(t.Context(), []engine.Record{{ID: id, Data: []byte("r")}}))
				default:
					time.AfterFunc(c.saved, func() { _ = eng.Save(context.Background(), []engine.Record{{ID: id, Data: []byte("r")}}) })
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
				defer cancel()
				begun := time.Now()
				data, err := h.Load(ctx, id, c.wait)
				assert.Equal(t, c.took.Round(100*time.Millisecond), time.Since(begun).Round(100*time.Millisecond))
				if c.want == nil {
					assert.NoError(t, err)
					assert.Equal(t, "r", string(data))
				} else {
					assert.ErrorIs(t, err, c.want)
				}
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// When the engine has failed for good, nobody waits for it, and what is stored can still be read.
func TestCloseWakesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory()
		h := newHost(t, eng, 0)
		ids := push(t, h, 2)
		require.NoError(t, eng.Save(t.Context(), []engine.Record{{ID: ids[1], Data: []byte("r")}}))
		waiting := make(chan error, 2)
		go func() { _, err := h.Load(t.Context(), ids[0], true); waiting <- err }()
		go func() { waiting <- h.Wait(t.Context()) }()
		synctest.Wait()
		h.Close(errClosed)
		for range 2 {
			assert.Equal(t, errClosed, <-waiting)
		}
		_, err := h.Load(t.Context(), ids[0], true)
		assert.Equal(t, errClosed, err)
		data, err := h.Load(t.Context(), ids[1], true)
		assert.NoError(t, err)
		assert.Equal(t, "r", string(data))
		assert.Equal(t, errClosed, h.Wait(t.Context()))
	})
}

// Wait asks until the shared queue is empty, also past failures; its error says what is left.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory()
		h := newHost(t, enginetest.WithFaults(eng, enginetest.Faults{Size: enginetest.First(3, enginetest.Fail(errDown))}), 1)
		assert.NoError(t, h.Wait(t.Context()))
		push(t, h, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := h.Wait(ctx)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "tasks in the shared queue: 2, with this pool: 0")
		over := make(chan error)
		go func() { over <- h.Wait(t.Context()) }()
		h.Start()
		h.run(t)
		h.run(t)
		assert.NoError(t, <-over)

		h = newHost(t, struct{ engine.Engine }{eng}, 0)
		assert.ErrorIs(t, h.Wait(t.Context()), errors.ErrUnsupported)
	})
}

// Of an engine that fails to be pulled from, panics, calls Goexit or returns nothing, the share pulls again;
// a final error ends the host.
func TestPullFails(t *testing.T) {
	nothing := func(context.Context, []uint64, func(context.Context) error) error { return nil }
	for name, fault := range map[string]enginetest.Fault{
		"fails":   enginetest.Fail(errDown),
		"panics":  enginetest.Panic(io.EOF),
		"Goexit":  enginetest.Goexit(),
		"nothing": nothing,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eng := enginetest.WithFaults(newMemory(), enginetest.Faults{Pull: fault})
				h := newHost(t, eng, 1)
				push(t, h, 1)
				h.Start()
				time.Sleep(time.Minute)
				assert.Error(t, h.failures.Now().Err)
				eng.SetFaults(enginetest.Faults{})
				time.Sleep(2 * time.Second)
				h.run(t)
				assert.NoError(t, h.failures.Now().Err)
				assert.NoError(t, h.hasFailed())
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, enginetest.WithFaults(newMemory(), enginetest.Faults{Pull: enginetest.Fail(engine.ErrClosed)}), 1)
		h.Start()
		synctest.Wait()
		assert.ErrorIs(t, h.hasFailed(), engine.ErrClosed)
	})
}

// The results of all processes, and their deletion; an engine that is gone ends the host here as well.
func TestAllAndDelete(t *testing.T) {
	eng := enginetest.WithFaults(newMemory(), enginetest.Faults{})
	h := newHost(t, eng, 0)
	require.NoError(t, eng.Save(t.Context(), []engine.Record{{ID: 5, Data: []byte("a")}, {ID: 6, Data: []byte("b")}}))
	data, err := h.Peek(t.Context(), 5)
	assert.NoError(t, err)
	assert.Equal(t, "a", string(data))
	assert.NoError(t, h.Delete(t.Context(), 5))
	var ids []uint64
	for rec, err := range h.All(t.Context()) {
		assert.NoError(t, err)
		ids = append(ids, rec.ID)
	}
	assert.Equal(t, []uint64{6}, ids)
	eng.Down(engine.ErrGone)
	for _, err := range h.All(t.Context()) {
		assert.ErrorIs(t, err, engine.ErrGone)
	}
	assert.ErrorIs(t, h.hasFailed(), engine.ErrGone)
}
