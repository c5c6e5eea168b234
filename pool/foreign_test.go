package pool_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// Code that is not the pool's, where one does not expect any: the methods of
// errors and contexts, and stores that call back. ants #6: none of it may run
// with the pool's lock held.

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
