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
	"sync/atomic"
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
				stress(t, stores[name](), seed)
				return
			}
			var sum pool.Stats
			for range rounds {
				seed := rand.Uint64() | 1
				st := stress(t, stores[name](), seed)
				if t.Failed() {
					t.Fatalf("again: go test ./pool -run 'TestStress/%s' -stress.seed=%d", name, seed)
				}
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

// stress lives one random life outside a bubble: its users do one thing after the other, at
// the same time, no task waits for a gate, and the store fails one call in a hundred, so
// that another try will do.
func stress(t *testing.T, st store.ResultStore[int], seed uint64) pool.Stats {
	rng := rand.New(rand.NewPCG(seed, 0))
	l := newLife(t, st, 1+rng.IntN(8), 1+rng.IntN(1<<rng.IntN(8)), rng.IntN(2) == 0)
	l.apart, l.unit = func(f func()) { f() }, 5*time.Microsecond
	down, boom := storetest.Fail(errDown), storetest.Panic("boom")
	faults := []storetest.Fault{down, storetest.Fail(store.ErrRejected), boom, goexit, loses(down), loses(boom), loses(goexit)}
	l.storeFailed.Store(true)
	l.put = func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		if rand.IntN(100) == 0 {
			return faults[rand.IntN(len(faults))](ctx, ids, do)
		}
		return do(ctx)
	}
	for _, gate := range l.gates {
		close(gate)
	}
	each := 1 + rng.IntN(200)
	for user := range 1 + rng.IntN(6) {
		rng := rand.New(rand.NewPCG(seed, uint64(user+1)))
		l.users.Go(func() {
			for range each { // but sleep, open gates, change the store and end the pool
				l.step([]int{0, 0, 0, 1, 2, 3, 4, 6, 7, 9, 10, 13, 14, 15}[rng.IntN(14)], 9+rng.IntN(7))
			}
		})
	}
	for l.p.Stats().Submitted < uint64(rng.IntN(2*each)) && rng.IntN(500) > 0 {
		runtime.Gosched()
	}
	l.end(rng.IntN(8))
	return l.p.Stats()
}

// A deed is a task: what it does. Its number, unique in its pool, is its value, too.
type deed struct {
	number int
	does   behaviour
	gate   chan struct{}
}

type behaviour int

const (
	succeeds behaviour = iota
	fails
	panics
	goexits
	waits   // for its gate, whatever becomes of its context
	obeys   // waits for its gate or its context
	submits // others, from inside
	asks    // everything of its own pool that could be a deadlock
	stops
)

// An account is a pool with its store, and what is known of both: which tasks were accepted,
// how often each ran, and which results were stored. In the end each accepted task has
// exactly one result, stored or handed back, which is that of its task.
type account struct {
	p      *pool.Pool[deed, int]
	cancel context.CancelCauseFunc
	next   atomic.Int64 // numbers of the deeds
	gates  [4]chan struct{}
	inner  store.ResultStore[int]
	put    storetest.Fault // of the store

	singles, batches atomic.Int64 // Submits and SubmitAlls that have not returned

	// What there is a reason for.
	stopped, cancelled, emptied atomic.Bool
	storeFailed                 atomic.Bool // or has refused a result

	mu       sync.Mutex
	accepted map[store.ID]deed              // guarded by mu
	stored   map[store.ID]store.Result[int] // guarded by mu
	lied     map[store.ID]bool              // stored by a call that did not say so; guarded by mu
	deleted  map[store.ID]bool              // guarded by mu
	runs     map[int]int                    // by number; guarded by mu
	running  int                            // guarded by mu
	most     int                            // workers that there have been allowed; guarded by mu
	faults   []string                       // guarded by mu
}

// open makes a pool over inner, which takes batches if batch is true.
func (a *account) open(t *testing.T, inner store.ResultStore[int], batch bool, opts *pool.Options) {
	a.inner, a.most = inner, opts.Workers
	a.accepted, a.stored = make(map[store.ID]deed), make(map[store.ID]store.Result[int])
	a.lied, a.deleted, a.runs = make(map[store.ID]bool), make(map[store.ID]bool), make(map[int]int)
	for i := range a.gates {
		a.gates[i] = make(chan struct{})
	}
	st := &testStore{ResultStore: inner, put: a.watch}
	ctx, cancel := context.WithCancelCause(context.Background())
	a.cancel = cancel
	var err error
	a.p, err = pool.New(ctx, a.do, st.as(batch), opts)
	require.NoError(t, err)
}

