package xsync_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/storetest"
	"github.com/resultpool/resultpool/store/xsync"
)

func newStore(testing.TB) store.ResultStore[int] { return xsync.New[int]() }

func TestConformance(t *testing.T) { storetest.Run(t, newStore) }

func BenchmarkStore(b *testing.B) { storetest.RunBenchmarks(b, newStore) }

// A Store that New has not made is closed, and says why.
func TestZeroStore(t *testing.T) {
	ctx, st := t.Context(), new(xsync.Store[int])
	_, get := st.Get(ctx, 1)
	_, all := store.Snapshot(ctx, st)
	_, reserve := st.ReserveIDs(ctx, 1)
	for _, err := range []error{get, all, reserve, st.Put(ctx, store.Result[int]{ID: 1}), st.Delete(ctx, 1)} {
		assert.ErrorIs(t, err, store.ErrClosed)
		assert.ErrorContains(t, err, "xsync: this Store was not made by New")
	}
}
