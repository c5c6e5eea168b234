package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
	"github.com/resultpool/resultpool/store/codec"
)

func TestReservedIDsStayReserved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	want := store.ID(1)
	for _, n := range []uint64{1, 3, 1 << 16, 1, 1 << 40} {
		st := open(t, path, nil)
		for range 2 {
			first, err := st.ReserveIDs(t.Context(), n)
			assert.NoError(t, err)
			assert.Equal(t, want, first)
			want += store.ID(n)
		}
		require.NoError(t, st.Close())
	}
}

func TestReservedIDsPassOverHeld(t *testing.T) {
	ctx := t.Context()
	st := open(t, filepath.Join(t.TempDir(), "results.db"), nil)
	for _, id := range []store.ID{1, 2, 3, 7, 20, 1 << 50, math.MaxUint64} {
		require.NoError(t, st.Put(ctx, store.Result[int]{ID: id}))
	}
	for _, c := range []struct {
		n    uint64
		want store.ID
	}{{1, 4}, {1, 5}, {1, 6}, {5, 8}, {10, 21}, {1 << 50, 1<<50 + 1}} {
		first, err := st.ReserveIDs(ctx, c.n)
		assert.NoError(t, err)
		assert.Equal(t, c.want, first)
	}
	_, err := st.ReserveIDs(ctx, math.MaxUint64-1<<51)
	assert.ErrorContains(t, err, "want 1844", "the last ID is held")
	first, err := st.ReserveIDs(ctx, math.MaxUint64-1<<51-1)
	assert.NoError(t, err)
	assert.Equal(t, store.ID(1<<51+1), first)
	_, err = st.ReserveIDs(ctx, 1)
	assert.ErrorContains(t, err, "0 IDs are left, want 1")
	_, err = st.ReserveIDs(ctx, 0)
	assert.ErrorContains(t, err, "want 1 or more")
}

func TestReservedIDsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	st := open(t, path, nil)
	_, err := st.ReserveIDs(t.Context(), 1000)
	require.NoError(t, err)
	require.NoError(t, st.Close())
	edited(t, path, func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte("resultpool.meta"))
		v := append([]byte(nil), meta.Get([]byte("reserved"))...)
		v[6] ^= 1
		return meta.Put([]byte("reserved"), v)
	})
	_, err = open(t, path, nil).ReserveIDs(t.Context(), 1)
	assert.ErrorContains(t, err, path+" is damaged")
}

// TestDamagedResult has results that have changed, among others that have not. They are
// told of, do not keep anybody from the others, and can be deleted.
func TestDamagedResult(t *testing.T) {
	ctx := t.Context()
	path := written(t, someStore(t))
	edited(t, path, func(tx *bbolt.Tx) error {
		results := tx.Bucket([]byte("resultpool.results"))
		third := append([]byte(nil), results.Get([]byte{0, 0, 0, 0, 0, 0, 0, 3})...)
		if err := results.Put([]byte{0, 0, 0, 0, 0, 0, 0, 5}, third); err != nil { // as another's
			return err
		}
		return results.Put([]byte{0, 0, 0, 0, 0, 0, 0, 7}, []byte("abc"))
	})
	st := open(t, path, nil)
	for _, id := range []store.ID{5, 7} {
		_, err := st.Get(ctx, id)
		assert.ErrorContains(t, err, fmt.Sprintf("bolt: %s: codec: result %d", path, id))
		assert.NotErrorIs(t, err, store.ErrNotFound)
	}
	for _, id := range []store.ID{3, 4, 6, 8} {
		res, err := st.Get(ctx, id)
		assert.NoError(t, err)
		assert.Equal(t, int(id)-1, res.Value)
	}
	yielded := make(map[store.ID]bool)
	for res, err := range st.All(ctx) {
		if res.ID == 5 || res.ID == 7 {
			assert.ErrorContains(t, err, fmt.Sprintf("bolt: %s: codec: result %d", path, res.ID))
		} else {
			assert.NoError(t, err)
		}
		yielded[res.ID] = true
	}
	assert.Len(t, yielded, 1000)
	held, err := store.Snapshot(ctx, st)
	assert.Len(t, held, 998)
	assert.ErrorContains(t, err, "result 5")
	assert.ErrorContains(t, err, "result 7")

	assert.NoError(t, st.Delete(ctx, 5))
	assert.NoError(t, st.Delete(ctx, 7))
	held, err = store.Snapshot(ctx, st)
	assert.Len(t, held, 998)
	assert.NoError(t, err)
}

func TestRejected(t *testing.T) {
	ctx := t.Context()
	st, err := bolt.Open[float64](filepath.Join(t.TempDir(), "results.db"), nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, st.Close()) }()
	bad := store.Result[float64]{ID: 2, Value: math.NaN()} // is none of JSON's
	assert.ErrorIs(t, st.Put(ctx, bad), store.ErrRejected)
	assert.ErrorIs(t, st.PutBatch(ctx, []store.Result[float64]{{ID: 1}, bad, {ID: 3}}), store.ErrRejected)
	held, err := store.Snapshot(ctx, st)
	assert.NoError(t, err)
	assert.Empty(t, held)
}

