package saver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/saver"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// fake is a store that asks put first. A nil error of it stores.
type fake struct {
	*rwmutex.Store[int]
	put   func(ctx context.Context, ids []store.ID) error
	calls [][]store.ID
}

func newFake(put func(ctx context.Context, ids []store.ID) error) *fake {
	return &fake{Store: rwmutex.New[int](), put: put}
}

func (f *fake) Put(ctx context.Context, res store.Result[int]) error {
	return f.putAll(ctx, []store.Result[int]{res})
}

func (f *fake) putAll(ctx context.Context, all []store.Result[int]) error {
	var ids []store.ID
	for _, res := range all {
		ids = append(ids, res.ID)
	}
	f.calls = append(f.calls, ids)
	if err := f.put(ctx, ids); err != nil {
		return err
	}
	for _, res := range all {
		if err := f.Store.Put(ctx, res); err != nil {
			return err
		}
	}
	return nil
}

// batches is a fake that takes batches.
type batches struct{ *fake }

func (b batches) PutBatch(ctx context.Context, res []store.Result[int]) error {
	return b.putAll(ctx, res)
}

// plain has the four methods, so it reserves no IDs.
type plain struct{ store.ResultStore[int] }

// records is a fake that takes records of 100 bytes.
type records struct {
	batches
	encode func(res store.Result[int]) error
}

func (r records) Encode(res store.Result[int]) ([]byte, error) {
	if err := r.encode(res); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%100d", res.Value), nil
}

func (r records) PutRecords(ctx context.Context, recs []store.Record) error {
	var all []store.Result[int]
	for _, rec := range recs {
		res := store.Result[int]{ID: rec.ID}
		_, err := fmt.Sscan(string(rec.Data), &res.Value)
		if err != nil {
			return err
		}
		all = append(all, res)
	}
	return r.putAll(ctx, all)
}

// rig is a saver and what it has told its pool.
type rig struct {
	*saver.Saver[int]
	failures *backoff.Failures
	cancel   context.CancelFunc
	failed   error
}

func newRig(t *testing.T, st store.ResultStore[int]) *rig {
	ctx, cancel := context.WithCancel(t.Context())
	r := &rig{failures: backoff.New()}
	r.Saver = saver.New(ctx, st, r.failures, saver.Hooks[int]{Fail: func(err error) { r.failed = err }})
	r.cancel = func() { cancel(); r.Cancelled() }
	t.Cleanup(func() { cancel(); r.Close() })
	return r
}

func entries(n int) []saver.Entry[int] {
	var es []saver.Entry[int]
	for i := range n {
		es = append(es, saver.NewEntry(store.Result[int]{ID: store.ID(i + 1), Value: i}))
	}
	return es
}

// steps returns a put that goes through errs and then stores.
func steps(errs ...error) func(context.Context, []store.ID) error {
	return func(context.Context, []store.ID) error {
		if len(errs) == 0 {
			return nil
		}
		err := errs[0]
		errs = errs[1:]
		return err
	}
}

var errDown = errors.New("down")

// What follows from what the store says to one result.
func TestFates(t *testing.T) {
	panics := func(context.Context, []store.ID) error { panic(io.EOF) }
	for name, c := range map[string]struct {
		put    func(context.Context, []store.ID) error
		calls  int
		stored error // the Err of the result in the store; errNone if it is not there
		why    error // for which it was given up
	}{
		"stored":                     {steps(), 1, nil, nil},
		"not now, and then":          {steps(errDown, errDown), 3, nil, nil},
		"refused":                    {steps(store.ErrRejected), 2, store.ErrRejected, nil},
		"refused, and its stand-in":  {steps(store.ErrRejected, store.ErrRejected), 2, errNone, store.ErrRejected},
		"taken by somebody else":     {steps(store.ErrExists), 1, errNone, store.ErrExists},
		"stored, and said it failed": {steps(errDown, store.ErrExists), 2, errNone, nil},
		"closed":                     {steps(store.ErrClosed), 1, errNone, store.ErrClosed},
		"panics":                     {panics, 2, errNone, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newFake(c.put)
				r := newRig(t, plain{st})
				_ = r.NewJob(nil, nil).Save(&store.Result[int]{ID: 1, Value: 7})
				assert.Len(t, st.calls, c.calls)
				res, err := st.Get(t.Context(), 1)
				if c.stored == errNone {
					assert.ErrorIs(t, err, store.ErrNotFound)
				} else {
					assert.NoError(t, err)
					assert.ErrorIs(t, res.Err, c.stored)
				}
				dropped, why := r.Dropped()
				assert.ErrorIs(t, why, c.why)
				one, whyOne := r.DroppedResult(1)
				assert.Equal(t, why, whyOne)
				if c.why != nil {
					assert.Equal(t, []store.Result[int]{{ID: 1, Value: 7}}, dropped, "the task's own result is handed back")
					assert.Equal(t, dropped[0], one)
				}
				assert.EqualValues(t, len(dropped), r.Unsaved())
				assert.Equal(t, errors.Is(c.why, store.ErrClosed), r.failed != nil)
				assert.Zero(t, r.failures.Now())
			})
		})
	}
}

