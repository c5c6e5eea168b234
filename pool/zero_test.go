package pool_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

// A Pool that neither New nor Join has made is closed, and says why. So is no Pool at all.
func TestZeroPool(t *testing.T) {
	for name, p := range map[string]*pool.Pool[int, int]{"zero": new(pool.Pool[int, int]), "nil": nil} {
		t.Run(name, func(t *testing.T) {
			_, submit := p.Submit(t.Context(), 1)
			_, try := p.TrySubmit(1)
			ids, all := p.SubmitAll(t.Context(), []int{1})
			_, get := p.Get(t.Context(), 1)
			results, read := p.Results(t.Context())
			for method, err := range map[string]error{
				"Submit": submit, "TrySubmit": try, "SubmitAll": all, "Get": get, "Results": read,
				"Resize(0)": p.Resize(0), "Resize(1)": p.Resize(1), "Wait": p.Wait(t.Context()), "Stop": p.Stop(t.Context()),
			} {
				assert.ErrorIs(t, err, pool.ErrClosed, method)
				assert.ErrorContains(t, err, "pool: this Pool was not made by New or Join", method)
			}
			assert.Empty(t, ids)
			assert.Empty(t, results)
			assert.Zero(t, p.Stats())
			select {
			case <-p.Done():
			default:
				assert.Fail(t, "Done is open")
			}
		})
	}
}

// The zero value of most stores is an empty store.
func TestZeroStore(t *testing.T) {
	for name, newStore := range map[string]func() store.ResultStore[int]{
		"dense":   func() store.ResultStore[int] { return new(dense.Store[int]) },
		"rwmutex": func() store.ResultStore[int] { return new(rwmutex.Store[int]) },
		"syncmap": func() store.ResultStore[int] { return new(syncmap.Store[int]) },
	} {
		t.Run(name, func(t *testing.T) {
			for first, call := range map[string]func(store.ResultStore[int]) error{
				"Put":    func(st store.ResultStore[int]) error { return st.Put(t.Context(), store.Result[int]{ID: 7}) },
				"Delete": func(st store.ResultStore[int]) error { return st.Delete(t.Context(), 7) },
				"All":    func(st store.ResultStore[int]) error { _, err := store.Snapshot(t.Context(), st); return err },
				"ReserveIDs": func(st store.ResultStore[int]) error {
					_, err := st.(store.IDReserver).ReserveIDs(t.Context(), 1)
					return err
				},
			} {
				assert.NoError(t, call(newStore()), first)
			}
			st := newStore()
			_, err := st.Get(t.Context(), 1)
			assert.ErrorIs(t, err, store.ErrNotFound)
			p, err := pool.New(t.Context(), doubled, st, nil)
			require.NoError(t, err)
			ids, err := p.SubmitAll(t.Context(), numbers(5000))
			require.NoError(t, err)
			require.NoError(t, p.Stop(t.Context()))
			all, err := p.Results(t.Context())
			require.NoError(t, err)
			require.Len(t, all, 5000)
			for i, id := range ids {
				require.Equal(t, 2*i, all[id].Value)
			}
		})
	}
}

// That of an xsync.Store is closed, and says why: so does New.
func TestZeroXsync(t *testing.T) {
	st := new(xsync.Store[int])
	_, made := pool.New(t.Context(), doubled, store.ResultStore[int](st), nil)
	_, get := st.Get(t.Context(), 1)
	_, all := store.Snapshot(t.Context(), st)
	for method, err := range map[string]error{
		"New": made, "Get": get, "All": all, "Put": st.Put(t.Context(), store.Result[int]{ID: 1}), "Delete": st.Delete(t.Context(), 1),
	} {
		assert.ErrorIs(t, err, store.ErrClosed, method)
		assert.ErrorContains(t, err, "xsync: this Store was not made by New", method)
	}
}
