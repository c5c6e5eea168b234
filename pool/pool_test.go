package pool_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store/storetest"
)

// Nil options, and zeros, mean GOMAXPROCS workers and room for 1024. That is read, not set.
func TestDefaults(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	zero := &pool.Options{}
	for _, opts := range []*pool.Options{nil, zero} {
		synctest.Test(t, func(t *testing.T) {
			p := newPool(t, opts)
			gate := make(chan struct{})
			defer close(gate)
			for range 3 {
				submit(t, p, gated(gate, 1))
			}
			synctest.Wait()
			assert.Equal(t, 3, p.Stats().Workers)
			assert.EqualValues(t, 3, p.Stats().Running)
			for range 1024 {
				_, err := p.TrySubmit(value(1))
				require.NoError(t, err)
			}
			_, err := p.TrySubmit(value(1))
			assert.Equal(t, pool.ErrQueueFull, err)
		})
		_, err := pool.Map(t.Context(), numbers(1), doubled, opts)
		assert.NoError(t, err)
		assert.Equal(t, 3, runtime.GOMAXPROCS(0))
	}
	assert.Equal(t, pool.Options{}, *zero, "the caller's options were changed")
}

// pond under synctest: a pool of one bubble leaves nothing that a pool of the next, or
// of one at the same time, could trip over.
func TestManyBubbles(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			for _, newStore := range stores { // one after the other
				synctest.Test(t, func(t *testing.T) {
					// Not newPool, which looks for goroutines of all pools: the bubble does.
					st := storetest.WithFaults(newStore(), storetest.Faults{Put: storetest.First(5, storetest.Fail(errDown))})
					p, err := pool.New(t.Context(), doubled, st, &pool.Options{Workers: 3, Queue: 2})
					require.NoError(t, err)
					_, err = p.SubmitAll(t.Context(), numbers(9))
					require.NoError(t, err)
					_, err = pool.Map(t.Context(), numbers(9), doubled, nil)
					require.NoError(t, err)
					require.NoError(t, p.Stop(t.Context()))
					all, err := p.Results(t.Context())
					require.NoError(t, err)
					require.Len(t, all, 9)
				})
			}
		})
	}
}

// The README shows the package's example word for word.
func TestReadmeShowsExample(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	_, body, found := strings.Cut(string(source), "func Example() {\n")
	require.True(t, found)
	body, _, found = strings.Cut(body, "\n}\n")
	require.True(t, found)
	assert.Contains(t, string(readme), "func main() {\n"+body+"\n}\n")
}
