package pool_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	"github.com/resultpool/resultpool/store"
)

// The suite is a list of checks that any pool of closures can be put to. The
// pool must pass each one, and the naive pool must fail each one: that is what
// shows that the checks can fail.

// A subject is a pool that the suite checks.
type subject struct {
	submit  func(in task) (id uint64, err error)
	results func() map[uint64]int // values by ID
	copy    func()                // has the pool copy its results, and no more
	stop    func()
	skip    func(n uint32) // pretends that n more tasks have gone by
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
		if _, err := s.submit(in); err != nil {
			return err
		}
	}
	return nil
}

// hasResults stops s, and returns an error if it has not n results.
func hasResults(s subject, n int) error {
	s.stop()
	if got := len(s.results()); got != n {
		return fmt.Errorf("%d results of %d accepted tasks", got, n)
	}
	return nil
}

func submitAfterStop(newSubject newSubject) error {
	for range 100 {
		s := newSubject(context.Background(), 1, 16)
		s.stop()
		if submitEach(s, 1, value(1)) == nil {
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
		s.stop()
		wg.Wait()
		if err := hasResults(s, int(accepted.Load())); err != nil {
			return err
		}
	}
	return nil
}

func startAfterCancel(newSubject newSubject) error {
	var started atomic.Int64
	for range 50 {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		s := newSubject(ctx, 4, 64)
		gate := make(chan struct{})
		var busy sync.WaitGroup
		busy.Add(4)
		err := errors.Join(
			submitEach(s, 4, func(context.Context) (int, error) { busy.Done(); <-gate; return 0, nil }),
			submitEach(s, 64, func(context.Context) (int, error) { started.Add(1); return 0, nil }))
		if err != nil {
			return err
		}
		busy.Wait()
		cancel()
		close(gate)
		s.stop()
	}
	if n := started.Load(); n > 0 {
		return fmt.Errorf("%d tasks started after the cancel", n)
	}
	return nil
}

func submitAfterCancel(newSubject newSubject) error {
	ctx, cancel := context.WithCancel(context.Background())
	s := newSubject(ctx, 4, 100)
	cancel()
	for range 100 {
		if submitEach(s, 1, value(1)) == nil {
			return errors.New("Submit after the cancel returned nil")
		}
	}
	s.stop()
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
		id, err := s.submit(func(context.Context) (int, error) {
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
	s.stop()
	if !maps.Equal(want, s.results()) {
		return errors.New("a result is under an ID that is not its submitter's")
	}
	return nil
}

func idsWrap(newSubject newSubject) error {
	const n = 70_000 // more than a pool reserves at once
	s := newSubject(context.Background(), 2, 100)
	err := submitEach(s, n, value(1))
	s.skip(math.MaxUint32 - n)
	if err := errors.Join(err, submitEach(s, n, value(1))); err != nil {
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
			_, _ = s.submit(value(1))
		}
		return nil
	})
	cancel()
	close(gate)
	return within(time.Second, submitting.done, "Submit")
}

func copyStallsWorkers(newSubject newSubject) error {
	s := newSubject(context.Background(), 1, 100)
	defer s.stop()
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

// longestGap returns for how much of a copy of s's results no task ended. There is one task at
// a time, so as not to add much to what is copied.
func longestGap(s subject) float64 {
	begun := time.Now()
	copied := begin(func() error { s.copy(); return nil })
	gap, last := time.Duration(0), begun
	for !isClosed(copied.done) {
		ran := make(chan struct{})
		_, _ = s.submit(func(context.Context) (int, error) { close(ran); return 1, nil })
		<-ran
		gap, last = max(gap, time.Since(last)), time.Now()
	}
	return float64(gap) / float64(time.Since(begun))
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
	defer s.stop()
	if submitEach(s, 1, value(1)) == nil {
		return errors.New("Submit to a pool without workers returned nil")
	}
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

func newPoolSubject(ctx context.Context, workers, queue int) subject {
	st := newReserver(1, 0)
	p, err := pool.New(ctx, pool.Call[int], st, &pool.Options{Workers: max(1, workers), Queue: queue})
	if err == nil && workers == 0 {
		err = p.Resize(0)
	}
	if err != nil {
		panic(err)
	}
	results := func() map[store.ID]store.Result[int] {
		all, err := p.Results(context.Background())
		if err != nil {
			panic(err)
		}
		return all
	}
	return subject{
		submit: func(in task) (uint64, error) {
			id, err := p.Submit(context.Background(), in)
			return uint64(id), err
		},
		results: func() map[uint64]int {
			values := make(map[uint64]int)
			for id, res := range results() {
				values[uint64(id)] = res.Value
			}
			return values
		},
		copy: func() { results() },
		stop: func() { _ = p.Stop(context.Background()) },
		skip: func(n uint32) { _, _ = st.ReserveIDs(context.Background(), uint64(n)) },
	}
}

// The naive pool gives no IDs out, so its submitters count.
func newNaiveSubject(ctx context.Context, workers, queue int) subject {
	p, submitted := naive.New[int](ctx, workers, queue), new(atomic.Uint64)
	return subject{
		submit: func(in task) (uint64, error) {
			if err := p.Submit(in); err != nil {
				return 0, err
			}
			return submitted.Add(1), nil
		},
		results: func() map[uint64]int {
			values := make(map[uint64]int)
			for id, res := range p.Results() {
				values[uint64(uint32(id))] = res.Value
			}
			return values
		},
		copy: func() { p.Results() },
		stop: p.Stop,
		skip: p.Skip,
	}
}

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
	for _, c := range suite {
		t.Run(c.name, func(sub *testing.T) {
			out, err := inChild(t, env+"="+c.name)
			var exit *exec.ExitError
			require.ErrorAs(sub, err, &exit)
			sub.Logf("exit status %d: %.200s", exit.ExitCode(), out)
			assert.Contains(sub, []int{crashed, rejected}, exit.ExitCode(), "the naive pool passed")
		})
	}
}
