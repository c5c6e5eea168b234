package storetest

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

// A brokenStore has one fault, and checks that are there to find it. The faults are faults of
// logic, such as real stores have had, and never data races.
type brokenStore struct {
	fault      string
	rejectedBy string // the checks that must reject it, perhaps among others
	breakIt    func(*broken)
}

var brokenStores = slices.Concat(brokenPuts, brokenDeletes, brokenLoops, brokenHolds, brokenContexts,
	brokenBatches, brokenRecords, brokenBatchDeletes, brokenReservers, hangingStores)

func (s brokenStore) newStore(testing.TB) store.ResultStore[int] {
	b := newBroken()
	s.breakIt(b)
	return b
}

// TestChecksRejectBrokenStores shows that each check has teeth: it rejects the stores that it
// is there for. The other checks of clauses, which make do with less, must end on them, so that
// Run comes to the one that says what is wrong. In a bubble, to hang costs no time.
func TestChecksRejectBrokenStores(t *testing.T) {
	rejects := make(map[string]bool)
	for i, row := range brokenStores {
		hangs := i >= len(brokenStores)-len(hangingStores)
		for _, name := range strings.Fields(row.rejectedBy) {
			rejects[name] = true
		}
		t.Run(row.fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { row.test(t, hangs) })
		})
	}
	for _, c := range checks {
		assert.True(t, rejects[c.FullName()], "%s has no broken store to reject", c.FullName())
		delete(rejects, c.FullName())
	}
	assert.Empty(t, rejects, "there are no such checks")
}

func (s brokenStore) test(t *testing.T, hangs bool) {
	hung := 0
	for _, c := range checks {
		switch {
		case slices.Contains(strings.Fields(s.rejectedBy), c.FullName()):
		case c.Offer != "":
			continue
		default:
			if err := newRun(s.newStore, 100*time.Millisecond).Verdict(t, c); kit.IsHung(err) {
				hung++
				assert.True(t, hangs, "%s: %v", c.FullName(), err)
			}
			continue
		}
		assert.Less(t, hung, 3, "Run skips %s after so many checks that hang", c.FullName())
		err := newRun(s.newStore, 0).Verdict(t, c)
		if assert.Error(t, err, "%s passes a store whose fault is: %s", c.FullName(), s.fault) {
			assert.NotErrorIs(t, err, kit.ErrNotOffered)
			assert.Equal(t, hangs, kit.IsHung(err), "%v", err)
			t.Logf("%s: %.300s", c.FullName(), err)
		}
		if hangs {
			return // those that wait for what hangs without a pause would do so for ever
		}
	}
}

// broken is the reference store with some methods replaced. These may use what has no other
// use: marks and log, which are guarded by mu, and those that need no guard.
type broken struct {
	*reference
	marks map[store.ID]int
	log   map[store.ID]store.Result[int]
	n     atomic.Int64
	other sync.Mutex
	cache sync.Map

	goroutines int         // that there were when the store was made
	waiting    atomic.Bool // a goroutine is in window

	put      putFunc
	get      getFunc
	del      delFunc
	all      allFunc
	putBatch batchFunc
	encode   encodeFunc
	putRecs  recordsFunc
	delBatch delBatchFunc
	reserve  reserveFunc
}

type (
	putFunc      = func(ctx context.Context, b *broken, res store.Result[int]) error
	getFunc      = func(ctx context.Context, b *broken, id store.ID) (store.Result[int], error)
	delFunc      = func(ctx context.Context, b *broken, id store.ID) error
	allFunc      = func(ctx context.Context, b *broken, yield yielder)
	batchFunc    = func(ctx context.Context, b *broken, res []store.Result[int]) error
	encodeFunc   = func(b *broken, res store.Result[int]) ([]byte, error)
	recordsFunc  = func(ctx context.Context, b *broken, recs []store.Record) error
	delBatchFunc = func(ctx context.Context, b *broken, ids []store.ID) error
	reserveFunc  = func(ctx context.Context, b *broken, n uint64) (store.ID, error)
	yielder      = func(store.Result[int], error) bool
)

func newBroken() *broken {
	r := newReference()
	return &broken{
		reference:  r,
		marks:      make(map[store.ID]int),
		log:        make(map[store.ID]store.Result[int]),
		goroutines: runtime.NumGoroutine(),
		put:        func(ctx context.Context, _ *broken, res store.Result[int]) error { return r.Put(ctx, res) },
		get:        func(ctx context.Context, _ *broken, id store.ID) (store.Result[int], error) { return r.Get(ctx, id) },
		del:        func(ctx context.Context, _ *broken, id store.ID) error { return r.Delete(ctx, id) },
		all:        func(ctx context.Context, _ *broken, yield yielder) { r.All(ctx)(yield) },
		putBatch:   func(ctx context.Context, _ *broken, res []store.Result[int]) error { return r.PutBatch(ctx, res) },
		encode:     func(_ *broken, res store.Result[int]) ([]byte, error) { return r.Encode(res) },
		putRecs:    func(ctx context.Context, _ *broken, recs []store.Record) error { return r.PutRecords(ctx, recs) },
		delBatch:   func(ctx context.Context, _ *broken, ids []store.ID) error { return r.DeleteBatch(ctx, ids) },
		reserve:    func(ctx context.Context, _ *broken, n uint64) (store.ID, error) { return r.ReserveIDs(ctx, n) },
	}
}

