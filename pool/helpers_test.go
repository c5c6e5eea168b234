package pool_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// task is what most tests submit: a closure with an int for a result.
type task = func(context.Context) (int, error)

var (
	errCause = errors.New("cause of the cancel") // why the tests cancel a pool
	errDown  = errors.New("the store is down")
	errTask  = errors.New("the task failed")
)

// taskPool is a pool of closures with its store and the cancel of its context.
type taskPool struct {
	*pool.Pool[task, int]
	st     store.ResultStore[int]
	ctx    context.Context // New's
	cancel context.CancelCauseFunc
}

// newPool makes a pool over a rwmutex store, or over the one given. When the test
// ends, inside its bubble if it has one, the pool is cancelled, and it must end.
func newPool(t *testing.T, opts *pool.Options, st ...store.ResultStore[int]) taskPool {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	p := newPoolIn(t, ctx, opts, st...)
	p.cancel = cancel
	t.Cleanup(func() {
		cancel(errors.New("the test has ended"))
		select {
		case <-p.Done():
		case <-time.After(time.Minute):
			t.Error("the pool has not ended a minute after its cancel")
		}
	})
	return p
}

// newPoolIn is newPool with a context of the test's own, which has to cancel it.
func newPoolIn(t *testing.T, ctx context.Context, opts *pool.Options, st ...store.ResultStore[int]) taskPool { //nolint:revive // t comes first in helpers
	t.Helper()
	checkGoroutines(t)
	st = append(st, rwmutex.New[int]())
	p, err := pool.New(ctx, pool.Call[int], st[0], opts)
	require.NoError(t, err)
	return taskPool{Pool: p, st: st[0], ctx: ctx}
}

// busyPool returns a pool whose one worker runs a task that waits for gate, with
// two tasks waiting in the queue and room for a third. It must be called in a
// bubble.
func busyPool(t *testing.T, st ...store.ResultStore[int]) (p taskPool, gate chan struct{}, running, queued, queued2 store.ID) {
	t.Helper()
	p = newPool(t, &pool.Options{Workers: 1, Queue: 3}, st...)
	gate = make(chan struct{})
	running = submit(t, p, gated(gate, 1))
	synctest.Wait()
	queued = submit(t, p, value(2))
	queued2 = submit(t, p, value(3))
	opensAtEnd(t, gate) // before newPool's cleanup
	return p, gate, running, queued, queued2
}

// opensAtEnd closes gate when the test ends, unless it is closed already.
func opensAtEnd(t *testing.T, gate chan struct{}) {
	t.Cleanup(func() {
		if !isClosed(gate) {
			close(gate)
		}
	})
}

// bubble runs a subtest in a bubble of synctest.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// checkGoroutines fails the test if a goroutine of a pool is left when it ends.
// (In a bubble, synctest.Test does so as well, for any goroutine.)
func checkGoroutines(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { assert.Empty(t, goroutinesLeft(), "goroutines left") })
}

