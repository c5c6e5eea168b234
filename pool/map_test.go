package pool_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
)

// joined returns the errors that Map has joined.
func joined(err error) []error {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return all.Unwrap()
	}
	return nil
}

// end is how a call of Map's function ends.
type end byte

const (
	returns end = iota
	returnsError
	panicsWith // errTask
	exits
	yields
	cancels // the context, in the second half of the inputs
	returnsGoexit
	ends
)

// wantOf is the error of a call that ends so.
var wantOf = [ends]error{returnsError: errTask, panicsWith: errTask, exits: pool.ErrGoexit, returnsGoexit: pool.ErrGoexit}

// mapEnds maps over n inputs, whose calls end in those ways in turn, and requires that none is
// mapped twice, that no value and no error is lost, and that only a cancel leaves inputs unrun.
func mapEnds(t *testing.T, n, workers int, how []end) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	runs := make([]atomic.Int32, n)
	var calls gauge
	out, err := pool.Map(ctx, numbers(n), ending(how, runs, &calls, cancel), &pool.Options{Workers: workers})
	synctest.Wait()
	require.Zero(t, calls.now.Load())
	require.LessOrEqual(t, int(calls.most.Load()), cmp.Or(workers, runtime.GOMAXPROCS(0)))
	require.Len(t, out, n)

	errs, unrun := joined(err), 0
	for i := range n {
		end, value := how[i%len(how)], i+100
		switch ran := runs[i].Load(); {
		case ran == 0:
			unrun++
			end, value = returns, 0
		case end == panicsWith || end == exits:
			value = 0
			fallthrough
		default:
			require.EqualValues(t, 1, ran, "calls for input %d", i)
		}
		require.Equal(t, value, out[i], "input %d", i)
		if wantOf[end] == nil {
			continue
		}
		require.NotEmpty(t, errs, "the error of input %d is lost", i)
		require.ErrorIs(t, errs[0], wantOf[end])
		require.ErrorContains(t, errs[0], fmt.Sprintf("pool: input %d: ", i))
		var panicked *pool.PanicError
		require.Equal(t, end == panicsWith, errors.As(errs[0], &panicked) && strings.Contains(string(panicked.Stack), "mapEnds"))
		errs = errs[1:]
	}
	if unrun > 0 {
		require.Equal(t, errCause, context.Cause(ctx), "nothing was cancelled, and %d did not run", unrun)
		require.Len(t, errs, 1)
		matchesAll(t, errs[0], pool.ErrNotRun, errCause)
		require.ErrorContains(t, errs[0], fmt.Sprintf("%d of %d inputs", unrun, n))
		return
	}
	require.Empty(t, errs)
}

// ending returns a function whose call for i ends as how says, and which counts the calls.
func ending(how []end, runs []atomic.Int32, calls *gauge, cancel context.CancelCauseFunc) func(context.Context, int) (int, error) {
	return func(_ context.Context, i int) (int, error) {
		defer calls.enter()()
		runs[i].Add(1)
		end := how[i%len(how)]
		switch end {
		case panicsWith:
			panic(errTask)
		case exits:
			runtime.Goexit()
		case yields:
			runtime.Gosched()
		case cancels:
			if i > len(runs)/2 {
				cancel(errCause)
			}
		}
		return i + 100, wantOf[end]
	}
}

// mapSeqEnds is mapEnds for MapSeq. The loop is left at a value, or goes to the end.
func mapSeqEnds(t *testing.T, n, workers, queue, leave int, how []end) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	runs := make([]atomic.Int32, n)
	var calls gauge
	i := 0
	opts := &pool.Options{Workers: workers, Queue: queue}
	for v, err := range pool.MapSeq(ctx, slices.Values(numbers(n)), ending(how, runs, &calls, cancel), opts) {
		value := 0
		if i < n && runs[i].Load() == 1 {
			end := how[i%len(how)]
			if end != panicsWith && end != exits {
				value = i + 100
			}
			require.ErrorIs(t, err, wantOf[end])
		} else {
			matchesAll(t, err, pool.ErrNotRun, errCause)
		}
		require.Equal(t, value, v, "input %d", i)
		if i++; i == leave {
			break
		}
	}
	require.Zero(t, calls.now.Load(), "the loop has ended")
	require.LessOrEqual(t, int(calls.most.Load()), cmp.Or(workers, runtime.GOMAXPROCS(0)))
	if ctx.Err() == nil && i != leave {
		require.Equal(t, n, i)
	}
	for k := range runs {
		require.LessOrEqual(t, int(runs[k].Load()), 1)
	}
}

