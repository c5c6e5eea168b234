package bench_test

import (
	"context"
	"runtime"
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

// round is how many operations one store gets to see.
const round = 1_000_000

// rounds has b.N operations done, in rounds: setup opens a store, untimed, and
// returns what does n operations on it, which is timed.
//
// (With b.RunParallel all b.N operations would go into one store: a fast store
// would be measured at a larger size than a slow one, and fill the memory.)
func rounds(b *testing.B, setup func(n int) (do func())) {
	b.ReportAllocs()
	for done := 0; done < b.N && !b.Failed(); done += round {
		b.StopTimer()
		do := setup(min(round, b.N-done))
		runtime.GC() // the round before left garbage, and its collection is not this round's
		b.StartTimer()
		do()
	}
}
