package pool_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/resultpool/resultpool/pool"
)

// TestNoLostWakeUp does everything at once that wakes and stops workers, and looks
// whenever all is still: no worker may be missing while a task waits, and no
// submitter may wait while there is room for it. A lost wake-up shows here that
// later traffic would heal and other tests not see.
func TestNoLostWakeUp(t *testing.T) {
	rounds := 2000
	if raceEnabled {
		rounds = 200
	}
	for range rounds {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			w := newWakeUps(t, seed)
			for range 20 {
				for range 1 + w.rng.IntN(6) {
					w.act()
				}
				synctest.Wait()
				s := w.p.Stats()
				if s.Running < min(uint64(w.target), s.Queued+s.Running) {
					t.Fatalf("seed %d: a worker is missing: %+v", seed, s)
				}
				if w.batches.Load() == 0 && w.singles.Load() > 0 && s.Queued < uint64(w.room) && w.target > 0 {
					t.Fatalf("seed %d: %d submitters wait while there is room: %+v", seed, w.singles.Load(), s)
				}
				if w.rng.IntN(4) == 0 {
					time.Sleep(3 * time.Millisecond)
				}
			}
			w.p.cancel(errCause)
			<-w.p.Done()
		})
	}
}

// wakeUps is a pool whose tasks wait for a token each.
type wakeUps struct {
	rng    *rand.Rand
	p      taskPool
	target int
	room   int // of the queue
	tokens chan struct{}

	singles, batches atomic.Int64 // Submits and SubmitAlls that have not returned
}

func newWakeUps(t *testing.T, seed uint64) *wakeUps {
	rng := rand.New(rand.NewPCG(seed, 0))
	target := 1 + rng.IntN(6)
	room := 1 + rng.IntN(12)
	return &wakeUps{
		rng:    rng,
		target: target,
		room:   room,
		p:      newPool(t, &pool.Options{Workers: target, Queue: room}),
		tokens: make(chan struct{}, 10_000),
	}
}

func (w *wakeUps) task(ctx context.Context) (int, error) {
	select {
	case <-w.tokens:
	case <-ctx.Done():
	}
	switch rand.IntN(8) {
	case 0:
		runtime.Goexit()
	case 1:
		panic("boom")
	}
	return 0, nil
}

// act does one of the things that a pool's users may do.
func (w *wakeUps) act() {
	switch w.rng.IntN(6) {
	case 0:
		_, _ = w.p.TrySubmit(w.task)
	case 1:
		w.singles.Add(1)
		go func() {
			defer w.singles.Add(-1)
			_, _ = w.p.Submit(context.Background(), w.task)
		}()
	case 2:
		many, limit := make([]task, w.rng.IntN(10)), time.Duration(1+w.rng.IntN(5))*time.Millisecond
		for i := range many {
			many[i] = w.task
		}
		w.batches.Add(1)
		go func() {
			defer w.batches.Add(-1)
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			_, _ = w.p.SubmitAll(ctx, many)
		}()
	case 3:
		n := max(0, w.rng.IntN(9)-2)
		if w.p.Resize(n) == nil {
			w.target = n
		}
	case 4, 5:
		for range w.rng.IntN(6) {
			w.tokens <- struct{}{}
		}
	}
	if w.rng.IntN(3) == 0 {
		runtime.Gosched()
	}
}
