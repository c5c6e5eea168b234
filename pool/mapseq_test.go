package pool_test

import (
	"context"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
)

// counting returns the numbers from 0 on, without an end, and how many have been pulled.
func counting() (seq iter.Seq[int], pulled *int) {
	pulled = new(int)
	return func(yield func(int) bool) {
		for i := 0; ; i++ {
			*pulled++
			if !yield(i) {
				return
			}
		}
	}, pulled
}

// MapSeq yields in the order of its input, which may be endless, runs no more at once than it may, and pulls no
// further ahead than it may.
func TestMapSeq(t *testing.T) {
	for _, c := range []struct{ workers, ahead, atOnce int }{{1, 1, 1}, {4, 10, 4}, {8, 3, 3}, {2, 0, 2}} {
		synctest.Test(t, func(t *testing.T) {
			in, pulled := counting()
			var calls gauge
			n := 0
			for out, err := range pool.MapSeq(t.Context(), in, func(_ context.Context, i int) (int, error) {
				defer calls.enter()()
				time.Sleep(time.Duration(i%7) * time.Second)
				return 2 * i, nil
			}, &pool.Options{Workers: c.workers, Queue: c.ahead}) {
				require.NoError(t, err)
				require.Equal(t, 2*n, out)
				n++
				if c.ahead > 0 {
					require.LessOrEqual(t, *pulled-n, c.ahead)
				}
				if n == 3000 {
					break
				}
			}
			assert.EqualValues(t, c.atOnce, calls.most.Load())
			assert.Zero(t, calls.now.Load(), "a break waits for what runs")
			for range pool.MapSeq(t.Context(), slices.Values([]int(nil)), doubled, nil) {
				t.Error("a result of nothing")
			}
		})
	}
}

// Each error is beside its value, and the loop goes on. A worker that a Goexit has ended is replaced.
func TestMapSeqErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tasks := []task{value(1), failingTask, panickingTask, exitingTask, nil, exitingTask, value(2)}
		var outs []int
		var errs []error
		for out, err := range pool.MapSeq(t.Context(), slices.Values(tasks), pool.Call[int], &pool.Options{Workers: 1}) {
			outs, errs = append(outs, out), append(errs, err)
		}
		assert.Equal(t, []int{1, 4, 0, 0, 0, 0, 2}, outs)
		var panicked *pool.PanicError
		require.ErrorAs(t, errs[2], &panicked)
		assert.Equal(t, "boom", panicked.Value)
		assert.Contains(t, string(panicked.Stack), "panickingTask")
		errs[2] = nil
		assert.Equal(t, []error{nil, errTask, nil, pool.ErrGoexit, pool.ErrNilTask, pool.ErrGoexit, nil}, errs)
	})
}

// A result is yielded as soon as it and those before it are there, if the next input can be had.
func TestMapSeqYieldsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		in := func(yield func(int) bool) {
			for i := range 3 {
				if !yield(i) {
					return
				}
				time.Sleep(time.Second)
			}
		}
		var at []time.Duration
		for range pool.MapSeq(t.Context(), in, func(_ context.Context, i int) (int, error) { return i, nil }, nil) {
			at = append(at, time.Since(begun))
		}
		assert.Len(t, at, 3)
		assert.LessOrEqual(t, at[0], time.Second)
		assert.LessOrEqual(t, at[1], 2*time.Second)
	})
}

// A break, and a panic in the body or in the input, cancels what runs and waits for it.
func TestMapSeqIsLeft(t *testing.T) {
	for name, leave := range map[string]func(seq iter.Seq2[int, error]){
		"break": func(seq iter.Seq2[int, error]) {
			for range seq {
				break
			}
		},
		"panic": func(seq iter.Seq2[int, error]) {
			for range seq {
				panic(errTask)
			}
		},
		"panic in the input": func(seq iter.Seq2[int, error]) {
			for range seq {
			}
		},
	} {
		bubble(t, name, func(t *testing.T) {
			in := func(yield func(int) bool) {
				for i := 0; yield(i); i++ {
					if i == 5 && name == "panic in the input" {
						panic(errTask)
					}
				}
			}
			var cancelled, waiting, calls atomic.Int32
			seq := pool.MapSeq(t.Context(), in, func(ctx context.Context, i int) (int, error) {
				if calls.Add(1); i > 0 {
					waiting.Add(1)
					<-ctx.Done()
					time.Sleep(time.Second)
					cancelled.Add(1)
				}
				return i, nil
			}, &pool.Options{Workers: 3, Queue: 20})
			func() {
				defer func() {
					if r := recover(); r != nil || name != "break" {
						assert.Equal(t, errTask, r)
					}
				}()
				leave(seq)
			}()
			assert.Equal(t, waiting.Load(), cancelled.Load())
			assert.LessOrEqual(t, int(calls.Load()), 4, "what waits is not run")
		})
	}
}

// When ctx is done, what runs is yielded as it is, what waits is not run, and no more is pulled.
func TestMapSeqCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		in, pulled := counting()
		var runs atomic.Int32
		n := 0
		for out, err := range pool.MapSeq(ctx, in, func(ctx context.Context, i int) (int, error) {
			runs.Add(1)
			if i >= 2 {
				<-ctx.Done()
			}
			return i + 100, nil
		}, &pool.Options{Workers: 2, Queue: 10}) {
			switch {
			case n < 2:
				if n == 1 {
					cancel(errCause)
				}
				fallthrough
			case err == nil:
				assert.NoError(t, err)
				assert.Equal(t, n+100, out)
			default:
				matchesAll(t, err, pool.ErrNotRun, errCause)
				assert.Zero(t, out)
			}
			n++
		}
		assert.Equal(t, *pulled+1, n, "one more says that the input had not ended")
		assert.LessOrEqual(t, int(runs.Load()), 4)

		n = 0
		in, pulled = counting()
		for _, err := range pool.MapSeq(ctx, in, doubled, nil) {
			matchesAll(t, err, pool.ErrNotRun, errCause)
			n++
		}
		assert.Equal(t, 1, n)
		assert.Zero(t, *pulled)
	})
}

// Misuse is one pair with an error, and fn is not called.
func TestMapSeqBadInput(t *testing.T) {
	in := slices.Values([]int{1, 2})
	for want, seq := range map[string]iter.Seq2[int, error]{
		"nil context":       pool.MapSeq(nil, in, doubled, nil), //nolint:staticcheck // that is the test
		"nil sequence":      pool.MapSeq(t.Context(), nil, doubled, nil),
		"nil task function": pool.MapSeq[int, int](t.Context(), in, nil, nil),
		"Queue is -1":       pool.MapSeq(t.Context(), in, doubled, &pool.Options{Queue: -1}),
		"Workers is -1":     pool.MapSeq(t.Context(), in, doubled, &pool.Options{Workers: -1}),
	} {
		n := 0
		for _, err := range seq {
			assert.ErrorContains(t, err, want)
			n++
		}
		assert.Equal(t, 1, n, want)
	}
}
