package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
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
	held       int  // results at most
	value      int  // bytes
	pointers   bool // a pointer is in each value
	scattered  bool // the IDs are
	procs      int  // GOMAXPROCS
}

func (m mix) String() string {
	s := fmt.Sprintf("%.4g %% Put and %.4g %% Get by %s on %s, up to %s of %d bytes",
		m.puts, 100-m.puts, several(m.goroutines, "goroutine"), several(m.procs, "processor"), several(m.held, "result"), m.value)
	if m.pointers {
		s += " with a pointer"
	}
	if m.deletes > 0 {
		s += fmt.Sprintf(", deleted after %.4g %% of Gets", m.deletes)
	}
	if m.scattered {
		s += ", scattered IDs"
	}
	return s
}

// deletesEach is how many Deletes belong to a hundred Puts and Gets.
func (m mix) deletesEach() float64 { return (100 - m.puts) * m.deletes / 100 }

// id returns the n-th ID. Scattered ones are those of Fibonacci hashing: different for each n, and 0 for none but 0.
func (m mix) id(n uint64) store.ID {
	if m.scattered {
		n *= 0x9e3779b97f4a7c15
	}
	return store.ID(n)
}

// stores are the names, the one to start with first.
var stores = []string{"dense", "rwmutex", "xsync", "syncmap"}

// none is measured besides: what the loop takes that calls the stores.
const none = "none"

// stores returns those that are for such IDs. Each of the scattered ones would cost dense a segment.
func (m mix) stores() []string {
	if m.scattered {
		return stores[1:]
	}
	return stores
}

// measured returns the stores, and none.
func (m mix) measured() []string { return append(slices.Clone(m.stores()), none) }

func open[E any](name string) store.ResultStore[value[E]] {
	switch name {
	case "dense":
		return dense.New[value[E]]()
	case "rwmutex":
		return rwmutex.New[value[E]]()
	case "xsync":
		return xsync.New[value[E]]()
	case "syncmap":
		return syncmap.New[value[E]]()
	default:
		return empty[E]{}
	}
}

// empty keeps nothing, and makes what a Get wants.
type empty[E any] struct {
	store.ResultStore[value[E]] // nil: nothing else is called
}

func (empty[E]) Put(context.Context, store.Result[value[E]]) error { return nil }
func (empty[E]) Delete(context.Context, store.ID) error            { return nil }
func (empty[E]) Get(_ context.Context, id store.ID) (res store.Result[value[E]], _ error) {
	res.ID, res.Value.id = id, id
	return res, nil
}

// A value has its ID in it, so that a Get can be checked without a record of what was put, and is as large as
// its rest makes it.
type value[E any] struct {
	rest E // first: after the last field, one of no size would have some
	id   store.ID
}

// pointing is a rest with a pointer in it.
type pointing[E any] struct {
	_ E
	p *uint64
}

// toOne points to what all point to. What they would point to in a program costs the collector the same in each store.
func toOne[E any]() pointing[E] { return pointing[E]{p: new(uint64)} }

// largest is the size of the largest value.
const largest = 1024

// roundUp returns the size of the smallest of them that has room for n bytes.
func (m mix) roundUp(n int) int {
	size := 8
	if m.pointers {
		size = 16
	}
	for size < n {
		size *= 2
	}
	return size
}

// A load is how much of a mix one measurement does.
type load struct {
	ops    int // on a store that is to hold the most results
	parts  int // in which these are done
	stores int // fresh ones; they take the places in turn

	first float64 // where in the growth the first of several parts begins, from 0 to 1
}

// places are where the growth of a store ends, in parts of the most results that it is to hold. A table that
// doubles does so once in each growth. How many Puts share the cost of that depends on where the growth begins, by
// a factor of up to two: hence three places.
var places = [...]float64{1, 0.79, 0.63}

