package pool_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
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
			for range rounds {
				seed := *stressSeed
				if seed == 0 {
					seed = rand.Uint64() | 1
				}
				s := &stress{seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), st: stores[name]()}
				if err := s.run(); err != nil {
					t.Fatalf("%v\nagain: go test ./pool -run 'TestStress/%s' -stress.seed=%d", err, name, seed)
				}
				if *stressSeed != 0 {
					break
				}
			}
		})
	}
}

// stress is one random pool and all that is done to it.
type stress struct {
	seed uint64
	rng  *rand.Rand // of the goroutine that calls run
	st   store.ResultStore[int]
	p    *pool.Pool[chaos, int]

	mu       sync.Mutex
	accepted map[store.ID]chaos // by the callers' account; guarded by mu
	puts     map[store.ID]int   // calls of Put that returned nil; guarded by mu
	ran      map[int]int        // how often each task ran, by its value; guarded by mu
	faults   []error            // guarded by mu
}

// chaos is a task: its value, unique in its pool, and what it does.
type chaos struct {
	value int
	does  behaviour
}

type behaviour int

const (
	succeeds behaviour = iota
	fails
	panics
	goexits
	yields
	sleeps
	submits // another task, from inside
	behaviours
)

// Put counts what is stored, and fails now and then before or after storing.
func (s *stress) Put(ctx context.Context, res store.Result[int]) error {
	if s.lucky(res.ID, 1) {
		return errDown
	}
	err := s.st.Put(ctx, res)
	if err == nil {
		s.mu.Lock()
		s.puts[res.ID]++
		s.mu.Unlock()
		if s.lucky(res.ID, 2) {
			return errDown // although it was stored
		}
	}
	return err
}

// lucky is true for one call in a hundred, so that another try will do.
func (s *stress) lucky(id store.ID, what uint64) bool {
	return rand.Uint64()%100 == 0 && (uint64(id)*7+what+s.seed)%5 == 0
}

func (s *stress) fn(ctx context.Context, in chaos) (int, error) {
	s.mu.Lock()
	s.ran[in.value]++
	s.mu.Unlock()
	switch in.does {
	case fails:
		return in.value, errTask
	case panics:
		panic(in.value)
	case goexits:
		runtime.Goexit()
	case yields:
		runtime.Gosched()
	case sleeps:
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Microsecond):
		}
	case submits:
		child := chaos{value: -in.value, does: succeeds}
		if id, err := s.p.Submit(ctx, child); err == nil {
			s.accept(id, child)
		}
	}
	return in.value, nil
}

func (s *stress) accept(id store.ID, in chaos) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.accepted[id]; twice {
		s.faults = append(s.faults, fmt.Errorf("ID %d was given out twice", id))
	}
	s.accepted[id] = in
}

func (s *stress) run() error {
	s.accepted, s.puts, s.ran = make(map[store.ID]chaos), make(map[store.ID]int), make(map[int]int)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var err error
	var st store.ResultStore[int] = &stressStore{s.st, s}
	if s.rng.IntN(2) == 0 {
		st = &batchStressStore{stressStore: stressStore{s.st, s}}
	}
	s.p, err = pool.New(ctx, s.fn, st, &pool.Options{
		Workers: 1 + s.rng.IntN(8),
		Queue:   1 + s.rng.IntN(1<<s.rng.IntN(8)),
	})
	if err != nil {
		return err
	}

	var wg sync.WaitGroup
	each := 1 + s.rng.IntN(200)
	for submitter := range 1 + s.rng.IntN(6) {
		rng := rand.New(rand.NewPCG(s.seed, uint64(submitter+1)))
		wg.Go(func() { s.submit(rng, 1+submitter*1_000_000, each) })
	}
	wg.Go(func() { // everything else that a user may do
		for s.p.Stats().Submitted < uint64(s.rng.IntN(2*each)) && s.rng.IntN(500) > 0 {
			switch s.rng.IntN(6) {
			case 0:
				_ = s.p.Resize(s.rng.IntN(6))
			case 1:
				ctx, cancel := context.WithTimeout(ctx, 100*time.Microsecond)
				_ = s.p.Wait(ctx)
				cancel()
			case 2:
				_, _ = s.p.Results(ctx)
			case 3:
				ctx, cancel := context.WithTimeout(ctx, 100*time.Microsecond)
				_, _ = s.p.Get(ctx, store.ID(1+s.rng.IntN(each)))
				cancel()
			default:
				runtime.Gosched()
			}
		}
		switch s.rng.IntN(4) {
		case 0:
			cancel(errCause)
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
		return fmt.Errorf("the pool has not ended: %+v", s.p.Stats())
	}
	return s.verify()
}

func (s *stress) submit(rng *rand.Rand, next, n int) {
	for range n {
		in := make([]chaos, 1+rng.IntN(4))
		for i := range in {
			in[i] = chaos{next, behaviour(rng.IntN(int(behaviours)))}
			next++
		}
		var ids []store.ID
		var err error
		switch rng.IntN(3) {
		case 0:
			ids = make([]store.ID, 1)
			ids[0], err = s.p.Submit(context.Background(), in[0])
		case 1:
			ids = make([]store.ID, 1)
			ids[0], err = s.p.TrySubmit(in[0])
		case 2:
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rng.IntN(1000))*time.Microsecond)
			ids, err = s.p.SubmitAll(ctx, in)
			cancel()
		}
		for i, id := range ids {
			if id != 0 {
				s.accept(id, in[i])
			}
		}
		if errors.Is(err, pool.ErrClosed) {
			return
		}
	}
}