// raw are Values that write a string as it is.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) { return []byte(*v.(*string)), nil }

func (raw) Unmarshal(data []byte, v any) error {
	if string(data) == "unreadable" {
		return errors.New("cannot be read")
	}
	*v.(*string) = string(data)
	return nil
}

func openRaw(t *testing.T) *bolt.Store[string] {
	st, err := bolt.Open[string](filepath.Join(t.TempDir(), "results.db"), &bolt.Options{
		Codec: &codec.Options{Values: raw{}}, NoSync: true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, st.Close()) })
	return st
}

// TestLargeResults puts results that take many pages, and are read few at a time.
func TestLargeResults(t *testing.T) {
	ctx := t.Context()
	st := openRaw(t)
	want := make(map[store.ID]string)
	for i, n := range []int{0, 1, 4000, 4096, 10_000, 1 << 20, 3 << 20, 1 << 20, 1, 1 << 10} {
		id := store.ID(i + 1)
		want[id] = strings.Repeat(string(rune('a'+i)), n)
		require.NoError(t, st.Put(ctx, store.Result[string]{ID: id, Value: want[id]}))
	}
	for res, err := range st.All(ctx) {
		require.NoError(t, err)
		got, err := st.Get(ctx, res.ID)
		assert.NoError(t, err)
		if res.Value != want[res.ID] || got != res { // too large to be shown
			t.Errorf("All yielded, or Get returned, a wrong result %d", res.ID)
		}
		delete(want, res.ID)
	}
	assert.Empty(t, want)
}

func TestUnreadableValue(t *testing.T) {
	ctx := t.Context()
	st := openRaw(t)
	require.NoError(t, st.Put(ctx, store.Result[string]{ID: 7, Value: "unreadable"}))
	_, err := st.Get(ctx, 7)
	assert.ErrorContains(t, err, "result 7")
	assert.ErrorContains(t, err, "cannot be read")
	for _, err := range st.All(ctx) {
		assert.ErrorContains(t, err, "result 7")
	}
}

// TestPutInBody has the file grow, which waits for all that read, while a loop over All is
// under way.
func TestPutInBody(t *testing.T) {
	ctx := t.Context()
	st := openRaw(t)
	for id := range store.ID(10) {
		require.NoError(t, st.Put(ctx, store.Result[string]{ID: id + 1}))
	}
	large := strings.Repeat("x", 1<<20)
	n := 0
	for res, err := range st.All(ctx) {
		require.NoError(t, err)
		if res.ID <= 10 {
			n++
			require.NoError(t, st.Put(ctx, store.Result[string]{ID: res.ID + 100, Value: large}))
		}
	}
	assert.Equal(t, 10, n)
}

// TestErrorsComeBack opens a file again: what an error matched, it still matches.
func TestErrorsComeBack(t *testing.T) {
	ctx := t.Context()
	errOwn := errors.New("the remote end has hung up")
	path := filepath.Join(t.TempDir(), "results.db")
	opts := &bolt.Options{Codec: &codec.Options{Errors: map[string]error{"example.hung_up": errOwn}}}
	st := open(t, path, opts)
	require.NoError(t, st.Put(ctx, store.Result[int]{ID: 1, Value: 5, Err: errOwn}))
	require.NoError(t, st.Put(ctx, store.Result[int]{ID: 2, Err: &store.PanicError{Value: "no", Stack: []byte("here")}}))
	require.NoError(t, st.Close())

	st = open(t, path, opts)
	res, err := st.Get(ctx, 1)
	assert.NoError(t, err)
	assert.Equal(t, store.Result[int]{ID: 1, Value: 5, Err: errOwn}, res)
	res, err = st.Get(ctx, 2)
	assert.NoError(t, err)
	var panicked *store.PanicError
	if assert.ErrorAs(t, res.Err, &panicked) {
		assert.Equal(t, "here", string(panicked.Stack))
	}
}

// A loop is an error that leads back to itself: errors.Is does not end there.
type loop struct{}

func (loop) Error() string { return "goes round" }
func (loop) Unwrap() error { return loop{} }

// A ring is a loop in which errors.Is overflows the stack.
type ring struct{}

func (ring) Error() string   { return "goes round and round" }
func (ring) Unwrap() []error { return []error{ring{}} }

func TestErrorsThatLeadBack(t *testing.T) {
	ctx := t.Context()
	st := open(t, filepath.Join(t.TempDir(), "results.db"), &bolt.Options{NoSync: true})
	fail := func(_ context.Context, err error) (int, error) { return 7, err }
	p, err := pool.New(ctx, fail, st, nil)
	require.NoError(t, err)
	for _, err := range []error{loop{}, ring{}, errors.Join(loop{}, ring{})} {
		id, submitted := p.Submit(ctx, err)
		require.NoError(t, submitted)
		n, got := p.Get(ctx, id)
		assert.Equal(t, 7, n)
		assert.EqualError(t, got, err.Error())
	}
	assert.NoError(t, p.Stop(ctx))
}
