package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/naive"
	"github.com/resultpool/resultpool/pool"
)

// The suite is a list of checks that any pool of closures can be put to. The
// pool must pass each one, and the naive pool must fail each one: that is what
// shows that the checks can fail.

// A subject is a pool that the suite checks.
type subject interface {
	Submit(in task) (id uint64, err error)
	Results() map[uint64]int // values by ID
	Copy()                   // has the pool copy its results, and no more
	Stop()
	Skip(n uint32) // pretends that n more tasks have gone by
}

// newSubject makes a subject with that many workers, also with none.
type newSubject func(ctx context.Context, workers, queue int) subject

// check is one fault that a pool must not have. run returns an error if it does;
// it may also panic, or never return.
type check struct {
	name string
	run  func(newSubject) error
}

var suite = []check{
	{"submit after Stop panics", submitAfterStop},
	{"submit racing Stop panics or loses a task", submitRacesStop},
	{"a task starts after the cancel", startAfterCancel},
	{"a task is accepted after the cancel", submitAfterCancel}, // pond: its Go ignored the context
	{"the cancel loses accepted tasks", cancelLosesTasks},
	{"a submitter cannot find its result", findOwnResult},
	{"results overwrite each other after 2^32 tasks", idsWrap},
	{"submit to a full queue blocks for ever after the cancel", blockedSubmitter},
	{"a copy of the results holds up the workers", copyStallsWorkers},
	{"a panic in a task kills the process", taskPanics},
	{"Goexit in tasks removes the workers", taskGoexits},
	{"tasks are accepted without workers", noWorkers},
}

// submitEach submits n tasks that do the same.
func submitEach(s subject, n int, in task) error {
	for range n {
		if _, err := s.Submit(in); err != nil {
			return err
		}
	}
	return nil
}

// hasResults stops s, and returns an error if it has not n results.
func hasResults(s subject, n int) error {
	s.Stop()
	if got := len(s.Results()); got != n {
		return fmt.Errorf("%d results of %d accepted tasks", got, n)
	}
	return nil
}

func submitAfterStop(newSubject newSubject) error {
	for range 100 {
		s := newSubject(context.Background(), 1, 16)
		s.Stop()
		if _, err := s.Submit(value(1)); err == nil {
			return errors.New("Submit after Stop returned nil")
		}
	}
	return nil
}

func submitRacesStop(newSubject newSubject) error {
	for round := range 200 {
		s := newSubject(context.Background(), 2, 4)
		var accepted atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for submitEach(s, 1, value(1)) == nil {
					accepted.Add(1)
				}
			})
		}
		for accepted.Load() < int64(round%8) {
			runtime.Gosched()
		}
		s.Stop()
		wg.Wait()
		if err := hasResults(s, int(accepted.Load())); err != nil {
			return err
		}
	}
	return nil
}

func startAfterCancel(newSubject newSubject) error {
	for range 50 {
		if n, err := startedAfterCancel(newSubject); n > 0 || err != nil {
			return errors.Join(err, fmt.Errorf("%d tasks started after the cancel", n))
		}
	}
	return nil
}

func startedAfterCancel(newSubject newSubject) (n int64, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := newSubject(ctx, 4, 64)
	gate := make(chan struct{})
	var busy sync.WaitGroup
	busy.Add(4)
	var started atomic.Int64
	err = errors.Join(
		submitEach(s, 4, func(context.Context) (int, error) { busy.Done(); <-gate; return 0, nil }),
		submitEach(s, 64, func(context.Context) (int, error) { started.Add(1); return 0, nil }))
	if err != nil {
		return 0, err
	}
	busy.Wait()
	cancel()
	close(gate)
	s.Stop()
	return started.Load(), nil
}

func submitAfterCancel(newSubject newSubject) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := newSubject(ctx, 4, 100)
	cancel()
	for range 100 {
		if _, err := s.Submit(value(1)); err == nil {
			return errors.New("Submit after the cancel returned nil")
		}
	}
	s.Stop()
	return nil
}

