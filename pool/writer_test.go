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

// recordingStore is a BatchPutter that notes what it is given, and asks before.
type recordingStore struct {
	store.ResultStore[int]
	before func(ids []store.ID) error // nil: store them

	mu    sync.Mutex
	calls [][]store.ID // of Put and PutBatch, in order; guarded by mu
	times []time.Time  // of the same; guarded by mu
}

func newRecordingStore(before func(ids []store.ID) error) *recordingStore {
	return &recordingStore{ResultStore: rwmutex.New[int](), before: before}
}

func (s *recordingStore) Put(ctx context.Context, res store.Result[int]) error {
	return s.PutBatch(ctx, []store.Result[int]{res})
}

func (s *recordingStore) PutBatch(_ context.Context, res []store.Result[int]) error {
	var ids []store.ID
	for _, r := range res {
		ids = append(ids, r.ID)
	}
	s.mu.Lock()
	s.calls, s.times = append(s.calls, ids), append(s.times, time.Now())
	s.mu.Unlock()
	if s.before != nil {
		if err := s.before(ids); err != nil {
			return err
		}
	}
	return putAllOrNone(s.ResultStore, res)
}

// sizes returns how many results each call was given.
func (s *recordingStore) sizes() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var n []int
	for _, ids := range s.calls {
		n = append(n, len(ids))
	}
	return n
}

// pause returns how long before call i the one before it was.
func (s *recordingStore) pause(i int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times[i].Sub(s.times[i-1])
}

// submitN submits n tasks, whose values are 0, 1, 2, … The first of them is in the hands
// of the store, or stored, before the others are submitted.
func submitN(t *testing.T, p taskPool, n int) []store.ID {
	t.Helper()
	in := make([]task, n)
	for i := range in {
		in[i] = value(i)
	}
	first := submit(t, p, in[0])
	synctest.Wait()
	ids, err := p.SubmitAll(context.Background(), in[1:])
	require.NoError(t, err)
	return append([]store.ID{first}, ids...)
}

// What gathers while a batch is written is the next batch, whole; the first result
// waits for nobody.
func TestBatchGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		st := newRecordingStore(func([]store.ID) error { <-gate; return nil })
		p := newPool(t, &pool.Options{Workers: 2}, st)
		submitN(t, p, 10)
		synctest.Wait()
		assert.Equal(t, []int{1}, st.sizes(), "the first result was not written at once, or not alone")
		assert.EqualValues(t, 10, p.Stats().Running, "tasks that have run or run")
		checkStats(t, p.Stats())
		close(gate)
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, []int{1, 9}, st.sizes())
		assert.Equal(t, 10, holds(t, p))
		assert.EqualValues(t, 10, p.Stats().Succeeded)
	})
}

// Workers hand their results over and go on, until a batch has gathered; then they hold
// theirs, the queue fills, and Submit blocks. No result waits in vain.
func TestBatchIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, queue, batch = 8, 16, 1024
		gate := make(chan struct{})
		st := newRecordingStore(func([]store.ID) error { <-gate; return nil })
		p := newPool(t, &pool.Options{Workers: workers, Queue: queue}, st)
		var accepted atomic.Int64
		const most = 1 + batch + workers + queue
		submit(t, p, value(0)) // in the hands of the store
		synctest.Wait()
		accepted.Add(1)
		returned := call(func() error {
			for i := range most {
				if _, err := p.Submit(context.Background(), value(i)); err != nil {
					return err
				}
				accepted.Add(1)
			}
			return nil
		})
		synctest.Wait()
		assert.EqualValues(t, most, accepted.Load())
		_, err := p.TrySubmit(value(0))
		assert.ErrorIs(t, err, pool.ErrQueueFull)
		s := p.Stats()
		checkStats(t, s)
		assert.EqualValues(t, 1+batch+workers, s.Running)
		assert.EqualValues(t, queue, s.Queued)
		assert.Zero(t, s.Unsaved, "a store that is slow has refused nothing")

		close(gate)
		synctest.Wait()
		err, done := returned()
		assert.NoError(t, err)
		assert.True(t, done)
		assert.Equal(t, most+1, holds(t, p))
		assert.LessOrEqual(t, slices.Max(st.sizes()), batch)
		assert.Contains(t, st.sizes(), batch)
	})
}

