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
	"testing/synctest"
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
	s.put = storetest.Chain(s.seldom(storetest.Fail(errDown)), s.seldom(storetest.Lose(errDown)))
	return s
}

// seldom is f for one call in a few hundred, so that another try will do.
func (s *stress) seldom(f storetest.Fault) storetest.Fault {
	return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		if rand.Uint64()%500 == 0 {
			return f(ctx, ids, do)
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

// Whatever a store of batches does, within the contract, each result is stored or handed
// back, once, and the numbers add up all the time.
func TestBatchChaos(t *testing.T) {
	seeds := 30
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { batchChaos(t, uint64(seed)) })
		require.False(t, t.Failed(), "seed %d", seed)
	}
}

func batchChaos(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 77))
	var mu sync.Mutex
	roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return rng.IntN(n) }
	oneIn := func(n int, of ...storetest.Fault) storetest.Fault {
		return func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
			if roll(n) == 0 {
				return of[roll(len(of))](ctx, ids, do)
			}
			return do(ctx)
		}
	}
	down, boom := storetest.Fail(errDown), storetest.Panic("boom")
	pause := func(ctx context.Context, _ []store.ID, do func(context.Context) error) error {
		time.Sleep(time.Duration(roll(20)) * time.Millisecond)
		return do(ctx)
	}
	trouble := 1 + roll(6)
	var a account
	a.storeFailed.Store(true)
	a.put = storetest.Chain(oneIn(2, pause),
		oneIn(3*trouble, down, storetest.Fail(store.ErrRejected), boom, goexit, storetest.Slow(time.Second)),
		inBatches(oneIn(4*trouble, loses(down), loses(boom), loses(goexit))))
	a.open(t, rwmutex.New[int](), true, &pool.Options{Workers: 1 + roll(8), Queue: 1 + roll(200)})
	a.most = 8
	n, resizes, ends := 1+roll(3000), roll(2) == 0, roll(2) == 0
	for _, reason := range []interface{ Store(bool) }{&a.stopped, &a.cancelled, &a.emptied} {
		reason.Store(resizes || ends)
	}
	a.stopped.Store(true)
	stop := make(chan struct{})
	var looking, wg sync.WaitGroup
	looking.Go(func() {
		for !isClosed(stop) {
			s := a.p.Stats()
			checkStats(t, s)
			assert.LessOrEqual(t, s.Unsaved, s.Submitted)
			time.Sleep(3 * time.Millisecond)
		}
	})
	for g := range 3 {
		wg.Go(func() {
			for i := range n / 3 {
				does := behaviour((i*7 + g) % 23)
				if does != panics && does != goexits && does != submits {
					does = succeeds
				}
				if err := a.submit(context.Background(), a.deed(does)); errors.Is(err, pool.ErrNoWorkers) {
					time.Sleep(time.Millisecond)
				} else if err != nil {
					return
				}
				if i%50 == 0 {
					wg.Go(func() { a.get(context.Background(), store.ID(i)) })
				}
			}
		})
	}
	if resizes {
		wg.Go(func() {
			for i := range 20 {
				time.Sleep(7 * time.Millisecond)
				_ = a.p.Resize(i % 4)
			}
			_ = a.p.Resize(2)
		})
	}
	time.Sleep(time.Duration(roll(3000)) * time.Millisecond)
	if ends {
		a.cancel(errCause)
	}
	_ = a.p.Stop(t.Context())
	synctest.Wait()
	assert.Empty(t, poolGoroutines())
	close(stop)
	wg.Wait()
	looking.Wait()
	require.NoError(t, a.settle(), "seed %d", seed)
}