func (a *account) fault(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = append(a.faults, fmt.Sprintf(format, args...))
}

// watch is the fault of the store. It notes what is stored, through the account's own fault.
func (a *account) watch(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
	stored, told := false, false
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, id := range ids {
			a.lied[id] = a.lied[id] || stored && !told
		}
	}()
	err := through(ctx, a.put, ids, func(ctx context.Context) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, id := range ids {
			if _, twice := a.stored[id]; twice && !a.lied[id] {
				a.faults = append(a.faults, fmt.Sprintf("result %d was put twice", id))
			}
		}
		if err := do(ctx); err != nil {
			return err
		}
		for _, id := range ids {
			a.stored[id], _ = a.inner.Get(ctx, id)
		}
		stored = true
		return nil
	})
	told = err == nil
	return err
}

// deed returns a new one.
func (a *account) deed(does behaviour) deed {
	n := int(a.next.Add(1))
	a.mu.Lock()
	defer a.mu.Unlock()
	return deed{n, does, a.gates[n%len(a.gates)]}
}

// openGate opens one of the gates, for the deeds that there are so far.
func (a *account) openGate(i int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !isClosed(a.gates[i]) {
		close(a.gates[i])
	}
	a.gates[i] = make(chan struct{})
}

// do is the task function.
func (a *account) do(ctx context.Context, d deed) (int, error) {
	a.mu.Lock()
	a.runs[d.number]++
	if a.running++; a.running > a.most {
		a.faults = append(a.faults, fmt.Sprintf("%d tasks run at once, and there were never more than %d workers", a.running, a.most))
	}
	a.mu.Unlock()
	if d.number%5 == 0 {
		runtime.Gosched()
	}
	defer func() {
		a.mu.Lock()
		a.running--
		a.mu.Unlock()
	}()
	switch d.does {
	case fails:
		return d.number, errTask
	case panics:
		panic(d.number)
	case goexits:
		runtime.Goexit()
	case waits:
		<-d.gate
	case obeys:
		select {
		case <-d.gate:
		case <-ctx.Done():
		}
	case submits:
		_ = a.submit(ctx, a.deed(succeeds))
		_ = a.submitAll(ctx, []deed{a.deed(fails), a.deed(panics)})
	case asks:
		if err := a.p.Wait(ctx); err != pool.ErrInTask {
			a.fault("Wait in a task returned %v", err)
		}
		a.mu.Lock()
		var ids []store.ID
		for id := range a.accepted {
			if ids = append(ids, id); len(ids) == 20 {
				break
			}
		}
		a.mu.Unlock()
		for _, id := range ids {
			a.get(ctx, id)
		}
	case stops:
		a.stopped.Store(true)
		if err := a.p.Stop(ctx); err != pool.ErrInTask {
			a.fault("Stop in a task returned %v", err)
		}
	}
	return d.number, nil
}

func (a *account) submit(ctx context.Context, d deed) error {
	a.singles.Add(1)
	defer a.singles.Add(-1)
	id, err := a.p.Submit(ctx, d)
	return a.submitted([]deed{d}, err, id)
}

func (a *account) trySubmit(d deed) error {
	id, err := a.p.TrySubmit(d)
	return a.submitted([]deed{d}, err, id)
}

func (a *account) submitAll(ctx context.Context, in []deed) error {
	a.batches.Add(1)
	defer a.batches.Add(-1)
	ids, err := a.p.SubmitAll(ctx, in)
	return a.submitted(in, err, ids...)
}