var errNone = errors.New("none")

// A batch that is not stored is halved until the bad result is alone. The others are stored, and it is
// tried beside them by whoever takes it.
func TestBatchIsHalved(t *testing.T) {
	for name, bad := range map[string]error{"not now": errDown, "refused": store.ErrRejected, "taken": store.ErrExists} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newFake(func(_ context.Context, ids []store.ID) error {
					if slices.Contains(ids, 6) {
						return bad
					}
					return nil
				})
				r := newRig(t, batches{st})
				var settled []store.ID
				var alone *saver.Job[int]
				job := r.NewJob(func(es []saver.Entry[int], _ error) {
					for i := range es {
						settled = append(settled, es[i].ID())
					}
				}, func(one *saver.Job[int]) bool {
					alone = one
					return true
				})
				job.Add(entries(8))
				job.Run()
				slices.Sort(settled)
				others := []store.ID{1, 2, 3, 4, 5, 7, 8}
				for _, id := range others {
					_, err := st.Get(t.Context(), id)
					assert.NoError(t, err)
				}
				if bad != errDown {
					assert.Nil(t, alone)
					assert.Equal(t, []store.ID{1, 2, 3, 4, 5, 6, 7, 8}, settled)
					return
				}
				require.NotNil(t, alone)
				assert.Equal(t, others, settled)
				assert.EqualValues(t, 1, r.Unsaved())
				st.put = steps()
				alone.Run()
				assert.Contains(t, settled, store.ID(6))
				assert.Zero(t, r.Unsaved())
			})
		})
	}
}

// While the store is down, the results are counted and the failure is on record; nothing is lost when it
// is back.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(10 * time.Second)
		st := newFake(func(context.Context, []store.ID) error {
			if time.Now().Before(back) {
				return errDown
			}
			return nil
		})
		r := newRig(t, batches{st})
		begun := time.Now()
		job := r.NewJob(nil, nil)
		over := make(chan struct{})
		go func() {
			defer close(over)
			batch := entries(4)
			job.RunAll(func() []saver.Entry[int] {
				next := batch
				batch = nil
				return next
			})
		}()
		time.Sleep(5 * time.Second)
		assert.EqualValues(t, 4, r.Unsaved())
		assert.Equal(t, backoff.Outage{Since: begun, Err: errDown}, r.failures.Now())
		<-over
		assert.Less(t, time.Since(back), 2*time.Second)
		assert.Zero(t, r.Unsaved())
		all, err := store.Snapshot(t.Context(), st)
		assert.NoError(t, err)
		assert.Len(t, all, 4)
	})
}

// After the cancel calls end in time, and what fails is given up: a store that hangs costs five seconds
// once, and not for each result, and so do calls that take long to fail.
func TestCancel(t *testing.T) {
	hangs := func(ctx context.Context, _ []store.ID) error { <-ctx.Done(); return ctx.Err() }
	slow := func(ctx context.Context, _ []store.ID) error { backoff.Sleep(ctx, 2*time.Second); return errDown }
	for name, c := range map[string]struct {
		put  func(context.Context, []store.ID) error
		took time.Duration
	}{
		"hangs": {hangs, 5 * time.Second},
		"slow":  {slow, 6 * time.Second},
		"quick": {func(context.Context, []store.ID) error { return errDown }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, batches{newFake(c.put)})
				r.cancel()
				begun := time.Now()
				job := r.NewJob(nil, nil)
				job.Add(entries(64))
				job.Run()
				assert.Equal(t, c.took, time.Since(begun))
				dropped, why := r.Dropped()
				assert.Len(t, dropped, 64)
				assert.Error(t, why)
			})
		})
	}
}