// A result is there for nobody before it is saved, and Get, Wait and Stop wait for that.
func TestBatchIsSeenWhenSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		st := newRecordingStore(func([]store.ID) error { <-gate; return nil })
		p := newPool(t, &pool.Options{Workers: 1}, st)
		ids := submitN(t, p, 3)
		synctest.Wait() // 1 is being written, 2 and 3 wait for it
		var calls []func() (error, bool)
		for i, id := range ids {
			calls = append(calls, call(func() error {
				v, err := p.Get(context.Background(), id)
				if v != i {
					return fmt.Errorf("result %d is %d", id, v)
				}
				return err
			}))
		}
		calls = append(calls,
			call(func() error { return p.Wait(context.Background()) }),
			call(func() error { return p.Stop(context.Background()) }))
		synctest.Wait()
		for i, c := range calls {
			_, returned := c()
			assert.False(t, returned, "call %d", i)
		}
		assert.Zero(t, holds(t, p))
		gate <- struct{}{}
		synctest.Wait()
		for i, c := range calls {
			err, returned := c()
			assert.NoError(t, err)
			assert.Equal(t, i == 0, returned, "call %d", i)
		}
		close(gate)
		synctest.Wait()
		for i, c := range calls {
			err, returned := c()
			assert.NoError(t, err)
			assert.True(t, returned, "call %d", i)
		}
	})
}

// A Get that waits for a result that was handed over can give up.
func TestBatchGetGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		p := newPool(t, &pool.Options{Workers: 1}, newRecordingStore(func([]store.ID) error { <-gate; return nil }))
		ids := submitN(t, p, 3)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, id := range ids {
			_, err := p.Get(ctx, id)
			assert.ErrorIs(t, err, context.DeadlineExceeded, "result %d", id)
		}
		close(gate)
		_, err := p.Get(t.Context(), ids[2])
		assert.NoError(t, err)
	})
}

// One result that is refused costs the others of its batch nothing but a few calls.
func TestBatchWithOneRefused(t *testing.T) {
	for name, c := range map[string]struct {
		refuse func(alone bool) error
		// What becomes of it.
		stored  error
		unsaved bool
	}{
		"rejected":       {func(bool) error { return store.ErrRejected }, store.ErrRejected, false},
		"held by others": {func(bool) error { return store.ErrExists }, nil, true},
		"panic":          {func(bool) error { panic("boom") }, store.ErrRejected, false},
		"Goexit":         {func(bool) error { runtime.Goexit(); return nil }, nil, true},
		"too large together": {func(alone bool) error {
			if alone {
				return nil
			}
			return store.ErrRejected
		}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := make(chan struct{})
				var bad store.ID = 500
				refused := false
				st := newRecordingStore(func(ids []store.ID) error {
					<-gate
					if !slices.Contains(ids, bad) || refused && len(ids) == 1 {
						return nil
					}
					refused = len(ids) == 1
					return c.refuse(refused)
				})
				p := newPool(t, &pool.Options{Workers: 1}, st)
				submitN(t, p, 1000)
				synctest.Wait()
				close(gate)
				var unsaved *pool.UnsavedError[int]
				err := p.Stop(t.Context())
				if errors.As(err, &unsaved) {
					require.Len(t, unsaved.Results, 1)
					assert.Equal(t, store.Result[int]{ID: bad, Value: int(bad) - 1}, unsaved.Results[0])
				} else {
					require.NoError(t, err)
					assert.ErrorIs(t, held(t, p, bad).Err, c.stored)
				}
				assert.Equal(t, c.unsaved, unsaved != nil)
				want := 1000
				if c.unsaved {
					want--
				}
				assert.Equal(t, want, holds(t, p))
				assert.LessOrEqual(t, len(st.sizes()), 1+2*10+2, "calls of the store")
				s := p.Stats()
				checkStats(t, s)
				assert.EqualValues(t, 1000, s.Succeeded, "what became of the tasks, not of their results")
				assert.Equal(t, c.unsaved, s.Unsaved == 1)
			})
		})
	}
}

