package bolt

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// A sound is a file that is in order, to be damaged.
type sound struct {
	t        *testing.T
	path     string
	data     []byte
	pageSize int
}

const soundLast = 2000 // the IDs from 1 on, but for multiples of 10

// newSound makes one with branches, leaves, one of them of several pages, and free pages.
func newSound(t *testing.T) *sound {
	ctx := t.Context()
	s := &sound{t: t, path: filepath.Join(t.TempDir(), "results.db")}
	st, err := Open[string](s.path, &Options{NoSync: true})
	require.NoError(t, err)
	for first := store.ID(1); first <= soundLast; first += 100 {
		var batch []store.Result[string]
		for id := first; id < first+100; id++ {
			batch = append(batch, store.Result[string]{ID: id, Value: soundValue(id)})
		}
		require.NoError(t, st.PutBatch(ctx, batch))
	}
	for id := store.ID(10); id <= soundLast; id += 10 {
		require.NoError(t, st.Delete(ctx, id))
	}
	_, err = st.ReserveIDs(ctx, 5000)
	require.NoError(t, err)
	s.pageSize = st.file.pageSize
	require.NoError(t, st.Close())
	s.data, err = os.ReadFile(s.path)
	require.NoError(t, err)
	return s
}

func soundValue(id store.ID) string {
	if id == 777 {
		return strings.Repeat("long", 5000)
	}
	return strings.Repeat("text", 10)
}

// newest returns the meta page that counts.
func (s *sound) newest() meta {
	in := &inspection{pageReader: pageReader{file: strings.NewReader(string(s.data)), size: int64(s.pageSize)}}
	m, err := in.newest()
	require.NoError(s.t, err)
	return m
}

// page returns the bytes of a page, to be changed.
func (s *sound) page(id uint64) []byte { return s.data[int(id)*s.pageSize:][:s.pageSize] }

func (s *sound) reader() pageReader {
	return pageReader{file: strings.NewReader(string(s.data)), size: int64(s.pageSize), end: s.newest().end}
}

// results returns the branch at the top of the results.
func (s *sound) results() page {
	buckets, err := s.reader().tree(s.newest().root)
	require.NoError(s.t, err)
	value, err := s.reader().value(buckets, 1)
	require.NoError(s.t, err)
	p, err := s.reader().tree(binary.NativeEndian.Uint64(value))
	require.NoError(s.t, err)
	require.False(s.t, p.isLeaf())
	return p
}

// open opens the file as it is now.
func (s *sound) open(check bool) (*Store[string], error) {
	require.NoError(s.t, os.WriteFile(s.path, s.data, 0o600))
	return Open[string](s.path, &Options{NoSync: true, Check: check})
}

// refused opens what cannot be used, and wants an error that says why.
func (s *sound) refused(check bool, want string) {
	s.t.Helper()
	st, err := s.open(check)
	if !assert.ErrorContains(s.t, err, "bolt: "+s.path+" is damaged, and is left as it is: ") {
		assert.NoError(s.t, st.Close())
	}
	assert.ErrorContains(s.t, err, want)
	data, err := os.ReadFile(s.path)
	require.NoError(s.t, err)
	assert.Equal(s.t, s.data, data)
}

// opened opens what can be used.
func (s *sound) opened(check bool) *Store[string] {
	s.t.Helper()
	st, err := s.open(check)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { assert.NoError(s.t, st.Close()) })
	return st
}

func TestCheckOfASoundFile(t *testing.T) {
	s := newSound(t)
	held, err := store.Snapshot(t.Context(), s.opened(true))
	assert.NoError(t, err)
	assert.Len(t, held, soundLast*9/10)
}

// TestCheckNewFile: a file that is not there, or empty, is made with Check as without.
func TestCheckNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	for range 2 { // the second time it is there, and has no results
		st, err := Open[int](path, &Options{Check: true})
		require.NoError(t, err)
		require.NoError(t, st.Close())
	}
}

// TestCheckResult: Check finds what else is found when it is read.
func TestCheckResult(t *testing.T) {
	s := newSound(t)
	leaf, err := s.reader().tree(s.results().child(3))
	require.NoError(t, err)
	begin, key, _ := leaf.place(5)
	s.page(leaf.id)[begin+key+7] ^= 1
	id, err := parseKey(leaf.key(5))
	require.NoError(t, err)

	s.refused(true, "codec: result "+strconv.FormatUint(uint64(id), 10))
	_, err = s.opened(false).Get(t.Context(), id)
	assert.ErrorContains(t, err, s.path)
}

