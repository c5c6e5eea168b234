package storetest

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

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
		t.Run(strings.ReplaceAll(row.fault, " ", "-"), func(t *testing.T) {
			c, ok := named[row.rejectedBy]
			if !assert.True(t, ok, "there is no check %s", row.rejectedBy) {
				return
			}
			delete(untested, row.rejectedBy)

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
	waiting  atomic.Bool  // a goroutine is in window
	waits    atomic.Int64 // how often it has looked
	put      func(context.Context, store.Result[int]) error
	get      func(context.Context, store.ID) (store.Result[int], error)
	del      func(context.Context, store.ID) error
	all      func(ctx context.Context, yield func(store.Result[int], error) bool)
	putBatch func(context.Context, []store.Result[int]) error
	reserve  func(context.Context, uint64) (store.ID, error)
}

func (b *broken) Put(ctx context.Context, res store.Result[int]) error {
	if b.put != nil {
		return b.put(ctx, res)
	}
	return b.reference.Put(ctx, res)
}

func (b *broken) Get(ctx context.Context, id store.ID) (store.Result[int], error) {
	if b.get != nil {
		return b.get(ctx, id)
	}
	return b.reference.Get(ctx, id)
}

func (b *broken) Delete(ctx context.Context, id store.ID) error {
	if b.del != nil {
		return b.del(ctx, id)
	}
	return b.reference.Delete(ctx, id)
}

func (b *broken) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	if b.all != nil {
		return func(yield func(store.Result[int], error) bool) { b.all(ctx, yield) }
	}
	return b.reference.All(ctx)
}

func (b *broken) PutBatch(ctx context.Context, res []store.Result[int]) error {
	if b.putBatch != nil {
		return b.putBatch(ctx, res)
	}
	return b.reference.PutBatch(ctx, res)
}

func (b *broken) ReserveIDs(ctx context.Context, n uint64) (store.ID, error) {
	if b.reserve != nil {
		return b.reserve(ctx, n)
	}
	return b.reference.ReserveIDs(ctx, n)
}

// window leaves others time to come between two steps that should be one: until
// what they do shows. One goroutine waits at a time, so that there are others, and
// a store that only one goroutine uses does not wait for ever.
func (b *broken) window(shows func() bool) {
	if !b.waiting.CompareAndSwap(false, true) {
		return
	}
	defer b.waiting.Store(false)
	for range 2000 {
		if shows() || b.waits.Add(1) > 1_000_000 {
			return
		}
		runtime.Gosched()
	}
}

// locked runs f with the store's mutex held.
func (b *broken) locked(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
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
	b := &broken{reference: newReference()}
	s.breakIt(b)
	return b
}

// sharedByAll is the fault of a store below.
var sharedByAll = newReference()