// While the store is down, all that it was asked for and has not taken counts as unsaved;
// the pauses grow and are capped; it is asked for less and less, so that what it takes
// first is small; and when it is back, everything is stored.
func TestBatchStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		st := newRecordingStore(func([]store.ID) error {
			if down.Load() {
				return errDown
			}
			time.Sleep(time.Millisecond)
			return nil
		})
		p := newPool(t, &pool.Options{Workers: 4, Queue: 100}, st)
		submitN(t, p, 513)
		down.Store(true) // while the first is being stored, and the rest gathers
		time.Sleep(time.Minute)
		s := p.Stats()
		checkStats(t, s)
		assert.EqualValues(t, 512, s.Unsaved)
		assert.EqualValues(t, 512, s.Running)
		assert.EqualValues(t, 1, s.Succeeded)
		assert.Equal(t, []int{1, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 1}, st.sizes()[:12])
		pauses := []time.Duration{10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000}
		for i, pause := range pauses {
			assert.Equal(t, pause*time.Millisecond, st.pause(i+2), "pause %d", i)
		}

		down.Store(false)
		require.NoError(t, p.Wait(t.Context()))
		assert.Zero(t, p.Stats().Unsaved)
		assert.Equal(t, 513, holds(t, p))
		sizes := slices.DeleteFunc(st.sizes(), func(n int) bool { return n == 1 }) // some of which were set aside
		assert.Equal(t, []int{8, 16, 32, 64, 128, 256}, sizes[len(sizes)-6:])

		down.Store(true) // a new outage begins with short pauses
		synctest.Wait()
		n := len(st.sizes())
		submitN(t, p, 1)
		time.Sleep(11 * time.Millisecond)
		assert.Len(t, st.sizes(), n+2)
		down.Store(false)
	})
}

// Results that the store fails to take, for whatever reason, hold up nobody else, also
// those that come much later, as long as there are no more of them than workers. Each is
// stored when the store takes it.
func TestBatchFailingResultsAreTriedBeside(t *testing.T) {
	for name, bad := range map[string]func(id store.ID) bool{
		"the first":  func(id store.ID) bool { return id == 1 },
		"neighbours": func(id store.ID) bool { return id >= 10 && id < 20 },
		"apart":      func(id store.ID) bool { return id%300 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mended atomic.Bool
				st := newRecordingStore(func(ids []store.ID) error {
					time.Sleep(time.Millisecond)
					if slices.ContainsFunc(ids, bad) && !mended.Load() {
						return errDown
					}
					return nil
				})
				p := newPool(t, &pool.Options{Workers: 16}, st)
				n := 0
				for _, batch := range []int{1, 100, 1, 3000, 1} { // with an hour between them
					for range batch {
						submit(t, p, value(n))
						n++
					}
					time.Sleep(time.Hour)
				}
				failing := 0
				for id := range store.ID(n) {
					if bad(id + 1) {
						failing++
						continue
					}
					assert.Equal(t, int(id), held(t, p, id+1).Value)
				}
				s := p.Stats()
				checkStats(t, s)
				assert.EqualValues(t, failing, s.Unsaved)
				assert.EqualValues(t, failing, s.Running)
				mended.Store(true)
				require.NoError(t, p.Stop(t.Context()))
				assert.Equal(t, n, holds(t, p))
				assert.Zero(t, p.Stats().Unsaved)
			})
		})
	}
}

