package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// Code that is not the pool's, where one does not expect any: the methods of
// errors and contexts, and stores that call back. ants #6: none of it may run
// with the pool's lock held.

// errorFunc is an error whose text is made when it is asked for.
type errorFunc func() string

func (f errorFunc) Error() string { return f() }

// The text of a cause is the user's code too.
func TestCauseCallsBack(t *testing.T) {
	texts := map[string]func(p taskPool) string{
		"Stats":  func(p taskPool) string { return fmt.Sprint(p.Stats()) },
		"Goexit": func(taskPool) string { runtime.Goexit(); return "" },
		"panic":  func(taskPool) string { panic("boom") },
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, gate, _, queued, _ := busyPool(t)
				cause := errorFunc(func() string { return text(p) })
				p.cancel(cause)
				close(gate)
				<-p.Done()
				var got errorFunc
				assert.ErrorAs(t, p.Stop(t.Context()), &got)
				assert.ErrorAs(t, held(t, p, queued).Err, &got)
				_, err := p.Submit(t.Context(), value(1))
				assert.ErrorIs(t, err, pool.ErrClosed)
			})
		})
	}
}

// So is that of a store's error.
func TestStoreErrorCallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		p := newPool(t, nil, st)
		st.put = func(context.Context, store.Result[int]) error {
			return errorFunc(func() string { return fmt.Sprint(p.Stats()) })
		}
		submit(t, p, value(1))
		synctest.Wait()
		p.cancel(errCause)
		<-p.Done()
		err := p.Stop(t.Context())
		assert.ErrorIs(t, err, errCause)
		assert.ErrorContains(t, err, "could not be saved: {1 1 0")
	})
}

// A store that calls back with the context that its Put was given is treated as a
// task: it gets an error where it would wait for itself.
func TestPutCallsBack(t *testing.T) {
	calls := map[string]struct {
		call func(ctx context.Context, p taskPool, id store.ID) error
		want error
	}{
		"Stop":   {func(ctx context.Context, p taskPool, _ store.ID) error { return p.Stop(ctx) }, pool.ErrInTask},
		"Wait":   {func(ctx context.Context, p taskPool, _ store.ID) error { return p.Wait(ctx) }, pool.ErrInTask},
		"Get":    {func(ctx context.Context, p taskPool, id store.ID) error { _, err := p.Get(ctx, id); return err }, pool.ErrInTask},
		"Submit": {func(ctx context.Context, p taskPool, _ store.ID) error { return fill(ctx, p) }, pool.ErrQueueFull},
	}
	for name, c := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &hookStore{ResultStore: rwmutex.New[int]()}
				p := newPool(t, &pool.Options{Workers: 1, Queue: 2}, st)
				var once sync.Once
				st.put = func(ctx context.Context, res store.Result[int]) error {
					once.Do(func() { assert.Equal(t, c.want, c.call(ctx, p, res.ID)) })
					p.Stats()
					assert.NoError(t, p.Resize(1))
					return st.ResultStore.Put(ctx, res)
				}
				submit(t, p, value(1))
				synctest.Wait()
				require.NoError(t, p.Stop(t.Context()))
			})
		})
	}
}

// fill submits until there is an error.
func fill(ctx context.Context, p taskPool) error {
	for {
		if _, err := p.Submit(ctx, value(1)); err != nil {
			return err
		}
	}
}

// customCtx is a context that is not the standard library's, so package context
// hears of its end from a goroutine, some time later.
type customCtx struct {
	context.Context
	done chan struct{}
	err  atomic.Pointer[error]
}

func newCustomCtx() *customCtx {
	return &customCtx{Context: context.Background(), done: make(chan struct{})}
}

func (c *customCtx) Done() <-chan struct{} { return c.done }

func (c *customCtx) Err() error {
	if err := c.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (c *customCtx) cancel(err error) {
	c.err.Store(&err)
	close(c.done)
}

// The cancel of such a context is as good as that of any other, at once.
func TestCustomParent(t *testing.T) {
	for range 200 {
		checkGoroutines(t)
		ctx := newCustomCtx()
		p, err := pool.New(ctx, pool.Call[int], rwmutex.New[int](), nil)
		require.NoError(t, err)
		ctx.cancel(errCause)
		_, err = p.Submit(context.Background(), value(1))
		require.ErrorIs(t, err, pool.ErrClosed)
		require.ErrorIs(t, err, errCause)
		require.Equal(t, errCause, p.Stop(context.Background()))
	}
}

// A context may be broken: done, and without an Err. That is an error too.
func TestContextWithoutErr(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, running, _, _ := busyPool(t)
		submit(t, p, value(4))
		broken := newCustomCtx()
		close(broken.done)
		_, err := p.Submit(broken, value(5))
		assert.Equal(t, context.Canceled, err)
		_, err = p.Get(broken, running)
		assert.Equal(t, context.Canceled, err)
		assert.Equal(t, context.Canceled, p.Wait(broken))
		assert.Equal(t, context.Canceled, p.Stop(broken))
		assert.EqualValues(t, 4, p.Stats().Submitted)
	})
}

