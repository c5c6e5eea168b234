package bolt_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
)

// A Store that Open has not made is closed, and says why.
func TestZeroStore(t *testing.T) {
	st := new(bolt.Store[int])
	_, get := st.Get(t.Context(), 1)
	_, all := store.Snapshot(t.Context(), st)
	_, reserve := st.ReserveIDs(t.Context(), 1)
	for method, err := range map[string]error{
		"Get": get, "All": all, "ReserveIDs": reserve, "Delete": st.Delete(t.Context(), 1), "Close": st.Close(),
	} {
		assert.ErrorIs(t, err, bolt.ErrClosed, method)
		assert.ErrorContains(t, err, "bolt: this Store was not made by Open", method)
	}
	assert.Error(t, st.Put(t.Context(), store.Result[int]{ID: 1}))
}