func cancelLosesTasks(newSubject newSubject) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := newSubject(ctx, 4, 500)
	gate := make(chan struct{})
	if err := submitEach(s, 500, gated(gate, 1)); err != nil {
		return err
	}
	cancel()
	close(gate)
	return hasResults(s, 500)
}

func findOwnResult(newSubject newSubject) error {
	s := newSubject(context.Background(), 8, 100)
	want := make(map[uint64]int)
	for i := range 10_000 {
		id, err := s.Submit(func(context.Context) (int, error) {
			if i%7 == 0 {
				runtime.Gosched()
			}
			return i, nil
		})
		if err != nil {
			return err
		}
		want[id] = i
	}
	s.Stop()
	got := s.Results()
	for id, v := range want {
		if got[id] != v {
			return fmt.Errorf("the result under the submitter's ID %d is %d, want %d", id, got[id], v)
		}
	}
	return nil
}

func idsWrap(newSubject newSubject) error {
	const n = 70_000 // more than a pool reserves at once
	s := newSubject(context.Background(), 2, 100)
	if err := submitEach(s, n, value(1)); err != nil {
		return err
	}
	s.Skip(math.MaxUint32 - n)
	if err := submitEach(s, n, value(1)); err != nil {
		return err
	}
	return hasResults(s, 2*n)
}

func blockedSubmitter(newSubject newSubject) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := newSubject(ctx, 1, 1)
	gate, busy := make(chan struct{}), make(chan struct{})
	if err := submitEach(s, 1, func(context.Context) (int, error) { close(busy); <-gate; return 0, nil }); err != nil {
		return err
	}
	<-busy
	// More than a worker that has seen the cancel may take by chance.
	submitting := begin(func() error {
		for range 50 {
			_, _ = s.Submit(value(1))
		}
		return nil
	})
	cancel()
	close(gate)
	return within(time.Second, submitting.done, "Submit")
}

func copyStallsWorkers(newSubject newSubject) error {
	s := newSubject(context.Background(), 1, 100)
	defer s.Stop()
	if err := submitEach(s, 200_000, value(1)); err != nil {
		return err
	}
	// A worker that waits for a lock does so for as long as the copy takes. One
	// that does not may still wait for a processor, so the best of a few counts.
	best := 1.0
	for range 5 {
		best = min(best, longestGap(s))
	}
	if best > 0.5 {
		return fmt.Errorf("no task ended during %.0f%% of a copy of the results", 100*best)
	}
	return nil
}

// longestGap returns for how much of a copy of s's results no task ended.
func longestGap(s subject) float64 {
	var copied atomic.Bool
	var gap time.Duration // written by the only worker
	last := time.Now()
	begun := last
	var wg sync.WaitGroup
	wg.Go(func() { // one task at a time, so as not to add much to what is copied
		ran := make(chan struct{})
		for !copied.Load() {
			_, _ = s.Submit(func(context.Context) (int, error) {
				now := time.Now()
				gap, last = max(gap, now.Sub(last)), now
				ran <- struct{}{}
				return 1, nil
			})
			<-ran
		}
	})
	s.Copy()
	took := time.Since(begun)
	copied.Store(true)
	wg.Wait()
	seen := make(chan float64, 1)
	_, _ = s.Submit(func(context.Context) (int, error) {
		seen <- float64(max(gap, time.Since(last))) / float64(took)
		return 1, nil
	})
	return <-seen
}

func taskPanics(newSubject newSubject) error {
	s := newSubject(context.Background(), 1, 1)
	if err := submitEach(s, 10, panickingTask); err != nil {
		return err
	}
	return hasResults(s, 10)
}

func taskGoexits(newSubject newSubject) error {
	s := newSubject(context.Background(), 2, 10)
	ran := make(chan struct{})
	err := errors.Join(submitEach(s, 2, exitingTask), submitEach(s, 1, func(context.Context) (int, error) { close(ran); return 0, nil }))
	if err != nil {
		return err
	}
	if err := within(time.Second, ran, "the task after them"); err != nil {
		return err
	}
	return hasResults(s, 3)
}

