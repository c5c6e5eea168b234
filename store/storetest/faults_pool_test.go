package storetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/storetest"
)

// TestPoolOnFaultyStores uses the faults as they are meant to be used: a pool in a
// bubble, where hours pass at once.
func TestPoolOnFaultyStores(t *testing.T) {
	errDown := errors.New("down")
	errCancel := errors.New("given up")
	for name, row := range map[string]struct {
		put     storetest.Fault
		cancel  bool // after an hour
		stored  int  // results with the task's value
		unsaved int
	}{
		"no fault":            {stored: 3},
		"for a while":         {put: storetest.For(time.Minute, storetest.Fail(errDown)), stored: 3},
		"for some calls":      {put: storetest.First(7, storetest.Fail(errDown)), stored: 3},
		"answers lost":        {put: storetest.First(2, storetest.Lose(errDown)), stored: 3},
		"slow":                {put: storetest.Slow(time.Minute), stored: 3},
		"rejecting one":       {put: storetest.Only(storetest.First(1, storetest.Fail(store.ErrRejected)), 2), stored: 2},
		"panicking once":      {put: storetest.First(1, storetest.Panic("boom")), stored: 2},
		"for ever":            {put: storetest.Fail(errDown), cancel: true, unsaved: 3},
		"hanging until ended": {put: storetest.Block(), cancel: true, unsaved: 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				st := storetest.WithFaults(dense.New[int](), storetest.Faults{Put: row.put})
				square := func(_ context.Context, n int) (int, error) { return n * n, nil }
				p, err := pool.New(ctx, square, st, &pool.Options{Workers: 1})
				require.NoError(t, err)
				ids, err := p.SubmitAll(ctx, []int{2, 3, 4})
				require.NoError(t, err)
				if row.cancel {
					time.AfterFunc(time.Hour, func() { cancel(errCancel) })
				}
				err = p.Stop(context.Background())

				var unsaved *pool.UnsavedError[int]
				assert.Equal(t, row.unsaved > 0, errors.As(err, &unsaved), "%v", err)
				if unsaved != nil {
					assert.Len(t, unsaved.Results, row.unsaved)
				}
				assert.Equal(t, row.cancel, errors.Is(err, errCancel), "%v", err)
				all, err := store.Snapshot(context.Background(), st)
				require.NoError(t, err)
				assert.Len(t, all, len(ids)-row.unsaved)
				good := 0
				for i, id := range ids {
					if res := all[id]; res.Err == nil && res.Value == (i+2)*(i+2) {
						good++
					}
				}
				assert.Equal(t, row.stored, good, "%v", all)
			})
		})
	}
}