// A call under way when the pool is cancelled has five more seconds.
func TestCancelDuringPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newFake(func(ctx context.Context, _ []store.ID) error { <-ctx.Done(); return ctx.Err() })
		r := newRig(t, plain{st})
		over := make(chan time.Time)
		go func() {
			_ = r.NewJob(nil, nil).Save(&store.Result[int]{ID: 1})
			over <- time.Now()
		}()
		time.Sleep(time.Minute)
		r.cancel()
		begun := time.Now()
		assert.Equal(t, 5*time.Second, (<-over).Sub(begun))
		assert.EqualValues(t, 1, r.Unsaved())
	})
}

// A Goexit of the store loses its one result, which is handed back, and the job goes on when it is run
// again.
func TestGoexit(t *testing.T) {
	st := newFake(func(_ context.Context, ids []store.ID) error {
		if slices.Contains(ids, 3) {
			runtime.Goexit()
		}
		return nil
	})
	r := newRig(t, batches{st})
	job := r.NewJob(nil, nil)
	job.Add(entries(4))
	for over := false; !over; {
		var wg sync.WaitGroup
		wg.Go(func() { job.Run(); over = true })
		wg.Wait()
	}
	dropped, why := r.Dropped()
	assert.Equal(t, []store.Result[int]{{ID: 3, Value: 2}}, dropped)
	assert.ErrorIs(t, why, store.ErrGoexit)
	all, _ := store.Snapshot(t.Context(), st)
	assert.Len(t, all, 3)
}

// A result that cannot be encoded is replaced by one that says so; if that cannot be encoded either, the
// store is asked.
func TestEncode(t *testing.T) {
	bad := func(res store.Result[int]) error {
		switch res.Value {
		case 1:
			return store.ErrRejected
		case 2:
			panic(io.EOF)
		default:
			return nil
		}
	}
	st := records{batches{newFake(steps())}, bad}
	r := newRig(t, st)
	good := r.Encode(store.Result[int]{ID: 9, Value: 3})
	assert.Equal(t, 100, good.Size())
	job := r.NewJob(nil, nil)
	job.Add([]saver.Entry[int]{good, r.Encode(store.Result[int]{ID: 10, Value: 1}), r.Encode(store.Result[int]{ID: 11, Value: 2})})
	job.Run()
	all, err := store.Snapshot(t.Context(), st)
	assert.NoError(t, err)
	assert.Len(t, all, 3)
	assert.Len(t, st.calls, 1, "as records, together")

	e := r.EncodeGoexited(store.Result[int]{ID: 12, Err: io.EOF})
	assert.Zero(t, e.Size())
	job.Add([]saver.Entry[int]{e})
	job.Run()
	res, err := st.Get(t.Context(), 12)
	assert.NoError(t, err)
	assert.ErrorIs(t, res.Err, store.ErrGoexit)
	assert.Equal(t, "pool: the task's error (EOF) was not stored: pool: in the store's Put: "+store.ErrGoexit.Error(), res.Err.Error())
}

// A pool may say of a result that is given up that it is none of the user's.
func TestDroppedHook(t *testing.T) {
	var told []store.ID
	s := saver.New(t.Context(), store.ResultStore[int](batches{newFake(func(context.Context, []store.ID) error { return store.ErrClosed })}), backoff.New(),
		saver.Hooks[int]{
			Fail:    func(error) {},
			Dropped: func(res store.Result[int]) bool { told = append(told, res.ID); return res.ID == 2 },
		})
	defer s.Close()
	job := s.NewJob(nil, nil)
	job.Add(entries(3))
	job.Run()
	assert.Equal(t, []store.ID{1, 2, 3}, told)
	dropped, _ := s.Dropped()
	assert.Equal(t, []store.Result[int]{{ID: 2, Value: 1}}, dropped)
}

// The next batch has up to 1,024 results and 8 MiB; a large result that waits is let pass.
func TestGathering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, records{batches{newFake(steps())}, func(store.Result[int]) error { return nil }})
		var mu sync.Mutex
		var g saver.Gathering[int]
		g.Space.L = &mu
		add := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			g.Add(r.Encode(store.Result[int]{ID: 1, Value: n}))
		}
		for range saver.MaxBatch {
			add(1)
		}
		added := make(chan struct{})
		go func() { add(2); close(added) }()
		synctest.Wait()
		select {
		case <-added:
			t.Error("a full batch has taken another result")
		default:
		}
		mu.Lock()
		batch := g.Take(nil)
		mu.Unlock()
		assert.Len(t, batch, saver.MaxBatch)
		<-added
		mu.Lock()
		batch = g.Take(batch)
		assert.Len(t, batch, 1)
		assert.Empty(t, g.Take(nil))
		mu.Unlock()
	})
}
