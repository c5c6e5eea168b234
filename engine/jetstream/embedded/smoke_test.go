package embedded

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
)

func TestSmoke(t *testing.T) {
	ctx := t.Context()
	e, err := Open(ctx, t.TempDir(), "smoke", nil)
	require.NoError(t, err)
	defer e.Close()
	t.Log(e.URL())
	k, err := e.Describe(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, "a", k)
	k, err = e.Describe(ctx, "b")
	require.NoError(t, err)
	require.Equal(t, "a", k)
	ids, err := e.Push(ctx, "k", [][]byte{[]byte("x"), []byte("y")})
	require.NoError(t, err)
	ids2, err := e.Push(ctx, "k", [][]byte{[]byte("x"), []byte("y")})
	require.NoError(t, err)
	require.Equal(t, ids, ids2)
	ds, err := e.Pull(ctx, 10)
	require.NoError(t, err)
	require.Len(t, ds, 2)
	t.Log(ds)
	n, err := e.Size(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	require.NoError(t, e.Extend(ctx, ds))
	require.NoError(t, e.Nack(ctx, ds[:1]))
	again, err := e.Pull(ctx, 10)
	require.NoError(t, err)
	require.Equal(t, 2, again[0].Attempt)
	require.NoError(t, e.Save(ctx, []engine.Record{{ID: ids[0], Data: []byte("r0")}}))
	require.NoError(t, e.Save(ctx, []engine.Record{{ID: ids[0], Data: []byte("r0x")}, {ID: ids[1], Data: []byte("r1")}}))
	got, err := e.Load(ctx, ids[0])
	require.NoError(t, err)
	require.Equal(t, "r0", string(got))
	require.NoError(t, e.Ack(ctx, ds))
	for range 3 {
		s, err := e.MarkStart(ctx, ids[0], 1)
		require.NoError(t, err)
		t.Log(s)
	}
	for r, err := range e.All(ctx) {
		require.NoError(t, err)
		t.Log(r.ID, string(r.Data))
	}
	require.NoError(t, e.Delete(ctx, ids[:1]))
	_, err = e.Load(ctx, ids[0])
	require.ErrorIs(t, err, engine.ErrNotFound)
	_, err = e.Wait(ctx, ids[0])
	require.ErrorIs(t, err, engine.ErrNotFound)
	ids, err = e.Push(ctx, "k3", [][]byte{[]byte("x")})
	require.NoError(t, err)
	go func() {
		time.Sleep(100 * time.Millisecond)
		e.Save(ctx, []engine.Record{{ID: ids[0], Data: []byte("late")}})
	}()
	got, err = e.Wait(ctx, ids[0])
	require.NoError(t, err)
	require.Equal(t, "late", string(got))
}
