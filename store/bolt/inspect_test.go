package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/store"
)

// needsWritable skips a test where a file that stays mapped, as one does that bbolt has
// panicked on, cannot be written to.
func needsWritable(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: Windows does not let a file be written to that stays mapped")
	}
}

// TestInspect damages one thing in a sound file. Open refuses it, or does so with
// Options.Check only; whoever comes across the damage without Check has an error then.
func TestInspect(t *testing.T) {
	needsWritable(t)
	ctx := t.Context()
	e := binary.NativeEndian
	const (
		twice  = "it is in use twice, or in use and free"
		places = "is not where it should be"
		room   = "more than it has room for"
	)
	free := func(s *sound) []byte { return s.page(s.newest().free) }
	reserved := func(s *sound, at int) {
		buckets := s.page(s.newest().root)
		i := bytes.Index(buckets, reservedKey)
		require.Positive(s.t, i)
		buckets[i+at] ^= 1
	}
	circle := func(s *sound, i int) {
		top := s.top()
		e.PutUint64(s.page(top.id)[headerSize+elementSize*min(i, top.count-1)+8:], top.id)
	}
	// bucket returns the value of a bucket, or of the results': where they are.
	bucket := func(s *sound, i int) []byte {
		buckets, _ := s.tree(s.newest().root)
		begin, key, _ := buckets.place(i)
		return s.page(buckets.id)[begin+key:]
	}
	bucketSize := func(s *sound, n uint32) { e.PutUint32(s.page(s.newest().root)[headerSize+elementSize+12:], n) }
	leaves := func(s *sound, first int) {
		for i := first; i < s.top().count; i++ {
			s.page(s.leaf(i).id)[8] = 0xff
		}
	}
	// large has the first leaf of several pages say how many results it has.
	large := func(s *sound, n uint16) {
		i := 0
		for s.leaf(i).length == uint64(s.pageSize) {
			i++
		}
		e.PutUint16(s.page(s.leaf(i).id)[10:], n)
	}
	// isFree has the list of free pages name one that is in use.
	isFree := func(s *sound, id uint64) {
		list := free(s)
		n := int(e.Uint16(list[10:]))
		ids := make([]uint64, n)
		_, err := binary.Decode(list[headerSize:], e, ids)
		require.NoError(s.t, err)
		i, _ := slices.BinarySearch(ids, id)
		e.PutUint64(list[headerSize+8*min(i, n-1):], id)
	}
	inSnapshot := func(s *sound, st *Store[string]) {
		_, err := store.Snapshot(ctx, st)
		assert.ErrorContains(s.t, err, s.path+" is damaged")
	}
	first := newSound(t, true)
	before := first.data
	for name, test := range map[string]struct {
		damage  func(s *sound)
		says    string
		without func(s *sound, st *Store[string]) // nil: refused without Check, too
	}{
		// It is told of, does not keep anybody from the others, and can be deleted.
		"result": {func(s *sound) {
			leaf := s.leaf(4)
			begin, key, _ := leaf.place(5)
			s.page(leaf.id)[begin+key+7] ^= 1
		}, "codec: result ", func(s *sound, st *Store[string]) {
			bad, err := parseKey(s.leaf(4).key(5))
			require.NoError(s.t, err)
			says := fmt.Sprintf("bolt: %s: codec: result %d", s.path, bad)
			_, err = st.Get(ctx, bad)
			assert.ErrorContains(s.t, err, says)
			assert.NotErrorIs(s.t, err, store.ErrNotFound)
			for res, err := range st.All(ctx) {
				if res.ID == bad {
					assert.ErrorContains(s.t, err, says)
					assert.NoError(s.t, st.Delete(ctx, bad))
					continue
				}
				assert.NoError(s.t, err)
				assert.Equal(s.t, soundResult(res.ID), res)
			}
			held, err := store.Snapshot(ctx, st)
			assert.NoError(s.t, err)
			assert.Len(s.t, held, soundHeld-1)
		}},
		// What is not on it can be read, and written.
		"leaf": {func(s *sound) {
			s.page(s.leaf(4).id)[8] = 0xff
		}, "it says that it is page", func(s *sound, st *Store[string]) {
			bad := 0
			for id := store.ID(1); id <= soundLast; id++ {
				res, err := st.Get(ctx, id)
				switch {
				case err == nil:
					assert.Equal(s.t, soundResult(id), res)
				case isHeld(id):
					assert.ErrorContains(s.t, err, s.path+" is damaged")
					bad++
				}
			}
			assert.Greater(s.t, bad, 30)
			assert.Less(s.t, bad, 60)
			assert.NoError(s.t, st.Put(ctx, soundResult(soundLast+1)))
		}},
		// bbolt finds some of them no more, and a loop may go round for ever.
		"keys out of order": {func(s *sound) {
			leaf := s.leaf(4)
			begin, _, _ := leaf.place(20)
			s.page(leaf.id)[begin+6] ^= 1
		}, " comes after key ", inSnapshot},
		"key outside of its page": {func(s *sound) {
			leaf := s.leaf(4)
			begin, _, _ := leaf.place(leaf.count - 1)
			s.page(leaf.id)[begin] ^= 1
		}, "where the page ends", inSnapshot},
		"first key outside of its page": {func(s *sound) {
			leaf := s.leaf(4)
			begin, _, _ := leaf.place(0)
			s.page(leaf.id)[begin+7] = 0
		}, " comes before ", inSnapshot},
		"key of another length": {func(s *sound) {
			element := s.page(s.leaf(4).id)[headerSize+5*elementSize:]
			e.PutUint32(element[8:], 9)
			e.PutUint32(element[12:], e.Uint32(element[12:])-1) // the value
		}, "a key has 9 bytes, want 8", inSnapshot},
		"leaf: empty":         {func(s *sound) { e.PutUint16(s.page(s.leaf(4).id)[10:], 0) }, "without elements", inSnapshot},
		"leaf: longer":        {func(s *sound) { e.PutUint16(s.page(s.leaf(4).id)[10:], 0xFFFF) }, room, inSnapshot},
		"large leaf: empty":   {func(s *sound) { large(s, 0) }, "it ends at 16 of", inSnapshot},
		"large leaf: longer":  {func(s *sound) { large(s, 300) }, places, inSnapshot},
		"large leaf: longest": {func(s *sound) { large(s, 0xFFFF) }, room, inSnapshot},
		"most leaves":         {func(s *sound) { leaves(s, 1) }, "; and ", inSnapshot},
		"all leaves":          {func(s *sound) { leaves(s, 0) }, "can be read: no way leads to one", nil},
		"result that says it is a bucket": {func(s *sound) {
			s.page(s.leaf(4).id)[headerSize+elementSize*5] = bucketElement
		}, "has the wrong kind", inSnapshot},
		"branch that leads nowhere": {func(s *sound) {
			e.PutUint64(s.page(s.top().id)[headerSize+elementSize*4+8:], 1<<40)
		}, "there is none", nil},
		"branch that goes on beyond the end": {func(s *sound) { s.page(s.top().id)[14] = 1 }, "further pages, beyond the end", nil},
		"what is reserved": {func(s *sound) {
			reserved(s, len(reservedKey))
		}, "nobody knows which IDs have been reserved", func(s *sound, st *Store[string]) {
			_, err := st.ReserveIDs(ctx, 1)
			assert.ErrorContains(s.t, err, s.path+" is damaged: nobody knows")
		}},
		// It is not taken for one that is not there, or IDs would be given out again.
		"name of what is reserved": {func(s *sound) { reserved(s, 7) }, `is damaged: it has an unknown "reservee"`, nil},
		"page neither used nor free": {func(s *sound) {
			n := e.Uint16(free(s)[10:])
			require.Greater(s.t, n, uint16(3))
			e.PutUint16(free(s)[10:], n-1)
		}, "1 pages, page ", func(s *sound, st *Store[string]) {
			assert.NoError(s.t, st.Put(ctx, soundResult(7)), "it is no more than wasted")
		}},
		// It would be written to.
		"leaf used and free":   {func(s *sound) { isFree(s, s.leaf(10).id) }, twice, nil},
		"branch used and free": {func(s *sound) { isFree(s, s.top().id) }, twice, nil},
		"free pages: order":    {func(s *sound) { e.PutUint64(free(s)[headerSize+8:], 2) }, "page", nil},
		"free pages: beyond":   {func(s *sound) { e.PutUint64(free(s)[headerSize:], 1<<40) }, "page", nil},
		"free pages: count": {func(s *sound) { // 0xFFFF: it is in the first element
			e.PutUint16(free(s)[10:], 0xFFFF)
			e.PutUint64(free(s)[headerSize:], 1<<20)
		}, "does not take", nil},
		"free pages: pages": {func(s *sound) { free(s)[12] ^= 4 }, "page", nil},
		"free pages: id":    {func(s *sound) { free(s)[0] ^= 1 }, "page", nil},
		"free pages: kind":  {func(s *sound) { free(s)[8] = 0xff }, "is damaged", nil},
		// bbolt goes round until the stack overflows, which ends the process.
		"circle, first":  {func(s *sound) { circle(s, 0) }, twice, nil},
		"circle, middle": {func(s *sound) { circle(s, 10) }, twice, nil},
		"circle, last":   {func(s *sound) { circle(s, 99) }, twice, nil},
		"branch that says it has less": {func(s *sound) {
			top := s.top()
			e.PutUint16(s.page(top.id)[10:], uint16(top.count-1))
		}, places, nil},
		"bucket: shorter":   {func(s *sound) { bucketSize(s, 15) }, "a bucket of 15 bytes", nil},
		"bucket: longer":    {func(s *sound) { bucketSize(s, 24) }, "8 bytes too many", nil},
		"bucket: not there": {func(s *sound) { clear(bucket(s, 1)[:8]) }, "a bucket of 16 bytes", nil},
		"bucket: inside":    {func(s *sound) { bucket(s, 0)[24] ^= 1 }, "in it has changed", nil},
		"no bucket for results": {func(s *sound) {
			s.write()
			edit(s.t, s.path, func(tx *bbolt.Tx) error { return tx.DeleteBucket(resultsBucket) })
			s.data = readFile(s.t, s.path)
		}, "is damaged", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sound{t: t, path: newPath(t), data: bytes.Clone(before), pageSize: first.pageSize}
			test.damage(s)
			s.refused(true, test.says)
			if test.without != nil {
				st := s.opened(false)
				s.data = before
				test.without(s, st)
				return
			}
			s.refused(false, test.says)
			s.data = before
			_, err := store.Snapshot(ctx, s.opened(true)) // nothing keeps the file locked
			assert.NoError(t, err)
		})
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func TestCheckOfASoundFile(t *testing.T) {
	s := newSound(t, true)
	held, err := store.Snapshot(t.Context(), s.opened(true))
	assert.NoError(t, err)
	assert.Len(t, held, soundHeld)

	path := newPath(t)
	for range 2 { // the file is not there, and then it is, and has no results
		st, err := Open[int](path, &Options{Check: true})
		require.NoError(t, err)
		require.NoError(t, st.Close())
	}
}

// TestShorterLeaf: a leaf that says that it has fewer results than it has. Those that it
// hides are not taken for results that are not there, and no write loses them for good.
func TestShorterLeaf(t *testing.T) {
	ctx := t.Context()
	s := newSound(t, true)
	leaf := s.leaf(4)
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
	assert.ErrorContains(t, st.Put(ctx, soundResult((first+6)/7*7)), damaged)
	assert.ErrorContains(t, st.Delete(ctx, first), damaged)
	assert.ErrorContains(t, st.Delete(ctx, first-1), damaged, "it may be joined with the leaf beside it")
	_, err = store.Snapshot(ctx, st)
	assert.ErrorContains(t, err, damaged)
	assert.NoError(t, st.Put(ctx, soundResult(soundLast+1)), "what is elsewhere goes on")

	require.NoError(t, st.Close())
	s.data = readFile(t, s.path)
	binary.NativeEndian.PutUint16(s.page(leaf.id)[10:], uint16(leaf.count)) // as it was
	held, err := store.Snapshot(ctx, s.opened(true))
	assert.NoError(t, err)
	assert.Len(t, held, soundHeld+1)
}

// TestDamagedMeta: bbolt uses the older meta page if the newer one is damaged. After Close it
// says the same. If the process was killed, what was written last is gone, as Check says, but
// for IDs: those that were given out are not given out again.
func TestDamagedMeta(t *testing.T) {
	ctx := t.Context()
	for _, closed := range []bool{false, true} {
		path := newPath(t)
		st := openAt[string](t, path, &Options{NoSync: true})
		require.NoError(t, st.Put(ctx, soundResult(1<<40)))
		first, err := st.ReserveIDs(ctx, 100)
		require.NoError(t, err)
		if closed { // else the process is killed at once
			require.NoError(t, st.Put(ctx, soundResult(first)))
			require.NoError(t, st.Close())
		}
		for i := range uint64(2) {
			s := &sound{t: t, path: newPath(t), data: readFile(t, path), pageSize: st.file.pageSize}
			s.page(i)[headerSize+17] ^= 4
			s.refused(true, fmt.Sprintf("meta page %d has changed; if it was the newer one, what was written last is gone", i))

			st := s.opened(false)
			next, err := st.ReserveIDs(ctx, 1)
			assert.NoError(t, err)
			assert.Equal(t, first+100, next, "closed: %v, meta page %d", closed, i)
			for _, id := range []store.ID{1 << 40, first} {
				_, err = st.Get(ctx, id)
				assert.Equal(t, id == first && !closed, err != nil, "result %d, closed: %v, meta page %d: %v", id, closed, i, err)
			}
		}
	}
}

// TestCutWhileOpen has another program cut the file short while it is mapped, which is as
// if the disk could not be read any more: with no care taken, it ends the program.
func TestCutWhileOpen(t *testing.T) {
	needsWritable(t)
	ctx := t.Context()
	s := newSound(t, true)
	for _, pages := range []int64{4, 2, 1, 0} {
		st := s.opened(false)
		require.NoError(t, os.Truncate(s.path, pages*int64(s.pageSize)))

		damaged := s.path + " is damaged, or cannot be read"
		_, err := st.Get(ctx, soundLast)
		assert.ErrorContains(t, err, damaged)
		assert.NotErrorIs(t, err, store.ErrNotFound)
		_, err = store.Snapshot(ctx, st)
		assert.ErrorContains(t, err, damaged)
		assert.ErrorContains(t, st.Put(ctx, soundResult(2000)), damaged)
		require.NoError(t, st.Close())
	}
}