// rill #72, #86, #90; pond, conc #106, #156: no error is lost, whatever it is and wherever, and no
// value beside it or after it. A worker that a Goexit ends is replaced, also if it is the only one,
// and one that returns ErrGoexit is not.
func TestMapErrors(t *testing.T) {
	kinds := []end{returns, returnsError, panicsWith, exits, returnsGoexit}
	for n, all := 1, len(kinds); n <= 4; n, all = n+1, all*len(kinds) {
		for number := range all { // how the calls end, as a number with n digits
			how := make([]end, n)
			for i, left := 0, number; i < n; i, left = i+1, left/len(kinds) {
				how[i] = kinds[left%len(kinds)]
			}
			synctest.Test(t, func(t *testing.T) { mapEnds(t, n, 1+number%2, how) })
		}
	}
}

// FuzzMap maps over inputs that are bytes and say what becomes of them. The first byte
// is the workers, the second how often the inputs are repeated, so that there are
// blocks of them.
func FuzzMap(f *testing.F) {
	f.Add([]byte{2, 0, 0, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte{0, 5, 0, 0, 1, 0, 0, 2, 0, 0})
	f.Add([]byte{15, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 || len(data) > 80 {
			return
		}
		how := make([]end, len(data)-2)
		for i, b := range data[2:] {
			if b %= 16; b < byte(ends) {
				how[i] = end(b)
			}
		}
		n, workers, some := len(how)<<(data[1]%8), int(data[0]%40), int(data[1]/8)
		synctest.Test(t, func(t *testing.T) { mapEnds(t, n, workers, how) })
		synctest.Test(t, func(t *testing.T) { mapSeqEnds(t, n, workers, some, n-some, how) })
	})
}

// An input that is left in another's block is mapped like any other: a panic in it is
// an error, a Goexit too.
func TestMapPanicsInAnothersBlock(t *testing.T) {
	const n = 64 // four inputs to a block
	for want, end := range map[error]func(){io.ErrNoProgress: func() { panic(io.ErrNoProgress) }, pool.ErrGoexit: runtime.Goexit} {
		bubble(t, want.Error(), func(t *testing.T) {
			var others sync.WaitGroup
			others.Add(n - 1)
			_, err := pool.Map(t.Context(), numbers(n), func(_ context.Context, i int) (int, error) {
				if i == 0 {
					others.Wait()
					return 0, nil
				}
				if others.Done(); i <= 3 {
					end()
				}
				return 0, nil
			}, &pool.Options{Workers: 2})
			require.Len(t, joined(err), 3)
			for i, err := range joined(err) {
				assert.ErrorIs(t, err, want)
				assert.ErrorContains(t, err, fmt.Sprintf("input %d:", i+1))
			}
		})
	}
}

// Errors are in the order of the inputs, whichever came first, and that of the inputs
// that were not run is behind them.
func TestMapErrorsAreInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var meeting sync.WaitGroup
		meeting.Add(3)
		_, err := pool.Map(ctx, numbers(5), func(_ context.Context, i int) (int, error) {
			meeting.Done()
			meeting.Wait()
			cancel(errCause)
			time.Sleep(time.Duration(3-i) * time.Second) // the last comes first
			return 0, fmt.Errorf("error of %d", i)
		}, &pool.Options{Workers: 3})
		assert.EqualError(t, err, "pool: input 0: error of 0\npool: input 1: error of 1\npool: input 2: error of 2\n"+
			"2 of 5 inputs: pool: task not run: cause of the cancel")
	})
}