// TestCheckReserved: nobody knows which IDs have been given out.
func TestCheckReserved(t *testing.T) {
	s := newSound(t)
	buckets := s.page(s.newest().root)
	at := strings.Index(string(buckets), string(reservedKey))
	require.Positive(t, at)
	buckets[at+len(reservedKey)] ^= 1
	s.refused(true, "nobody knows which IDs have been reserved")
	_, err := s.opened(false).ReserveIDs(t.Context(), 1)
	assert.ErrorContains(t, err, "nobody knows")
}

// TestUnknownReserved: the name of the entry has changed. It is not taken for one that is
// not there, or IDs would be given out again.
func TestUnknownReserved(t *testing.T) {
	s := newSound(t)
	buckets := s.page(s.newest().root)
	at := strings.Index(string(buckets), string(reservedKey))
	require.Positive(t, at)
	buckets[at+7] ^= 1
	_, err := s.open(false)
	assert.ErrorContains(t, err, s.path+` is damaged: it has an unknown "reservee"`)
}

// TestCheckLeftOut: a page that is in use and free to no one was lost, with what was in it.
func TestCheckLeftOut(t *testing.T) {
	s := newSound(t)
	free := s.page(s.newest().free)
	n := binary.NativeEndian.Uint16(free[10:])
	require.Greater(t, n, uint16(3))
	binary.NativeEndian.PutUint16(free[10:], n-1)
	s.refused(true, "1 pages, page ")
	assert.NoError(t, s.opened(false).Put(t.Context(), store.Result[string]{ID: 10}), "it is no more than wasted")
}

// TestListedFree: a page with results that is said to be free would be written to.
func TestListedFree(t *testing.T) {
	s := newSound(t)
	free := s.page(s.newest().free)
	leaf := s.results().child(4)
	n := int(binary.NativeEndian.Uint16(free[10:]))
	for i := range n { // in its place in the list
		at := free[headerSize+8*i:]
		next := uint64(1 << 63)
		if i+1 < n {
			next = binary.NativeEndian.Uint64(at[8:])
		}
		if next > leaf {
			binary.NativeEndian.PutUint64(at, leaf)
			break
		}
	}
	s.refused(false, "it is in use twice, or in use and free")
}

func TestListOfFreePages(t *testing.T) {
	for name, change := range map[string]func([]byte){
		"order":  func(free []byte) { binary.NativeEndian.PutUint64(free[headerSize+8:], 2) },
		"beyond": func(free []byte) { binary.NativeEndian.PutUint64(free[headerSize:], 1<<40) },
		"count":  func(free []byte) { binary.NativeEndian.PutUint16(free[10:], 0xFFFF) },
		"pages":  func(free []byte) { free[12] ^= 4 },
		"id":     func(free []byte) { free[0] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSound(t)
			change(s.page(s.newest().free))
			s.refused(false, "page")
		})
	}
}

// TestCircle: a branch that leads to itself. bbolt goes round until the stack overflows,
// which ends the process.
func TestCircle(t *testing.T) {
	for _, part := range []int{0, 1, 2} {
		s := newSound(t)
		top := s.results()
		i := (top.count - 1) * part / 2
		binary.NativeEndian.PutUint64(s.page(top.id)[headerSize+elementSize*i+8:], top.id)
		s.refused(false, "it is in use twice, or in use and free")
	}
}

// TestLeafLost: a branch that says that it has less.
func TestLeafLost(t *testing.T) {
	s := newSound(t)
	top := s.results()
	binary.NativeEndian.PutUint16(s.page(top.id)[10:], uint16(top.count-1))
	s.refused(false, "is not where it should be")
}

