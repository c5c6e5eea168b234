package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
)

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
		synctest.Test(t, func(t *testing.T) { mapBytes(t, int(data[0]%40), int(data[1]%8), data[2:]) })
	})
}

func mapBytes(t *testing.T, workers, doublings int, does []byte) {
	in := make([]int, len(does)<<doublings)
	for i := range in {
		in[i] = i
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	calls := make([]atomic.Int32, len(in))
	var running, most atomic.Int64
	fn := func(_ context.Context, i int) (int, error) {
		calls[i].Add(1)
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		defer running.Add(-1)
		switch does[i%len(does)] % 16 {
		case 1:
			return i + 1, errTask
		case 2:
			panic(i)
		case 3:
			runtime.Goexit()
		case 4:
			runtime.Gosched()
		case 5:
			if i > len(in)/2 {
				cancel(errCause)
			}
		}
		return i + 1, nil
	}
	values, err := pool.Map(ctx, in, fn, &pool.Options{Workers: workers})
	synctest.Wait()
	require.Zero(t, running.Load())
	require.LessOrEqual(t, int(most.Load()), max(workers, runtime.GOMAXPROCS(0)*min(1, max(0, 1-workers))))
	require.Len(t, values, len(in))

	var errs []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	unrun := 0
	for i := range in {
		want := i + 1
		var is func(error) bool
		switch n := calls[i].Load(); does[i%len(does)] % 16 {
		default:
			require.LessOrEqual(t, n, int32(1), "input %d was mapped twice", i)
			if n == 0 {
				unrun++
				want = 0
			}
		case 1:
			is = func(err error) bool { return errors.Is(err, errTask) }
		case 2:
			want = 0
			is = func(err error) bool {
				var panicked *pool.PanicError
				return errors.As(err, &panicked) && panicked.Value == i
			}
		case 3:
			want = 0
			is = func(err error) bool { return errors.Is(err, pool.ErrGoexit) }
		}
		if is != nil { // its error is the next
			if calls[i].Load() == 0 {
				unrun++
				want = 0
			} else {
				require.Equal(t, int32(1), calls[i].Load())
				require.NotEmpty(t, errs, "the error of input %d is lost", i)
				require.True(t, is(errs[0]), "input %d: %v", i, errs[0])
				require.ErrorContains(t, errs[0], fmt.Sprintf("input %d:", i))
				errs = errs[1:]
			}
		}
		require.Equal(t, want, values[i], "input %d", i)
	}
	if unrun > 0 {
		require.ErrorIs(t, ctx.Err(), context.Canceled, "nothing was cancelled, and %d did not run", unrun)
		require.Len(t, errs, 1)
		require.ErrorIs(t, errs[0], pool.ErrNotRun)
		require.ErrorIs(t, errs[0], errCause)
		require.ErrorContains(t, errs[0], fmt.Sprintf("%d of %d inputs", unrun, len(in)))
		return
	}
	require.Empty(t, errs)
}
