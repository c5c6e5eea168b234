package pool_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/storetest"
)

// What the lock of a pool guards, and what may not run with it held: the methods of
// errors and contexts, and stores that call back. (ants #6)

// pond #14, #84, #97, #100, workerpool #18 and e32f356: the numbers add up in every snapshot, and none of
// the counters of what has been done ever goes down.
func TestStatsAddUp(t *testing.T) {
	for name, c := range map[string]struct {
		tasks []task
		n     int
	}{
		"success": {values(1), 50_000}, // most of these pass without the pool's lock
		"all":     {[]task{value(1), failingTask, panickingTask, exitingTask}, 4000},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 3, Queue: 10})
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					var last pool.Stats
					for !isClosed(stop) {
						s := p.Stats()
						checkStats(t, s)
						for _, c := range [][2]uint64{
							{last.Submitted, s.Submitted}, {last.Succeeded, s.Succeeded},
							{last.Failed, s.Failed}, {last.Panicked, s.Panicked}, {last.NotRun, s.NotRun},
						} {
							assert.LessOrEqual(t, c[0], c[1])
						}
						assert.LessOrEqual(t, s.Running, uint64(3))
						assert.LessOrEqual(t, s.Queued, uint64(10))
						last = s
					}
				})
			}
			for range c.n {
				submit(t, p, c.tasks[rand.N(len(c.tasks))])
			}
			p.cancel(errCause)
			<-p.Done()
			close(stop)
			wg.Wait()
			s := p.Stats()
			checkStats(t, s)
			assert.EqualValues(t, c.n, s.Submitted)
			assert.Zero(t, s.Queued+s.Running)
			assert.Equal(t, c.n, holds(t, p))
		})
	}
}

// No method of the store is called with the pool's lock held. Each of them
// uses the pool here, which would wait for the lock for ever.
func TestNoLockIsHeldInStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p taskPool
		var called sync.Map
		calling := func(method string) storetest.Fault {
			return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
				if len(ids) > 1 {
					called.Store("PutBatch", true)
				} else {
					called.Store(method, true)
				}
				checkStats(t, p.Stats())
				_ = p.Resize(2)
				_, _ = p.TrySubmit(nil)
				waitCtx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_ = p.Wait(waitCtx) // takes the lock, and waits without it
				return do(ctx)
			}
		}
		st := newReserver(1, 0)
		p = newPool(t, &pool.Options{Workers: 2, Queue: 100}, reservingBatches{st})
		const bad = 2 // not stored for ever
		st.put = storetest.Chain(calling("Put"), storetest.Only(storetest.Fail(errDown), bad))
		st.get, st.all = calling("Get"), calling("All")
		good := st.reserve
		st.reserve = func(ctx context.Context, n uint64) (id store.ID, err error) {
			err = calling("ReserveIDs")(ctx, nil, func(context.Context) (err error) { id, err = good(ctx, n); return err })
			return id, err
		}
		gate := make(chan struct{})
		first := submit(t, p, gated(gate, 2))
		submit(t, p, gated(gate, 1))
		p.submittingAll(repeat(reservedAtOnce, value(3))) // needs more IDs
		synctest.Wait()
		close(gate)
		v, err := p.Get(t.Context(), first)
		assert.NoError(t, err)
		assert.Equal(t, 2, v)
		_, err = p.Results(t.Context())
		assert.NoError(t, err)
		p.cancel(errCause)
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
		assert.EqualValues(t, bad, unsaved.Results[0].ID)
		for _, method := range []string{"Put", "PutBatch", "Get", "All", "ReserveIDs"} {
			_, ok := called.Load(method)
			assert.True(t, ok, method)
		}
	})
}

// A store that calls back with the context that its Put was given is treated as a
// task: it gets an error where it would wait for itself.
func TestPutCallsBack(t *testing.T) {
	for name, c := range map[string]struct {
		call func(ctx context.Context, p taskPool, id store.ID) error
		want error
	}{
		"Stop": {func(ctx context.Context, p taskPool, _ store.ID) error { return p.Stop(ctx) }, pool.ErrInTask},
		"Wait": {func(ctx context.Context, p taskPool, _ store.ID) error { return p.Wait(ctx) }, pool.ErrInTask},
		"Get":  {func(ctx context.Context, p taskPool, id store.ID) error { _, err := p.Get(ctx, id); return err }, pool.ErrInTask},
		"Submit": {func(ctx context.Context, p taskPool, _ store.ID) error {
			_, err := p.SubmitAll(ctx, values(3)) // the queue has room for two
			return err
		}, pool.ErrQueueFull},
	} {
		bubble(t, name, func(t *testing.T) {
			st := newTestStore(nil)
			p := newPool(t, &pool.Options{Workers: 1, Queue: 2}, st)
			st.put = storetest.Chain(storetest.Only(func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
				assert.Equal(t, c.want, c.call(ctx, p, ids[0]))
				return do(ctx)
			}, 1), func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
				p.Stats()
				assert.NoError(t, p.Resize(1))
				return do(ctx)
			})
			submit(t, p, value(1))
			synctest.Wait()
			require.NoError(t, p.Stop(t.Context()))
		})
	}
}

