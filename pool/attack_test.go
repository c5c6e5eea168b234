package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// judging is an engine whose Retryable is the test's.
type judging struct {
	*hooked
	retryable func(err error) bool
}

func (j *judging) Retryable(err error) bool { return j.retryable(err) }

var _ wholeEngine = (*judging)(nil)

// once returns a function that calls f the first time, and does nothing later.
func once(f func()) func() {
	var called atomic.Bool
	return func() {
		if !called.Swap(true) {
			f()
		}
	}
}

// A Get that reads a stored result when the engine fails for good has the result: what is stored
// may be read all the same.
func TestJoinGetReadsWhilePoolFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		eng := &hooked{Memory: newMemory(0)}
		p, _ := join(t, eng, doubled, nil)
		id, err := p.Submit(t.Context(), 4)
		require.NoError(t, err)
		require.NoError(t, p.Wait(t.Context()))

		eng.load = func(ctx context.Context, call func() ([]byte, error)) ([]byte, error) {
			select {
			case <-gate:
				return call()
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		eng.push = func(context.Context, func() ([]uint64, error)) ([]uint64, error) { return nil, engine.ErrGone }
		var v int
		got := call(func() (err error) { v, err = p.Get(t.Context(), id); return err })
		synctest.Wait()
		_, err = p.Submit(t.Context(), 5)
		require.ErrorIs(t, err, engine.ErrGone)
		<-p.Done()
		synctest.Wait()

		close(gate)
		synctest.Wait()
		err, returned := got()
		require.True(t, returned)
		require.NoError(t, err)
		assert.Equal(t, 8, v)
	})
}

// An engine whose Retryable ends the goroutine loses no task that was delivered before, and Stop
// does not wait for it for ever.
func TestJoinRetryableGoexits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory(0)
		submitter, _ := join(t, mem, nil, nil)
		id, err := submitter.Submit(t.Context(), 4)
		require.NoError(t, err)
		_, err = mem.Pull(t.Context(), 1) // a process that dies
		require.NoError(t, err)

		exits := once(runtime.Goexit)
		eng := &judging{&hooked{Memory: mem}, func(error) bool { exits(); return true }}
		first := true
		eng.load = func(_ context.Context, call func() ([]byte, error)) ([]byte, error) {
			if first {
				first = false
				return nil, errors.New("not now")
			}
			return call()
		}
		p, _ := join(t, eng, doubled, nil)
		v, err := submitter.Get(gives(t, 10*time.Minute), id)
		require.NoError(t, err)
		assert.Equal(t, 8, v)
		require.NoError(t, p.Stop(gives(t, time.Minute)))
	})
}

// An engine that takes every error that it does not know for final is not asked about a call that
// has not returned: a Goexit is tried again, and the result of a Save that panics is replaced.
func TestJoinStrictEngineDoesNotReturn(t *testing.T) {
	for name, c := range map[string]struct {
		fault func()
		want  error
	}{
		"Goexit": {runtime.Goexit, nil},
		"panic":  {func() { panic("boom") }, store.ErrRejected},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eng := &judging{&hooked{Memory: newMemory(0)}, func(error) bool { return false }}
				fault := once(c.fault)
				eng.save = func(_ context.Context, call func() error) error { fault(); return call() }
				p, _ := join(t, eng, doubled, nil)
				id, err := p.Submit(t.Context(), 4)
				require.NoError(t, err)
				v, err := p.Get(t.Context(), id)
				if c.want == nil {
					require.NoError(t, err)
					assert.Equal(t, 8, v)
				} else {
					require.ErrorIs(t, err, c.want)
				}
				require.NoError(t, p.Stop(t.Context()))
			})
		})
	}
}

// A Goexit in Pull is tried again, also by an engine that takes every error that it does not know for final.
func TestJoinStrictEnginePullGoexits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &judging{&hooked{Memory: newMemory(0)}, func(error) bool { return false }}
		exits := once(runtime.Goexit)
		eng.pull = func(_ context.Context, _ int, call func() ([]engine.Delivery, error)) ([]engine.Delivery, error) {
			exits()
			return call()
		}
		p, _ := join(t, eng, doubled, nil)
		id, err := p.Submit(t.Context(), 4)
		require.NoError(t, err)
		v, err := p.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 8, v)
		require.NoError(t, p.Stop(t.Context()))
	})
}

// An engine may work with a pool of its own. What it wraps of that pool's errors says nothing about
// this one: the result is saved when the engine takes it.
func TestJoinSaveWrapsAnotherPoolsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := &hooked{Memory: newMemory(0)}
		fails := true
		eng.save = func(_ context.Context, call func() error) error {
			if fails {
				fails = false
				return fmt.Errorf("the engine's own pool: %w", &pool.PanicError{Value: "boom"})
			}
			return call()
		}
		p, _ := join(t, eng, doubled, nil)
		id, err := p.Submit(t.Context(), 4)
		require.NoError(t, err)
		v, err := p.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, 8, v)
		require.NoError(t, p.Stop(t.Context()))
	})
}
