package remote_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Fetchers that have waited in vain put their tasks back in no order, in the middle of a turn and after it; those
// who listen again find the results in the order of the tasks.
func TestFetchStopRestoresTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(faults{})
		f := newHost(t, e, 0).NewFetch()
		ids, err := e.memory.Push(t.Context(), "key", make([][]byte, 200))
		require.NoError(t, err)
		f.Add(ids...)
		for range 3 {
			f.Start()
			time.Sleep(1500 * time.Millisecond)
			f.Stop()
			assert.Equal(t, ids, f.Rest())
			assert.Equal(t, len(ids), f.Open())
		}
	})
}
