package remote_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/enginetest"
)

type pulling = func(limit int) ([]engine.Delivery, error)

// A share takes over what its workers can begin: of long tasks one for each worker, another when one
// has ended, more or fewer after Resized, also if a Pull waits, and none that another process could run.
func TestRemoteTakesOverWhatCanBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(faults{})
		h := newHost(t, e, 8)
		taken := func() int {
			time.Sleep(time.Second)
			synctest.Wait()
			return len(h.taken)
		}
		h.Start()
		synctest.Wait() // a Pull for eight waits
		h.resize(1)
		synctest.Wait()
		e.suspects(t, 10, 0, 0)
		assert.Equal(t, 1, taken())
		id := <-h.tasks // A worker has it, and has not begun it: it is not idle, however often
		for range 10 {  // feed thinks of that.
			h.resize(1)
			synctest.Wait()
		}
		assert.Equal(t, 1, taken())
		first := h.begin(id)
		h.resize(2)
		assert.Equal(t, 2, taken())
		second := h.begin(<-h.tasks)
		first()
		assert.Equal(t, 3, taken(), "another one for the worker that has ended")
		h.resize(5)
		assert.Equal(t, 6, taken())
		h.resize(0)
		second()
		assert.Equal(t, 6, taken())
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(faults{})
		h := newHost(t, e, 8)
		h.asked = func() { h.resize(1) } // before feed has said how that Pull is cancelled
		h.Start()
		synctest.Wait()
		e.suspects(t, 8, 0, 0)
		synctest.Wait()
		assert.Len(t, h.taken, 1)
	})
}

// What workers end quickly is taken over ahead of them, for 50 ms, but no more than the queue has room for, and
// nothing while much is held.
func TestRemoteTakesOverAhead(t *testing.T) {
	for name, c := range map[string]struct{ queue, size, want int }{
		"":            {1000, 1, 50},
		"small queue": {8, 1, 8},
		"large tasks": {1000, 1 << 20, 9},
	} {
		bubble(t, name, func(t *testing.T) {
			e := newEngine(faults{})
			h := newHost(t, e, 1)
			h.tasks = make(chan uint64, c.queue)
			e.suspects(t, 400, 0, 0)
			blob := make([]byte, c.size)
			e.pull = func(_ context.Context, limit int, do pulling) ([]engine.Delivery, error) {
				ds, err := do(min(limit, 2<<20/c.size)) // an engine bounds the bytes of its answers
				for i := range ds {
					ds[i].Task = blob
				}
				return ds, err
			}
			h.Start()
			most := 0
			for range 200 { // one in a millisecond
				h.run(<-h.tasks, lasting(time.Millisecond))
				synctest.Wait()
				most = max(most, len(h.tasks))
			}
			assert.InDelta(t, c.want, most, float64(c.want)/4)
		})
	}
}

// Small tasks do not have as many large ones taken over a while later, nor do those that have only begun.
func TestRemoteOldPaceIsForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		small int
		pause time.Duration
	}{
		"at once": {0, 0}, "soon": {0, 6 * time.Millisecond}, "after small ones": {200, time.Second}, "later": {200, time.Minute},
	} {
		bubble(t, name, func(t *testing.T) {
			e := newEngine(faults{})
			h := newHost(t, e, 4)
			h.slow = 6 * time.Millisecond // so that all have begun before feed thinks again
			took := 100 * time.Microsecond
			h.work(func(byte) { time.Sleep(took) })
			e.suspects(t, c.small, 0, 0)
			time.Sleep(c.pause)
			require.Zero(t, e.size(t))
			took = time.Minute
			e.suspects(t, 40, 0, 0)
			time.Sleep(time.Second)
			assert.Empty(t, h.tasks, "others are idle")
		})
	}
}

// No worker is idle while the engine has tasks: with a small queue, and when the others become
// idle one by one while a Pull for one waits.
func TestRemoteNoWorkerIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(faults{})
		h := newHost(t, e, 8)
		h.tasks = make(chan uint64, 1)
		h.work(func(task byte) { time.Sleep(time.Minute + time.Duration(task)) })
		for _, n := range []int{8, 7, 8, 16} {
			begun := time.Now()
			e.suspects(t, n, 0, 0)
			require.NoError(t, h.Wait(t.Context()))
			assert.Less(t, time.Since(begun), time.Duration((n+7)/8)*time.Minute+time.Second)
		}
	})
}

// How the engine is asked: once while there is nothing, for one task or more, with a context that
// ends with the call, and again without a pause after Resized.
func TestRemotePulls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(faults{})
		calls, last := 0, context.Context(nil)
		e.pull = func(ctx context.Context, limit int, do pulling) ([]engine.Delivery, error) {
			assert.Positive(t, limit)
			if last != nil {
				assert.Error(t, last.Err(), "the context of the Pull before is kept")
			}
			calls, last = calls+1, ctx
			return do(limit)
		}
		h := newHost(t, e, 1)
		h.work(lasting(time.Millisecond))
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, 1, calls)
		for i := range 20 {
			h.resize(2 - i%2)
			synctest.Wait()
		}
		begun := time.Now()
		e.suspects(t, 1, 0, 0)
		require.NoError(t, h.Wait(t.Context()))
		assert.LessOrEqual(t, time.Since(begun), 10*time.Millisecond+time.Millisecond)
		e.suspects(t, 200, 0, 0)
		time.Sleep(50*time.Millisecond + time.Microsecond)
		synctest.Wait()
		h.resize(0)
		synctest.Wait()
		calls = 0
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Zero(t, calls, "it has no workers, however fast it was")
	})
}