// A call that fails although it has stored what it was given costs nothing: the results
// are found to be held.
func TestBatchStoreLies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lies := 0
		st := &batchStore{hookStore: &hookStore{ResultStore: rwmutex.New[int]()}}
		st.putBatch = func(_ context.Context, res []store.Result[int]) error {
			if err := putAllOrNone(st.ResultStore, res); err != nil {
				return err
			}
			if lies++; lies <= 3 {
				return errDown
			}
			return nil
		}
		st.put = func(ctx context.Context, res store.Result[int]) error {
			time.Sleep(time.Millisecond)
			return st.ResultStore.Put(ctx, res)
		}
		p := newPool(t, &pool.Options{Workers: 1}, st)
		submitN(t, p, 500)
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 500, holds(t, p))
		assert.Positive(t, lies)
	})
}

// A cancel while the store is down: each result is tried once more and handed back, with
// the store's reason. None is lost, none is there twice.
func TestBatchCancelWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newRecordingStore(func([]store.ID) error { return errDown })
		p := newPool(t, &pool.Options{Workers: 3, Queue: 50}, st)
		n := 0
		for ; ; n++ {
			synctest.Wait()
			if _, err := p.TrySubmit(value(n)); err != nil {
				require.ErrorIs(t, err, pool.ErrQueueFull)
				break
			}
		}
		p.cancel(errCause)
		err := p.Stop(t.Context())
		assert.ErrorIs(t, err, errCause)
		assert.ErrorIs(t, err, errDown)
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, err, &unsaved)
		require.Len(t, unsaved.Results, n)
		slices.SortFunc(unsaved.Results, func(a, b store.Result[int]) int { return int(a.ID) - int(b.ID) })
		notRun := 0
		for i, res := range unsaved.Results {
			require.EqualValues(t, i+1, res.ID)
			if errors.Is(res.Err, pool.ErrNotRun) {
				notRun++
				continue
			}
			require.Equal(t, i, res.Value)
		}
		assert.Equal(t, 50, notRun)
		s := p.Stats()
		assert.EqualValues(t, n, s.Unsaved)
		assert.EqualValues(t, 50, s.NotRun)
		assert.EqualValues(t, n-50, s.Succeeded)
	})
}

// A batch that hangs keeps a pool from ending for the five seconds after the cancel, and
// those that come after it get no more.
func TestBatchHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hooks := &hookStore{ResultStore: rwmutex.New[int]()}
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		hooks.put = func(ctx context.Context, _ store.Result[int]) error { return hang(ctx) }
		st := &batchStore{hookStore: hooks, putBatch: func(ctx context.Context, _ []store.Result[int]) error { return hang(ctx) }}
		p := newPool(t, &pool.Options{Workers: 2}, st)
		submitN(t, p, 300)
		time.Sleep(time.Hour)
		begun := time.Now()
		p.cancel(errCause)
		var unsaved *pool.UnsavedError[int]
		require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
		assert.Len(t, unsaved.Results, 300)
		assert.Equal(t, 5*time.Second, time.Since(begun))
	})
}

// The outcomes of tasks whose results were handed over are counted as others are.
func TestBatchOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		st := newRecordingStore(func([]store.ID) error { <-gate; return nil })
		p := newPool(t, &pool.Options{Workers: 1}, st)
		submit(t, p, value(1))
		synctest.Wait()
		submit(t, p, func(context.Context) (int, error) { return 2, io.EOF })
		submit(t, p, func(context.Context) (int, error) { panic("boom") })
		submit(t, p, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
		submit(t, p, value(5))
		synctest.Wait()
		assert.EqualValues(t, 5, p.Stats().Running)
		close(gate)
		require.NoError(t, p.Stop(t.Context()))
		s := p.Stats()
		checkStats(t, s)
		assert.Equal(t, pool.Stats{Submitted: 5, Succeeded: 2, Failed: 2, Panicked: 1, Workers: 1}, s)
		assert.Equal(t, store.Result[int]{ID: 2, Value: 2, Err: io.EOF}, held(t, p, 2))
		var panicked *pool.PanicError
		assert.ErrorAs(t, held(t, p, 3).Err, &panicked)
		assert.Equal(t, pool.ErrGoexit, held(t, p, 4).Err)
		assert.Equal(t, 5, held(t, p, 5).Value)
	})
}

