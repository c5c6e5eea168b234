package pool_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/storetest"
)

// What is kept in memory, and what is not.

// A thing is too large to share its memory with another.
type thing struct{ _ [64]byte }

// things counts those that are reachable.
type things struct{ left atomic.Int64 }

func (c *things) made() *thing { return reachable(c, new(thing)) }

// reachable counts p as well, which need not be a thing.
func reachable[T any](c *things, p *T) *T {
	c.left.Add(1)
	runtime.AddCleanup(p, func(c *things) { c.left.Add(-1) }, c)
	return p
}

// areGone requires that no more than n are reachable soon.
func (c *things) areGone(t *testing.T, n int) {
	t.Helper()
	assert.Eventually(t, func() bool { runtime.GC(); return c.left.Load() <= int64(n) }, 10*time.Second, time.Millisecond,
		"something is still reachable")
}

// A pool that has nothing to do keeps no task, no value and no panic reachable once
// the result is deleted: not in the queue, not in a worker, and not with the writer.
func TestIdlePoolKeepsNothing(t *testing.T) {
	var c things
	single := rwmutex.New[*thing]()
	for name, fn := range map[string]func(context.Context, *thing) (*thing, error){
		"value": func(context.Context, *thing) (*thing, error) { return c.made(), nil },
		"error": func(context.Context, *thing) (*thing, error) { return c.made(), errTask },
		"panic": func(_ context.Context, in *thing) (*thing, error) { panic(in) },
		"exit":  func(context.Context, *thing) (*thing, error) { runtime.Goexit(); return nil, nil },
	} {
		for _, st := range []store.ResultStore[*thing]{single, &forgetfulStore[*thing]{ResultStore: single, fault: storetest.Chain()}} {
			t.Run(fmt.Sprintf("%s, %T", name, st), func(t *testing.T) {
				p, err := pool.New(t.Context(), fn, st, &pool.Options{Workers: 1})
				require.NoError(t, err)
				for range 20 {
					id, err := p.Submit(t.Context(), c.made())
					require.NoError(t, err)
					require.NoError(t, p.Wait(t.Context()))
					require.NoError(t, st.Delete(t.Context(), id))
				}
				c.areGone(t, 0)
				require.NoError(t, p.Stop(t.Context()))
			})
		}
	}
}

// A pool that was cancelled keeps no task reachable, also if its submitter had a place
// in the queue and put the task there when all was over. When it has ended, nothing keeps
// its store reachable.
func TestCancelledPoolKeepsNothing(t *testing.T) {
	for range raceRounds / 10 {
		ctx, cancel := context.WithCancel(context.Background())
		var c, stores things
		fn := func(context.Context, *thing) (int, error) { return 0, nil }
		p, err := pool.New(ctx, fn, reachable(&stores, dense.New[int]()), &pool.Options{Workers: 1, Queue: 40})
		require.NoError(t, err)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 3 {
					_, _ = p.Submit(context.Background(), c.made())
				}
			})
		}
		runtime.Gosched()
		cancel()
		<-p.Done()
		wg.Wait()
		c.areGone(t, 0)
		runtime.KeepAlive(p)
		p = nil
		stores.areGone(t, 0)
	}
}

// A BatchPutter's results are not kept when they are saved, not even until the last one of
// their batch is.
func TestBatchKeepsNothing(t *testing.T) {
	for name, failing := range map[string][]store.ID{"all are stored": nil, "the last fails": {64}} {
		t.Run(name, func(t *testing.T) {
			var c things
			const n = 64
			gate := make(chan struct{})
			st := &forgetfulStore[*thing]{fault: storetest.Chain(after(gate), storetest.Only(storetest.Fail(errDown), failing...))}
			ctx, cancel := context.WithCancel(t.Context())
			p, err := pool.New(ctx, func(context.Context, int) (*thing, error) { return c.made(), nil }, st, &pool.Options{Workers: 1})
			require.NoError(t, err)
			_, err = p.SubmitAll(ctx, make([]int, n))
			require.NoError(t, err)
			require.Eventually(t, func() bool { return p.Stats().Running == n }, 10*time.Second, time.Millisecond)
			close(gate)
			require.Eventually(t, func() bool { return p.Stats().Succeeded == uint64(n-len(failing)) }, 10*time.Second, time.Millisecond)
			c.areGone(t, len(failing))
			cancel()
			<-p.Done()
		})
	}
}

// forgetfulStore is a BatchPutter that keeps nothing.
type forgetfulStore[R any] struct {
	store.ResultStore[R]
	fault storetest.Fault
}

func (s *forgetfulStore[R]) Put(ctx context.Context, res store.Result[R]) error {
	return s.PutBatch(ctx, []store.Result[R]{res})
}

func (s *forgetfulStore[R]) PutBatch(ctx context.Context, res []store.Result[R]) error {
	var ids []store.ID
	for _, r := range res {
		ids = append(ids, r.ID)
	}
	return s.fault(ctx, ids, func(context.Context) error { return nil })
}

// The contexts that reserving has made are over with the call: nothing of them stays
// with the pool or with the submitter's own context.
func TestReservingLeavesNothing(t *testing.T) {
	var c things
	type key struct{}
	submitWith := func(p taskPool, d time.Duration) error {
		ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), key{}, c.made()), d)
		defer cancel()
		_, err := p.Submit(ctx, value(1))
		return err
	}
	p, _, st := exhaustedPool(t, nil)
	good := newReserver(reservedAtOnce+1, 0).reserve
	var given context.Context
	st.reserve = func(ctx context.Context, n uint64) (store.ID, error) { given = ctx; return good(ctx, n) }
	require.NoError(t, submitWith(p, time.Minute))
	assert.Error(t, given.Err(), "the context that ReserveIDs was given")
	given = nil
	c.areGone(t, 0)
}

// A program that deletes what it has read needs memory for what it has not, however
// long it runs and whichever store it has.
func TestDeletedResultsCostNothing(t *testing.T) {
	const window, n = 1000, 200_000
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // what the first has put aside, as sync.Pool does
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for name, newStore := range stores {
		t.Run(name, func(t *testing.T) {
			st := newStore()
			before := heap()
			for id := store.ID(1); id <= n; id++ {
				require.NoError(t, st.Put(t.Context(), store.Result[int]{ID: id}))
				require.NoError(t, st.Delete(t.Context(), id-min(id, window)))
			}
			assert.Less(t, heap()-before, int64(1<<20), "bytes after %d results, %d of which are held", n, window)
			runtime.KeepAlive(st)
		})
	}
}
