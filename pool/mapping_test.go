package pool_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
)

// An input that is left in another's block is mapped like any other: a panic in it is
// an error, a Goexit too.
func TestMapPanicsInAnothersBlock(t *testing.T) {
	for name, end := range map[string]struct {
		end  func()
		want error
	}{
		"panic":  {func() { panic(io.ErrNoProgress) }, io.ErrNoProgress},
		"Goexit": {runtime.Goexit, pool.ErrGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 64 // four inputs to a block
				in := make([]int, n)
				for i := range in {
					in[i] = i
				}
				var others sync.WaitGroup
				others.Add(n - 1)
				_, err := pool.Map(t.Context(), in, func(_ context.Context, i int) (int, error) {
					if i == 0 {
						others.Wait()
						return 0, nil
					}
					others.Done()
					if i <= 3 {
						end.end()
					}
					return 0, nil
				}, &pool.Options{Workers: 2})
				require.ErrorIs(t, err, end.want)
				assert.Len(t, err.(interface{ Unwrap() []error }).Unwrap(), 3)
				for i := 1; i <= 3; i++ {
					assert.ErrorContains(t, err, fmt.Sprintf("input %d:", i))
				}
			})
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
		_, err := pool.Map(ctx, []int{0, 1, 2, 3, 4}, func(_ context.Context, i int) (int, error) {
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
