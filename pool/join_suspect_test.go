package pool_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine/enginetest"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// suspects submits tasks, the numbers from 0, which were delivered and given back so many
// times, and started.
func suspects(t *testing.T, eng *enginetest.Memory, n, deliveries, starts int) []store.ID {
	t.Helper()
	reader, _ := join(t, eng, nil, nil)
	ids, err := reader.SubmitAll(t.Context(), numbers(n))
	require.NoError(t, err)
	dead := eng.Open()
	for range deliveries {
		ds, err := dead.Pull(t.Context(), n)
		require.NoError(t, err)
		require.Len(t, ds, n)
		require.NoError(t, dead.Nack(t.Context(), ds))
	}
	for _, id := range ids {
		_, err := eng.MarkStart(t.Context(), uint64(id), starts)
		require.NoError(t, err)
	}
	return ids
}

func startsOf(t *testing.T, eng *enginetest.Memory, id store.ID) int {
	t.Helper()
	n, err := eng.MarkStart(t.Context(), uint64(id), 0)
	require.NoError(t, err)
	return n
}

func hourLong(_ context.Context, in int) (int, error) {
	time.Sleep(time.Hour)
	return in, nil
}

// After the cancel, an error that is the cancel's is no outcome, and another one is.
func TestJoinWhatIsInterrupted(t *testing.T) {
	why, bad := errors.New("the machine goes down"), errors.New("bad")
	canceled := func(t *testing.T) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(why) })
		return ctx
	}
	expired := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, why)
		t.Cleanup(cancel)
		return ctx
	}
	for _, tt := range []struct {
		name string
		ctx  func(t *testing.T) context.Context
		err  error
		is   bool
	}{
		{"Canceled", canceled, context.Canceled, true},
		{"Canceled by the timeout", expired, context.Canceled, true},
		{"DeadlineExceeded", expired, context.DeadlineExceeded, true},
		{"DeadlineExceeded of the task's own", canceled, context.DeadlineExceeded, false},
		{"cause", canceled, why, true},
		{"cause of the timeout", expired, why, true},
		{"wrapped", canceled, fmt.Errorf("reading: %w", why), true},
		{"bad", canceled, bad, false},
		{"bad after the timeout", expired, bad, false},
		{"nil", canceled, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				eng := newMemory(0)
				p, err := pool.Join(tt.ctx(t), func(ctx context.Context, _ int) (int, error) {
					<-ctx.Done()
					return 7, tt.err
				}, eng, &pool.Options{Workers: 1})
				require.NoError(t, err)
				id, err := p.Submit(t.Context(), 4)
				require.NoError(t, err)
				<-p.Done()
				b, _ := join(t, eng.Open(), doubled, nil)
				v, err := b.Get(t.Context(), id)
				if tt.is {
					require.NoError(t, err)
					assert.Equal(t, 8, v, "another was to run it")
					return
				}
				assert.Equal(t, 7, v)
				if tt.err == nil {
					assert.NoError(t, err)
				} else {
					assert.ErrorContains(t, err, tt.err.Error())
				}
			})
		})
	}
}

// Without a cancel of the pool, context.Canceled is an outcome as any other: whoever ran
// the task again would get it again.
func TestJoinCanceledByTheTaskItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs counted
		p, _ := join(t, newMemory(0), func(_ context.Context, in int) (int, error) {
			runs.ran(in)
			return 0, context.Canceled
		}, nil)
		id, err := p.Submit(t.Context(), 4)
		require.NoError(t, err)
		_, err = p.Get(gives(t, time.Hour), id)
		require.EqualError(t, err, context.Canceled.Error())
		require.NoError(t, p.Wait(gives(t, time.Hour)))
		assert.Equal(t, 1, runs.times(4))
	})
}

// The engine is not asked about tasks that are no suspects.
func TestJoinStartsOfOthersAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for deliveries, want := range []int{0, 0, 1} {
			mem := newMemory(0)
			suspects(t, mem, 1, deliveries, 0)
			eng := &hooked{Memory: mem.Open()}
			calls := 0
			eng.started = func(_ context.Context, call func() (int, error)) (int, error) { calls++; return call() }
			p, _ := join(t, eng, doubled, nil)
			require.NoError(t, p.Wait(t.Context()))
			assert.Equal(t, want, calls, "after %d deliveries", deliveries)
		}
	})
}

