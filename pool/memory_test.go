package pool_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

// heap returns how many bytes are reachable.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first has put aside, as sync.Pool does
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The stores are here together, and not in package store, whose users would get xsync
// for its tests.

// A program that deletes what it has read needs memory for what it has not, however
// long it runs and whichever store it has.
func TestDeletedResultsCostNothing(t *testing.T) {
	const window, n = 1000, 50_000
	for name, newStore := range map[string]func() store.ResultStore[[]byte]{
		"dense":   func() store.ResultStore[[]byte] { return dense.New[[]byte]() },
		"rwmutex": func() store.ResultStore[[]byte] { return rwmutex.New[[]byte]() },
		"syncmap": func() store.ResultStore[[]byte] { return syncmap.New[[]byte]() },
		"xsync":   func() store.ResultStore[[]byte] { return xsync.New[[]byte]() },
	} {
		t.Run(name, func(t *testing.T) {
			st := newStore()
			before := heap()
			for id := store.ID(1); id <= n; id++ {
				if err := st.Put(t.Context(), store.Result[[]byte]{ID: id, Value: make([]byte, 1000)}); err != nil {
					t.Fatal(err)
				}
				if id > window {
					if err := st.Delete(t.Context(), id-window); err != nil {
						t.Fatal(err)
					}
				}
			}
			kept := heap() - before
			// A thousand results of a kilobyte are held, and dense keeps up to a
			// thousand more in the segment of the oldest. All would be 50 MB.
			assert.Less(t, kept, int64(5<<20), "bytes after %d results, %d of which are held", n, window)
			runtime.KeepAlive(st)
		})
	}
}