func withPut(f putFunc) func(*broken)           { return func(b *broken) { b.put = f } }
func withGet(f getFunc) func(*broken)           { return func(b *broken) { b.get = f } }
func withDelete(f delFunc) func(*broken)        { return func(b *broken) { b.del = f } }
func withAll(f allFunc) func(*broken)           { return func(b *broken) { b.all = f } }
func withBatch(f batchFunc) func(*broken)       { return func(b *broken) { b.putBatch = f } }
func withEncode(f encodeFunc) func(*broken)     { return func(b *broken) { b.encode = f } }
func withRecords(f recordsFunc) func(*broken)   { return func(b *broken) { b.putRecs = f } }
func withDelBatch(f delBatchFunc) func(*broken) { return func(b *broken) { b.delBatch = f } }
func withReserve(f reserveFunc) func(*broken)   { return func(b *broken) { b.reserve = f } }

func with(breakIts ...func(*broken)) func(*broken) {
	return func(b *broken) {
		for _, breakIt := range breakIts {
			breakIt(b)
		}
	}
}

func (b *broken) Put(ctx context.Context, res store.Result[int]) error { return b.put(ctx, b, res) }

func (b *broken) Get(ctx context.Context, id store.ID) (store.Result[int], error) {
	return b.get(ctx, b, id)
}

func (b *broken) Delete(ctx context.Context, id store.ID) error { return b.del(ctx, b, id) }

func (b *broken) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) { b.all(ctx, b, yield) }
}

func (b *broken) PutBatch(ctx context.Context, res []store.Result[int]) error {
	return b.putBatch(ctx, b, res)
}

func (b *broken) Encode(res store.Result[int]) ([]byte, error) { return b.encode(b, res) }

func (b *broken) PutRecords(ctx context.Context, recs []store.Record) error {
	return b.putRecs(ctx, b, recs)
}

func (b *broken) DeleteBatch(ctx context.Context, ids []store.ID) error {
	return b.delBatch(ctx, b, ids)
}

func (b *broken) ReserveIDs(ctx context.Context, n uint64) (store.ID, error) {
	return b.reserve(ctx, b, n)
}

// window leaves others time to come between two steps that should be one: until what they
// do shows. One goroutine waits at a time, so that there are others.
func (b *broken) window(shows func() bool) {
	if runtime.NumGoroutine() <= b.goroutines || !b.waiting.CompareAndSwap(false, true) {
		return
	}
	defer b.waiting.Store(false)
	for n := 0; n < 300 && !shows(); n++ {
		runtime.Gosched()
	}
}

// locked runs f with the store's mutex held.
func (b *broken) locked(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *broken) size() (n int) {
	b.locked(func() { n = len(b.m) })
	return n
}

func (b *broken) holds(id store.ID) (held bool) {
	b.locked(func() { _, held = b.m[id] })
	return held
}

// near returns id if that is held, or else the next ID that is: one up or one down with each step.
func (b *broken) near(id store.ID, step int64) store.ID {
	for n := range int64(16) { // far enough to be seen
		if next := id + store.ID(n*step); b.holds(next) {
			return next
		}
	}
	return id
}

// wait waits until a goroutine has let go of others, or ctx is done: so a store that hangs
// leaves no goroutine behind.
func (b *broken) wait(ctx context.Context, until func() bool) error {
	for !until() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return nil
}

// The functions below break stores that are alike.

// putting has Put store something else than it was given.
func putting(change func(*store.Result[int])) func(*broken) {
	return withPut(func(ctx context.Context, b *broken, res store.Result[int]) error {
		change(&res)
		return b.reference.Put(ctx, res)
	})
}

// keeping has Put store another error in place of each.
func keeping(change func(error) error) func(*broken) {
	return putting(func(res *store.Result[int]) {
		if res.Err != nil {
			res.Err = change(res.Err)
		}
	})
}

// having has something done after each Put that has succeeded, with mu held.
func having(f func(b *broken, res store.Result[int])) func(*broken) {
	return withPut(func(ctx context.Context, b *broken, res store.Result[int]) error {
		if err := b.reference.Put(ctx, res); err != nil {
			return err
		}
		b.locked(func() { f(b, res) })
		return nil
	})
}

// getting has Get return something else.
func getting(change func(b *broken, res *store.Result[int], err error) error) func(*broken) {
	return withGet(func(ctx context.Context, b *broken, id store.ID) (store.Result[int], error) {
		res, err := b.reference.Get(ctx, id)
		res.ID = id
		err = change(b, &res, err)
		return res, err
	})
}

// yielding has All yield something else for each pair, until each returns false.
func yielding(each func(ctx context.Context, res store.Result[int], err error, yield yielder) bool) func(*broken) {
	return withAll(func(ctx context.Context, b *broken, yield yielder) {
		b.reference.All(ctx)(func(res store.Result[int], err error) bool { return each(ctx, res, err, yield) })
	})
}

// walking has All walk along a list of IDs. After the one at i, at next says where to go on
// and with which list.
func walking(next func(b *broken, ids []store.ID, i int) ([]store.ID, int)) func(*broken) {
	return withAll(func(ctx context.Context, b *broken, yield yielder) {
		ids := b.sortedIDs()
		for i := 0; i < len(ids); {
			if res, err := b.Get(ctx, ids[i]); err == nil && !yield(res, nil) {
				return
			}
			ids, i = next(b, ids, i)
		}
	})
}

// batching has PutBatch, and PutRecords likewise, put results in another way.
func batching(put batchFunc) func(*broken) {
	return func(b *broken) {
		b.putBatch = put
		b.putRecs = func(ctx context.Context, b *broken, recs []store.Record) error { return put(ctx, b, decoded(recs)) }
	}
}
