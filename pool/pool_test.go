package pool_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
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

// ants #212, milvus #41893: a program that imports the packages, and makes no pool, has
// no goroutine of theirs.
func TestImportStartsNothing(t *testing.T) {
	const env = "RESULTPOOL_CHECK_IMPORT"
	if os.Getenv(env) != "" {
		buf := make([]byte, 1<<20)
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			_, by, _ := strings.Cut(g, "created by github.com/resultpool/resultpool/")
			if by != "" && !strings.HasPrefix(by, "pool_test.") {
				t.Errorf("a goroutine before there is a pool:\n%s", g)
			}
		}
		return
	}
	out, err := inChild(t, env+"=1")
	assert.NoError(t, err, "%s", out)
}

// pond under synctest: a pool of one bubble leaves nothing that a pool of the next, or
// of one at the same time, could trip over.
func TestManyBubbles(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			for range 2 {
				for _, newStore := range stores {
					synctest.Test(t, func(t *testing.T) { usePool(t, newStore()) }) // one after the other
				}
			}
		})
	}
}

func usePool(t *testing.T, st store.ResultStore[int]) {
	var down breakdown
	// Not newPool, which looks for goroutines of all pools: the bubble does.
	ctx, cancel := context.WithCancelCause(context.Background())
	p, err := pool.New(ctx, pool.Call[int], storetest.WithFaults(st, storetest.Faults{Put: down.fault}), &pool.Options{Workers: 3, Queue: 2})
	require.NoError(t, err)
	begun := time.Now()
	slow := func(ctx context.Context) (int, error) { time.Sleep(time.Hour); return 1, ctx.Err() }
	ids, err := p.SubmitAll(t.Context(), repeat(9, slow))
	assert.NoError(t, err)
	down.Store(true) // timers of the saver
	time.AfterFunc(5*time.Hour, func() { down.Store(false) })
	for _, id := range ids {
		v, err := p.Get(t.Context(), id)
		assert.NoError(t, err)
		assert.Equal(t, 1, v)
	}
	assert.GreaterOrEqual(t, time.Since(begun), 5*time.Hour)
	assert.Less(t, time.Since(begun), 9*time.Hour)
	_, err = p.Submit(t.Context(), slow)
	assert.NoError(t, err)
	cancel(errCause)
	assert.ErrorIs(t, p.Stop(t.Context()), errCause)
	_, err = pool.Map(t.Context(), numbers(3), func(context.Context, int) (int, error) {
		time.Sleep(time.Minute)
		return 0, nil
	}, &pool.Options{Workers: 3})
	assert.NoError(t, err)
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
