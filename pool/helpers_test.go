package pool_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// task is what most tests submit: a closure with an int for a result.
type task = func(context.Context) (int, error)

// taskPool is a pool of closures with its store and the cancel of its context.
type taskPool struct {
	*pool.Pool[task, int]
	st     store.ResultStore[int]
	cancel context.CancelCauseFunc
}

// newPool makes a pool over a rwmutex store, or over the one given. When the test
// ends, inside its bubble if it has one, the pool is cancelled, and it must end.
func newPool(t *testing.T, opts *pool.Options, st ...store.ResultStore[int]) taskPool {
	t.Helper()
	checkGoroutines(t)
	st = append(st, rwmutex.New[int]())
	ctx, cancel := context.WithCancelCause(context.Background())
	p, err := pool.New(ctx, pool.Call[int], st[0], opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		cancel(errors.New("the test has ended"))
		select {
		case <-p.Done():
		case <-time.After(time.Minute):
			t.Error("the pool has not ended a minute after its cancel")
		}
	})
	return taskPool{p, st[0], cancel}
}

// checkGoroutines fails the test if a goroutine of a pool is left when it ends.
// (In a bubble, synctest.Test does so as well, for any goroutine.)
func checkGoroutines(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		var left string
		for range 1000 { // the last one may be on its way out
			if left = poolGoroutines(); left == "" {
				return
			}
			runtime.Gosched()
			time.Sleep(time.Millisecond)
		}
		t.Errorf("goroutines left:\n%s", left)
	})
}

func poolGoroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var left []string
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "resultpool/pool.(*") {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}

// workerCount returns how many workers' goroutines there are, in all pools.
func workerCount() int { return strings.Count(poolGoroutines(), "resultpool/pool.(*Pool[...]).run(") }

// value returns a task that succeeds with v.
func value(v int) task {
	return func(context.Context) (int, error) { return v, nil }
}

// gated returns a task that waits for gate, whatever becomes of its context, and
// succeeds with v.
func gated(gate <-chan struct{}, v int) task {
	return func(context.Context) (int, error) { <-gate; return v, nil }
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

// call runs f in a goroutine. The function that it returns reports f's error and
// whether f has returned; in a bubble, it is to be called after synctest.Wait.
func call(f func() error) func() (error, bool) {
	done := make(chan error, 1)
	go func() { done <- f() }()
	var result error
	returned := false
	return func() (error, bool) {
		select {
		case result = <-done:
			returned = true
		default:
		}
		return result, returned
	}
}

// checkStats requires that the numbers add up.
func checkStats(t *testing.T, s pool.Stats) {
	t.Helper()
	assert.Equal(t, s.Submitted, s.Succeeded+s.Failed+s.Panicked+s.NotRun+s.Queued+s.Running, "%+v", s)
}

// hookStore is a store whose methods can be replaced.
type hookStore struct {
	store.ResultStore[int]
	put func(context.Context, store.Result[int]) error
	get func(context.Context, store.ID) (store.Result[int], error)
	all func(context.Context) iter.Seq2[store.Result[int], error]
}

func (s *hookStore) Put(ctx context.Context, res store.Result[int]) error {
	if s.put != nil {
		return s.put(ctx, res)
	}
	return s.ResultStore.Put(ctx, res)
}

func (s *hookStore) Get(ctx context.Context, id store.ID) (store.Result[int], error) {
	if s.get != nil {
		return s.get(ctx, id)
	}
	return s.ResultStore.Get(ctx, id)
}

func (s *hookStore) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	if s.all != nil {
		return s.all(ctx)
	}
	return s.ResultStore.All(ctx)
}