// An engine that fails is asked less and less, and that is recorded until it works again, be it that it waits; the
// next hiccup costs as little as the first.
func TestRemotePullFails(t *testing.T) {
	for name, fault := range map[string]fault{"fails": bad["fails"], "calls Goexit": bad["calls Goexit"], "has nothing": enginetest.Drop()} {
		bubble(t, name, func(t *testing.T) {
			var calls atomic.Int64
			e := newEngine(faults{Pull: enginetest.Chain(counts(&calls), fault)})
			begun := time.Now()
			h := newHost(t, e, 2)
			h.work(lasting(0))
			for n := range 10 {
				time.Sleep(6 * time.Second)
				assert.Equal(t, begun, h.failures.Now().Since, "Resized is no success")
				h.resize(n + 1)
				synctest.Wait()
			}
			assert.InDelta(t, 75, calls.Load(), 15)
			e.SetFaults(faults{})
			time.Sleep(11 * time.Second)
			assert.Zero(t, h.failures.Now(), "it waits, which is a success")
			e.suspects(t, 1, 0, 0)
			synctest.Wait()
			assert.Zero(t, e.size(t))
			e.SetFaults(faults{Pull: enginetest.First(1, fault)})
			for range 2 { // one for the Pull under way
				e.suspects(t, 1, 0, 0)
				time.Sleep(10 * time.Millisecond)
				assert.Zero(t, e.size(t))
			}
			assert.NoError(t, h.hasFailed())
		})
	}
}

// What a Pull returns beside an error, or twice, is run once.
func TestRemotePullsOddly(t *testing.T) {
	for name, odd := range map[string]func([]engine.Delivery) ([]engine.Delivery, error){
		"beside an error": func(ds []engine.Delivery) ([]engine.Delivery, error) { return ds, errDown },
		"twins":           func(ds []engine.Delivery) ([]engine.Delivery, error) { return append(ds, ds...), nil },
	} {
		bubble(t, name, func(t *testing.T) {
			e := newEngine(faults{})
			e.pull = func(_ context.Context, limit int, do pulling) ([]engine.Delivery, error) {
				ds, _ := do(limit)
				return odd(ds)
			}
			h := newHost(t, e, 2)
			h.work(lasting(time.Millisecond))
			ids := e.suspects(t, 50, 0, 0)
			require.NoError(t, h.Wait(t.Context()))
			ranOnce(t, ids, h)
		})
	}
}

// A task that was delivered before, and is saved, is acknowledged and not run. It is run if the engine will never say
// whether it is; until it says so, the task waits, and others do not. Close ends that, though an engine says of a call that
// was ended so that it can never succeed.
func TestRemoteLooksForResults(t *testing.T) {
	const closes = -1
	load := func(f fault) faults { return faults{Load: f} }
	ended := func(ctx context.Context, ids []uint64, do func(context.Context) error) error {
		_ = hang(ctx, ids, do)
		return errClosed
	}
	for name, c := range map[string]struct {
		faults  faults
		saved   bool
		waits   time.Duration // or closes: it waits until then, and is another's at once
		runs    int
		outcome error // of the host
	}{
		"saved":             {load(nil), true, 0, 0, nil},
		"not saved":         {load(nil), false, 0, 1, nil},
		"saved, once known": {load(enginetest.First(3, bad["fails"])), true, 70 * time.Millisecond, 0, nil},
		"Retryable exits":   {load(enginetest.First(1, bad["fails"])), false, 10 * time.Millisecond, 1, nil},
		"dropped":           {load(enginetest.First(1, hang)), true, 5010 * time.Millisecond, 0, nil},
		"may not look":      {load(enginetest.Fail(errors.ErrUnsupported)), true, 0, 1, nil},
		"gone":              {load(enginetest.Fail(engine.ErrGone)), true, 0, 0, engine.ErrGone},
		"fails":             {load(bad["fails"]), false, closes, 0, nil},
		"hangs":             {load(hang), false, closes, 0, nil},
		"says it is over":   {load(ended), false, closes, 0, nil},
		"Ack does":          {faults{Ack: ended}, true, closes, 0, nil},
	} {
		bubble(t, name, func(t *testing.T) {
			e := newEngine(c.faults)
			judged := false
			e.final = func(err error) bool {
				if name == "Retryable exits" && !judged {
					judged = true
					runtime.Goexit()
				}
				return err == errClosed
			}
			id := e.suspects(t, 1, 0, 0)[0]
			e.dies(t)
			if c.saved {
				e.save(t, id, "saved")
			}
			time.Sleep(lease)
			fresh := e.suspects(t, 2, 0, 0)
			h := newHost(t, e, 3)
			h.work(lasting(0))
			synctest.Wait()
			if c.outcome == nil { // or it has ended before
				ranOnce(t, fresh, h)
			}
			switch {
			case c.waits == closes:
				time.Sleep(time.Second)
				h.close()
				other := newHost(t, over(e.memory, faults{}), 1)
				other.work(lasting(0))
				synctest.Wait()
				assert.Equal(t, c.saved, other.times(id) == 0)
			case c.waits > 0:
				time.Sleep(c.waits - time.Nanosecond)
				assert.Equal(t, 1, e.size(t))
				time.Sleep(time.Nanosecond)
				synctest.Wait()
			}
			assert.Equal(t, c.runs, h.times(id))
			assert.ErrorIs(t, h.hasFailed(), c.outcome)
			if name != "gone" && name != "Ack does" {
				assert.Zero(t, e.size(t))
			}
		})
	}
}