// TestShorterLeaf: a leaf that says that it has fewer results than it has. Those that it
// hides are not taken for results that are not there, and no write loses them for good.
func TestShorterLeaf(t *testing.T) {
	ctx := t.Context()
	s := newSound(t)
	leaf, err := s.reader().tree(s.results().child(3))
	require.NoError(t, err)
	first, err := parseKey(leaf.key(0))
	require.NoError(t, err)
	last, err := parseKey(leaf.key(leaf.count - 1))
	require.NoError(t, err)
	binary.NativeEndian.PutUint16(s.page(leaf.id)[10:], uint16(leaf.count-2))
	s.refused(true, "is not where it should be")

	st := s.opened(false)
	damaged := "bolt: " + s.path + " is damaged: page "
	_, err = st.Get(ctx, last)
	assert.ErrorContains(t, err, damaged)
	assert.NotErrorIs(t, err, store.ErrNotFound)
	assert.ErrorContains(t, st.Put(ctx, store.Result[string]{ID: (first + 9) / 10 * 10}), damaged)
	assert.ErrorContains(t, st.Delete(ctx, first), damaged)
	assert.ErrorContains(t, st.Delete(ctx, first-1), damaged, "it may be joined with the leaf beside it")
	_, err = store.Snapshot(ctx, st)
	assert.ErrorContains(t, err, damaged)
	assert.NoError(t, st.Put(ctx, store.Result[string]{ID: soundLast + 1}), "what is elsewhere goes on")

	st2, err := func() (*Store[string], error) {
		require.NoError(t, st.Close())
		s.data, err = os.ReadFile(s.path)
		require.NoError(t, err)
		binary.NativeEndian.PutUint16(s.page(leaf.id)[10:], uint16(leaf.count)) // as it was
		return s.open(true)
	}()
	require.NoError(t, err)
	held, err := store.Snapshot(ctx, st2)
	assert.NoError(t, err)
	assert.Len(t, held, soundLast*9/10+1)
	assert.NoError(t, st2.Close())
}

// TestDamagedMeta: bbolt uses the older meta page if the newer one is damaged. After Close it
// says the same. If the process was killed, what was written last is gone, as Check says, but
// for IDs: those that were given out are not given out again.
func TestDamagedMeta(t *testing.T) {
	ctx := t.Context()
	for _, killed := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "results.db")
		st, err := Open[string](path, &Options{NoSync: true})
		require.NoError(t, err)
		require.NoError(t, st.Put(ctx, store.Result[string]{ID: 1 << 40}))
		first, err := st.ReserveIDs(ctx, 100)
		require.NoError(t, err)
		if !killed {
			require.NoError(t, st.Put(ctx, store.Result[string]{ID: first}))
			require.NoError(t, st.Close())
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		if killed {
			require.NoError(t, st.Close())
		}
		for i := range 2 {
			s := &sound{t: t, path: filepath.Join(t.TempDir(), "damaged.db"), data: append([]byte(nil), data...), pageSize: st.file.pageSize}
			s.page(uint64(i))[headerSize+17] ^= 4
			s.refused(true, "meta page "+string(rune('0'+i))+" has changed; if it was the newer one, what was written last is gone")

			again := s.opened(false)
			next, err := again.ReserveIDs(ctx, 1)
			assert.NoError(t, err)
			assert.Equal(t, first+100, next, "killed: %v, meta page %d", killed, i)
			_, err = again.Get(ctx, 1<<40)
			assert.NoError(t, err)
			if !killed {
				_, err = again.Get(ctx, first)
				assert.NoError(t, err, "meta page %d", i)
			}
		}
	}
}

// TestCloseOfALostFile has somebody remove the file, or put another in its place, while it
// is open: all that is written then is lost with it.
func TestCloseOfALostFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: Windows does not let a file be removed or replaced that is open")
	}
	for name, lose := range map[string]func(path string) error{
		"removed": os.Remove,
		"renamed": func(path string) error { return os.Rename(path, path+".old") },
		"replaced": func(path string) error {
			if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			st, err := Open[int]("results.db", nil)
			require.NoError(t, err)
			require.NoError(t, lose("results.db"))
			assert.NoError(t, st.Put(t.Context(), one(1)))
			err = st.Close()
			assert.ErrorContains(t, err, "bolt: results.db ")
			assert.ErrorContains(t, err, "removed")
			assert.NoError(t, st.Close(), "again")
		})
	}
}

// TestCloseElsewhere: the program has changed its working directory.
func TestCloseElsewhere(t *testing.T) {
	t.Chdir(t.TempDir())
	st, err := Open[int]("results.db", nil)
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	assert.NoError(t, st.Close())
}
