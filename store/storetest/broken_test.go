package storetest

import (
	"context"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
)

// TestChecksRejectBrokenStores shows that each check has teeth: it rejects a
// store that is broken in the way that it is there to find. The faults are faults
// of logic, such as real stores have had, and never data races.
func TestChecksRejectBrokenStores(t *testing.T) {
	untested := make(map[string]check)
	for _, c := range checks {
		untested[c.fullName()] = c
	}
	named := maps.Clone(untested)

	for _, row := range brokenStores {
		delete(untested, row.rejectedBy)
		t.Run(strings.ReplaceAll(row.fault, " ", "-"), func(t *testing.T) {
			c, ok := named[row.rejectedBy]
			if !assert.True(t, ok, "there is no check %s", row.rejectedBy) {
				return
			}
			limit := patience
			if row.hangs {
				limit = 200 * time.Millisecond
			}
			err := c.verdict(t, row.newStore, 0, limit)
			if assert.Error(t, err, "check %s passes a store whose fault is: %s", row.rejectedBy, row.fault) {
				assert.NotErrorIs(t, err, errNotOffered)
				assert.Equal(t, row.hangs, isHung(err), "%v", err)
				first, _, _ := strings.Cut(err.Error(), "\n")
				t.Log(first)
			}
		})
	}
	assert.Empty(t, slices.Collect(maps.Keys(untested)), "checks that no broken store shows to have teeth")
}

// broken is the reference store with some methods replaced.
type broken struct {
	*reference

	goroutines int          // that there were when the store was made
	waiting    atomic.Bool  // a goroutine is in window
	waits      atomic.Int64 // how often it has looked
	lonely     atomic.Int64 // how many windows on end nobody came in
	calls      atomic.Int64 // of its methods

	put      func(context.Context, store.Result[int]) error
	get      func(context.Context, store.ID) (store.Result[int], error)
	del      func(context.Context, store.ID) error
	all      func(ctx context.Context, yield func(store.Result[int], error) bool)
	putBatch func(context.Context, []store.Result[int]) error
	encode   func(store.Result[int]) ([]byte, error)
	putRecs  func(context.Context, []store.Record) error
	reserve  func(context.Context, uint64) (store.ID, error)
}

func (b *broken) Put(ctx context.Context, res store.Result[int]) error {
	b.calls.Add(1)
	if b.put != nil {
		return b.put(ctx, res)
	}
	return b.reference.Put(ctx, res)
}

func (b *broken) Get(ctx context.Context, id store.ID) (store.Result[int], error) {
	b.calls.Add(1)
	if b.get != nil {
		return b.get(ctx, id)
	}
	return b.reference.Get(ctx, id)
}

func (b *broken) Delete(ctx context.Context, id store.ID) error {
	b.calls.Add(1)
	if b.del != nil {
		return b.del(ctx, id)
	}
	return b.reference.Delete(ctx, id)
}

func (b *broken) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	b.calls.Add(1)
	if b.all != nil {
		return func(yield func(store.Result[int], error) bool) { b.all(ctx, yield) }
	}
	return b.reference.All(ctx)
}

func (b *broken) PutBatch(ctx context.Context, res []store.Result[int]) error {
	b.calls.Add(1)
	if b.putBatch != nil {
		return b.putBatch(ctx, res)
	}
	return b.reference.PutBatch(ctx, res)
}

func (b *broken) Encode(res store.Result[int]) ([]byte, error) {
	if b.encode != nil {
		return b.encode(res)
	}
	return b.reference.Encode(res)
}

func (b *broken) PutRecords(ctx context.Context, recs []store.Record) error {
	b.calls.Add(1)
	if b.putRecs != nil {
		return b.putRecs(ctx, recs)
	}
	return b.reference.PutRecords(ctx, recs)
}

func (b *broken) ReserveIDs(ctx context.Context, n uint64) (store.ID, error) {
	b.calls.Add(1)
	if b.reserve != nil {
		return b.reserve(ctx, n)
	}
	return b.reference.ReserveIDs(ctx, n)
}

// window leaves others time to come between two steps that should be one: until
// what they do shows. One goroutine waits at a time, so that there are others. It
// does not wait where there can be none, and less where none came the last times.
func (b *broken) window(shows func() bool) {
	if runtime.NumGoroutine() <= b.goroutines || !b.waiting.CompareAndSwap(false, true) {
		return
	}
	defer b.waiting.Store(false)
	most := int64(2000)
	if b.lonely.Load() > 20 {
		most = 50
	}
	calls := b.calls.Load()
	for range min(most, 300_000-b.waits.Load()) {
		if shows() {
			break
		}
		b.waits.Add(1)
		runtime.Gosched()
	}
	if b.calls.Load() == calls {
		b.lonely.Add(1)
	} else {
		b.lonely.Store(0)
	}
}

// locked runs f with the store's mutex held.
func (b *broken) locked(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// size returns how many results are held.
func (b *broken) size() (n int) {
	b.locked(func() { n = len(b.m) })
	return n
}

func (b *broken) holds(id store.ID) bool {
	_, err := b.reference.Get(context.Background(), id)
	return err == nil
}

type brokenStore struct {
	fault      string
	rejectedBy string // the check that must reject it, perhaps among others
	hangs      bool   // the check does not end
	breakIt    func(*broken)
}

func (s brokenStore) newStore(testing.TB) store.ResultStore[int] {
	b := &broken{reference: newReference(), goroutines: runtime.NumGoroutine()}
	s.breakIt(b)
	return b
}

var brokenStores = slices.Concat(
	brokenPuts,
	brokenDeletes,
	brokenLoops,
	brokenHolds,
	brokenHistories,
	brokenBatches,
	brokenRecords,
	brokenReservers,
)
