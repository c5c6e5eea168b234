package chaos

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/check/oracle"
	"github.com/resultpool/resultpool/pool"
)

var (
	soakFor  = flag.Duration("soak.for", 3*time.Second, "how long to soak, in all")
	soakSeed = flag.Uint64("soak.seed", 0, "seed of the load (0: a random one)")
)

// TestSoak gives each store its part of the time, one after the other. With more
// than a few minutes, go test needs a -timeout.
func TestSoak(t *testing.T) {
	for kind, name := range []string{"rwmutex", "syncmap", "xsync", "dense"} {
		t.Run(name, func(t *testing.T) {
			seed := *soakSeed
			if seed == 0 {
				seed = rand.Uint64() | 1
			}
			err := Soak(seed, kind, *soakFor/time.Duration(len(kinds)), oracle.Real, t.Logf)
			require.NoError(t, err, "again: -soak.seed=%d", seed)
		})
	}
}

// TestSoakBites plants a leak in a short soak.
func TestSoakBites(t *testing.T) {
	release := make(chan struct{}) // the goroutines that are leaked
	defer close(release)
	var mu sync.Mutex
	var kept [][]byte
	for _, c := range []struct {
		name string
		leak func(id int)
		want error
	}{
		{"nothing", func(int) {}, nil},
		{"8 KiB are kept of one task in four", func(number int) {
			if number%4 == 0 {
				mu.Lock()
				defer mu.Unlock()
				kept = append(kept, make([]byte, 8<<10))
			}
		}, errHeap},
		{"one task in a hundred leaves a goroutine", func(number int) {
			if number%100 == 0 {
				go func() { <-release }()
			}
		}, errGoroutines},
	} {
		t.Run(c.name, func(t *testing.T) {
			leaks := func(ctx context.Context, fn oracle.Func, st oracle.Store, opts *pool.Options) (oracle.Pool, error) {
				return oracle.Real(ctx, func(ctx context.Context, in *oracle.Task) (int, error) {
					c.leak(in.Number)
					return fn(ctx, in)
				}, st, opts)
			}
			assert.ErrorIs(t, Soak(1, 0, 700*time.Millisecond, leaks, t.Logf), c.want)
		})
	}
}