// The text of a store's error is the user's code too.
func TestStoreErrorCallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p taskPool
		p = newPool(t, nil, newTestStore(storetest.Fail(errorFunc(func() string { return fmt.Sprint(p.Stats()) }))))
		submit(t, p, value(1))
		synctest.Wait()
		p.cancel(errCause)
		<-p.Done()
		err := p.Stop(t.Context())
		assert.ErrorIs(t, err, errCause)
		assert.ErrorContains(t, err, "could not be saved: {1 1 0")
	})
}

// So is that of a cause.
func TestCauseCallsBack(t *testing.T) {
	for name, text := range map[string]func(p taskPool) string{
		"Stats":  func(p taskPool) string { return fmt.Sprint(p.Stats()) },
		"Goexit": func(taskPool) string { runtime.Goexit(); return "" },
		"panic":  func(taskPool) string { panic("boom") },
	} {
		bubble(t, name, func(t *testing.T) {
			p, gate, _, queued, _ := busyPool(t)
			p.cancel(errorFunc(func() string { return text(p) }))
			close(gate)
			<-p.Done()
			var got errorFunc
			assert.ErrorAs(t, p.Stop(t.Context()), &got)
			assert.ErrorAs(t, held(t, p, queued).Err, &got)
			_, err := p.Submit(t.Context(), value(1))
			assert.ErrorIs(t, err, pool.ErrClosed)
		})
	}
}

// A cause without a text ends a pool like any other.
func TestCauseTextPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, gate, _, queued, _ := busyPool(t)
		p.cancel(&endless{})
		close(gate)
		<-p.Done()
		assert.EqualError(t, held(t, p, queued).Err, "pool: task not run: "+noText)
		_, err := p.Submit(t.Context(), value(1))
		assert.EqualError(t, err, "pool: closed: "+noText)
	})
}

// talkingCtx is a context whose methods call the pool that asks them, once it is there.
type talkingCtx struct {
	*customCtx
	pool *atomic.Pointer[taskPool]
}

func (c *talkingCtx) talk() {
	if p := c.pool.Load(); p != nil {
		p.Stats()
	}
}

func (c *talkingCtx) Value(key any) any     { c.talk(); return c.customCtx.Value(key) }
func (c *talkingCtx) Err() error            { c.talk(); return c.customCtx.Err() }
func (c *talkingCtx) Done() <-chan struct{} { c.talk(); return c.customCtx.Done() }

// The methods of a context are the user's code, and may call the pool.
func TestContextCallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		talksTo := new(atomic.Pointer[taskPool])
		parent, ctx := &talkingCtx{newCustomCtx(), talksTo}, &talkingCtx{newCustomCtx(), talksTo}
		p := newPoolIn(t, parent, &pool.Options{Workers: 1, Queue: 1 << 17}, newReserver(1, 0))
		talksTo.Store(&p)
		gate := make(chan struct{})
		ids, err := p.SubmitAll(ctx, repeat(reservedAtOnce, gated(gate, 1)))
		require.NoError(t, err)
		_, err = p.Submit(ctx, gated(gate, 1)) // reserves
		require.NoError(t, err)
		calls := []*pending{
			begin(func() error { _, err := p.Get(ctx, ids[5]); return err }),
			begin(func() error { return p.Wait(ctx) }),
			begin(func() error { _, err := p.SubmitAll(ctx, repeat(1<<17, value(1))); return err }),
		}
		synctest.Wait()
		calls = append(calls, begin(func() error { return p.Stop(ctx) }))
		synctest.Wait()
		ctx.cancel(io.EOF)
		for _, c := range calls {
			assert.Error(t, c.returns(t))
		}
		parent.cancel(errCause)
		close(gate)
		<-p.Done()
	})
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