// inAll is how much the operations of all places are, in those of the first.
const inAll = 1 + 0.79 + 0.63

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
		return load{ops: int(max(least, most/8)), parts: 1, stores: len(places)}
	}
	if whole := float64(m.held) / 2 * 100 / m.puts; whole <= most {
		return load{ops: int(whole), parts: 1, stores: len(places) * max(1, min(int(most/8/whole), 1000))}
	}
	return load{ops: int(max(least, most)), parts: parts, stores: len(places)}
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
	if m.pointers {
		switch m.value {
		case 16:
			return measure(ctx, m, name, l, toOne[[0]uint64]())
		case 32:
			return measure(ctx, m, name, l, toOne[[2]uint64]())
		case 64:
			return measure(ctx, m, name, l, toOne[[6]uint64]())
		case 128:
			return measure(ctx, m, name, l, toOne[[14]uint64]())
		case 256:
			return measure(ctx, m, name, l, toOne[[30]uint64]())
		case 512:
			return measure(ctx, m, name, l, toOne[[62]uint64]())
		default:
			return measure(ctx, m, name, l, toOne[[126]uint64]())
		}
	}
	switch m.value {
	case 8:
		return measure(ctx, m, name, l, [0]uint64{})
	case 16:
		return measure(ctx, m, name, l, [1]uint64{})
	case 32:
		return measure(ctx, m, name, l, [3]uint64{})
	case 64:
		return measure(ctx, m, name, l, [7]uint64{})
	case 128:
		return measure(ctx, m, name, l, [15]uint64{})
	case 256:
		return measure(ctx, m, name, l, [31]uint64{})
	case 512:
		return measure(ctx, m, name, l, [63]uint64{})
	default:
		return measure(ctx, m, name, l, [127]uint64{})
	}
}

