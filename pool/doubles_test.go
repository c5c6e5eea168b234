package pool_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/storetest"
)

// A testStore is a store in memory. A test may see what it is asked to save, and set faults,
// before the pool begins or while nothing runs.
type testStore struct {
	store.ResultStore[int]                 // which has the results
	put                    storetest.Fault // of Put and PutBatch
	get, all               storetest.Fault

	mu     sync.Mutex
	writes []write // guarded by mu
}

// A write is a call of Put or PutBatch.
type write struct {
	ids []store.ID
	at  time.Time
}

func newTestStore(put storetest.Fault) *testStore {
	return &testStore{ResultStore: rwmutex.New[int](), put: put}
}

func (d *testStore) Put(ctx context.Context, res store.Result[int]) error {
	return d.save(ctx, []store.Result[int]{res})
}

func (d *testStore) save(ctx context.Context, res []store.Result[int]) error {
	ids := make([]store.ID, len(res))
	for i := range res {
		ids[i] = res[i].ID
	}
	d.mu.Lock()
	d.writes = append(d.writes, write{ids, time.Now()})
	d.mu.Unlock()
	return through(ctx, d.put, ids, func(context.Context) error { return putAllOrNone(d.ResultStore, res) })
}

func (d *testStore) Get(ctx context.Context, id store.ID) (res store.Result[int], err error) {
	err = through(ctx, d.get, []store.ID{id}, func(ctx context.Context) error {
		res, err = d.ResultStore.Get(ctx, id)
		return err
	})
	return res, err
}

func (d *testStore) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	if err := through(ctx, d.all, nil, func(context.Context) error { return nil }); err != nil {
		return func(yield func(store.Result[int], error) bool) { yield(store.Result[int]{}, err) }
	}
	return d.ResultStore.All(ctx)
}

// sizes returns how many results each write had.
func (d *testStore) sizes() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	var n []int
	for _, w := range d.writes {
		n = append(n, len(w.ids))
	}
	return n
}

// pauses returns how long before each write but the first the one before it was.
func (d *testStore) pauses() []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []time.Duration
	for i := range len(d.writes) - 1 {
		all = append(all, d.writes[i+1].at.Sub(d.writes[i].at))
	}
	return all
}

// putAllOrNone is a PutBatch for one caller at a time.
func putAllOrNone(st store.ResultStore[int], res []store.Result[int]) error {
	for _, r := range res {
		if _, err := st.Get(context.Background(), r.ID); err == nil {
			return fmt.Errorf("%w: %d", store.ErrExists, r.ID)
		}
	}
	for _, r := range res {
		if err := st.Put(context.Background(), r); err != nil {
			return err
		}
	}
	return nil
}

// batches is a testStore that is a BatchPutter.
type batches struct{ *testStore }

func (b batches) PutBatch(ctx context.Context, res []store.Result[int]) error {
	return b.save(ctx, res)
}

// as returns the store, as a BatchPutter if batch is true.
func (d *testStore) as(batch bool) store.ResultStore[int] {
	if batch {
		return batches{d}
	}
	return d
}

// A reserver is a testStore that is an IDReserver, whose answer can be replaced.
type reserver struct {
	*testStore
	reserve func(ctx context.Context, n uint64) (store.ID, error)
}

func (r *reserver) ReserveIDs(ctx context.Context, n uint64) (store.ID, error) {
	return r.reserve(ctx, n)
}

// newReserver hands out ranges from first on, with a gap after each.
func newReserver(first, gap store.ID) *reserver {
	var next atomic.Uint64
	next.Store(uint64(first))
	return &reserver{newTestStore(nil), func(_ context.Context, n uint64) (store.ID, error) {
		end := next.Add(n + uint64(gap))
		return store.ID(end - n - uint64(gap)), nil
	}}
}

// reservingBatches is a reserver that is a BatchPutter as well.
type reservingBatches struct{ *reserver }

func (b reservingBatches) PutBatch(ctx context.Context, res []store.Result[int]) error {
	return b.save(ctx, res)
}

// through makes a call through f, which may be nil.
func through(ctx context.Context, f storetest.Fault, ids []store.ID, do func(context.Context) error) error {
	return storetest.Chain(f)(ctx, ids, do)
}

// The faults that package storetest does not have.

// works has every call do its work.
func works(ctx context.Context, _ []store.ID, do func(context.Context) error) error { return do(ctx) }

// after has every call wait for gate, whatever becomes of its context.
func after(gate <-chan struct{}) storetest.Fault {
	return func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
		<-gate
		return do(ctx)
	}
}

// goexit has every call end its goroutine.
func goexit(context.Context, []store.ID, func(context.Context) error) error {
	runtime.Goexit()
	return nil
}

// loses has every call do its work and end like f all the same.
func loses(f storetest.Fault) storetest.Fault {
	return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		if err := do(ctx); err != nil {
			return err
		}
		return f(ctx, ids, func(context.Context) error { return nil })
	}
}

// inBatches is f for batches. Single results are stored.
func inBatches(f storetest.Fault) storetest.Fault {
	return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		if len(ids) > 1 {
			return through(ctx, f, ids, do)
		}
		return do(ctx)
	}
}

// untilAlone is f for batches and for the first call with a single result.
func untilAlone(f storetest.Fault) storetest.Fault {
	alone := script(f)
	return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		if len(ids) > 1 {
			return f(ctx, ids, do)
		}
		return alone(ctx, ids, do)
	}
}

// script has the first calls go through one of the faults each. Those after them work.
func script(faults ...storetest.Fault) storetest.Fault {
	var calls atomic.Int64
	return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		n := int(calls.Add(1))
		if n > len(faults) {
			return do(ctx)
		}
		return faults[n-1](ctx, ids, do)
	}
}

// A breakdown fails every call with errDown while it lasts.
type breakdown struct{ atomic.Bool }

func (b *breakdown) fault(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
	if b.Load() {
		return errDown
	}
	return do(ctx)
}

// A method with another signature would be no error otherwise: the pool would take the store
// for one without it.
var (
	_ store.BatchPutter[int] = batches{}
	_ store.BatchPutter[int] = reservingBatches{}
	_ store.IDReserver       = (*reserver)(nil)
	_ store.IDReserver       = reservingBatches{}
)
