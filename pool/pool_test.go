package pool_test

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
)

// Comments like "pond #43" name an issue or a pull request of a project that had such a bug: alitto/pond,
// panjf2000/ants, sourcegraph/conc, gammazero/workerpool, Jeffail/tunny, destel/rill, golang/sync, hibiken/asynq,
// riverqueue/river, puzpuzpuz/xsync, milvus-io/milvus, towns-protocol/towns, cockroachdb/cockroach.

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
