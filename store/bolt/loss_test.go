package bolt

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// A lossy loses something as JSON.
type lossy struct {
	Name  string
	cache string
}

const (
	lossyType = "github.com/resultpool/resultpool/store/bolt.lossy as json"
	lossySays = "bolt: codec: " + lossyType + " would not come back as it was: its field cache is not exported; export it"
)

// oldRecord is what Encode once made of lossy{Name: "a"} under the ID 7.
var oldRecord = []byte("\x01\x00" + `{"Name":"a"}` + "\xda\x1f\xdd\xe6")

// lossyFile is a file as an earlier version of this package may have left it.
func lossyFile(t *testing.T) string {
	path := newPath(t)
	f, err := open(path, lossyType, nil, Options{Timeout: defaultTimeout}, func(store.ID, []byte) error { return nil })
	require.NoError(t, err)
	require.NoError(t, f.put(t.Context(), []store.Record{{ID: 7, Data: oldRecord}}))
	require.NoError(t, f.close())
	return path
}

// A type of which JSON would lose something has no new file.
func TestOpenOfALossyType(t *testing.T) {
	path := newPath(t)
	_, err := Open[lossy](path, nil)
	require.ErrorContains(t, err, lossySays)
	_, err = os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist)

	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = Open[lossy](path, nil)
	require.ErrorContains(t, err, lossySays)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Empty(t, data)

	edit(t, path, func(*bbolt.Tx) error { return nil }) // a database of nobody
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = Open[lossy](path, nil)
	require.ErrorContains(t, err, lossySays)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, before, after)

	_, err = Open[lossy](lossyFile(t), &Options{Codec: &codec.Options{Errors: map[string]error{"": os.ErrExist}}})
	require.ErrorContains(t, err, `bolt: codec: Errors has the code ""`)
}

// A file that has such a type opens for reading. A pool hands back what it cannot put there.
func TestOpenForReading(t *testing.T) {
	st := openAt[lossy](t, lossyFile(t), &Options{Check: true})
	res, err := st.Get(t.Context(), 7)
	require.NoError(t, err)
	assert.Equal(t, store.Result[lossy]{ID: 7, Value: lossy{Name: "a"}}, res)
	held, err := store.Snapshot(t.Context(), st)
	require.NoError(t, err)
	assert.Len(t, held, 1)

	for _, res := range []store.Result[lossy]{{ID: 8}, {ID: 8, Value: lossy{Name: "b"}}, {ID: 8, Err: store.ErrNotRun}} {
		for _, err := range []error{st.Put(t.Context(), res), st.PutBatch(t.Context(), []store.Result[lossy]{res})} {
			require.ErrorIs(t, err, store.ErrRejected)
			assert.ErrorContains(t, err, "its field cache is not exported; export it")
		}
	}
	p, err := pool.New(t.Context(), func(_ context.Context, name string) (lossy, error) { return lossy{name, name}, nil }, st, nil)
	require.NoError(t, err)
	id, err := p.Submit(t.Context(), "c")
	require.NoError(t, err)
	var unsaved *pool.UnsavedError[lossy]
	require.ErrorAs(t, p.Stop(t.Context()), &unsaved)
	assert.Equal(t, []store.Result[lossy]{{ID: id, Value: lossy{"c", "c"}}}, unsaved.Results)

	require.NoError(t, st.Delete(t.Context(), 7))
	_, err = st.Get(t.Context(), 7)
	assert.ErrorIs(t, err, store.ErrNotFound)
}
