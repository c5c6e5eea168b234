package bench_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

// A container is a kind of store under its name in store=….
type container struct {
	name string
	open func() store.ResultStore[int]
}

var containers = []container{
	{"rwmutex", func() store.ResultStore[int] { return rwmutex.New[int]() }},
	{"syncmap", func() store.ResultStore[int] { return syncmap.New[int]() }},
	{"xsync", func() store.ResultStore[int] { return xsync.New[int]() }},
	{"dense", func() store.ResultStore[int] { return dense.New[int]() }},
}

// raced says that the race detector is on.
var raced bool

// scaled makes a number of results smaller where a large one takes too long.
func scaled(held int) int {
	if raced || testing.Short() {
		return held / 10
	}
	return held
}

// result is what is stored under id: a Get can be checked without a record of
// what was put.
func result(id store.ID) store.Result[int] {
	return store.Result[int]{ID: id, Value: int(id)}
}

// grow puts the results 1 to held into st.
func grow(ctx context.Context, b *testing.B, st store.ResultStore[int], held int) {
	for id := range store.ID(held) {
		if err := st.Put(ctx, result(id+1)); err != nil {
			b.Fatalf("putting ID %d: %v", id+1, err)
		}
	}
}

// BenchmarkStore measures a mix of Put and Get, on a fresh store and on one that
// holds many results, with as many goroutines as processors.
func BenchmarkStore(b *testing.B) {
	for _, puts := range []int{10, 9, 5, 1} {
		for _, held := range []int{0, scaled(1_000_000)} {
			for _, c := range containers {
				name := fmt.Sprintf("mix=%d:%d/held=%d/store=%s", puts*10, 100-puts*10, held, c.name)
				b.Run(name, func(b *testing.B) { mix(b, c.open(), puts, max(1, held)) }) // there must be one to Get
			}
		}
	}
}

// mix does b.N operations on a store with held results, and of each ten as many
// Puts as puts says.
//
// A Put takes its ID from one counter, as in a pool: neighbouring IDs are put at
// about the same time by different goroutines, which is hard on stores that keep
// neighbours close to each other. Claiming IDs in blocks would hide that.
func mix(b *testing.B, st store.ResultStore[int], puts, held int) {
	grow(b.Context(), b, st, held)
	var last, goroutines atomic.Uint64
	last.Store(uint64(held))
	runtime.GC() // the store before left garbage, and its collection is not this one's
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		ctx, rng := b.Context(), rand.New(rand.NewPCG(goroutines.Add(1), 0))
		var known uint64 // a late value of last, which all the others write to
		for op := 0; pb.Next(); op++ {
			if op%100 == 0 {
				known = last.Load()
			}
			if op%10 < puts {
				if id := store.ID(last.Add(1)); st.Put(ctx, result(id)) != nil {
					b.Errorf("Put of ID %d failed", id)
				}
				continue
			}
			id := 1 + store.ID(rng.Uint64N(known)) // whose Put may be under way, unless it was held before
			if res, err := st.Get(ctx, id); err == nil && res != result(id) || err != nil && id <= store.ID(held) {
				b.Errorf("Get of ID %d returned %v and error %v", id, res, err)
			}
		}
	})
}

// BenchmarkCounter measures what it costs to take the next ID.
func BenchmarkCounter(b *testing.B) {
	b.Run("counter=atomic", func(b *testing.B) {
		var n atomic.Uint64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				n.Add(1)
			}
		})
	})
}