// goroutinesLeft is poolGoroutines, when those are gone that are on their way out, also of tests before
// this one.
func goroutinesLeft() (left string) {
	for range 1000 {
		if left = poolGoroutines(); left == "" {
			break
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
	return left
}

// poolGoroutines returns the stacks of all goroutines that run code of a pool, but for the runtime's own, in which the
// cleanups of contexts run that an earlier test has left.
func poolGoroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var left []string
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		ofPool := strings.Contains(g, "resultpool/pool.(*") || strings.Contains(g, "resultpool/internal/")
		if ofPool && !strings.Contains(g, "\nruntime.runCleanups(") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}

// countGoroutines returns how many goroutines run code of a pool: its workers, if nobody
// waits for anything.
func countGoroutines() int {
	stacks := poolGoroutines()
	return strings.Count(stacks, "\n\n") + min(1, len(stacks))
}

// goroutinesCreated returns a function that says how many goroutines have been started since.
func goroutinesCreated(t *testing.T) (since func() uint64) {
	t.Helper()
	read := func() uint64 {
		created := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
		if metrics.Read(created); created[0].Value.Kind() != metrics.KindUint64 {
			t.Skip("this version of Go does not count goroutines")
		}
		return created[0].Value.Uint64()
	}
	begun := read()
	return func() uint64 { return read() - begun }
}

// value returns a task that succeeds with v.
func value(v int) task {
	return func(context.Context) (int, error) { return v, nil }
}

// gated returns a task that waits for gate, whatever becomes of its context, and
// succeeds with v.
func gated(gate <-chan struct{}, v int) task {
	return func(context.Context) (int, error) { <-gate; return v, nil }
}

// The other ends that a task may have.
func failingTask(context.Context) (int, error)   { return 4, errTask }
func panickingTask(context.Context) (int, error) { panic("boom") }
func exitingTask(context.Context) (int, error)   { runtime.Goexit(); return 0, nil }

// repeat returns n tasks that do the same.
func repeat(n int, in task) []task { return slices.Repeat([]task{in}, n) }

// values returns n tasks that succeed with 0, 1, 2, …
func values(n int) []task {
	in := make([]task, n)
	for i := range in {
		in[i] = value(i)
	}
	return in
}

// idsFromTo returns the IDs from first to last.
func idsFromTo(first, last store.ID) (ids []store.ID) {
	for id := first; id <= last; id++ {
		ids = append(ids, id)
	}
	return ids
}

// submit submits in and requires that it is accepted.
func submit(t *testing.T, p taskPool, in task) store.ID {
	t.Helper()
	id, err := p.Submit(context.Background(), in)
	require.NoError(t, err)
	return id
}

// held returns what the pool's store holds under id.
func held(t *testing.T, p taskPool, id store.ID) store.Result[int] {
	t.Helper()
	res, err := p.st.Get(context.Background(), id)
	require.NoError(t, err, "result %d", id)
	assert.Equal(t, id, res.ID)
	return res
}

// holds returns how many results the pool's store holds.
func holds(t *testing.T, p taskPool) int {
	t.Helper()
	all, err := store.Snapshot(context.Background(), p.st)
	require.NoError(t, err)
	return len(all)
}

// A pending call is made on a goroutine of its own.
type pending struct {
	done chan struct{}
	err  error // to be read when done is closed
}

func begin(f func() error) *pending {
	c := &pending{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.err = f()
	}()
	return c
}

// waits fails the test if the call has returned when the whole bubble is blocked.
func (c *pending) waits(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if isClosed(c.done) { // err is read only then: what comes later may write it
		t.Errorf("a call returned too early: %v", c.err)
	}
}

// returns returns the call's error. The call must have returned when the whole bubble is
// blocked.
func (c *pending) returns(t *testing.T) error {
	t.Helper()
	synctest.Wait()
	require.True(t, isClosed(c.done), "a call still waits")
	return c.err
}

func (p taskPool) submitting(in task) *pending {
	return begin(func() error { _, err := p.Submit(context.Background(), in); return err })
}

func (p taskPool) submittingAll(in []task) *pending {
	return begin(func() error { _, err := p.SubmitAll(context.Background(), in); return err })
}

func (p taskPool) getting(id store.ID) *pending {
	return begin(func() error { _, err := p.Get(context.Background(), id); return err })
}

func (p taskPool) waiting() *pending {
	return begin(func() error { return p.Wait(context.Background()) })
}

func (p taskPool) stopping() *pending {
	return begin(func() error { return p.Stop(context.Background()) })
}

// checkStats requires that the numbers add up.
func checkStats(t *testing.T, s pool.Stats) {
	t.Helper()
	assert.Equal(t, s.Submitted, s.Succeeded+s.Failed+s.Panicked+s.NotRun+s.Queued+s.Running, "%+v", s)
}

// counts returns the numbers of a pool's Stats that are about tasks, and how many workers there are.
func counts(s pool.Stats) pool.Stats {
	s.Capacity, s.Refused, s.Oldest = 0, 0, 0
	return s
}

// handedBack returns the results in err, which must be an UnsavedError with n of them.
func handedBack(t *testing.T, err error, n int) []store.Result[int] {
	t.Helper()
	var unsaved *pool.UnsavedError[int]
	require.ErrorAs(t, err, &unsaved)
	require.Len(t, unsaved.Results, n)
	assert.ErrorIs(t, err, pool.ErrUnsaved)
	for i, id := range unsaved.IDs() {
		assert.Equal(t, unsaved.Results[i].ID, id)
	}
	return unsaved.Results
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func doneContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// submitEachWay submits in once in each of the ways that there are, and returns the errors.
func submitEachWay(p taskPool, in task) map[string]error {
	_, one := p.Submit(context.Background(), in)
	_, try := p.TrySubmit(in)
	_, all := p.SubmitAll(context.Background(), []task{in})
	return map[string]error{"Submit": one, "TrySubmit": try, "SubmitAll": all}
}

// endings are what ends a wait for room or for IDs. cancel is that of the call's context.
var endings = map[string]struct {
	end  func(p taskPool, cancel context.CancelCauseFunc)
	want []error // all of which the error matches
}{
	"its own ctx":       {func(_ taskPool, cancel context.CancelCauseFunc) { cancel(io.EOF) }, []error{io.EOF}},
	"Stop":              {func(p taskPool, _ context.CancelCauseFunc) { _ = p.Stop(doneContext()) }, []error{pool.ErrClosed}},
	"Stop that waits":   {func(p taskPool, _ context.CancelCauseFunc) { p.stopping() }, []error{pool.ErrClosed}},
	"Stop after Resize": {func(p taskPool, _ context.CancelCauseFunc) { _, _ = p.Resize(1), p.Stop(doneContext()) }, []error{pool.ErrClosed}},
	"cancel":            {func(p taskPool, _ context.CancelCauseFunc) { p.cancel(errCause) }, []error{pool.ErrClosed, errCause}},
	"Resize(0)":         {func(p taskPool, _ context.CancelCauseFunc) { _ = p.Resize(0) }, []error{pool.ErrNoWorkers}},
	"Resize(0) and (1)": {func(p taskPool, _ context.CancelCauseFunc) { _, _ = p.Resize(0), p.Resize(1) }, []error{pool.ErrNoWorkers}},
}

// matchesAll requires that err matches each of want.
func matchesAll(t *testing.T, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		assert.ErrorIs(t, err, w)
	}
}

// customCtx is a context that is not the standard library's, so package context
// hears of its end from a goroutine, some time later.
type customCtx struct {
	context.Context
	done chan struct{}
	err  atomic.Pointer[error]
}

func newCustomCtx() *customCtx {
	return &customCtx{Context: context.Background(), done: make(chan struct{})}
}

func (c *customCtx) Done() <-chan struct{} { return c.done }

func (c *customCtx) Err() error {
	if err := c.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (c *customCtx) cancel(err error) {
	c.err.Store(&err)
	close(c.done)
}

// inChild runs this test in a process of its own with that environment variable, and
// returns what it prints.
func inChild(t *testing.T, env string) (string, error) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
