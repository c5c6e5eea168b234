package soak

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

var (
	forFlag  = flag.Duration("soak.for", 3*time.Second, "how long to soak, in all")
	seedFlag = flag.Uint64("soak.seed", 0, "seed of the load (0: a random one)")
)

var stores = []struct {
	name string
	make func() store.ResultStore[*payload]
}{
	{"dense", func() store.ResultStore[*payload] { return dense.New[*payload]() }},
	{"rwmutex", func() store.ResultStore[*payload] { return rwmutex.New[*payload]() }},
	{"syncmap", func() store.ResultStore[*payload] { return syncmap.New[*payload]() }},
	{"xsync", func() store.ResultStore[*payload] { return xsync.New[*payload]() }},
}

// memoryLimit is several times what a soak needs.
const memoryLimit = 64 << 20

// TestSoak gives each store its part of the time, one after the other. With more
// than a few minutes, go test needs a -timeout.
func TestSoak(t *testing.T) {
	for _, st := range stores {
		t.Run(st.name, func(t *testing.T) {
			seed := *seedFlag
			if seed == 0 {
				seed = rand.Uint64()
			}
			steps := []uint64{1, 1<<31 - 5<<10, 1<<32 - 5<<10, 1<<63 - 5<<10} // each begins a segment of dense
			rep, err := plan{
				newStore: st.make,
				length:   *forFlag / time.Duration(len(stores)),
				limit:    memoryLimit,
				first:    steps[seed%uint64(len(steps))],
				seed:     seed,
				logf:     t.Logf,
			}.begin()
			t.Log(rep)
			require.NoError(t, err, "seed %d", seed)
		})
	}
}