var brokenStores = []brokenStore{
	{
		fault:      "the zero value is taken for absent",
		rejectedBy: "clause=1/round-trip",
		breakIt: func(b *broken) {
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				res, err := b.reference.Get(ctx, id)
				if res.Value == 0 {
					err = store.ErrNotFound
				}
				return res, err
			}
		},
	},
	{
		fault:      "the value beside an error is dropped",
		rejectedBy: "clause=1/value-beside-error",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if res.Err != nil {
					res.Value = 0
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "errors become text",
		rejectedBy: "clause=1/error-identity",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if res.Err != nil {
					res.Err = errors.New(res.Err.Error())
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "a wrapped error keeps only the first that it wraps",
		rejectedBy: "clause=1/error-identity",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				for _, s := range sentinels {
					if errors.Is(res.Err, s) {
						res.Err = s
						break
					}
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "a result is buffered until the next Put",
		rejectedBy: "clause=1/seen-by-others",
		breakIt: func(b *broken) {
			var mu sync.Mutex
			var buffer []store.Result[int]
			b.put = func(ctx context.Context, res store.Result[int]) error {
				mu.Lock()
				defer mu.Unlock()
				err := b.PutBatch(ctx, buffer)
				buffer = []store.Result[int]{res}
				return err
			}
		},
	},

	{
		fault:      "Put overwrites",
		rejectedBy: "clause=2/put-held-id",
		breakIt: func(b *broken) {
			b.put = func(_ context.Context, res store.Result[int]) error {
				b.locked(func() { b.m[res.ID] = res })
				return nil
			}
		},
	},
	{
		fault:      "Put overwrites and says ErrExists",
		rejectedBy: "clause=2/put-held-id",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				err := b.reference.Put(ctx, res)
				b.locked(func() { b.m[res.ID] = res })
				return err
			}
		},
	},
	{
		fault:      "Put of the same result succeeds again",
		rejectedBy: "clause=2/put-held-result",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				err := b.reference.Put(ctx, res)
				if held, _ := b.Get(ctx, res.ID); held == res {
					return nil
				}
				return err
			}
		},
	},
	{
		fault:      "Put looks and then stores",
		rejectedBy: "clause=2/one-winner",
		breakIt: func(b *broken) {
			b.put = b.lookThenStore
		},
	},
	{
		fault:      "losers are told before the result is there",
		rejectedBy: "clause=2/one-winner",
		breakIt: func(b *broken) {
			taken := make(map[store.ID]bool) // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				var late bool
				b.locked(func() { late, taken[res.ID] = taken[res.ID], true })
				if late {
					return store.ErrExists
				}
				runtime.Gosched()
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "only the first Put of an ID is atomic",
		rejectedBy: "clause=2/one-winner-again",
		breakIt: func(b *broken) {
			deleted := make(map[store.ID]bool) // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				var again bool
				b.locked(func() { again = deleted[res.ID] })
				if again {
					return b.lookThenStore(ctx, res)
				}
				return b.reference.Put(ctx, res)
			}
			b.del = func(ctx context.Context, id store.ID) error {
				b.locked(func() { deleted[id] = true })
				return b.reference.Delete(ctx, id)
			}
		},
	},
	{
		fault:      "Delete deletes twice",
		rejectedBy: "clause=2/one-owner",
		breakIt: func(b *broken) {
			b.del = func(ctx context.Context, id store.ID) error {
				if err := b.reference.Delete(ctx, id); err != nil {
					return err
				}
				b.window(func() bool { return b.holds(id) })
				return b.reference.Delete(ctx, id)
			}
		},
	},

	{
		fault:      "Get of an absent ID returns a zero Result",
		rejectedBy: "clause=3/never-put",
		breakIt: func(b *broken) {
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				res, _ := b.reference.Get(ctx, id)
				return res, nil
			}
		},
	},
	{
		fault:      "a cache outlives Delete",
		rejectedBy: "clause=3/deleted",
		breakIt: func(b *broken) {
			var cache sync.Map
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				if res, ok := cache.Load(id); ok {
					return res.(store.Result[int]), nil
				}
				res, err := b.reference.Get(ctx, id)
				if err == nil {
					cache.Store(id, res)
				}
				return res, err
			}
		},
	},
	{
		fault:      "Get of an absent ID finds the next lower one",
		rejectedBy: "clause=3/neighbours",
		breakIt: func(b *broken) {
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				ids := b.sortedIDs()
				at, found := slices.BinarySearch(ids, id)
				if !found && at > 0 {
					id = ids[at-1]
				}
				return b.reference.Get(ctx, id)
			}
		},
	},

	{
		fault:      "Delete of an absent ID is an error",
		rejectedBy: "clause=4/delete-absent",
		breakIt: func(b *broken) {
			b.del = func(ctx context.Context, id store.ID) error {
				_, err := b.Get(ctx, id)
				return errors.Join(err, b.reference.Delete(ctx, id))
			}
		},
	},
	{
		fault:      "Delete of an absent ID deletes the next higher one",
		rejectedBy: "clause=4/delete-absent",
		breakIt: func(b *broken) {
			b.del = func(ctx context.Context, id store.ID) error {
				ids := b.sortedIDs()
				if at, found := slices.BinarySearch(ids, id); !found && at < len(ids) {
					id = ids[at]
				}
				return b.reference.Delete(ctx, id)
			}
		},
	},
	{
		fault:      "Put after Delete says ErrExists",
		rejectedBy: "clause=4/put-again",
		breakIt: func(b *broken) {
			once := make(map[store.ID]bool) // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				var again bool
				b.locked(func() { again, once[res.ID] = once[res.ID], true })
				if again {
					return store.ErrExists
				}
				return b.reference.Put(ctx, res)
			}
		},
	},
	{
		fault:      "the hundredth Delete of an ID does nothing",
		rejectedBy: "clause=4/many-rounds",
		breakIt: func(b *broken) {
			deletes := make(map[store.ID]int) // guarded by b.mu
			b.del = func(ctx context.Context, id store.ID) error {
				var n int
				b.locked(func() { deletes[id]++; n = deletes[id] })
				if n == 100 {
					return nil
				}
				return b.reference.Delete(ctx, id)
			}
		},
	},
	{
		fault:      "a segment is given back with what was just put in it",
		rejectedBy: "clause=4/concurrent-rounds",
		breakIt: func(b *broken) {
			// giveBack drops the segment of id, and reports whether it held something.
			giveBack := func(id store.ID) (lost bool) {
				b.locked(func() {
					n := len(b.m)
					maps.DeleteFunc(b.m, func(other store.ID, _ store.Result[int]) bool { return other/1024 == id/1024 })
					lost = len(b.m) < n
				})
				return lost
			}
			b.del = func(ctx context.Context, id store.ID) error {
				err := b.reference.Delete(ctx, id)
				if len(b.sortedIDs()) == 0 {
					b.window(func() bool { return giveBack(id) })
				}
				return err
			}
		},
	},

	{
		fault:      "All repeats one in a thousand",
		rejectedBy: "clause=5/exactly-once",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res := range b.reference.All(ctx) {
					if !yield(res, nil) || res.ID%1000 == 0 && !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "All skips one in a thousand",
		rejectedBy: "clause=5/exactly-once",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res := range b.reference.All(ctx) {
					if res.ID%1000 != 0 && !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "All ends with an error that is not one",
		rejectedBy: "clause=5/exactly-once",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res := range b.reference.All(ctx) {
					if !yield(res, nil) {
						return
					}
				}
				yield(store.Result[int]{}, io.EOF)
			}
		},
	},
	{
		fault:      "All yields what was deleted",
		rejectedBy: "clause=5/not-the-deleted",
		breakIt: func(b *broken) {
			log := make(map[store.ID]store.Result[int]) // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				err := b.reference.Put(ctx, res)
				if err == nil {
					b.locked(func() { log[res.ID] = res })
				}
				return err
			}
			b.all = func(_ context.Context, yield func(store.Result[int], error) bool) {
				var logged map[store.ID]store.Result[int]
				b.locked(func() { logged = maps.Clone(log) })
				for _, res := range logged {
					if !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "All reads pages by their offset",
		rejectedBy: "clause=5/changes-in-body",
		breakIt:    func(b *broken) { b.all = b.pagesByOffset },
	},
	{
		fault:      "All begins again when the store has grown",
		rejectedBy: "clause=5/changes-in-body",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				ids := b.sortedIDs()
				size := len(ids)
				for i := 0; i < len(ids); i++ {
					if res, err := b.Get(ctx, ids[i]); err == nil && !yield(res, nil) {
						return
					}
					if i%500 != 499 {
						continue
					}
					if now := b.sortedIDs(); len(now) > size+size/10 {
						ids, size, i = now, len(now), -1
					}
				}
			}
		},
	},
	{
		fault:      "All reads pages by their offset, at the same time as others",
		rejectedBy: "clause=5/concurrent-changes",
		breakIt:    func(b *broken) { b.all = b.pagesByOffset },
	},

	{
		fault:      "All holds the mutex while the body runs",
		rejectedBy: "clause=6/calls-in-body",
		hangs:      true,
		breakIt: func(b *broken) {
			b.all = func(_ context.Context, yield func(store.Result[int], error) bool) {
				b.mu.Lock()
				defer b.mu.Unlock()
				for _, res := range b.m {
					if !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "All holds a read lock while the body runs",
		rejectedBy: "clause=6/body-waits-for-others",
		hangs:      true,
		breakIt: func(b *broken) {
			var rw sync.RWMutex
			b.put = func(ctx context.Context, res store.Result[int]) error {
				rw.Lock()
				defer rw.Unlock()
				return b.reference.Put(ctx, res)
			}
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				rw.RLock()
				defer rw.RUnlock()
				b.reference.All(ctx)(yield)
			}
		},
	},
	{
		fault:      "All counts along a list that shrinks",
		rejectedBy: "clause=6/delete-as-read",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for i := 0; ; i++ {
					ids := b.sortedIDs()
					if i >= len(ids) {
						return
					}
					if res, err := b.Get(ctx, ids[i]); err == nil && !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "all loops share one cursor",
		rejectedBy: "clause=6/nested-loops",
		breakIt: func(b *broken) {
			cursor := 0
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for cursor = 0; ; cursor++ {
					ids := b.sortedIDs()
					if cursor >= len(ids) {
						return
					}
					if res, err := b.Get(ctx, ids[cursor]); err == nil && !yield(res, nil) {
						return
					}
				}
			}
		},
	},
	{
		fault:      "All goes on after a break",
		rejectedBy: "clause=6/break",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res := range b.reference.All(ctx) {
					yield(res, nil)
				}
			}
		},
	},
	{
		fault:      "All swallows a panic of the body",
		rejectedBy: "clause=6/panic",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				defer func() { _ = recover() }()
				b.reference.All(ctx)(yield)
			}
		},
	},
	{
		fault:      "a panic of the body leaves a lock behind",
		rejectedBy: "clause=6/panic",
		hangs:      true,
		breakIt: func(b *broken) {
			var rw sync.RWMutex
			b.del = func(ctx context.Context, id store.ID) error {
				rw.Lock()
				defer rw.Unlock()
				return b.reference.Delete(ctx, id)
			}
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				rw.RLock()
				b.reference.All(ctx)(yield)
				rw.RUnlock()
			}
		},
	},

	{
		fault:      "the oldest is evicted beyond ten thousand",
		rejectedBy: "clause=7/no-eviction",
		breakIt: func(b *broken) {
			var order []store.ID // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				err := b.reference.Put(ctx, res)
				b.locked(func() {
					if order = append(order, res.ID); len(order) > 10_000 {
						delete(b.m, order[0])
						order = order[1:]
					}
				})
				return err
			}
		},
	},
	{
		fault:      "results are held by weak pointers",
		rejectedBy: "clause=7/survives-collection",
		breakIt: func(b *broken) {
			weakly := make(map[store.ID]weak.Pointer[store.Result[int]]) // guarded by b.mu
			b.put = func(_ context.Context, res store.Result[int]) error {
				b.locked(func() { weakly[res.ID] = weak.Make(&res) })
				return nil
			}
			b.get = func(_ context.Context, id store.ID) (res store.Result[int], err error) {
				b.locked(func() {
					if p := weakly[id].Value(); p != nil {
						res = *p
					} else {
						err = store.ErrNotFound
					}
				})
				return res, err
			}
		},
	},

	{
		fault:      "IDs have 32 bits",
		rejectedBy: "clause=8/boundaries",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				res.ID = store.ID(uint32(res.ID))
				return b.reference.Put(ctx, res)
			}
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				res, err := b.reference.Get(ctx, store.ID(uint32(id)))
				res.ID = id
				return res, err
			}
		},
	},
	{
		fault:      "IDs above the largest int64 panic",
		rejectedBy: "clause=8/boundaries",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if int64(res.ID) < 0 {
					panic("negative ID")
				}
				return b.reference.Put(ctx, res)
			}
		},
	},

	{
		fault:      "Put with a done context stores and returns an error",
		rejectedBy: "clause=9/put-with-done-context",
		breakIt: func(b *broken) {
			b.put = func(ctx context.Context, res store.Result[int]) error {
				if err := b.reference.Put(ctx, res); err != nil {
					return err
				}
				return ctx.Err()
			}
		},
	},
	{
		fault:      "Get with a done context returns an error of its own",
		rejectedBy: "clause=9/get-with-done-context",
		breakIt: func(b *broken) {
			b.get = func(ctx context.Context, id store.ID) (store.Result[int], error) {
				if ctx.Err() != nil {
					return store.Result[int]{}, errors.New("interrupted")
				}
				return b.reference.Get(ctx, id)
			}
		},
	},
	{
		fault:      "Delete with a done context deletes and returns an error",
		rejectedBy: "clause=9/delete-with-done-context",
		breakIt: func(b *broken) {
			b.del = func(ctx context.Context, id store.ID) error {
				return errors.Join(b.reference.Delete(ctx, id), context.Cause(ctx))
			}
		},
	},
	{
		fault:      "All with a done context yields nothing",
		rejectedBy: "clause=9/all-with-done-context",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				if ctx.Err() == nil {
					b.reference.All(ctx)(yield)
				}
			}
		},
	},
	{
		fault:      "All ends without a word when the context is cancelled",
		rejectedBy: "clause=9/cancel-in-body",
		breakIt: func(b *broken) {
			b.all = func(ctx context.Context, yield func(store.Result[int], error) bool) {
				for res, err := range b.reference.All(ctx) {
					if !yield(res, err) || ctx.Err() != nil {
						return
					}
				}
			}
		},
	},

	{
		fault:      "all stores are one",
		rejectedBy: "clause=10/two-stores",
		breakIt:    func(b *broken) { b.reference = sharedByAll },
	},

	{
		fault:      "the third Put of an ID brings the first result back",
		rejectedBy: "clause=1-5/random-operations",
		breakIt: func(b *broken) {
			puts := make(map[store.ID][]store.Result[int]) // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				err := b.reference.Put(ctx, res)
				b.locked(func() {
					if err == nil {
						puts[res.ID] = append(puts[res.ID], res)
					}
					if past := puts[res.ID]; len(past) == 3 {
						b.m[res.ID] = past[0]
					}
				})
				return err
			}
		},
	},
	{
		fault:      "growing loses what is put meanwhile",
		rejectedBy: "clause=1-7/concurrent-growth",
		breakIt: func(b *broken) {
			room := 256 // guarded by b.mu
			b.put = func(ctx context.Context, res store.Result[int]) error {
				var bigger map[store.ID]store.Result[int]
				b.locked(func() {
					if len(b.m) >= room {
						room += 256
						bigger = maps.Clone(b.m)
					}
				})
				if bigger != nil {
					b.window(func() (shows bool) {
						b.locked(func() { shows = len(b.m) > len(bigger) })
						return shows
					})
					b.locked(func() { b.m = bigger })
				}
				return b.reference.Put(ctx, res)
			}
		},
	},

	{
		fault:      "PutBatch drops the last result",
		rejectedBy: "BatchPutter/equals-puts",
		breakIt: func(b *broken) {
			b.putBatch = func(ctx context.Context, res []store.Result[int]) error {
				return b.reference.PutBatch(ctx, res[:max(0, len(res)-1)])
			}
		},
	},
	{
		fault:      "PutBatch stores what comes before a held ID",
		rejectedBy: "BatchPutter/all-or-none",
		breakIt: func(b *broken) {
			b.putBatch = func(ctx context.Context, res []store.Result[int]) error {
				for _, one := range res {
					if err := b.Put(ctx, one); err != nil {
						return err
					}
				}
				return nil
			}
		},
	},
	{
		fault:      "PutBatch overwrites within the batch",
		rejectedBy: "BatchPutter/same-id-twice",
		breakIt: func(b *broken) {
			b.putBatch = func(_ context.Context, res []store.Result[int]) error {
				b.mu.Lock()
				defer b.mu.Unlock()
				for _, one := range res {
					if _, held := b.m[one.ID]; held {
						return store.ErrExists
					}
				}
				maps.Copy(b.m, byID(res))
				return nil
			}
		},
	},
	{
		fault:      "PutBatch keeps the slice",
		rejectedBy: "BatchPutter/does-not-keep",
		breakIt: func(b *broken) {
			var kept [][]store.Result[int]
			b.putBatch = func(_ context.Context, res []store.Result[int]) error {
				kept = append(kept, res)
				return nil
			}
			b.get = func(_ context.Context, id store.ID) (store.Result[int], error) {
				for _, res := range kept {
					if held, ok := byID(res)[id]; ok {
						return held, nil
					}
				}
				return store.Result[int]{}, store.ErrNotFound
			}
		},
	},
	{
		fault:      "PutBatch looks and then stores",
		rejectedBy: "BatchPutter/one-winner",
		breakIt: func(b *broken) {
			b.putBatch = func(_ context.Context, res []store.Result[int]) error {
				for _, one := range res {
					if b.holds(one.ID) {
						return store.ErrExists
					}
				}
				b.window(func() bool { return b.holds(res[len(res)-1].ID) })
				b.locked(func() { maps.Copy(b.m, byID(res)) })
				return nil
			}
		},
	},
	{
		fault:      "PutBatch with a done context stores half",
		rejectedBy: "BatchPutter/done-context",
		breakIt: func(b *broken) {
			b.putBatch = func(ctx context.Context, res []store.Result[int]) error {
				if err := b.reference.PutBatch(ctx, res[:len(res)/2]); err != nil || ctx.Err() != nil {
					return errors.Join(err, ctx.Err())
				}
				return b.reference.PutBatch(ctx, res[len(res)/2:])
			}
		},
	},

	{
		fault:      "the first ID is 0",
		rejectedBy: "IDReserver/increasing",
		breakIt: func(b *broken) {
			b.reserve = func(ctx context.Context, n uint64) (store.ID, error) {
				first, err := b.reference.ReserveIDs(ctx, n)
				return first - 1, err
			}
		},
	},
	{
		fault:      "each call reserves one ID",
		rejectedBy: "IDReserver/increasing",
		breakIt: func(b *broken) {
			b.reserve = func(ctx context.Context, _ uint64) (store.ID, error) {
				return b.reference.ReserveIDs(ctx, 1)
			}
		},
	},
	{
		fault:      "ReserveIDs looks and then adds",
		rejectedBy: "IDReserver/concurrent",
		breakIt: func(b *broken) {
			b.reserve = func(_ context.Context, n uint64) (first store.ID, err error) {
				b.locked(func() { first = b.last + 1 })
				b.window(func() (shows bool) {
					b.locked(func() { shows = b.last >= first })
					return shows
				})
				b.locked(func() { b.last = max(b.last, first+store.ID(n)-1) })
				return first, nil
			}
		},
	},
	{
		fault:      "ReserveIDs with a done context returns an error of its own",
		rejectedBy: "IDReserver/done-context",
		breakIt: func(b *broken) {
			b.reserve = func(ctx context.Context, n uint64) (store.ID, error) {
				if ctx.Err() != nil {
					return 0, errors.New("interrupted")
				}
				return b.reference.ReserveIDs(ctx, n)
			}
		},
	},
}

// lookThenStore is a Put in two steps between which others may come.
func (b *broken) lookThenStore(_ context.Context, res store.Result[int]) error {
	if b.holds(res.ID) {
		return store.ErrExists
	}
	b.window(func() bool { return b.holds(res.ID) })
	b.locked(func() { b.m[res.ID] = res })
	return nil
}

// pagesByOffset is an All like "ORDER BY id LIMIT 100 OFFSET n".
func (b *broken) pagesByOffset(ctx context.Context, yield func(store.Result[int], error) bool) {
	for offset := 0; ; offset += 100 {
		ids := b.sortedIDs()
		if offset >= len(ids) {
			return
		}
		for _, id := range ids[offset:min(offset+100, len(ids))] {
			if res, err := b.Get(ctx, id); err == nil && !yield(res, nil) {
				return
			}
		}
		runtime.Gosched()
	}
}