// verify compares the callers' account with the store's.
func (s *stress) verify() error {
	ctx := context.Background()
	stored, err := store.Snapshot(ctx, s.st)
	if err != nil {
		return err
	}
	var unsaved *pool.UnsavedError[int]
	if errors.As(s.p.Stop(ctx), &unsaved) { // handed back is as good as stored
		for _, res := range unsaved.Results {
			if _, twice := stored[res.ID]; twice && s.puts[res.ID] == 0 {
				s.faults = append(s.faults, fmt.Errorf("result %d is both stored and handed back", res.ID))
			}
			stored[res.ID] = res
		}
	}
	for id := range s.accepted {
		if _, ok := stored[id]; !ok {
			s.faults = append(s.faults, fmt.Errorf("task %d was accepted and has no result", id))
		}
	}
	for id, res := range stored {
		in, ok := s.accepted[id]
		if !ok {
			s.faults = append(s.faults, fmt.Errorf("result %d of a task that was not accepted", id))
			continue
		}
		if err := s.verifyResult(in, res); err != nil {
			s.faults = append(s.faults, fmt.Errorf("task %d, %+v: %w", id, in, err))
		}
	}
	for id, n := range s.puts {
		if n > 1 {
			s.faults = append(s.faults, fmt.Errorf("result %d was stored %d times", id, n))
		}
	}
	st := s.p.Stats()
	if st.Submitted != uint64(len(s.accepted)) || st.Queued+st.Running != 0 ||
		st.Submitted != st.Succeeded+st.Failed+st.Panicked+st.NotRun {
		s.faults = append(s.faults, fmt.Errorf("%d tasks accepted, %+v", len(s.accepted), st))
	}
	return errors.Join(s.faults...)
}

func (s *stress) verifyResult(in chaos, res store.Result[int]) error {
	wantRuns := 1
	var panicked *pool.PanicError
	switch {
	case errors.Is(res.Err, pool.ErrNotRun):
		wantRuns = 0
	case in.does == fails && res.Err == errTask && res.Value == in.value:
	case in.does == panics && errors.As(res.Err, &panicked) && panicked.Value == in.value:
	case in.does == goexits && res.Err == pool.ErrGoexit:
	case in.does != fails && in.does != panics && in.does != goexits && res.Err == nil && res.Value == in.value:
	default:
		return fmt.Errorf("stored was %+v", res)
	}
	if got := s.ran[in.value]; got != wantRuns {
		return fmt.Errorf("the task ran %d times, want %d", got, wantRuns)
	}
	return nil
}

// stressStore is a stress's store, with its own Put.
type stressStore struct {
	store.ResultStore[int]
	s *stress
}

func (st *stressStore) Put(ctx context.Context, res store.Result[int]) error {
	return st.s.Put(ctx, res)
}

// batchStressStore takes batches as well, and fails before or after storing them.
type batchStressStore struct {
	stressStore
	mu sync.Mutex // held in PutBatch: all or nothing
}

func (st *batchStressStore) PutBatch(ctx context.Context, res []store.Result[int]) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, r := range res {
		if _, err := st.s.st.Get(ctx, r.ID); err == nil {
			return store.ErrExists
		}
	}
	if st.s.lucky(res[0].ID, 3) {
		return errDown
	}
	for _, r := range res {
		if err := st.s.st.Put(ctx, r); err != nil {
			return err
		}
		st.s.mu.Lock()
		st.s.puts[r.ID]++
		st.s.mu.Unlock()
	}
	if st.s.lucky(res[0].ID, 4) {
		return errDown // although they were stored
	}
	return nil
}

// Every kind of outcome does occur in the stress test.
func TestStressReachesAll(t *testing.T) {
	checkGoroutines(t)
	var sum pool.Stats
	for seed := range uint64(200) {
		s := &stress{seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), st: dense.New[int]()}
		require.NoError(t, s.run())
		st := s.p.Stats()
		sum.Succeeded += st.Succeeded
		sum.Failed += st.Failed
		sum.Panicked += st.Panicked
		sum.NotRun += st.NotRun
	}
	assert.NotZero(t, sum.Succeeded)
	assert.NotZero(t, sum.Failed)
	assert.NotZero(t, sum.Panicked)
	assert.NotZero(t, sum.NotRun)
}
