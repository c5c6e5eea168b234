package storetest

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/resultpool/resultpool/store"
)

// RunBenchmarks measures the stores that newStore makes, under the load of a pool and its readers. The benchmarks
// are named for benchstat:
//
//	op=put/held=H     Put alone
//	mix=P:G/held=H    P percent Put, G percent Get of results that are held
//	op=batch/held=H   PutBatch of 1,024 results, if the store is a BatchPutter; one op is one result
//	op=all/held=H     a loop over All; one op is one result that it yields
//
// H is how many results the store holds at the start. Several goroutines, as many as -cpu says, use the store at
// once, and share nothing else. Each takes its IDs in blocks from the dense (gapless), increasing sequence that a
// pool would give out, and gets any of the results that it has put or that were there at the start.
//
// The store grows with b.N and nothing is deleted, so ns/op depends on b.N. Compare stores at one fixed number of
// operations, here those of some packages:
//
//	go test -run=NONE -bench=Store -benchtime=1000000x -count=10 ./... | tee new.txt
//	benchstat -table goos -col pkg new.txt
//
// A pool gives a BatchPutter its results in batches, one after the other: for such a store op=batch says what a
// pool sees, and op=put is slower by as much as a batch is cheaper than its results one by one. On a disk, where a
// batch takes about as long as a Put, that is hundreds of times, and no number of operations is right for both. Use
// two, which take some seconds each:
//
//	go test -run=NONE -bench='Store/(op=put|op=all|mix)' -benchtime=2000x -count=10 ./mystore
//	go test -run=NONE -bench='Store/op=batch' -benchtime=200000x -count=10 ./mystore
func RunBenchmarks(b *testing.B, newStore func(testing.TB) store.ResultStore[int]) {
	runBenchmarks(b, newStore, 100_000)
}

func runBenchmarks(b *testing.B, newStore func(testing.TB) store.ResultStore[int], many int) {
	_, batches := newStore(b).(store.BatchPutter[int])
	for _, puts := range []int{100, 90, 50, 10} {
		op := fmt.Sprintf("mix=%d:%d", puts, 100-puts)
		if puts == 100 {
			op = "op=put"
		}
		for _, held := range []int{0, many} {
			b.Run(fmt.Sprintf("%s/held=%d", op, held), func(b *testing.B) {
				benchmarkMix(b, newStore(b), held, puts)
			})
		}
	}
	for _, held := range []int{0, many} {
		if !batches {
			break
		}
		b.Run(fmt.Sprintf("op=batch/held=%d", held), func(b *testing.B) {
			benchmarkBatch(b, newStore(b), held)
		})
	}
	b.Run(fmt.Sprintf("op=all/held=%d", many), func(b *testing.B) {
		benchmarkAll(b, newStore(b), many)
	})
}

func benchmarkMix(b *testing.B, st store.ResultStore[int], held, puts int) {
	ctx := b.Context()
	prefill(b, st, held)
	last := new(atomic.Uint64) // the last ID that a goroutine has taken
	last.Store(uint64(held))
	seeds := new(atomic.Uint64)

	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		w := worker{last: last, held: uint64(held), rng: rand.NewPCG(seeds.Add(1), 0)}
		for i := 0; pb.Next(); i++ {
			if w.puts == 0 && held == 0 || (i+1)*puts/100 > i*puts/100 {
				if err := st.Put(ctx, store.Result[int]{ID: w.take(), Value: i}); err != nil {
					b.Error(err)
					return
				}
			} else if _, err := st.Get(ctx, w.pick()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// benchmarkBatch has one goroutine put, as a pool has one that writes.
func benchmarkBatch(b *testing.B, st store.ResultStore[int], held int) {
	ctx := b.Context()
	prefill(b, st, held)
	next := batch(store.ID(held+1), poolBatch)
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; {
		n := min(left, poolBatch)
		if err := st.(store.BatchPutter[int]).PutBatch(ctx, next[:n]); err != nil {
			b.Fatal(err)
		}
		left -= n
		for i := range next {
			next[i].ID += poolBatch
		}
	}
}

func benchmarkAll(b *testing.B, st store.ResultStore[int], held int) {
	ctx := b.Context()
	prefill(b, st, held)
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; {
		before := left
		for _, err := range st.All(ctx) {
			if err != nil {
				b.Fatal(err)
			}
			if left--; left == 0 {
				break
			}
		}
		if n := before - left; left > 0 && n != held {
			b.Fatalf("All yielded %d results, want %d", n, held)
		}
	}
}

// prefill puts results 1 to n, in batches if st takes them, and leaves no
// garbage of its own behind.
func prefill(b *testing.B, st store.ResultStore[int], n int) {
	b.Helper()
	ctx := b.Context()
	res := batch(1, n)
	if bp, ok := st.(store.BatchPutter[int]); ok {
		for len(res) > 0 {
			size := min(1000, len(res))
			if err := bp.PutBatch(ctx, res[:size]); err != nil {
				b.Fatal(err)
			}
			res = res[size:]
		}
	}
	for _, r := range res {
		if err := st.Put(ctx, r); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
}

// blockSize is how many IDs a worker takes at once: so many that the shared
// counter is not what is measured.
const blockSize = 64

// A worker is one goroutine of a benchmark. It knows which IDs it may get.
type worker struct {
	last   *atomic.Uint64 // the last ID that any worker has taken
	held   uint64         // IDs 1 to held were there at the start
	rng    *rand.PCG
	blocks []uint64 // the first ID of each block taken
	puts   uint64   // how many IDs of these blocks were handed to Put
}

// take returns an ID to put.
func (w *worker) take() store.ID {
	if w.puts%blockSize == 0 {
		w.blocks = append(w.blocks, w.last.Add(blockSize)-blockSize+1)
	}
	id := w.blocks[w.puts/blockSize] + w.puts%blockSize
	w.puts++
	return store.ID(id)
}

// pick returns one of the IDs that were there at the start or that take has
// returned. There must be one.
func (w *worker) pick() store.ID {
	i, _ := bits.Mul64(w.rng.Uint64(), w.held+w.puts) // in [0, held+puts), without a division
	if i < w.held {
		return store.ID(i + 1)
	}
	i -= w.held
	return store.ID(w.blocks[i/blockSize] + i%blockSize)
}
