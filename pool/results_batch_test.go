package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/storetest"
)

// Results that workers hand to the writer, since the store is a BatchPutter.

// submitN submits n tasks, whose values are 0, 1, 2, … The first of them is in the hands
// of the store, or stored, before the others are submitted.
func submitN(t *testing.T, p taskPool, n int) []store.ID {
	t.Helper()
	in := values(n)
	first := submit(t, p, in[0])
	synctest.Wait()
	ids, err := p.SubmitAll(context.Background(), in[1:])
	require.NoError(t, err)
	return append([]store.ID{first}, ids...)
}

// What gathers while a batch is written is the next batch, whole; the first result
// waits for nobody. The writer's goroutine is there only while there is something to write.
func TestBatchGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		st := newTestStore(after(gate))
		p := newPool(t, &pool.Options{Workers: 2}, batches{st})
		submitN(t, p, 10)
		synctest.Wait()
		assert.Equal(t, []int{1}, st.sizes(), "the first result was not written at once, or not alone")
		assert.EqualValues(t, 10, p.Stats().Running, "tasks that have run or run")
		checkStats(t, p.Stats())
		close(gate)
		require.NoError(t, p.Wait(t.Context()))
		assert.Equal(t, []int{1, 9}, st.sizes())
		submitN(t, p, 5)
		synctest.Wait()
		require.NoError(t, p.Resize(0))
		synctest.Wait()
		assert.Empty(t, poolGoroutines())
		require.NoError(t, p.Stop(t.Context()))
		assert.Equal(t, 15, holds(t, p))
		assert.EqualValues(t, 15, p.Stats().Succeeded)
	})
}

// Workers hand their results over and go on, until a batch has gathered; then they hold
// theirs, the queue fills, and Submit blocks. No result waits in vain.
func TestBatchIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, queue, batch = 8, 16, 1024
		gate := make(chan struct{})
		st := newTestStore(after(gate))
		p := newPool(t, &pool.Options{Workers: workers, Queue: queue}, batches{st})
		const most = 1 + batch + workers + queue
		submit(t, p, value(0)) // in the hands of the store
		synctest.Wait()
		submitted := p.submittingAll(values(most))
		synctest.Wait()
		s := p.Stats()
		checkStats(t, s)
		assert.EqualValues(t, most, s.Submitted)
		assert.EqualValues(t, 1+batch+workers, s.Running)
		assert.EqualValues(t, queue, s.Queued)
		assert.Zero(t, s.Unsaved, "a store that is slow has refused nothing")
		_, err := p.TrySubmit(value(0))
		assert.ErrorIs(t, err, pool.ErrQueueFull)

		close(gate)
		assert.NoError(t, submitted.returns(t))
		assert.Equal(t, most+1, holds(t, p))
		assert.Equal(t, batch, slices.Max(st.sizes()))
	})
}

// A result is stored before anything that waits for it wakes, and is there for nobody before;
// those who wait may give up.
func TestStoredBeforeAnyWakes(t *testing.T) {
	for _, batch := range []bool{false, true} {
		bubble(t, fmt.Sprintf("batch %v", batch), func(t *testing.T) {
			gate := make(chan struct{})
			p := newPool(t, &pool.Options{Workers: 1}, newTestStore(after(gate)).as(batch))
			ids := submitN(t, p, 3)
			synctest.Wait() // 1 is being written, 2 and 3 wait for it
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var calls []*pending
			for i, id := range ids {
				_, err := p.Get(ctx, id)
				assert.ErrorIs(t, err, context.DeadlineExceeded, "result %d", id)
				calls = append(calls, begin(func() error {
					v, err := p.Get(context.Background(), id)
					assert.Equal(t, i, v)
					return err
				}))
			}
			calls = append(calls, p.waiting(), p.stopping(), begin(func() error { <-p.Done(); return nil }))
			for _, c := range calls {
				c.waits(t)
			}
			if batch { // then the workers may leave before what they have handed over is saved
				require.NoError(t, p.Resize(0))
				synctest.Wait()
				assert.Equal(t, 1+len(ids)+2, countGoroutines(), "the writer, Gets, Wait and Stop")
			}
			assert.Zero(t, holds(t, p))
			gate <- struct{}{}
			assert.NoError(t, calls[0].returns(t))
			for _, c := range calls[1:] {
				c.waits(t)
			}
			close(gate)
			for _, c := range calls {
				assert.NoError(t, c.returns(t))
			}
		})
	}
}

