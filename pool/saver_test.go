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

// The rows of the life-cycle table on stores that fail.

// downStore fails every Put while it is down.
type downStore struct {
	*hookStore
	down atomic.Bool

	mu   sync.Mutex
	puts []time.Duration // when, since the store was made; guarded by mu
}

func newDownStore() *downStore {
	s := &downStore{hookStore: &hookStore{ResultStore: rwmutex.New[int]()}}
	s.down.Store(true)
	begun := time.Now()
	s.put = func(ctx context.Context, res store.Result[int]) error {
		s.mu.Lock()
		s.puts = append(s.puts, time.Since(begun))
		s.mu.Unlock()
		if s.down.Load() {
			return errDown
		}
		return s.ResultStore.Put(ctx, res)
	}
	return s
}

// Put fails: the worker retries with capped, growing pauses and holds its slot;
// intake slows, then blocks; nothing is lost, and nothing is stored for that id.
func TestPutFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		st := newDownStore()
		p := newPool(t, &pool.Options{Workers: 1, Queue: 2}, st)
		id := submit(t, p, value(1))
		synctest.Wait()
		submit(t, p, value(2))
		submit(t, p, value(3))
		blocked := call(func() error { _, err := p.Submit(t.Context(), value(4)); return err })
		got := call(func() error { _, err := p.Get(t.Context(), id); return err })
		waited := call(func() error { return p.Wait(t.Context()) })

		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for _, c := range []func() (error, bool){blocked, got, waited} {
			_, returned := c()
			assert.False(t, returned)
		}
		assert.Zero(t, holds(t, p))
		stats := p.Stats()
		assert.Equal(t, st.puts[0], stats.Failing.Since.Sub(begun))
		assert.ErrorIs(t, stats.Failing.Err, errDown)
		stats.Failing = pool.Stats{}.Failing
		assert.Equal(t, pool.Stats{Submitted: 3, Queued: 2, Running: 1, Unsaved: 1, Workers: 1}, stats)
		var pauses []time.Duration
		st.mu.Lock()
		for i := range len(st.puts) - 1 {
			pauses = append(pauses, st.puts[i+1]-st.puts[i])
		}
		st.mu.Unlock()
		require.NotEmpty(t, pauses)
		assert.True(t, slices.IsSorted(pauses), "pauses grow: %v", pauses)
		assert.LessOrEqual(t, pauses[0], 100*time.Millisecond)
		assert.Less(t, pauses[0], pauses[len(pauses)-1])
		assert.Equal(t, time.Second, pauses[len(pauses)-1], "and are capped")

		st.down.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		for _, c := range []func() (error, bool){blocked, got, waited} {
			err, returned := c()
			assert.True(t, returned)
			assert.NoError(t, err)
		}
		assert.Equal(t, pool.Stats{Submitted: 4, Succeeded: 4, Workers: 1}, p.Stats())
		assert.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 4, holds(t, p))
	})
}

// … and what could not be saved when the pool was cancelled is handed back by
// Stop, also what the tasks that still ran returned, and what was not run.
func TestPutFailsUntilCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 2, Queue: 2}, newDownStore())
		gate := make(chan struct{})
		running := submit(t, p, gated(gate, 1))
		retried := submit(t, p, func(context.Context) (int, error) { return 2, io.EOF })
		synctest.Wait()
		queued := submit(t, p, value(3))
		stopped := call(func() error { return p.Stop(t.Context()) })
		time.Sleep(time.Minute)

		p.cancel(errCause)
		synctest.Wait()
		close(gate)
		synctest.Wait()
		verdict, returned := stopped()
		require.True(t, returned)
		assert.ErrorIs(t, verdict, errCause)
		assert.ErrorIs(t, verdict, errDown)
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, verdict, &unsaved)
		got := make(map[store.ID]store.Result[int])
		for _, res := range unsaved.Results {
			got[res.ID] = res
		}
		assert.Len(t, got, 3)
		assert.Equal(t, store.Result[int]{ID: running, Value: 1}, got[running])
		assert.Equal(t, store.Result[int]{ID: retried, Value: 2, Err: io.EOF}, got[retried])
		assert.ErrorIs(t, got[queued].Err, pool.ErrNotRun)
		assert.Zero(t, holds(t, p))
		assert.Equal(t, pool.Stats{Submitted: 3, Succeeded: 1, Failed: 1, NotRun: 1, Unsaved: 3, Workers: 2}, p.Stats())

		v, err := p.Get(t.Context(), running)
		assert.Equal(t, 1, v)
		assert.ErrorAs(t, err, &unsaved)
		assert.Equal(t, verdict, p.Stop(t.Context()))
		assert.EqualError(t, verdict, "pool: 3 results could not be saved: the store is down: cause of the cancel")
	})
}

