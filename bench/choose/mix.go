package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

// A mix is what a program does to its store.
type mix struct {
	puts       float64 // percent of Puts; the others are Gets
	deletes    float64 // percent of Gets after which the result is deleted
	goroutines int
	held       int // results at most
	value      int // bytes
	procs      int // GOMAXPROCS
}

func (m mix) String() string {
	s := fmt.Sprintf("%.4g %% Put and %.4g %% Get by %s on %s, up to %s of %d bytes",
		m.puts, 100-m.puts, several(m.goroutines, "goroutine"), several(m.procs, "processor"), several(m.held, "result"), m.value)
	if m.deletes > 0 {
		s += fmt.Sprintf(", deleted after %.4g %% of Gets", m.deletes)
	}
	return s
}

// deletesEach is how many Deletes belong to a hundred Puts and Gets.
func (m mix) deletesEach() float64 { return (100 - m.puts) * m.deletes / 100 }

// stores are the names, the simplest first.
var stores = [...]string{"dense", "rwmutex", "xsync", "syncmap"}

func open[R any](name string) store.ResultStore[R] {
	switch name {
	case "dense":
		return dense.New[R]()
	case "rwmutex":
		return rwmutex.New[R]()
	case "xsync":
		return xsync.New[R]()
	default:
		return syncmap.New[R]()
	}
}

// value is as large as a value can be. A result's has its ID in it, so that a Get can be checked without a
// record of what was put.
type value interface {
	[1]uint64 | [2]uint64 | [4]uint64 | [8]uint64 | [16]uint64 | [32]uint64 | [64]uint64 | [128]uint64
}

// largest is the size of the largest of them.
const largest = 1024

// roundUp returns the size of the smallest of them that has room for n bytes.
func roundUp(n int) int {
	size := 8
	for size < n {
		size *= 2
	}
	return size
}

// A load is how much of a mix one measurement does.
type load struct {
	ops    int // on a store that is to hold the most results
	parts  int // in which these are done
	stores int // fresh ones for each of the places
}

// places are where the growth of a store ends, in parts of the most results that it is to hold. A table that
// doubles does so once in each growth. How many Puts share the cost of that depends on where the growth begins, by
// a factor of up to two: hence three places.
var places = [...]float64{0.63, 0.79, 1}

// inAll is how much the operations of all places are, in those of the last.
const inAll = 0.63 + 0.79 + 1

const (
	// A goroutine claims as many operations at once, and reads the clock in between.
	chunk = 16
	parts = 16
)

// loadFor returns the load that takes at most so long if each operation takes perOp. Small stores, and Gets only, get
// an eighth of it: their figures vary little.
func (m mix) loadFor(each, perOp time.Duration) load {
	most := min(float64(each)/float64(max(perOp, 1)), 1e9) / inAll
	least := float64(chunk * parts)
	if m.puts == 0 {
		return load{ops: int(max(least, most/8)), parts: 1, stores: 1}
	}
	if whole := float64(m.held) / 2 * 100 / m.puts; whole <= most {
		return load{ops: int(whole), parts: 1, stores: max(1, min(int(most/8/whole), 1000))}
	}
	return load{ops: int(max(least, most)), parts: parts, stores: 1}
}

// A sample is what one measurement found.
type sample struct {
	NsPerOp      float64
	LongestPause time.Duration
	BytesPerPut  float64 // allocated
}

// measure measures one store.
func (m mix) measure(ctx context.Context, name string, l load) (sample, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(m.procs))
	switch m.value {
	case 8:
		return measure[[1]uint64](ctx, m, name, l)
	case 16:
		return measure[[2]uint64](ctx, m, name, l)
	case 32:
		return measure[[4]uint64](ctx, m, name, l)
	case 64:
		return measure[[8]uint64](ctx, m, name, l)
	case 128:
		return measure[[16]uint64](ctx, m, name, l)
	case 256:
		return measure[[32]uint64](ctx, m, name, l)
	case 512:
		return measure[[64]uint64](ctx, m, name, l)
	default:
		return measure[[128]uint64](ctx, m, name, l)
	}
}

func measure[R value](ctx context.Context, m mix, name string, l load) (sample, error) {
	var sum sample
	var took time.Duration
	var ops, puts, allocated uint64
	for i := range len(places) * l.stores {
		place := places[i%len(places)]
		before := totalAlloc()
		r := &run[R]{mix: m, st: open[R](name)}
		r.held = int(place * float64(m.held))
		if err := r.grow(ctx, int(place*float64(l.ops)), l.parts); err != nil {
			return sample{}, fmt.Errorf("%s: %w", name, err)
		}
		allocated += totalAlloc() - before
		puts += r.newest.Load()
		took += r.took
		ops += r.done.Load()
		sum.LongestPause = max(sum.LongestPause, time.Duration(r.longest.Load()))
	}
	sum.NsPerOp = float64(took.Nanoseconds()) / float64(ops)
	sum.BytesPerPut = float64(allocated) / float64(puts)
	return sum, nil
}