// One result that is refused costs the others of its batch nothing but a few calls.
func TestBatchWithOneRefused(t *testing.T) {
	const bad store.ID = 500
	for name, c := range map[string]struct {
		fault   storetest.Fault
		foreign bool // somebody else's result has its ID, and is not taken for the pool's own
		// What becomes of it.
		stored  error
		unsaved bool
	}{
		"rejected":             {untilAlone(storetest.Fail(store.ErrRejected)), false, store.ErrRejected, false},
		"held by others":       {untilAlone(storetest.Fail(store.ErrExists)), false, nil, true},
		"held, and fails once": {inBatches(script(storetest.Fail(errDown))), true, nil, true},
		"panic":                {untilAlone(storetest.Panic("boom")), false, store.ErrRejected, false},
		"Goexit":               {untilAlone(goexit), false, nil, true},
		"too large together":   {inBatches(storetest.Fail(store.ErrRejected)), false, nil, false},
	} {
		bubble(t, name, func(t *testing.T) {
			gate := make(chan struct{})
			st := newTestStore(storetest.Chain(after(gate), storetest.Only(c.fault, bad)))
			if c.foreign {
				require.NoError(t, st.ResultStore.Put(t.Context(), store.Result[int]{ID: bad, Value: 42}))
			}
			p := newPool(t, &pool.Options{Workers: 1}, batches{st})
			submitN(t, p, 1000)
			synctest.Wait()
			close(gate)
			err := p.Stop(t.Context())
			want := 1000
			if c.unsaved {
				if !c.foreign {
					want--
				}
				assert.Equal(t, []store.Result[int]{{ID: bad, Value: int(bad) - 1}}, handedBack(t, err, 1))
			} else {
				require.NoError(t, err)
				assert.ErrorIs(t, held(t, p, bad).Err, c.stored)
			}
			assert.Equal(t, want, holds(t, p))
			assert.LessOrEqual(t, len(st.sizes()), 1+2*10+2, "calls of the store")
			s := p.Stats()
			checkStats(t, s)
			assert.EqualValues(t, 1000, s.Succeeded, "what became of the tasks, not of their results")
			assert.Equal(t, c.unsaved, s.Unsaved == 1)
		})
	}
}