// A pool that is cancelled while the store is down takes one more attempt, which
// may well succeed.
func TestPutWorksAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newDownStore()
		p := newPool(t, &pool.Options{Workers: 1}, st)
		submit(t, p, value(1))
		time.Sleep(time.Minute)
		st.down.Store(false)
		p.cancel(errCause)
		assert.Equal(t, errCause, p.Stop(t.Context()))
		assert.Equal(t, 1, holds(t, p))
	})
}

// Put says ErrRejected, or panics: the worker goes on; a result whose Err says so
// is stored.
func TestPutRejects(t *testing.T) {
	refusals := map[string]func() error{
		"ErrRejected": func() error { return fmt.Errorf("too large: %w", store.ErrRejected) },
		"panic":       func() error { panic("boom") },
	}
	for name, refuse := range refusals {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &hookStore{ResultStore: rwmutex.New[int]()}
				st.put = func(ctx context.Context, res store.Result[int]) error {
					if res.Value > 1 {
						return refuse()
					}
					return st.ResultStore.Put(ctx, res)
				}
				p := newPool(t, &pool.Options{Workers: 1}, st)
				begun := time.Now()
				rejected := submit(t, p, value(2))
				failed := submit(t, p, func(context.Context) (int, error) { return 3, io.EOF })
				good := submit(t, p, value(1))
				require.NoError(t, p.Stop(t.Context()))
				assert.Zero(t, time.Since(begun), "a rejected result was tried again")

				_, err := p.Get(t.Context(), rejected)
				assert.ErrorIs(t, err, store.ErrRejected)
				assert.Zero(t, held(t, p, rejected).Value)
				_, err = p.Get(t.Context(), failed)
				assert.ErrorIs(t, err, store.ErrRejected)
				assert.ErrorContains(t, err, "EOF", "what the task had to say")
				v, err := p.Get(t.Context(), good)
				assert.NoError(t, err)
				assert.Equal(t, 1, v)
				if name == "panic" {
					var panicked *pool.PanicError
					assert.ErrorAs(t, held(t, p, rejected).Err, &panicked)
				}
				assert.Equal(t, pool.Stats{Submitted: 3, Succeeded: 2, Failed: 1, Workers: 1}, p.Stats())
			})
		})
	}
}

// … and if that fails too: UnsavedError, with the result that was meant.
func TestPutRejectsAll(t *testing.T) {
	refusals := map[string]func() error{
		"ErrRejected":   func() error { return store.ErrRejected },
		"panic":         func() error { panic("boom") },
		"Goexit":        func() error { runtime.Goexit(); return nil },
		"ID is held":    func() error { return store.ErrExists },
		"panic nil Err": func() error { panic(error(nil)) },
	}
	for name, refuse := range refusals {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &hookStore{ResultStore: rwmutex.New[int]()}
				st.put = func(ctx context.Context, res store.Result[int]) error {
					if res.ID == 2 {
						return st.ResultStore.Put(ctx, res)
					}
					return refuse()
				}
				p := newPool(t, &pool.Options{Workers: 1}, st)
				submit(t, p, value(1))
				submit(t, p, value(2))
				submit(t, p, value(3))
				err := p.Stop(t.Context())
				var unsaved *pool.UnsavedError[int]
				require.ErrorAs(t, err, &unsaved)
				assert.Equal(t, []store.Result[int]{{ID: 1, Value: 1}, {ID: 3, Value: 3}}, unsaved.Results)
				assert.Equal(t, 2, held(t, p, 2).Value)
				assert.Equal(t, 1, holds(t, p))
				assert.Equal(t, pool.Stats{Submitted: 3, Succeeded: 3, Unsaved: 2, Workers: 1}, p.Stats())
			})
		})
	}
}

// A Put that stored the result and returned an error all the same: the second
// attempt finds it, and nothing is reported as lost.
func TestPutLies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		puts := 0
		st.put = func(ctx context.Context, res store.Result[int]) error {
			puts++
			return errors.Join(st.ResultStore.Put(ctx, res), map[bool]error{true: io.ErrUnexpectedEOF}[puts == 1])
		}
		p := newPool(t, nil, st)
		id := submit(t, p, value(1))
		v, err := p.Get(t.Context(), id)
		assert.NoError(t, err)
		assert.Equal(t, 1, v)
		assert.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 2, puts)
	})
}