// Tasks run while results wait for the store, and not more of them at once than there
// are workers.
func TestBatchKeepsToItsWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		st := newRecordingStore(func([]store.ID) error { <-gate; return nil })
		p := newPool(t, &pool.Options{Workers: 3}, st)
		var now, most atomic.Int64
		for range 100 {
			submit(t, p, func(context.Context) (int, error) {
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Millisecond)
				now.Add(-1)
				return 0, nil
			})
		}
		time.Sleep(time.Second)
		assert.EqualValues(t, 3, most.Load())
		assert.Zero(t, now.Load(), "all have run, with one result being written")
		close(gate)
	})
}

// A pool whose workers have left still saves what they have handed over.
func TestBatchWithoutWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		st := newRecordingStore(func([]store.ID) error { <-gate; return nil })
		p := newPool(t, &pool.Options{Workers: 3}, st)
		submitN(t, p, 10)
		synctest.Wait()
		require.NoError(t, p.Resize(0))
		synctest.Wait()
		assert.Equal(t, 1, countGoroutines(), "the writer")
		stopped := call(func() error { return p.Stop(context.Background()) })
		synctest.Wait()
		_, returned := stopped()
		assert.False(t, returned, "Stop has returned before the last batch")
		close(gate)
		synctest.Wait()
		err, returned := stopped()
		assert.True(t, returned)
		assert.NoError(t, err)
		assert.Equal(t, 10, holds(t, p))
	})
}

// The writer's goroutine is there only while there is something to write.
func TestBatchWriterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 1}, newRecordingStore(nil))
		for range 3 {
			submitN(t, p, 10)
			synctest.Wait()
			assert.NotContains(t, poolGoroutines(), ").write(")
		}
		assert.Equal(t, 30, holds(t, p))
	})
}

// A store may change the slice that it is given, although it should not: the pool takes
// no result for another's because of that.
func TestBatchIsTheStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hooks := &hookStore{ResultStore: rwmutex.New[int]()}
		st := &batchStore{hookStore: hooks}
		hooks.put = func(ctx context.Context, res store.Result[int]) error {
			time.Sleep(time.Millisecond)
			return hooks.ResultStore.Put(ctx, res)
		}
		st.putBatch = func(_ context.Context, res []store.Result[int]) error {
			time.Sleep(time.Millisecond)
			if err := putAllOrNone(hooks.ResultStore, res); err != nil {
				return err
			}
			clear(res)
			return nil
		}
		p := newPool(t, &pool.Options{Workers: 1}, st)
		for i, id := range submitN(t, p, 100) {
			v, err := p.Get(t.Context(), id)
			assert.NoError(t, err)
			assert.Equal(t, i, v)
		}
	})
}

// A pool keeps no result that is saved.
func TestBatchKeepsNothing(t *testing.T) {
	type big struct{ p *[4]int } // too large to share its memory with another
	freed := make(chan struct{}, 50)
	p, err := pool.New(t.Context(), func(context.Context, int) (big, error) {
		v := new([4]int)
		runtime.AddCleanup(v, func(c chan struct{}) { c <- struct{}{} }, freed)
		return big{v}, nil
	}, &forgetfulStore[big]{}, &pool.Options{Workers: 2})
	require.NoError(t, err)
	for i := range 50 {
		_, err := p.Submit(t.Context(), i)
		require.NoError(t, err)
	}
	require.NoError(t, p.Wait(t.Context()))
	assert.Eventually(t, func() bool { runtime.GC(); return len(freed) == 50 }, 5*time.Second, time.Millisecond)
	require.NoError(t, p.Stop(t.Context()))
}

// forgetfulStore is a BatchPutter that keeps nothing.
type forgetfulStore[R any] struct{ store.ResultStore[R] }

func (*forgetfulStore[R]) Put(context.Context, store.Result[R]) error        { return nil }
func (*forgetfulStore[R]) PutBatch(context.Context, []store.Result[R]) error { return nil }