// While the store is down, all that it was asked for and has not taken counts as unsaved;
// the pauses grow and are capped; it is asked for less and less, so that what it takes
// first is small; and when it is back, everything is stored.
func TestBatchStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down breakdown
		st := newTestStore(func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
			if !down.Load() {
				time.Sleep(time.Millisecond)
				return do(ctx)
			}
			return errDown
		})
		p := newPool(t, &pool.Options{Workers: 4, Queue: 100}, batches{st})
		submitN(t, p, 513)
		down.Store(true) // while the first is being stored, and the rest gathers
		time.Sleep(time.Minute)
		s := p.Stats()
		checkStats(t, s)
		assert.EqualValues(t, 512, s.Unsaved)
		assert.EqualValues(t, 512, s.Running)
		assert.EqualValues(t, 1, s.Succeeded)
		assert.Equal(t, []int{1, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 1}, st.sizes()[:12])
		pauses := st.pauses()[1:]
		for i, pause := range []time.Duration{10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000} {
			assert.Equal(t, pause*time.Millisecond, pauses[i], "pause %d", i)
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

// Results that the store fails to take, and does not reject, for whatever reason, hold up
// nobody else, also those that come much later: doc.go and docs/design.md say so, as long as
// there are no more of them than workers. Over a store without batches each holds a worker's
// slot. When the store takes them they are stored, and after a cancel they are handed back.
func TestBatchFailingResultHoldsUpNobody(t *testing.T) {
	for name, c := range map[string]struct {
		bad    []store.ID
		batch  bool
		mended bool
	}{
		"one by one": {[]store.ID{10}, false, false},
		"one":        {[]store.ID{10}, true, false},
		"the first":  {[]store.ID{1}, true, true},
		"neighbours": {idsFromTo(10, 19), true, true},
		"apart":      {[]store.ID{300, 600, 900, 1200, 1500, 1800, 2100, 2400, 2700, 3000}, true, true},
	} {
		bubble(t, name, func(t *testing.T) {
			var down breakdown
			down.Store(true)
			st := newTestStore(storetest.Chain(storetest.Slow(time.Millisecond), storetest.Only(down.fault, c.bad...)))
			p := newPool(t, &pool.Options{Workers: 16}, st.as(c.batch))
			n := 0
			for _, more := range []int{1, 100, 1, 3000, 1} { // with ten minutes between them
				submitted := p.submittingAll(values(more))
				n += more
				time.Sleep(10 * time.Minute)
				assert.NoError(t, submitted.returns(t))
			}
			failing := len(c.bad)
			assert.Equal(t, n-failing, holds(t, p))
			s := p.Stats()
			checkStats(t, s)
			assert.EqualValues(t, failing, s.Unsaved)
			assert.EqualValues(t, failing, s.Running)
			get := p.getting(c.bad[0])
			get.waits(t)
			if c.mended {
				down.Store(false)
				require.NoError(t, p.Stop(t.Context()))
				assert.NoError(t, get.returns(t))
				assert.Equal(t, n, holds(t, p))
				assert.Zero(t, p.Stats().Unsaved)
				return
			}
			p.cancel(errCause)
			assert.Equal(t, c.bad[0], handedBack(t, p.Stop(t.Context()), failing)[0].ID)
			assert.ErrorIs(t, get.returns(t), errDown)
			assert.Empty(t, poolGoroutines())
		})
	}
}

// But a store that is down does not have everything set aside: no more than there are
// workers are tried beside the writer. In the next outage there are as many.
func TestBatchSetAsideIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down breakdown
		var calls gauge
		st := newTestStore(func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
			defer calls.enter()()
			time.Sleep(time.Minute)
			return down.fault(ctx, ids, do)
		})
		p := newPool(t, &pool.Options{Workers: 3, Queue: 10}, batches{st})
		for range 2 {
			down.Store(false)
			require.NoError(t, p.Wait(t.Context()))
			down.Store(true)
			calls.most.Store(0)
			submitN(t, p, 13)
			time.Sleep(24 * time.Hour)
			assert.EqualValues(t, 1+3, calls.most.Load())
			checkStats(t, p.Stats())
			assert.EqualValues(t, 13, p.Stats().Unsaved)
		}
		require.NoError(t, p.Resize(0))
		p.cancel(errCause)
		handedBack(t, p.Stop(t.Context()), 13)
	})
}

// Goexit meets a result that was set aside, since the first attempt to save it failed.
func TestBatchGoexitOfAResultSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, nil, batches{newTestStore(script(storetest.Fail(errDown), goexit))})
		submit(t, p, value(1))
		time.Sleep(time.Minute)
		handedBack(t, soon(t, time.Minute, func() error { return p.Stop(t.Context()) }), 1)
	})
}

// A changingStore changes the slices that it is given, although it should not.
type changingStore struct {
	batches
	change func([]store.Result[int])
}

func (s changingStore) PutBatch(ctx context.Context, res []store.Result[int]) error {
	defer s.change(res)
	return s.save(ctx, slices.Clone(res))
}

