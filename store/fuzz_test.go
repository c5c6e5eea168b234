package store_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

// FuzzStores reads calls from bytes and compares what each of the stores of this
// module does with what a plain map does. A call is four bytes: what, and an ID or a
// range of IDs, of which many are at the ends of dense's segments or near the numbers
// at which a smaller counter turns over. (xsync #24, #63, #66, #111: lost updates, and keys twice, while a map grows)
func FuzzStores(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 9})
	f.Add([]byte{5, 0, 0, 255, 6, 0, 0, 255, 0, 0, 7, 0, 3, 0, 1, 9, 2, 0, 7, 0, 7, 3, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 160 {
			return
		}
		for _, st := range []interface {
			store.ResultStore[int]
			store.IDReserver
		}{dense.New[int](), rwmutex.New[int](), syncmap.New[int](), xsync.New[int]()} {
			m := &mapped{t: t, st: st, reserver: st, held: make(map[store.ID]store.Result[int])}
			for calls := data; len(calls) >= 4; calls = calls[4:] {
				m.call(calls[0], id(calls[1], calls[2]), int(calls[3]))
			}
			m.sweep(func(store.ID) {})
		}
	})
}

// id returns the ID that two bytes stand for, never 0.
func id(where, offset byte) store.ID {
	bases := []store.ID{
		1, 1<<10 - 2, 1<<11 - 128, 1<<12 - 2, 1<<31 - 2, 1<<32 - 2, 1<<40 - 2, 1<<62 - 2, 1<<63 - 2,
		math.MaxUint64 - 1<<10 - 1, math.MaxUint64 - 127, math.MaxUint64,
	}
	return max(1, bases[int(where)%len(bases)]+store.ID(offset))
}

// mapped is a store and what it has to hold.
type mapped struct {
	t        *testing.T
	st       store.ResultStore[int]
	reserver store.IDReserver
	held     map[store.ID]store.Result[int]
	value    int    // of the last Put: each has its own
	reserved uint64 // the highest ID that was reserved
}

var errOdd = errors.New("odd")

func (m *mapped) call(what byte, id store.ID, arg int) {
	switch what % 9 {
	case 0, 1:
		m.put(id)
	case 2:
		m.get(id)
	case 3:
		m.delete(id)
	case 4:
		m.loop(id, arg)
	case 5: // up to two segments of dense
		for i := range store.ID(8 * arg) {
			m.put(max(1, id+i))
		}
	case 6:
		for i := range store.ID(8 * arg) {
			m.delete(max(1, id+i))
		}
	case 7:
		m.reserve(uint64(id), arg)
	case 8:
		m.sweep(func(id store.ID) { m.get(id) })
	}
}

func (m *mapped) put(id store.ID) {
	m.value++
	res := store.Result[int]{ID: id, Value: m.value}
	if m.value%3 == 0 {
		res.Err = errOdd
	}
	err := m.st.Put(context.Background(), res)
	if _, held := m.held[id]; held {
		if !errors.Is(err, store.ErrExists) {
			m.t.Fatalf("%T: Put of ID %d, which is held, returned %v", m.st, id, err)
		}
		return
	}
	if err != nil {
		m.t.Fatalf("%T: Put of ID %d: %v", m.st, id, err)
	}
	m.held[id] = res
}

func (m *mapped) get(id store.ID) {
	got, err := m.st.Get(context.Background(), id)
	want, held := m.held[id]
	if !held && !errors.Is(err, store.ErrNotFound) || held && (err != nil || got != want) {
		m.t.Fatalf("%T: Get of ID %d returned %+v, %v, want %+v", m.st, id, got, err, want)
	}
}

func (m *mapped) delete(id store.ID) {
	if err := m.st.Delete(context.Background(), id); err != nil {
		m.t.Fatalf("%T: Delete of ID %d: %v", m.st, id, err)
	}
	delete(m.held, id)
}

// loop loops over All and changes the store meanwhile: it deletes each or each other
// result as it comes, puts some again, deletes one from ahead, or leaves early. What
// is held all the time comes once, and nothing twice that was not put twice.
func (m *mapped) loop(id store.ID, arg int) {
	stays, again := maps.Clone(m.held), make(map[store.ID]bool)
	left := false
	seen := make(map[store.ID]bool)
	for res, err := range m.st.All(context.Background()) {
		require.NoError(m.t, err)
		if seen[res.ID] && !again[res.ID] {
			m.t.Fatalf("%T: All yields ID %d twice", m.st, res.ID)
		}
		if want, held := m.held[res.ID]; held && stays[res.ID] == want && res != want {
			m.t.Fatalf("%T: All yields %+v, want %+v", m.st, res, want)
		}
		seen[res.ID] = true
		change := func(id store.ID) {
			m.delete(id)
			delete(stays, id)
		}
		switch n := len(seen); {
		case arg&1 != 0 && n%2 == 0:
			change(res.ID)
		case arg&2 != 0 && n%3 == 0:
			change(res.ID)
			m.put(res.ID)
			again[res.ID] = true
		case arg&4 != 0 && n == 2:
			change(id)
		case arg&8 != 0 && n == 3:
			m.put(id)
			again[id] = true
		case arg&16 != 0 && n == 1:
			m.sweep(func(id store.ID) { m.get(id) })
		}
		if n := arg >> 5; n > 0 && len(seen) == n {
			left = true
			break
		}
	}
	for id := range stays {
		if !seen[id] && !left {
			m.t.Fatalf("%T: All does not yield ID %d, which is held all the time", m.st, id)
		}
	}
}

// reserve reserves IDs, often very many. What is reserved is above what was before,
// and when too few are left, none is.
func (m *mapped) reserve(n uint64, arg int) {
	if arg%4 != 0 {
		n = uint64(arg)
	}
	first, err := m.reserver.ReserveIDs(context.Background(), n)
	if left := math.MaxUint64 - m.reserved; n > left {
		if err == nil {
			m.t.Fatalf("%T: ReserveIDs(%d) with %d left returned %d", m.st, n, left, first)
		}
		return
	}
	if err != nil || uint64(first) != m.reserved+1 {
		m.t.Fatalf("%T: ReserveIDs(%d) returned %d, %v, want %d", m.st, n, first, err, m.reserved+1)
	}
	m.reserved += n
}

// sweep compares all that is held.
func (m *mapped) sweep(each func(store.ID)) {
	got := make(map[store.ID]store.Result[int])
	for res, err := range m.st.All(context.Background()) {
		require.NoError(m.t, err)
		if _, twice := got[res.ID]; twice {
			m.t.Fatalf("%T: All yields ID %d twice", m.st, res.ID)
		}
		got[res.ID] = res
		each(res.ID)
	}
	if !maps.Equal(got, m.held) {
		m.t.Fatalf("%T holds %v, want %v", m.st, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(m.held)))
	}
}