// A panic of the context is not one of a call: it ends the program, as it would
// without Map, and is neither recovered from nor met again and again.
func TestMapContextPanics(t *testing.T) {
	const env = "RESULTPOOL_CHECK_MAP"
	if os.Getenv(env) != "" {
		_, _ = pool.Map(&panickingCtx{Context: context.Background()}, numbers(10), doubled, &pool.Options{Workers: 1})
		return
	}
	out, err := inChild(t, env+"=1")
	assert.Error(t, err)
	assert.Contains(t, out, "panic: the context's own")
	assert.NotContains(t, out, "test timed out")
}

// panickingCtx panics the third time that it is asked, and every time after.
type panickingCtx struct {
	context.Context
	asked atomic.Int64
}

func (c *panickingCtx) Err() error {
	if c.asked.Add(1) > 2 {
		panic("the context's own")
	}
	return nil
}

// Map returns all values and all errors, whatever becomes of an error's text.
func TestMapTextPanics(t *testing.T) {
	bad := &endless{}
	ctx, cancel := context.WithCancelCause(t.Context())
	out, err := pool.Map(ctx, numbers(5), func(_ context.Context, i int) (int, error) {
		switch i {
		case 0:
			return 10, bad
		case 1:
			panic(bad)
		case 2:
			return 30, errTask
		case 3:
			cancel(bad)
		}
		return 40, nil
	}, &pool.Options{Workers: 1})
	assert.Equal(t, []int{10, 0, 30, 40, 0}, out)
	matchesAll(t, err, bad, pool.ErrNotRun)
	assert.EqualError(t, err, "pool: input 0: "+noText+"\n"+
		"pool: input 1: pool: recovered panic: "+noText+"\n"+
		"pool: input 2: the task failed\n"+
		"1 of 5 inputs: pool: task not run: "+noText)
}

// Map makes no text of an error that nobody asks for.
func TestMapMakesNoText(t *testing.T) {
	asked := 0
	_, err := pool.Map(t.Context(), numbers(1), func(context.Context, int) (int, error) {
		return 0, errorFunc(func() string { asked++; return "text" })
	}, nil)
	assert.Zero(t, asked)
	assert.EqualError(t, err, "pool: input 0: text")
}

func TestMapCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var started atomic.Int64
		out, err := pool.Map(ctx, numbers(100), func(ctx context.Context, _ int) (int, error) {
			if started.Add(1) == 10 {
				cancel(errCause)
			}
			<-ctx.Done()
			return 7, nil
		}, &pool.Options{Workers: 10})
		assert.EqualValues(t, 10, started.Load(), "calls started")
		matchesAll(t, err, pool.ErrNotRun, errCause)
		assert.ErrorContains(t, err, "90 of 100 inputs")
		sum := 0
		for _, v := range out {
			sum += v
		}
		assert.Equal(t, 70, sum, "the values of those that ran")
	})
}

// A cancel after the last call has started has nothing left to stop.
func TestMapCancelTooLate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := pool.Map(ctx, numbers(1), func(context.Context, int) (int, error) { cancel(); return 0, nil }, nil)
	assert.NoError(t, err)
	started := func(context.Context, int) (int, error) { return 0, errors.New("a call was started after the cancel") }
	_, err = pool.Map(ctx, numbers(1), started, nil)
	assert.EqualError(t, err, "1 of 1 inputs: pool: task not run: context canceled")
	_, err = pool.Map(ctx, numbers(0), started, nil)
	assert.NoError(t, err, "nothing to do, and nothing left undone")
}

// Every input is mapped exactly once, whatever the numbers, and its value is in its place.
func TestMapEachOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 7, 9, 1000, 1025, 5000} {
		for _, workers := range []int{0, 1, 2, 3, 7, 100, 5000} {
			calls := make([]atomic.Int32, n)
			out, err := pool.Map(t.Context(), numbers(n), func(_ context.Context, i int) (string, error) {
				if calls[i].Add(1); i%977 == 5 {
					runtime.Gosched()
				}
				return fmt.Sprint(i), nil
			}, &pool.Options{Workers: workers})
			require.NoError(t, err)
			require.Len(t, out, n)
			for i := range out {
				require.EqualValues(t, 1, calls[i].Load(), "input %d of %d with %d workers", i, n, workers)
				require.Equal(t, fmt.Sprint(i), out[i])
			}
		}
	}
}