// submitted notes what was accepted, and looks whether an error has a reason.
func (a *account) submitted(in []deed, err error, ids ...store.ID) error {
	if len(ids) == 1 && ids[0] == 0 {
		ids = nil
	}
	a.mu.Lock()
	for i, id := range ids {
		if _, twice := a.accepted[id]; twice || id == 0 {
			a.faults = append(a.faults, fmt.Sprintf("ID %d was given out twice", id))
		}
		a.accepted[id] = in[i]
	}
	a.mu.Unlock()
	if len(in) > 0 && (err == nil) != (len(ids) == len(in)) {
		a.fault("%d IDs for %d tasks, and %v", len(ids), len(in), err)
	}
	switch {
	case err == nil, errors.Is(err, pool.ErrQueueFull), errors.Is(err, context.DeadlineExceeded):
	case errors.Is(err, pool.ErrClosed) && (a.stopped.Load() || a.cancelled.Load()):
	case errors.Is(err, pool.ErrNoWorkers) && a.emptied.Load():
	default:
		a.fault("Submit returned %v without a reason", err)
	}
	return err
}

// get gets a result and looks whether it is that of its task.
func (a *account) get(ctx context.Context, id store.ID) {
	a.mu.Lock()
	d, known := a.accepted[id]
	a.mu.Unlock()
	v, err := a.p.Get(ctx, id)
	a.mu.Lock()
	deleted := a.deleted[id]
	a.mu.Unlock()
	if !known || deleted && errors.Is(err, store.ErrNotFound) || errors.Is(err, pool.ErrInTask) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	if !a.fits(d, store.Result[int]{ID: id, Value: v, Err: err}) {
		a.fault("Get: task %d, %+v, has the result %d, %v", id, d, v, err)
	}
}

// fits reports whether a result may be that of a task.
func (a *account) fits(d deed, res store.Result[int]) bool {
	var panicked *pool.PanicError
	var unsaved *pool.UnsavedError[int]
	switch {
	case errors.As(res.Err, &unsaved), errors.Is(res.Err, store.ErrRejected):
		return a.storeFailed.Load()
	case errors.Is(res.Err, pool.ErrNotRun):
		return a.over()
	case d.does == fails:
		return res == store.Result[int]{ID: res.ID, Value: d.number, Err: errTask}
	case d.does == panics:
		return errors.As(res.Err, &panicked) && panicked.Value == d.number
	case d.does == goexits:
		return res == store.Result[int]{ID: res.ID, Err: pool.ErrGoexit}
	default:
		return res == store.Result[int]{ID: res.ID, Value: d.number}
	}
}

// over reports whether there may be tasks that are not to run.
func (a *account) over() bool { return a.cancelled.Load() || a.emptied.Load() }

// settle compares, when the pool has ended, the callers' account with the store's and with
// the pool's own. It returns what is wrong.
func (a *account) settle() error {
	var unsaved *pool.UnsavedError[int]
	handed := 0
	if errors.As(a.p.Stop(context.Background()), &unsaved) { // handed back is as good as stored
		handed = len(unsaved.Results)
		for _, res := range unsaved.Results {
			if _, twice := a.stored[res.ID]; twice && !a.lied[res.ID] {
				a.fault("result %d is both stored and handed back", res.ID)
			}
			a.stored[res.ID] = res
		}
	}
	var want pool.Stats
	for id, d := range a.accepted {
		res, ok := a.stored[id]
		if !ok {
			a.fault("task %d, %+v, was accepted and has no result", id, d)
			continue
		}
		if !a.fits(d, res) {
			a.fault("task %d, %+v, has the result %+v", id, d, res)
		}
		want.Submitted++
		switch runs := a.runs[d.number]; {
		case runs > 1 || runs == 1 && errors.Is(res.Err, pool.ErrNotRun):
			a.fault("task %d ran %d times, and its result is %+v", id, runs, res)
		case runs == 0:
			want.NotRun++
		case d.does == panics:
			want.Panicked++
		case d.does == fails, d.does == goexits:
			want.Failed++
		default:
			want.Succeeded++
		}
	}
	if want.NotRun > 0 && !a.over() {
		a.fault("%d tasks did not run", want.NotRun)
	}
	if len(a.stored) != len(a.accepted) {
		a.fault("%d results of %d accepted tasks", len(a.stored), len(a.accepted))
	}
	s := counts(a.p.Stats())
	want.Workers, want.Unsaved = s.Workers, uint64(handed)
	if s != want {
		a.fault("the pool says %+v, want %+v", s, want)
	}
	if len(a.faults) > 0 {
		return fmt.Errorf("%q", a.faults)
	}
	return nil
}