// A store that hangs until its context ends costs five seconds after a cancel,
// not five seconds for each result.
func TestHangingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		st.put = func(ctx context.Context, _ store.Result[int]) error { <-ctx.Done(); return ctx.Err() }
		p := newPool(t, &pool.Options{Workers: 3}, st)
		for range 1000 {
			submit(t, p, value(1))
		}
		synctest.Wait()
		begun := time.Now()
		p.cancel(errCause)
		<-p.Done()
		assert.LessOrEqual(t, time.Since(begun), 10*time.Second)
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
		assert.Len(t, unsaved.Results, 1000)
	})
}

// A store that is quick is asked all the same after another call has hung.
func TestHangingStoreRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		st.put = func(ctx context.Context, res store.Result[int]) error {
			if res.ID == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return st.ResultStore.Put(ctx, res)
		}
		p := newPool(t, &pool.Options{Workers: 1}, st)
		for range 100 {
			submit(t, p, value(1))
		}
		synctest.Wait()
		p.cancel(errCause)
		<-p.Done()
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
		assert.Len(t, unsaved.Results, 1)
		assert.Equal(t, 99, holds(t, p))
	})
}

// What Stop hands back is the caller's: Get does not depend on it, and gives each
// result's own reason.
func TestUnsavedIsACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		st.put = func(_ context.Context, res store.Result[int]) error {
			return fmt.Errorf("%w: %w", store.ErrRejected, map[store.ID]error{1: io.EOF, 2: io.ErrNoProgress}[res.ID])
		}
		p := newPool(t, &pool.Options{Workers: 1}, st)
		submit(t, p, value(10))
		submit(t, p, value(20))
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
		assert.ErrorIs(t, unsaved, io.EOF)
		clear(unsaved.Results)
		v, err := p.Get(t.Context(), 2)
		assert.Equal(t, 20, v)
		assert.ErrorIs(t, err, io.ErrNoProgress)
		assert.NotErrorIs(t, err, io.EOF)
	})
}

// A batch that is refused because one ID is held stores nothing, so that result is
// handed back. One that was stored before the store went wrong is not.
func TestPutBatchHeld(t *testing.T) {
	cases := map[string]struct {
		batch   func(st store.ResultStore[int], res []store.Result[int]) error
		unsaved int
	}{
		"refused": {func(store.ResultStore[int], []store.Result[int]) error { return store.ErrExists }, 1},
		"Goexit after storing": {func(st store.ResultStore[int], res []store.Result[int]) error {
			putAll(st, res)
			runtime.Goexit()
			return nil
		}, 0},
		"panic after storing": {func(st store.ResultStore[int], res []store.Result[int]) error { putAll(st, res); panic("boom") }, 0},
		"error after storing": {func(st store.ResultStore[int], res []store.Result[int]) error { putAll(st, res); return errDown }, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &batchStore{hookStore: &hookStore{ResultStore: rwmutex.New[int]()}}
				st.putBatch = func(_ context.Context, res []store.Result[int]) error { return c.batch(st.ResultStore, res) }
				if c.unsaved > 0 {
					require.NoError(t, st.Put(t.Context(), store.Result[int]{ID: 3, Value: 42}))
				}
				p := newPool(t, &pool.Options{Workers: 1}, st)
				for range 5 {
					submit(t, p, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, nil })
				}
				synctest.Wait()
				p.cancel(errCause)
				err := p.Stop(t.Context())
				assert.ErrorIs(t, err, errCause)
				var unsaved *pool.UnsavedError[int]
				if errors.As(err, &unsaved) {
					assert.Len(t, unsaved.Results, c.unsaved)
					assert.EqualValues(t, 3, unsaved.Results[0].ID)
				} else {
					assert.Zero(t, c.unsaved, "the result of task 3 is nowhere")
				}
				assert.Equal(t, 5, holds(t, p))
			})
		})
	}
}

func putAll(st store.ResultStore[int], res []store.Result[int]) {
	for _, r := range res {
		_ = st.Put(context.Background(), r)
	}
}

// Unsaved is of the same moment as the rest: a result that waits for another try is
// that of a task that counts as running. All workers wait for their second try, and
// then all are done at about the same moment, while others look.
func TestStatsUnsaved(t *testing.T) {
	checkGoroutines(t)
	const workers, rounds = 64, 25
	var calls atomic.Int64
	st := &hookStore{ResultStore: rwmutex.New[int]()}
	st.put = func(context.Context, store.Result[int]) error {
		if (calls.Add(1)-1)/workers%2 == 0 { // the first try of each task in a round
			return errDown
		}
		return nil
	}
	p := newPool(t, &pool.Options{Workers: workers}, st)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for !isClosed(stop) {
				s := p.Stats()
				assert.LessOrEqual(t, s.Unsaved, s.Running)
			}
		})
	}
	for range rounds {
		_, err := p.SubmitAll(t.Context(), slices.Repeat([]task{value(1)}, workers))
		assert.NoError(t, err)
		assert.NoError(t, p.Wait(t.Context()))
	}
	close(stop)
	wg.Wait()
	assert.EqualValues(t, workers*rounds, p.Stats().Succeeded)
}
