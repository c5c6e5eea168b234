package bolt

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/store"
)

func newPath(tb testing.TB) string { return filepath.Join(tb.TempDir(), "results.db") }

// openAt opens a store that is closed when the test ends.
func openAt[R any](tb testing.TB, path string, opts *Options) *Store[R] {
	tb.Helper()
	st, err := Open[R](path, opts)
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, st.Close()) })
	return st
}

func openInts(tb testing.TB) *Store[int] { return openAt[int](tb, newPath(tb), nil) }

func one(id store.ID) store.Result[int] { return store.Result[int]{ID: id, Value: int(id)} }

// ones returns n results from an ID on.
func ones(first, n store.ID) (batch []store.Result[int]) {
	for id := range n {
		batch = append(batch, one(first+id))
	}
	return batch
}

// assertHeld compares all that a store holds.
func assertHeld(t *testing.T, st store.ResultStore[int], want ...store.Result[int]) {
	t.Helper()
	held, err := store.Snapshot(t.Context(), st)
	assert.NoError(t, err)
	assert.Len(t, held, len(want))
	for _, res := range want {
		assert.Equal(t, res, held[res.ID])
	}
}

// edit changes a database as another program would.
func edit(t *testing.T, path string, f func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true}) // which ours would write
	require.NoError(t, err)
	require.NoError(t, db.Update(f))
	require.NoError(t, db.Close())
}

// A sound is a file that is in order, to be damaged: with branches, leaves of one page and
// of several, and free pages.
type sound struct {
	t        *testing.T
	path     string
	data     []byte
	pageSize int
}

// The IDs up to soundReserved have been handed out. The results from soundBatch to soundLast
// were put last, in one batch.
const (
	soundBatch    = 401
	soundLast     = 430
	soundReserved = 65_536 + 30
	soundHeld     = soundLast - soundLast/7
)

func isHeld(id store.ID) bool { return id >= 1 && id <= soundLast && id%7 != 0 }

// soundResult is longer than a page for some.
func soundResult(id store.ID) store.Result[string] {
	text := fmt.Sprintf("the value of result %d, to be read", id)
	if id%50 == 0 {
		text = strings.Repeat(text, 300)
	}
	return store.Result[string]{ID: id, Value: text}
}

// newSound makes a file that was closed, or one that a killed process leaves.
func newSound(t *testing.T, closed bool) *sound {
	t.Helper()
	ctx := t.Context()
	s := &sound{t: t, path: newPath(t)}
	st, err := Open[string](s.path, &Options{NoSync: true})
	require.NoError(t, err)
	s.pageSize = st.file.pageSize
	first, err := st.ReserveIDs(ctx, 65_536)
	require.NoError(t, err)
	require.Equal(t, store.ID(1), first)
	for id := store.ID(1); id < soundBatch; id++ {
		require.NoError(t, st.Put(ctx, soundResult(id)))
	}
	for id := store.ID(7); id < soundBatch; id += 7 {
		require.NoError(t, st.Delete(ctx, id))
	}
	_, err = st.ReserveIDs(ctx, 30)
	require.NoError(t, err)
	var last []store.Result[string]
	for id := store.ID(soundBatch); id <= soundLast; id++ {
		if isHeld(id) {
			last = append(last, soundResult(id))
		}
	}
	require.NoError(t, st.PutBatch(ctx, last))
	if closed {
		require.NoError(t, st.Close())
	}
	s.data, err = os.ReadFile(s.path)
	require.NoError(t, err)
	if !closed {
		require.NoError(t, st.Close())
	}
	return s
}

// write writes the file as it is to be now.
func (s *sound) write() { require.NoError(s.t, os.WriteFile(s.path, s.data, 0o600)) }

// opened opens what can be used.
func (s *sound) opened(check bool) *Store[string] {
	s.t.Helper()
	s.write()
	return openAt[string](s.t, s.path, &Options{NoSync: true, Check: check})
}

func (s *sound) refused(check bool, want string) {
	s.t.Helper()
	s.write()
	refuses[string](s.t, s.path, &Options{NoSync: true, Check: check}, want)
}

// page returns the bytes of a page, to be changed.
func (s *sound) page(id uint64) []byte { return s.data[int(id)*s.pageSize:][:s.pageSize] }

// newest returns the meta page that counts.
func (s *sound) newest() meta {
	in := &inspection{pageReader: pageReader{file: strings.NewReader(string(s.data)), size: int64(s.pageSize)}}
	m, err := in.newest()
	require.NoError(s.t, err)
	return m
}

func (s *sound) tree(id uint64) (page, pageReader) {
	r := pageReader{file: strings.NewReader(string(s.data)), size: int64(s.pageSize), end: s.newest().end}
	p, err := r.tree(id)
	require.NoError(s.t, err)
	return p, r
}

// top returns the branch at the top of the results, and leaf a leaf below it.
func (s *sound) top() page {
	buckets, r := s.tree(s.newest().root)
	value, err := r.value(buckets, 1)
	require.NoError(s.t, err)
	p, _ := s.tree(binary.NativeEndian.Uint64(value))
	require.False(s.t, p.isLeaf())
	return p
}

func (s *sound) leaf(i int) page {
	p, _ := s.tree(s.top().child(i))
	require.True(s.t, p.isLeaf())
	return p
}

// childEnv has the name of a program among these, which tests start beside themselves.
const childEnv = "RESULTPOOL_BOLT_CHILD"

var children = map[string]func(args []string){"writer": runWriter, "holder": runHolder, "large": runLarge}

func TestMain(m *testing.M) {
	if run := children[os.Getenv(childEnv)]; run != nil {
		run(os.Args[1:])
		return
	}
	os.Exit(m.Run())
}

func child(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

// must is for children, which have no test.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