// A store that changes what it is given, or says that it failed when it has stored all,
// loses nothing, and no result is taken for another's.
func TestBatchStoreLies(t *testing.T) {
	fails := storetest.Fail(errDown)
	reverse := slices.Reverse[[]store.Result[int]]
	empty := func(res []store.Result[int]) { clear(res) }
	keep := func([]store.Result[int]) {}
	for name, c := range map[string]struct {
		fault  storetest.Fault
		change func([]store.Result[int])
	}{
		"fails three times, having stored": {script(loses(fails), loses(fails), loses(fails)), keep},
		"panics once, having stored":       {script(loses(storetest.Panic("after storing"))), keep},
		"reverses and fails":               {script(fails), reverse},
		"clears and fails":                 {script(fails), empty},
		"clears":                           {nil, empty},
	} {
		bubble(t, name, func(t *testing.T) {
			st := newTestStore(storetest.Chain(storetest.Slow(time.Millisecond), inBatches(c.fault)))
			p := newPool(t, &pool.Options{Workers: 1}, changingStore{batches{st}, c.change})
			for i, id := range submitN(t, p, 500) {
				v, err := p.Get(t.Context(), id)
				require.NoError(t, err)
				require.Equal(t, i, v)
			}
			require.NoError(t, p.Stop(t.Context()))
			assert.Equal(t, 500, holds(t, p))
		})
	}
}

// A cancel while the store is down: each result is tried once more and handed back, with
// the store's reason. None is lost, none is there twice.
func TestBatchCancelWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &pool.Options{Workers: 3, Queue: 50}, batches{newTestStore(storetest.Fail(errDown))})
		n := 0
		for err := error(nil); err == nil; n++ {
			synctest.Wait()
			_, err = p.TrySubmit(value(n))
		}
		n-- // the last was refused
		p.cancel(errCause)
		err := p.Stop(t.Context())
		matchesAll(t, err, errCause, errDown)
		var ids []store.ID
		notRun := 0
		for _, res := range handedBack(t, err, n) {
			ids = append(ids, res.ID)
			if errors.Is(res.Err, pool.ErrNotRun) {
				notRun++
			} else {
				assert.EqualValues(t, res.ID-1, res.Value)
			}
		}
		assert.ElementsMatch(t, idsFromTo(1, store.ID(n)), ids)
		assert.Equal(t, 50, notRun)
		s := p.Stats()
		assert.Equal(t, []uint64{uint64(n), 50, uint64(n - 50)}, []uint64{s.Unsaved, s.NotRun, s.Succeeded})
	})
}

// Results on their way to a store that takes bytes.

// recordStore is a RecordPutter of blobs that takes its time, and notes what it is given.
type recordStore struct {
	*rwmutex.Store[[]byte]
	took   time.Duration
	encode func(store.Result[[]byte]) ([]byte, error) // nil: the value

	mu               sync.Mutex
	encoded, written int // bytes that Encode has returned and PutRecords was given; guarded by mu
	most             int // the largest difference; guarded by mu
	batches, largest int // of PutRecords: how many, and of how many bytes; guarded by mu
}

var _ store.RecordPutter[[]byte] = (*recordStore)(nil)

