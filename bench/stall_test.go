package bench_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resultpool/resultpool/store"
)

// BenchmarkStall measures for how long a writer is held up at most while all
// results are copied: by the obvious copy, and by those of the stores. The
// package comment says how.
func BenchmarkStall(b *testing.B) {
	if runtime.GOMAXPROCS(0) == 1 {
		b.Skip("on one processor a writer waits for its turn, not for the store")
	}
	obvious := container{"naive-rlock", func() store.ResultStore[int] { return &naive{m: make(map[store.ID]store.Result[int])} }}
	for _, size := range []copying{
		{held: scaled(100_000), times: scaled(50)},
		{held: scaled(1_000_000), times: scaled(10)},
	} {
		for _, c := range slices.Concat([]container{obvious}, containers) {
			var copies, stalls []time.Duration
			b.Run(fmt.Sprintf("held=%d/store=%s", size.held, c.name), func(b *testing.B) {
				if b.N == 1 { // the first call; those that are to find the right b.N repeat its figures
					copies, stalls = size.measure(b, c.open())
				}
				b.ReportMetric(float64(slices.Min(stalls)), "max-stall-ns")
				b.ReportMetric(float64(copies[len(copies)/2]), "copy-ns")
				b.ReportMetric(0, "ns/op") // which hides it
			})
		}
	}
}

// copying is how many results to copy, and how many times.
type copying struct{ held, times int }

// measure returns the times of the copies, sorted, and the longest write during each.
func (c copying) measure(b *testing.B, st store.ResultStore[int]) (copies, stalls []time.Duration) {
	grow(b.Context(), b, st, c.held)
	w := &writer{st: st, id: store.ID(c.held)}
	for range c.times {
		took, stall, err := c.once(b.Context(), w)
		if err != nil {
			b.Fatal(err)
		}
		copies, stalls = append(copies, took), append(stalls, stall)
	}
	slices.Sort(copies)
	return copies, stalls
}

// once makes one copy while w writes, and returns how long that took, and the
// longest write.
func (c copying) once(ctx context.Context, w *writer) (took, stall time.Duration, err error) {
	runtime.GC() // now, for there is none until the copy is complete
	defer debug.SetGCPercent(debug.SetGCPercent(-1))

	var stop atomic.Bool
	writing, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		longest, err := w.run(ctx, &stop, writing)
		stall = longest
		ended <- err
	}()
	<-writing
	began := time.Now()
	all, err := store.Snapshot(ctx, w.st)
	took = time.Since(began)
	stop.Store(true)
	if err2 := <-ended; err == nil {
		err = err2
	}

	// It may also have some of those that were written and deleted meanwhile.
	if err == nil && len(all) < c.held {
		err = fmt.Errorf("a copy of %d results has %d", c.held, len(all))
	}
	return took, stall, err
}

// A writer puts results with ever higher IDs, and deletes each at once, so that
// its store does not grow.
type writer struct {
	st store.ResultStore[int]
	id store.ID // the last it has put
}

// run writes until stop is set, and returns how long its longest write took. It
// closes writing when it begins.
func (w *writer) run(ctx context.Context, stop *atomic.Bool, writing chan<- struct{}) (longest time.Duration, err error) {
	close(writing)
	last := time.Now()
	lap := func() {
		now := time.Now() // also the beginning of the next write: nothing goes unseen
		longest = max(longest, now.Sub(last))
		last = now
	}
	for !stop.Load() {
		w.id++
		if err := w.st.Put(ctx, result(w.id)); err != nil {
			return 0, fmt.Errorf("putting ID %d: %w", w.id, err)
		}
		lap()
		if err := w.st.Delete(ctx, w.id); err != nil {
			return 0, fmt.Errorf("deleting ID %d: %w", w.id, err)
		}
		lap()
	}
	return longest, nil
}

// naive is the obvious store. All holds the read lock for as long as the loop
// goes on, so a copy holds up every writer until it is complete, and a Put in
// the body of the loop would hang.
type naive struct {
	store.ResultStore[int] // nil: nobody calls Get
	mu                     sync.RWMutex
	m                      map[store.ID]store.Result[int] // guarded by mu
}

func (s *naive) Put(_ context.Context, res store.Result[int]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, held := s.m[res.ID]; held {
		return store.ErrExists
	}
	s.m[res.ID] = res
	return nil
}

func (s *naive) Delete(_ context.Context, id store.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, id)
	return nil
}

func (s *naive) All(context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		for _, res := range s.m {
			if !yield(res, nil) {
				return
			}
		}
	}
}