func noWorkers(newSubject newSubject) error {
	s := newSubject(context.Background(), 0, 10)
	if _, err := s.Submit(value(1)); err == nil {
		return errors.New("Submit to a pool without workers returned nil")
	}
	s.Stop()
	return nil
}

// within waits for done. It is for what takes microseconds if it ever happens.
func within(limit time.Duration, done <-chan struct{}, what string) error {
	select {
	case <-done:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("no end of %s within %v", what, limit)
	}
}

// poolSubject puts the pool to the suite.
type poolSubject struct {
	p  *pool.Pool[task, int]
	st *reserver
}

func newPoolSubject(ctx context.Context, workers, queue int) subject {
	st := newReserver(1, 0)
	p, err := pool.New(ctx, pool.Call[int], st, &pool.Options{Workers: max(1, workers), Queue: queue})
	if err == nil && workers == 0 {
		err = p.Resize(0)
	}
	if err != nil {
		panic(err)
	}
	return poolSubject{p, st}
}

func (s poolSubject) Submit(in task) (uint64, error) {
	id, err := s.p.Submit(context.Background(), in)
	return uint64(id), err
}

func (s poolSubject) Results() map[uint64]int {
	all, err := s.p.Results(context.Background())
	if err != nil {
		panic(err)
	}
	values := make(map[uint64]int, len(all))
	for id, res := range all {
		values[uint64(id)] = res.Value
	}
	return values
}

func (s poolSubject) Copy() { _, _ = s.p.Results(context.Background()) }

func (s poolSubject) Stop() { _ = s.p.Stop(context.Background()) }

func (s poolSubject) Skip(n uint32) { _, _ = s.st.ReserveIDs(context.Background(), uint64(n)) }

// naiveSubject puts the naive pool to the suite. It gives no IDs out, so its
// submitters count.
type naiveSubject struct {
	p         *naive.Pool[int]
	submitted *atomic.Uint64
}

func newNaiveSubject(ctx context.Context, workers, queue int) subject {
	return naiveSubject{naive.New[int](ctx, workers, queue), new(atomic.Uint64)}
}

func (s naiveSubject) Submit(in task) (uint64, error) {
	if err := s.p.Submit(in); err != nil {
		return 0, err
	}
	return s.submitted.Add(1), nil
}

func (s naiveSubject) Results() map[uint64]int {
	all := s.p.Results()
	values := make(map[uint64]int, len(all))
	for id, res := range all {
		values[uint64(uint32(id))] = res.Value
	}
	return values
}

func (s naiveSubject) Copy() { s.p.Results() }

func (s naiveSubject) Stop() { s.p.Stop() }

func (s naiveSubject) Skip(n uint32) { s.p.Skip(n) }

func TestSuite(t *testing.T) {
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			checkGoroutines(t)
			assert.NoError(t, c.run(newPoolSubject))
		})
	}
}

// TestSuiteRejectsNaive runs each check against the naive pool, in a process of
// its own, since some of them crash it.
func TestSuiteRejectsNaive(t *testing.T) {
	const (
		env      = "RESULTPOOL_CHECK_NAIVE"
		crashed  = 2 // the status of a Go program that panics
		rejected = 41
		passed   = 42
	)
	if name := os.Getenv(env); name != "" {
		i := slices.IndexFunc(suite, func(c check) bool { return c.name == name })
		if err := suite[i].run(newNaiveSubject); err != nil {
			fmt.Println(err)
			os.Exit(rejected)
		}
		os.Exit(passed)
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(exe, "-test.run=^TestSuiteRejectsNaive$", "-test.timeout=1m")
			cmd.Env = append(os.Environ(), env+"="+c.name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			t.Logf("exit status %d: %.200s", exit.ExitCode(), out)
			assert.Contains(t, []int{crashed, rejected}, exit.ExitCode(), "the naive pool passed")
		})
	}
}