// An interrupted start is taken back, be it the first or not.
func TestJoinInterruptedStartIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for starts := range 3 {
			eng := newMemory(0)
			id := suspects(t, eng, 1, 2, starts)[0]
			p, cancel := join(t, eng.Open(), func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			}, nil)
			synctest.Wait()
			require.Equal(t, starts+1, startsOf(t, eng, id), "it runs")
			cancel(errors.New("deploy"))
			<-p.Done()
			assert.Equal(t, starts, startsOf(t, eng, id))
		}
	})
}

// Suspects that wait for their turn are given back by Stop, with no start to their name.
func TestJoinStopGivesBackThoseThatWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		ids := suspects(t, eng, 4, 2, 1)
		p, _ := join(t, eng.Open(), hourLong, &pool.Options{Workers: 4})
		synctest.Wait()
		stopped := make(chan error, 1)
		begun := time.Now()
		go func() { stopped <- p.Stop(gives(t, 24*time.Hour)) }()
		synctest.Wait()
		all := 0
		for _, id := range ids {
			all += startsOf(t, eng, id)
		}
		assert.Equal(t, 4+1, all, "one runs")
		b, _ := join(t, eng.Open(), doubled, nil)
		time.Sleep(time.Second)
		assert.EqualValues(t, 3, b.Stats().Succeeded)
		require.NoError(t, <-stopped)
		assert.Equal(t, time.Hour, time.Since(begun))
		require.NoError(t, b.Wait(t.Context()))
	})
}

// countsDown takes starts back, and counts none.
type countsDown struct{ *enginetest.Memory }

func (c countsDown) MarkStart(ctx context.Context, id uint64, n int) (int, error) {
	if n > 0 {
		return 0, errEngineDown
	}
	return c.Memory.MarkStart(ctx, id, n)
}

// A start that was not counted is not taken back.
func TestJoinUncountedStartIsNotTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		id := suspects(t, eng, 1, 2, 3)[0]
		p, _ := join(t, countsDown{eng.Open()}, doubled, nil)
		time.Sleep(time.Minute)
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 3, startsOf(t, eng, id))
	})
}

// Suspects run at once if nobody is known to have died at them: the engine cannot count
// starts, or its first answers have failed.
func TestJoinSuspectsRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		suspects(t, eng, 4, 3, 0)
		join(t, bare{eng.Open()}, hourLong, &pool.Options{Workers: 4})
		time.Sleep(90 * time.Minute)
		n, err := eng.Size(t.Context())
		require.NoError(t, err)
		assert.Zero(t, n)
	})
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory(0)
		suspects(t, mem, 4, 3, 0)
		eng := &hooked{Memory: mem.Open()}
		var calls atomic.Int64
		eng.started = func(_ context.Context, call func() (int, error)) (int, error) {
			if calls.Add(1) <= 4 {
				return 0, errEngineDown
			}
			return call()
		}
		join(t, eng, hourLong, &pool.Options{Workers: 4})
		time.Sleep(90 * time.Minute)
		n, err := mem.Size(t.Context())
		require.NoError(t, err)
		assert.Zero(t, n)
	})
}

// final is an engine whose errors are all for good, if you ask it.
type final struct{ *hooked }

func (final) Retryable(error) bool { return false }

// What the engine says of a call that Stop has ended means nothing: the suspect is given
// back, and not run uncounted.
func TestJoinStopEndsTheCountingOfAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory(0)
		suspects(t, mem, 1, 2, 3)
		eng := final{&hooked{Memory: mem.Open()}}
		eng.started = func(ctx context.Context, _ func() (int, error)) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		var runs counted
		p, _ := join(t, eng, runs.double, nil)
		synctest.Wait()
		require.NoError(t, p.Stop(t.Context()))
		assert.Zero(t, runs.times(0))
		assert.EqualValues(t, 1, p.Stats().NotRun)
	})
}