// A gauge counts the calls that are under way.
type gauge struct{ now, most atomic.Int64 }

// enter counts one more, until the function that it returns is called.
func (g *gauge) enter() (leave func()) {
	n := g.now.Add(1)
	for m := g.most.Load(); n > m && !g.most.CompareAndSwap(m, n); m = g.most.Load() {
	}
	return func() { g.now.Add(-1) }
}

// Map has as many calls under way as it has workers, never more, and none is left
// when it returns.
func TestMapNeverMoreThanWorkers(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 16} {
		synctest.Test(t, func(t *testing.T) {
			var calls gauge
			_, err := pool.Map(t.Context(), numbers(200), func(context.Context, int) (int, error) {
				defer calls.enter()()
				time.Sleep(time.Millisecond) // for the others to come
				return 0, nil
			}, &pool.Options{Workers: workers})
			assert.NoError(t, err)
			assert.EqualValues(t, workers, calls.most.Load(), "calls at once")
			assert.Zero(t, calls.now.Load())
			synctest.Wait() // for the last steps of goroutines that have nothing to do
			assert.Empty(t, poolGoroutines())
		})
	}
}

// No input waits for the end of another's call while a worker is idle: as many as
// there are workers can meet, wherever in the input they stand.
func TestMapNoHeadOfLineBlocking(t *testing.T) {
	const n, workers = 5000, 4
	for _, first := range []int{0, 1, 600, 1022, 1024, 2047, n - workers} {
		synctest.Test(t, func(t *testing.T) {
			var meeting sync.WaitGroup
			meeting.Add(workers)
			_, err := pool.Map(t.Context(), numbers(n), func(_ context.Context, i int) (int, error) {
				if i >= first && i < first+workers {
					meeting.Done()
					meeting.Wait()
				}
				return i, nil
			}, &pool.Options{Workers: workers})
			assert.NoError(t, err)
		})
	}
}

// Workers is how many calls may run at once, and costs nothing: there are as many goroutines as there
// are calls that wait, and a few. The price of Map grows with the inputs, not with their square, when
// each might have a worker of its own. (It took more than a minute.)
func TestMapHugeWorkers(t *testing.T) {
	started := goroutinesCreated(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := soon(t, 30*time.Second, func() error {
		_, err := pool.Map(t.Context(), make([]struct{}, 1_000_000), func(context.Context, struct{}) (struct{}, error) {
			return struct{}{}, nil
		}, &pool.Options{Workers: math.MaxInt})
		return err
	})
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	assert.Less(t, started(), uint64(10_000), "goroutines")
	assert.Less(t, after.Sys-before.Sys, uint64(64<<20), "bytes from the operating system")
}

// As many calls run at once as Workers says, if they wait for each other.
func TestMapAllMeet(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 100, 20_000, huge} {
		n := min(workers, 20_000)
		if raceEnabled {
			n = min(n, 5000) // the race detector does not take as many goroutines
		}
		var meeting sync.WaitGroup
		meeting.Add(n)
		_, err := pool.Map(t.Context(), numbers(2*n), func(_ context.Context, i int) (int, error) {
			if i%2 == 0 {
				meeting.Done()
				meeting.Wait()
			}
			return i, nil
		}, &pool.Options{Workers: workers})
		assert.NoError(t, err)
	}
}

// Map takes no memory for inputs that take none, nor time for those that it does not run.
func TestMapHugeInput(t *testing.T) {
	for name, workers := range map[string]int{"few workers": 2, "many workers": huge} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			var runs atomic.Int64
			out, err := pool.Map(ctx, make([]struct{}, huge), func(context.Context, struct{}) (struct{}, error) {
				if runs.Add(1) == 10_000 {
					cancel(errCause)
				}
				return struct{}{}, nil
			}, &pool.Options{Workers: workers})
			assert.Len(t, out, huge)
			assert.ErrorIs(t, err, pool.ErrNotRun)
			assert.EqualError(t, err, fmt.Sprintf("%d of %d inputs: pool: task not run: cause of the cancel", huge-runs.Load(), huge))
		})
	}
}