func (s *recordStore) Encode(res store.Result[[]byte]) ([]byte, error) {
	if s.encode != nil {
		return s.encode(res)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.encoded += len(res.Value)
	s.most = max(s.most, s.encoded-s.written)
	return res.Value, nil
}

func (s *recordStore) PutRecords(ctx context.Context, recs []store.Record) error {
	time.Sleep(s.took)
	s.mu.Lock()
	defer s.mu.Unlock()
	size := 0
	for _, r := range recs {
		size += len(r.Data)
		if err := s.Put(ctx, store.Result[[]byte]{ID: r.ID, Value: r.Data}); err != nil {
			return err
		}
	}
	s.batches++
	s.largest = max(s.largest, size)
	s.written += size
	return nil
}

func (s *recordStore) PutBatch(context.Context, []store.Result[[]byte]) error {
	panic("there are records, or single results")
}

// What gathers for a store that takes bytes is bounded by bytes.
func TestGatheredBytes(t *testing.T) {
	const (
		bound   = 8 << 20 // of a batch, as store.RecordPutter says
		workers = 2
	)
	for _, size := range []int{1, 300_000, 3 << 20, 20 << 20} {
		bubble(t, fmt.Sprint(size), func(t *testing.T) {
			st := &recordStore{Store: rwmutex.New[[]byte](), took: time.Millisecond}
			blob := bytes.Repeat([]byte{'x'}, size)
			n := min(5000, max(20, 5*bound/size))
			p, err := pool.New(t.Context(), func(context.Context, int) ([]byte, error) { return blob, nil }, st,
				&pool.Options{Workers: workers})
			require.NoError(t, err)
			ids, err := p.SubmitAll(t.Context(), make([]int, n))
			require.NoError(t, err)
			require.NoError(t, p.Stop(t.Context()))
			for _, id := range ids {
				v, err := p.Get(t.Context(), id)
				require.NoError(t, err)
				require.Len(t, v, size)
			}
			assert.LessOrEqual(t, st.largest, max(bound, size))
			// A batch that is written, one that gathers, and what the workers hold.
			assert.LessOrEqual(t, st.most, 2*max(bound, size)+workers*size)
			if size == 1 {
				assert.Less(t, st.batches, n/500, "small results go in large batches")
			}
			assert.Equal(t, n*size, st.encoded, "each is encoded once")
		})
	}
}

// A result for which there is no room among others is not overtaken by all that are smaller.
func TestLargeResultAmongSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers, large = 600, 9 << 20
		st := &recordStore{Store: rwmutex.New[[]byte](), took: time.Second}
		p, err := pool.New(t.Context(), func(_ context.Context, size int) ([]byte, error) { return make([]byte, size), nil },
			st, &pool.Options{Workers: workers, Queue: 100 * workers})
		require.NoError(t, err)
		small := make([]int, 40*workers)
		_, err = p.SubmitAll(t.Context(), small)
		require.NoError(t, err)
		id, err := p.Submit(t.Context(), large)
		require.NoError(t, err)
		_, err = p.SubmitAll(t.Context(), small)
		require.NoError(t, err)
		_, err = p.Get(t.Context(), id)
		require.NoError(t, err)
		st.mu.Lock()
		batches := st.batches
		st.mu.Unlock()
		require.NoError(t, p.Stop(t.Context()))
		require.Greater(t, st.batches, batches+20, "it was among the last")
	})
}

// A result that cannot be encoded costs the others of its batch nothing, and is replaced by one
// that says so, also if that cannot be encoded either: Put needs no Encode here. What Encode
// returns beside an error is nothing.
func TestEncodeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ids []store.ID
		in := []string{"a", "error", "b", "panic", "c", "Goexit", "the task panics", "error, always", "Goexit, always", "d"}
		want := []error{nil, store.ErrRejected, nil, store.ErrRejected, nil, pool.ErrGoexit, errTask, store.ErrRejected, pool.ErrGoexit, nil}
		st := &recordStore{Store: rwmutex.New[[]byte](), took: time.Millisecond}
		st.encode = func(res store.Result[[]byte]) ([]byte, error) {
			does, always := strings.CutSuffix(in[res.ID-1], ", always")
			switch {
			case res.Err != nil && !always:
			case does == "error":
				return []byte("half"), fmt.Errorf("%w: no", store.ErrRejected)
			case does == "panic":
				panic("in Encode")
			case does == "Goexit":
				runtime.Goexit()
			}
			return res.Value, nil
		}
		p, err := pool.New(t.Context(), func(_ context.Context, s string) ([]byte, error) {
			if s == "the task panics" { // and has no value, although the one before it had
				panic(errTask)
			}
			return []byte(s), nil
		}, st, &pool.Options{Workers: 1})
		require.NoError(t, err)
		ids, err = p.SubmitAll(t.Context(), in)
		require.NoError(t, err)
		require.NoError(t, p.Stop(t.Context()))
		for i, id := range ids {
			res, err := st.Get(t.Context(), id)
			require.NoError(t, err)
			if want[i] == nil {
				assert.Equal(t, in[i], string(res.Value))
				continue
			}
			assert.Empty(t, res.Value)
			if _, always := strings.CutSuffix(in[i], ", always"); always { // records have no Err here
				assert.ErrorIs(t, res.Err, want[i], in[i])
			}
		}
		require.Zero(t, p.Stats().Unsaved)
	})
}
