package pool_test

import (
	"context"
	"errors"
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

// pond #14, #84, #97, #100, workerpool #18 and e32f356: the numbers add up in every snapshot, and none of the counters of what
// has been done ever goes down. A result that waits for another try is that of a task that runs,
// also when many tasks end their second try at about the same moment.
func TestStatsAddUp(t *testing.T) {
	const retrying = 64
	var puts atomic.Int64
	failFirst := func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
		if (puts.Add(1)-1)/retrying%2 == 0 { // the first try of each task in a round
			return errDown
		}
		return do(ctx)
	}
	for name, c := range map[string]struct {
		tasks    []task
		n, batch int
		workers  int
		put      storetest.Fault
	}{
		"success": {values(1), 50_000, 1, 3, nil}, // most of these pass without the pool's lock
		"all":     {[]task{value(1), failingTask, panickingTask, exitingTask}, 4000, 1, 3, nil},
		"retries": {values(1), 25 * retrying, retrying, retrying, failFirst},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: c.workers, Queue: 10}, newTestStore(c.put))
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
							{s.Unsaved, s.Running}, {s.Running, uint64(c.workers)}, {s.Queued, 10},
						} {
							assert.LessOrEqual(t, c[0], c[1])
						}
						last = s
					}
				})
			}
			for range c.n / c.batch {
				in := repeat(c.batch, c.tasks[rand.N(len(c.tasks))])
				_, err := p.SubmitAll(t.Context(), in)
				require.NoError(t, err)
				if c.batch > 1 {
					require.NoError(t, p.Wait(t.Context()))
				}
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
	synctest.Test(t, func(t *testing.T) {
		st := newTestStore(nil)
		p := newPool(t, &pool.Options{Workers: 1, Queue: 2}, st)
		st.put = storetest.Only(func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
			assert.Equal(t, pool.ErrInTask, p.Wait(ctx))
			_, err := p.Get(ctx, ids[0])
			assert.Equal(t, pool.ErrInTask, err)
			_, err = p.SubmitAll(ctx, values(3)) // the queue has room for two
			assert.Equal(t, pool.ErrQueueFull, err)
			assert.Equal(t, pool.ErrInTask, p.Stop(ctx))
			return do(ctx)
		}, 1)
		submit(t, p, value(1))
		synctest.Wait()
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 3, holds(t, p))
	})
}

// The text of a store's error is the user's code too.
func TestStoreErrorCallsBack(t *testing.T) {
	var p taskPool
	p = newPool(t, nil, newTestStore(storetest.Fail(errorFunc(func() string { return fmt.Sprint(p.Stats().Unsaved) }))))
	submit(t, p, value(1))
	p.cancel(errCause)
	err := p.Stop(t.Context())
	assert.ErrorIs(t, err, errCause)
	assert.ErrorContains(t, err, "could not be saved: 1: cause")
}

// So is that of a cause. One without a text ends a pool like any other.
func TestCauseCallsBack(t *testing.T) {
	var p taskPool
	for name, c := range map[string]struct {
		cause error
		text  string // with which the others end; empty: it is not asked for
	}{
		"Stats":   {errorFunc(func() string { return fmt.Sprint(p.Stats().Submitted) }), ": 3"},
		"Goexit":  {errorFunc(func() string { runtime.Goexit(); return "" }), ""},
		"panic":   {errorFunc(func() string { panic("boom") }), ""},
		"endless": {&endless{}, ": " + noText},
	} {
		bubble(t, name, func(t *testing.T) {
			var gate chan struct{}
			var queued store.ID
			p, gate, _, queued, _ = busyPool(t)
			p.cancel(c.cause)
			close(gate)
			<-p.Done()
			unrun := held(t, p, queued).Err
			_, refused := p.Submit(t.Context(), value(1))
			assert.ErrorIs(t, refused, pool.ErrClosed)
			var got errorFunc
			if errors.As(c.cause, &got) {
				assert.ErrorAs(t, p.Stop(t.Context()), &got)
				assert.ErrorAs(t, unrun, &got)
			}
			if c.text != "" {
				assert.EqualError(t, unrun, "pool: task not run"+c.text)
				assert.EqualError(t, refused, "pool: closed"+c.text)
			}
		})
	}
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
		ids, err := p.SubmitAll(ctx, repeat(reservedAtOnce+1, gated(gate, 1))) // reserves
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
