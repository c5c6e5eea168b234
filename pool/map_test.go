package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
)

func TestMap(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 1000} {
		for _, workers := range []int{0, 1, 2, 7, 5000} {
			t.Run(fmt.Sprintf("n=%d,workers=%d", n, workers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					in := make([]int, n)
					for i := range in {
						in[i] = i
					}
					out, err := pool.Map(t.Context(), in, func(_ context.Context, i int) (string, error) {
						return fmt.Sprint(i), nil
					}, &pool.Options{Workers: workers})
					require.NoError(t, err)
					require.Len(t, out, n)
					for i := range out {
						require.Equal(t, fmt.Sprint(i), out[i])
					}
				})
			})
		}
	}
}

// rill #72, #86, #90; pond, conc #156: no error is lost, wherever it is, and no
// value beside it or after it. n = 1, 2 and errors first and last included.
func TestMapErrors(t *testing.T) {
	for n := 1; n <= 4; n++ {
		for failing := range 1 << n { // the set of inputs that fail
			synctest.Test(t, func(t *testing.T) {
				errs := make([]error, n)
				in := make([]int, n)
				for i := range in {
					in[i] = i
					if failing>>i&1 == 1 {
						errs[i] = fmt.Errorf("error of %d", i)
					}
				}
				out, err := pool.Map(t.Context(), in, func(_ context.Context, i int) (int, error) {
					return i + 100, errs[i]
				}, &pool.Options{Workers: 2})
				require.Len(t, out, n)
				text := ""
				for i := range in {
					assert.Equal(t, i+100, out[i])
					if errs[i] == nil {
						continue
					}
					assert.ErrorIs(t, err, errs[i])
					if text != "" {
						text += "\n"
					}
					text += fmt.Sprintf("pool: input %d: error of %d", i, i)
				}
				if text == "" {
					assert.NoError(t, err)
				} else {
					assert.EqualError(t, err, text)
				}
			})
		}
	}
}

// conc #106: a panic loses no result.
func TestMapPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, err := pool.Map(t.Context(), []int{0, 1, 2, 3, 4, 5}, func(_ context.Context, i int) (int, error) {
			switch i {
			case 1, 2, 5:
				panic(io.ErrClosedPipe)
			case 3:
				runtime.Goexit()
			}
			return i + 1, nil
		}, &pool.Options{Workers: 2})
		assert.Equal(t, []int{1, 0, 0, 0, 5, 0}, out)
		var panicked *pool.PanicError
		require.ErrorAs(t, err, &panicked)
		assert.Contains(t, string(panicked.Stack), "TestMapPanics")
		assert.ErrorIs(t, err, io.ErrClosedPipe)
		assert.ErrorIs(t, err, pool.ErrGoexit)
		assert.Len(t, err.(interface{ Unwrap() []error }).Unwrap(), 4)
	})
}

// A worker that a Goexit ends is replaced, also if it is the only one.
func TestMapGoexits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, err := pool.Map(t.Context(), []int{0, 1, 2, 3, 4}, func(_ context.Context, i int) (int, error) {
			if 0 < i && i < 4 {
				runtime.Goexit()
			}
			return i + 1, nil
		}, &pool.Options{Workers: 1})
		assert.Equal(t, []int{1, 0, 0, 0, 5}, out)
		assert.ErrorIs(t, err, pool.ErrGoexit)
		assert.NotErrorIs(t, err, pool.ErrNotRun)
	})
}

// A panic of the context is not one of a call: it ends the program, as it would
// without Map, and is neither recovered from nor met again and again.
func TestMapContextPanics(t *testing.T) {
	const env = "RESULTPOOL_CHECK_MAP"
	if os.Getenv(env) != "" {
		_, _ = pool.Map(&panickingCtx{Context: context.Background()}, make([]int, 10), func(context.Context, int) (int, error) {
			return 0, nil
		}, &pool.Options{Workers: 1})
		return
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^TestMapContextPanics$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), env+"=1")
	out, err := cmd.CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "panic: the context's own")
	assert.NotContains(t, string(out), "test timed out")
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

// A function may return ErrGoexit as an error, for example that of a result.
func TestMapReturnsErrGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		_, err := pool.Map(t.Context(), make([]int, 50), func(context.Context, int) (int, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			runtime.Gosched()
			return 0, pool.ErrGoexit
		}, &pool.Options{Workers: 1})
		assert.ErrorIs(t, err, pool.ErrGoexit)
		assert.EqualValues(t, 1, most.Load(), "workers")
	})
}

func TestMapCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		var started atomic.Int64
		out, err := pool.Map(ctx, make([]int, 100), func(ctx context.Context, _ int) (int, error) {
			if started.Add(1) == 10 {
				cancel(errCause)
			}
			<-ctx.Done()
			return 7, nil
		}, &pool.Options{Workers: 10})
		assert.EqualValues(t, 10, started.Load(), "calls started")
		assert.ErrorIs(t, err, pool.ErrNotRun)
		assert.ErrorIs(t, err, errCause)
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
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := pool.Map(ctx, make([]int, 3), func(context.Context, int) (int, error) {
			cancel()
			return 0, nil
		}, &pool.Options{Workers: 3})
		if err != nil { // unless one had not started
			assert.ErrorIs(t, err, pool.ErrNotRun)
		}
		_, err = pool.Map(ctx, []int{1}, func(context.Context, int) (int, error) {
			return 0, errors.New("a call was started after the cancel")
		}, nil)
		assert.EqualError(t, err, "1 of 1 inputs: pool: task not run: context canceled")
		_, err = pool.Map(ctx, []int{}, func(context.Context, int) (int, error) { return 0, nil }, nil)
		assert.NoError(t, err, "nothing to do, and nothing left undone")
	})
}

// Every input is mapped exactly once, whatever the numbers.
func TestMapEachOnce(t *testing.T) {
	for _, n := range []int{1, 2, 7, 9, 1000, 1025, 5000} {
		for _, workers := range []int{1, 2, 3, 100} {
			in := make([]int, n)
			for i := range in {
				in[i] = i
			}
			calls := make([]atomic.Int32, n)
			got, err := pool.Map(t.Context(), in, func(_ context.Context, i int) (int, error) {
				if calls[i].Add(1); i%977 == 5 {
					runtime.Gosched()
				}
				return i + 1, nil
			}, &pool.Options{Workers: workers})
			require.NoError(t, err)
			for i := range in {
				require.EqualValues(t, 1, calls[i].Load(), "input %d of %d with %d workers", i, n, workers)
				require.Equal(t, i+1, got[i])
			}
		}
	}
}

// No input waits for the end of another's call while a worker is idle: as many as
// there are workers can meet, wherever in the input they stand.
func TestMapNoHeadOfLineBlocking(t *testing.T) {
	const n, workers = 5000, 4
	for _, first := range []int{0, 1, 600, 1022, 1024, 2047, n - workers} {
		synctest.Test(t, func(t *testing.T) {
			in := make([]int, n)
			for i := range in {
				in[i] = i
			}
			var meeting sync.WaitGroup
			meeting.Add(workers)
			_, err := pool.Map(t.Context(), in, func(_ context.Context, i int) (int, error) {
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