// A store never overwrites, and neither does a pool: results of an earlier pool
// under the same IDs stay, and the new ones are handed back.
func TestStoreInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()} // hides ReserveIDs, if there is one
		first := newPool(t, nil, st)
		submit(t, first, value(1))
		require.NoError(t, first.Stop(t.Context()))
		second := newPool(t, nil, st)
		submit(t, second, value(2))
		err := second.Stop(t.Context())
		assert.ErrorIs(t, err, store.ErrExists)
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, err, &unsaved)
		assert.Equal(t, []store.Result[int]{{ID: 1, Value: 2}}, unsaved.Results)
		assert.Equal(t, 1, held(t, first, 1).Value)
		assert.ErrorContains(t, err, "the result of task 1 could not be saved")
	})
}

// The store's context is not cancelled with the task's. It ends five seconds
// after the cancel, so that a store that waits does not wait for ever.
func TestPutContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		var entered atomic.Int64
		st.put = func(ctx context.Context, _ store.Result[int]) error {
			entered.Add(1)
			assert.Equal(t, "value", ctx.Value(key{}))
			assert.NoError(t, ctx.Err())
			<-ctx.Done()
			return context.Cause(ctx)
		}
		p, err := pool.New(ctx, pool.Call[int], st, &pool.Options{Workers: 2})
		require.NoError(t, err)
		gate := make(chan struct{})
		for range 2 {
			_, err = p.Submit(t.Context(), gated(gate, 1))
			require.NoError(t, err)
		}
		synctest.Wait()
		gate <- struct{}{}
		time.Sleep(time.Hour)
		assert.EqualValues(t, 1, entered.Load(), "the Put goes on")

		cancel(errCause)
		cancelled := time.Now()
		time.Sleep(3 * time.Second)
		close(gate) // the second Put begins three seconds after the cancel
		err = p.Stop(t.Context())
		assert.Equal(t, 8*time.Second, time.Since(cancelled))
		assert.ErrorIs(t, err, errCause)
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, err, &unsaved)
		assert.Len(t, unsaved.Results, 2)
	})
}

// batchStore is a BatchPutter.
type batchStore struct {
	*hookStore
	putBatch func(context.Context, []store.Result[int]) error
}

func (s *batchStore) PutBatch(ctx context.Context, res []store.Result[int]) error {
	return s.putBatch(ctx, res)
}

// A BatchPutter gets the results of the tasks that were not run in batches; if a
// batch fails, in smaller ones, and one by one in the end.
func TestPutBatch(t *testing.T) {
	outcomes := map[string]func() error{
		"stored": func() error { return nil },
		"fails":  func() error { return errDown },
		"panics": func() error { panic("boom") },
		"Goexit": func() error { runtime.Goexit(); return nil },
	}
	for name, outcome := range outcomes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := &batchStore{hookStore: &hookStore{ResultStore: rwmutex.New[int]()}}
				batches, puts := 0, 0
				st.putBatch = func(ctx context.Context, batch []store.Result[int]) error {
					batches++
					if err := outcome(); err != nil {
						return err
					}
					for _, res := range batch {
						assert.NoError(t, st.ResultStore.Put(ctx, res))
					}
					return nil
				}
				st.put = func(ctx context.Context, res store.Result[int]) error {
					puts++
					return st.ResultStore.Put(ctx, res)
				}
				p := newPool(t, &pool.Options{Workers: 1, Queue: 5000}, st)
				gate := make(chan struct{})
				submit(t, p, gated(gate, 1))
				synctest.Wait()
				for range 3000 {
					submit(t, p, value(2))
				}
				p.cancel(errCause)
				synctest.Wait()
				assert.EqualValues(t, 3000, p.Stats().NotRun)
				close(gate)
				assert.Equal(t, errCause, p.Stop(t.Context()))
				assert.Equal(t, 3001, holds(t, p))
				if name == "stored" {
					assert.LessOrEqual(t, batches, 4)
					assert.Equal(t, 1, puts)
				} else {
					assert.Less(t, batches, 3000, "what was not stored was tried again in the same batch")
					assert.Equal(t, 3001, puts)
				}
			})
		})
	}
}

// A store that calls Goexit in every Put of an unrun task: all are handed back.
func TestPutGoexitsAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &hookStore{ResultStore: rwmutex.New[int]()}
		st.put = func(context.Context, store.Result[int]) error { runtime.Goexit(); return nil }
		p := newPool(t, &pool.Options{Workers: 1, Queue: 10}, st)
		for range 10 {
			submit(t, p, value(2))
		}
		p.cancel(errCause)
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
		assert.Len(t, unsaved.Results, 10)
		assert.ErrorIs(t, unsaved, pool.ErrGoexit)
	})
}