func measure[E any](ctx context.Context, m mix, name string, l load, rest E) (sample, error) {
	var sum sample
	var took time.Duration
	var ops, puts, allocated uint64
	for i := range l.stores {
		place := places[i%len(places)]
		before := totalAlloc()
		r := &run[E]{mix: m, st: open[E](name), rest: rest}
		r.held = int(place * float64(m.held))
		if err := r.grow(ctx, int(place*float64(l.ops)), l.parts, l.first); err != nil {
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
type run[E any] struct {
	mix
	st   store.ResultStore[value[E]]
	rest E

	// Results above oldest and up to newest were put and not deleted, or are about to be. They are counted from 1.
	oldest, newest atomic.Uint64
	settled        uint64 // up to it no Put is under way; not changed while work is done

	claimed atomic.Int64  // Puts and Gets
	limit   int64         // how many may be claimed
	done    atomic.Uint64 // operations, Deletes included
	longest atomic.Int64  // nanoseconds of a chunk
	took    time.Duration
}

// grow does the operations while the store grows to the most results that it is to hold.
func (r *run[E]) grow(ctx context.Context, ops, parts int, first float64) error {
	growth := 0.0
	if r.puts > 0 {
		growth = float64(r.held) / 2 * (1 - r.deletesEach()/r.puts)
	}
	if parts == 1 {
		first = 0
	}
	for part := range parts {
		if err := r.fill(ctx, r.held-int(growth*(1-(float64(part)+first)/float64(parts)))); err != nil {
			return err
		}
		if part == 0 {
			r.longest.Store(0) // until here it was filled
		}
		runtime.GC() // the collector's debt for what fill has put is not the mix's
		if err := r.mixed(ctx, int64(ops/parts)); err != nil {
			return err
		}
	}
	return r.fill(ctx, r.held) // so that what is allocated for each Put does not depend on where the parts were
}

// fill puts results until so many are held. Its time does not count, but its longest pause does.
func (r *run[E]) fill(ctx context.Context, held int) error {
	for last := time.Now(); r.newest.Load()-r.oldest.Load() < uint64(held); {
		if r.newest.Load()%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := r.put(ctx); err != nil {
			return err
		}
		if r.newest.Load()%chunk == 0 {
			now := time.Now()
			r.paused(now.Sub(last))
			last = now
		}
	}
	r.settled = r.newest.Load()
	return nil
}

// paused takes note of how long a chunk took.
func (r *run[E]) paused(d time.Duration) {
	for seen := r.longest.Load(); seen < int64(d) && !r.longest.CompareAndSwap(seen, int64(d)); {
		seen = r.longest.Load()
	}
}

// mixed does so many operations by all goroutines. The clock runs from when the last of them is there, awake, until
// the last has finished.
func (r *run[E]) mixed(ctx context.Context, ops int64) error {
	r.claimed.Store(r.limit)
	r.limit += (ops + chunk - 1) / chunk * chunk
	errs := make(chan error, r.goroutines)
	var began time.Time
	var waiting, working atomic.Int64
	waiting.Store(int64(r.goroutines))
	working.Store(int64(r.goroutines))
	for seed := range uint64(r.goroutines) {
		rng := rand.New(rand.NewPCG(seed, r.newest.Load()))
		go func() {
			if waiting.Add(-1) == 0 {
				began = time.Now()
				waiting.Store(-1)
			}
			for waiting.Load() >= 0 {
				runtime.Gosched()
			}
			err := r.work(ctx, rng)
			if working.Add(-1) == 0 {
				r.took += time.Since(began)
			}
			errs <- err
		}()
	}
	var first error
	for range r.goroutines {
		first = cmp.Or(first, <-errs)
	}
	r.settled = r.newest.Load()
	return cmp.Or(first, ctx.Err())
}

// work does operations until none is left. Which of them are Puts follows from their numbers alone: then there are as
// many as there shall be, also if a goroutine does few, or has done others since it began to wait for a Put.
func (r *run[E]) work(ctx context.Context, rng *rand.Rand) error {
	longest, done := time.Duration(0), uint64(0)
	for last := time.Now(); ctx.Err() == nil; {
		before := r.claimed.Add(chunk) - chunk
		if before >= r.limit {
			break
		}
		puts := math.Floor(float64(before) * r.puts / 100) // before the next operation
		gets := float64(before) - puts
		deletes := math.Floor(gets * r.deletes / 100)
		oldest, newest := r.oldest.Load(), r.newest.Load() // late values: the others go on
		for range chunk {
			if sum := math.Floor((puts + gets + 1) * r.puts / 100); sum > puts {
				puts = sum
				if err := r.put(ctx); err != nil {
					return err
				}
				continue
			}
			gets++
			sum := math.Floor(gets * r.deletes / 100)
			if sum == deletes {
				n := newest
				if newest > oldest { // many goroutines that delete may come before those that put
					n = oldest + 1 + rng.Uint64N(newest-oldest)
				}
				if err := r.get(ctx, n, false); err != nil {
					return err
				}
				continue
			}
			deletes = sum
			n := r.oldest.Add(1)
			if err := r.get(ctx, n, true); err != nil {
				return err
			}
			if err := r.st.Delete(ctx, r.id(n)); err != nil {
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
	r.paused(longest)
	return nil
}

// put puts the next result.
func (r *run[E]) put(ctx context.Context) error {
	id := r.id(r.newest.Add(1))
	return r.st.Put(ctx, store.Result[value[E]]{ID: id, Value: value[E]{rest: r.rest, id: id}})
}

// get reads the n-th result, which may be missing if its Put is under way, or if it is deleted meanwhile by another
// goroutine: if it is mine, by none.
func (r *run[E]) get(ctx context.Context, n uint64, mine bool) error {
	id := r.id(n)
	res, err := r.st.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound) && (n > r.settled || !mine && n <= r.oldest.Load()):
		return nil
	case err != nil:
		return fmt.Errorf("Get of ID %d: %w", id, err)
	case res.ID != id || res.Value.id != id || res.Err != nil:
		return fmt.Errorf("Get of ID %d returned another result: %v", id, res)
	}
	return nil
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
