package directory

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const highest = math.MaxUint64 - 1

// add is a FindOrAdd that is not refused.
func add(d *Directory[struct{}], index uint64) *Segment[struct{}] {
	return d.FindOrAdd(index, func(uint64) *Segment[struct{}] { return new(Segment[struct{}]) })
}

// at returns a segment with that index.
func at(index uint64) *Segment[struct{}] {
	seg := new(Segment[struct{}])
	seg.index.Store(index)
	return seg
}

// TestDirectory adds and removes segments at random, and compares with a map.
func TestDirectory(t *testing.T) {
	indexes := []uint64{0, 1, 2, 3, 1 << 10, 1 << 30, 1 << 53, 1<<53 + 1, highest - 1, highest}
	for i := range uint64(30) {
		indexes = append(indexes, 100+i, i<<40|7)
	}
	var d Directory[struct{}]
	want := make(map[uint64]*Segment[struct{}])
	rng := rand.New(rand.NewPCG(1, 1))
	for range 3000 {
		index := indexes[rng.IntN(len(indexes))]
		switch {
		case rng.IntN(2) == 0:
			seg := add(&d, index)
			require.Equal(t, index, seg.Index())
			if want[index] != nil {
				require.Same(t, want[index], seg)
			}
			want[index] = seg
		case want[index] != nil:
			d.Remove(want[index], nil)
			d.Remove(want[index], nil)
			delete(want, index)
		}
		require.Len(t, d.Segments(), len(want))
		require.Nil(t, d.Find(Max))
		for _, index := range indexes {
			require.Same(t, want[index], d.Find(index), "index %d", index)
		}
	}
	assert.LessOrEqual(t, len(d.table.Load().entries), 6*len(indexes))
	refused := d.FindOrAdd(1<<20, func(uint64) *Segment[struct{}] { return nil })
	assert.Nil(t, refused)
	assert.Nil(t, d.Find(1<<20))
}

// TestTableShrinks removes most of many segments: what is left needs no large table.
func TestTableShrinks(t *testing.T) {
	var d Directory[struct{}]
	for i := range uint64(10_000) {
		add(&d, i)
	}
	for i := range uint64(9_990) {
		d.Remove(d.Find(i), nil)
	}
	assert.Len(t, d.Segments(), 10)
	assert.LessOrEqual(t, len(d.table.Load().entries), 16*10)
	for i := uint64(9_990); i < 10_000; i++ {
		assert.NotNil(t, d.Find(i))
	}
}

// TestSearchesAreShort is about those indexes that a poor hash would send to few
// places.
func TestSearchesAreShort(t *testing.T) {
	const n = 1 << 13
	for name, index := range map[string]func(i uint64) uint64{
		"dense":                 func(i uint64) uint64 { return i },
		"dense, from far":       func(i uint64) uint64 { return 1<<53 + i },
		"16 machines":           func(i uint64) uint64 { return i%16<<38 | i/16 },
		"256 machines":          func(i uint64) uint64 { return i%256<<46 | i/256 },
		"multiples of 2^10":     func(i uint64) uint64 { return i << 10 },
		"multiples of 2^40":     func(i uint64) uint64 { return i << 40 },
		"multiples of a number": func(i uint64) uint64 { return i * 12_345_679 },
	} {
		tab := newTable(2*n, at(Max))
		for i := range uint64(n) {
			tab.add(at(index(i)), index(i))
		}
		steps := 0
		for i := range uint64(n) {
			for at := tab.home(index(i)); tab.entries[at%(2*n)].Load().Index() != index(i); at++ {
				steps++
			}
		}
		assert.Less(t, steps, 2*n, "%s: steps beyond the first, of %d searches", name, n)
	}
}

// TestFindWhileOthersChange looks for segments that stay, while others come and go
// among them, and tables with them.
func TestFindWhileOthersChange(t *testing.T) {
	var d Directory[struct{}]
	var stays [20]*Segment[struct{}]
	for i := range stays {
		stays[i] = add(&d, uint64(3*i))
	}
	var over atomic.Bool
	var changers, finders sync.WaitGroup
	for changer := range 2 {
		changers.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(changer)))
			var added []*Segment[struct{}]
			for range 3000 {
				if rng.IntN(60) > len(added) {
					index := 3*rng.Uint64N(1000) + 1 + uint64(changer)
					if d.Find(index) == nil {
						added = append(added, add(&d, index))
					}
				} else if len(added) > 0 {
					d.Remove(added[0], nil)
					added = added[1:]
				}
			}
		})
		finders.Go(func() {
			for !over.Load() && !t.Failed() {
				for i, seg := range stays {
					assert.Same(t, seg, d.Find(uint64(3*i)))
				}
				found := 0
				for _, seg := range d.Segments() {
					if seg.Index()%3 == 0 {
						found++
					}
				}
				assert.Equal(t, len(stays), found)
			}
		})
	}
	changers.Wait()
	over.Store(true)
	finders.Wait()
}

// TestNoSegmentIsMadeInVain has goroutines come to each new segment at the same
// time, and counts what they make.
func TestNoSegmentIsMadeInVain(t *testing.T) {
	const rivals, segments = 4, 1000
	var d Directory[struct{}]
	var came [segments]atomic.Int32
	var made atomic.Int32
	var wg sync.WaitGroup
	for range rivals {
		wg.Go(func() {
			for index := range came {
				came[index].Add(1)
				for came[index].Load() < rivals {
					runtime.Gosched()
				}
				d.FindOrAdd(uint64(index), func(uint64) *Segment[struct{}] {
					made.Add(1)
					return new(Segment[struct{}])
				})
			}
		})
	}
	wg.Wait()
	assert.Len(t, d.Segments(), segments)
	assert.EqualValues(t, segments, made.Load())
}

// Who keeps a segment that was removed, and sees it under its new index, finds it there.
func TestIndexIsSeenLast(t *testing.T) {
	const n = 20_000
	var d Directory[struct{}]
	seg := add(&d, 0)
	var removing atomic.Uint64 // segments below it may be gone
	var wg sync.WaitGroup
	wg.Go(func() {
		for index := uint64(1); index <= n; index++ {
			removing.Store(index)
			d.Remove(seg, nil)
			d.FindOrAdd(index, func(uint64) *Segment[struct{}] { return seg })
			for range index % 8 {
				runtime.Gosched()
			}
		}
	})
	for last := uint64(0); last < n; {
		index := seg.Index()
		if index == last || index == Max {
			runtime.Gosched()
			continue
		}
		last = index
		if d.Find(index) == nil && removing.Load() <= index {
			assert.Fail(t, "it is not found", "index %d", index)
			break
		}
	}
	wg.Wait()
}