func totalAlloc() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// A run is a mix on one store.
type run[R value] struct {
	mix
	st store.ResultStore[R]

	// IDs above oldest and up to newest were put and not deleted, or are about to be.
	oldest, newest atomic.Uint64
	settled        uint64 // up to it no Put is under way; not changed while work is done

	left    atomic.Int64  // operations that nobody has claimed
	done    atomic.Uint64 // operations, Deletes included
	longest atomic.Int64  // nanoseconds of a chunk
	took    time.Duration
}

// grow does the operations while the store grows to the most results that it is to hold.
func (r *run[R]) grow(ctx context.Context, ops, parts int) error {
	growth := 0.0
	if r.puts > 0 {
		growth = float64(r.held) / 2 * (1 - r.deletesEach()/r.puts)
	}
	first := 0.0 // where the first of several parts begins: at random, so that they miss no doubling again and again
	if parts > 1 {
		first = rand.Float64()
	}
	for part := range parts {
		if err := r.fill(ctx, r.held-int(growth*(1-(float64(part)+first)/float64(parts)))); err != nil {
			return err
		}
		if part == 0 {
			runtime.GC() // the collector's debt for what was put before is not the mix's
		}
		if err := r.mixed(ctx, int64(ops/parts)); err != nil {
			return err
		}
	}
	return r.fill(ctx, r.held) // so that what is allocated for each Put does not depend on where the parts were
}

// fill puts results until so many are held.
func (r *run[R]) fill(ctx context.Context, held int) error {
	for r.newest.Load()-r.oldest.Load() < uint64(held) {
		if r.newest.Load()%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := r.st.Put(ctx, result[R](r.newest.Add(1))); err != nil {
			return err
		}
	}
	r.settled = r.newest.Load()
	return nil
}

// mixed does so many operations by all goroutines.
func (r *run[R]) mixed(ctx context.Context, ops int64) error {
	r.left.Store(ops)
	errs := make(chan error, r.goroutines)
	var wg sync.WaitGroup
	began := time.Now()
	for seed := range uint64(r.goroutines) {
		wg.Go(func() { errs <- r.work(ctx, rand.New(rand.NewPCG(seed, r.newest.Load()))) })
	}
	wg.Wait()
	r.took += time.Since(began)
	r.settled = r.newest.Load()
	for range r.goroutines {
		if err := <-errs; err != nil {
			return err
		}
	}
	return ctx.Err()
}

// work does operations until none is left.
func (r *run[R]) work(ctx context.Context, rng *rand.Rand) error {
	puts, deletes := r.puts*rng.Float64(), r.deletes*rng.Float64() // percent of the next one
	longest, done := time.Duration(0), uint64(0)
	for last := time.Now(); r.left.Add(-chunk) > -chunk && ctx.Err() == nil; {
		oldest, newest := r.oldest.Load(), r.newest.Load() // late values: the others go on
		for range chunk {
			if puts += r.puts; puts >= 100 {
				puts -= 100
				if err := r.st.Put(ctx, result[R](r.newest.Add(1))); err != nil {
					return err
				}
				continue
			}
			if deletes += r.deletes; deletes < 100 {
				if err := r.get(ctx, oldest+1+rng.Uint64N(newest-oldest)); err != nil {
					return err
				}
				continue
			}
			deletes -= 100
			id := r.oldest.Add(1)
			if err := r.get(ctx, id); err != nil {
				return err
			}
			if err := r.st.Delete(ctx, store.ID(id)); err != nil {
				return err
			}
			done++
		}
		done += chunk
		now := time.Now() // also the beginning of the next chunk: nothing goes unseen
		longest = max(longest, now.Sub(last))
		last = now
	}
	r.done.Add(done)
	for seen := r.longest.Load(); seen < int64(longest) && !r.longest.CompareAndSwap(seen, int64(longest)); {
		seen = r.longest.Load()
	}
	return nil
}

// get reads one result, which may be missing if its Put is under way, or if it is deleted meanwhile.
func (r *run[R]) get(ctx context.Context, id uint64) error {
	res, err := r.st.Get(ctx, store.ID(id))
	switch {
	case err != nil && (id > r.settled || id <= r.oldest.Load()):
		return nil
	case err != nil:
		return fmt.Errorf("Get of ID %d: %w", id, err)
	case res.ID != store.ID(id) || res.Value[0] != id || res.Err != nil:
		return fmt.Errorf("Get of ID %d returned another result: %v", id, res)
	}
	return nil
}

func result[R value](id uint64) store.Result[R] {
	res := store.Result[R]{ID: store.ID(id)}
	res.Value[0] = id
	return res
}

// grouped is a number as it is read: 1,000,000.
func grouped(v int) string {
	n := strconv.Itoa(v)
	for i := len(n) - 3; i > 0; i -= 3 {
		n = n[:i] + "," + n[i:]
	}
	return n
}

// several is a number of things.
func several(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return grouped(n) + " " + thing
}

// number has two digits that count, or all before the point.
func number(v float64) string {
	switch {
	case v >= 9.95 || v == 0:
		return grouped(int(math.Round(v)))
	case v >= 0.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}
