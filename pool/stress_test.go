package pool_test

import (
	"context"
	"errors"
	"flag"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/storetest"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

var (
	stressSeed   = flag.Uint64("stress.seed", 0, "seed of the only round of TestStress (0: many rounds)")
	stressRounds = flag.Int("stress.rounds", 0, "rounds of TestStress for each store (0: a few seconds' worth)")
)

var stores = map[string]func() store.ResultStore[int]{
	"rwmutex": func() store.ResultStore[int] { return rwmutex.New[int]() },
	"syncmap": func() store.ResultStore[int] { return syncmap.New[int]() },
	"xsync":   func() store.ResultStore[int] { return xsync.New[int]() },
	"dense":   func() store.ResultStore[int] { return dense.New[int]() },
}

// TestStress makes random pools, does everything to them at once, and compares
// what was accepted with what was stored, ID by ID: none lost, none doubled, none
// overwritten, each with the outcome of its own task.
func TestStress(t *testing.T) {
	rounds := *stressRounds
	if rounds == 0 {
		rounds = 300
		if raceEnabled {
			rounds = 60
		}
	}
	for _, name := range slices.Sorted(maps.Keys(stores)) {
		t.Run(name, func(t *testing.T) {
			checkGoroutines(t)
			if seed := *stressSeed; seed != 0 {
				require.NoError(t, newStress(seed).run(t, stores[name]()))
				return
			}
			var sum pool.Stats
			for range rounds {
				s := newStress(rand.Uint64() | 1)
				if err := s.run(t, stores[name]()); err != nil {
					t.Fatalf("%v\nagain: go test ./pool -run 'TestStress/%s' -stress.seed=%d", err, name, s.seed)
				}
				st := s.p.Stats()
				sum.Succeeded += st.Succeeded
				sum.Failed += st.Failed
				sum.Panicked += st.Panicked
				sum.NotRun += st.NotRun
			}
			for _, n := range []uint64{sum.Succeeded, sum.Failed, sum.Panicked, sum.NotRun} {
				assert.NotZero(t, n, "an outcome that does not occur: %+v", sum)
			}
		})
	}
}

// stress is one random pool and all that is done to it.
type stress struct {
	account
	seed uint64
	rng  *rand.Rand // of the goroutine that calls run
}

func newStress(seed uint64) *stress {
	s := &stress{seed: seed, rng: rand.New(rand.NewPCG(seed, 0))}
	down, boom := storetest.Fail(errDown), storetest.Panic("boom")
	s.put = s.seldom(down, storetest.Fail(store.ErrRejected), boom, goexit, loses(down), loses(boom), loses(goexit))
	return s
}

// seldom is one of the faults for one call in a hundred, so that another try will do.
func (s *stress) seldom(of ...storetest.Fault) storetest.Fault {
	return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		if rand.IntN(100) == 0 {
			return of[rand.IntN(len(of))](ctx, ids, do)
		}
		return do(ctx)
	}
}

func (s *stress) run(t *testing.T, st store.ResultStore[int]) error {
	for _, reason := range []interface{ Store(bool) }{&s.stopped, &s.cancelled, &s.emptied, &s.storeFailed} {
		reason.Store(true)
	}
	s.open(t, st, s.rng.IntN(2) == 0, &pool.Options{Workers: 1 + s.rng.IntN(8), Queue: 1 + s.rng.IntN(1<<s.rng.IntN(8))})
	defer s.cancel(nil)
	s.most = 8
	var wg sync.WaitGroup
	each := 1 + s.rng.IntN(200)
	for submitter := range 1 + s.rng.IntN(6) {
		rng := rand.New(rand.NewPCG(s.seed, uint64(submitter+1)))
		wg.Go(func() { s.submitSome(rng, each) })
	}
	wg.Go(func() { // everything else that a user may do
		briefly := func() context.Context {
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
			context.AfterFunc(ctx, cancel)
			return ctx
		}
		for s.p.Stats().Submitted < uint64(s.rng.IntN(2*each)) && s.rng.IntN(500) > 0 {
			switch s.rng.IntN(6) {
			case 0:
				_ = s.p.Resize(s.rng.IntN(6))
			case 1:
				_ = s.p.Wait(briefly())
			case 2:
				_, _ = s.p.Results(context.Background())
			case 3:
				s.get(briefly(), store.ID(1+s.rng.IntN(each)))
			default:
				runtime.Gosched()
			}
		}
		switch s.rng.IntN(4) {
		case 0:
			s.cancel(errCause)
		case 1:
			_ = s.p.Resize(0)
		default:
			_ = s.p.Resize(1 + s.rng.IntN(4))
		}
		for range 1 + s.rng.IntN(3) {
			wg.Go(func() { _ = s.p.Stop(context.Background()) })
		}
	})
	wg.Wait()
	select {
	case <-s.p.Done():
	case <-time.After(time.Minute):
		t.Fatalf("the pool has not ended: %+v", s.p.Stats())
	}
	return s.settle()
}

func (s *stress) submitSome(rng *rand.Rand, n int) {
	kinds := []behaviour{succeeds, fails, panics, goexits, yields, sleeps, submits}
	for range n {
		in := make([]deed, 1+rng.IntN(4))
		for i := range in {
			in[i] = s.deed(kinds[rng.IntN(len(kinds))])
		}
		var err error
		switch rng.IntN(3) {
		case 0:
			err = s.submit(context.Background(), in[0])
		case 1:
			err = s.trySubmit(in[0])
		case 2:
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(1000))*time.Microsecond)
			err = s.submitAll(ctx, in)
			cancel()
		}
		if errors.Is(err, pool.ErrClosed) {
			return
		}
	}
}
