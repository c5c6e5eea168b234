package queue

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A Push and a Pop have two steps each. The tests of this file stop between them, where
// a goroutine that loses its processor does.

// every gives every ticket the ID ticket + 1.
var every = Range{Offset: 1, End: math.MaxInt64}

// beginPush takes a ticket and returns what publishes the item.
func (q *Queue[T]) beginPush(task T) (publish func()) {
	t := q.tail.Add(1) - 1
	s := q.ring.Load().of(t).slot(t)
	return func() {
		s.item = Item[T]{t + 1, task}
		s.turn.Store(t + 1)
	}
}

// beginPop takes the item at the front, which must be published, and returns what
// empties its slot.
func (q *Queue[T]) beginPop(mark *atomic.Uint64) (empty func()) {
	h := q.head.Add(1) - 1
	r := q.ring.Load().of(h)
	s := r.slot(h)
	return func() {
		s.item = Item[T]{}
		mark.Store(h + 1)
		s.turn.Store(h + r.size)
	}
}

// rings returns how many rings q has, and how many slots the newest has.
func (q *Queue[T]) rings() (n int, size uint64) {
	for r := q.ring.Load(); r != nil; r = r.older {
		n++
	}
	return n, q.ring.Load().size
}

// A Push needs no lock as long as the present ring has room, and fails then, with
// zeros and without a trace.
func TestPushFillsTheRing(t *testing.T) {
	for capacity, room := range map[int]int{1: 1, 2: 2, 3: 3, 15: 15, 16: 16, 17: 16, 1000: 16} {
		q := New[int](capacity)
		for lap := range 3 {
			for i := range room {
				id, ok := q.Push(every, i)
				require.True(t, ok, "capacity %d, with %d waiting", capacity, i)
				require.EqualValues(t, lap*room+i+1, id)
			}
			id, ok := q.Push(every, 0)
			require.False(t, ok, "capacity %d", capacity)
			assert.Zero(t, id)
			first, n := q.PushAll(every, []int{1, 2})
			require.Zero(t, n, "capacity %d", capacity)
			assert.Zero(t, first)
			for range room {
				_, ok := q.Pop(new(atomic.Uint64))
				require.True(t, ok)
			}
		}
		first, n := q.PushAll(every, make([]int, room+1))
		require.Equal(t, room, n, "capacity %d", capacity)
		assert.EqualValues(t, 3*room+1, first)
	}
}

// Tickets without an ID are not given out, however it is asked for them.
func TestPushWithoutIDs(t *testing.T) {
	q := New[int](100)
	three := Range{Offset: 7, End: 3}
	for want := range uint64(2) {
		id, ok := q.Push(three, 0)
		require.True(t, ok)
		require.Equal(t, want+7, id)
	}
	first, n := q.PushAll(three, []int{1, 2, 3, 4})
	assert.EqualValues(t, 9, first)
	assert.Equal(t, 1, n)
	for _, ids := range []Range{three, {Offset: 7, End: 2}, {}} {
		id, ok := q.Push(ids, 0)
		assert.False(t, ok, "%v", ids)
		assert.Zero(t, id)
		first, n := q.PushAll(ids, []int{1})
		assert.Zero(t, n, "%v", ids)
		assert.Zero(t, first)
		q.ShutTail(true)
		first, n = q.PushShut(ids, []int{1})
		assert.Zero(t, n, "%v", ids)
		assert.Zero(t, first)
		q.ShutTail(false)
	}
	assert.EqualValues(t, 3, q.Pushed())
}

// A shut tail refuses, and an open one refuses its owner, who must not be in anybody's
// way.
func TestPushNeedsItsTail(t *testing.T) {
	q := New[int](10)
	_, n := q.PushShut(every, []int{1})
	assert.Zero(t, n, "the tail is open")
	q.ShutTail(true)
	_, ok := q.Push(every, 1)
	assert.False(t, ok)
	_, n = q.PushAll(every, []int{1})
	assert.Zero(t, n)
	_, n = q.PushShut(every, []int{1})
	assert.Equal(t, 1, n)
	q.ShutTail(false)
	_, ok = q.Push(every, 1)
	assert.True(t, ok)
}

// Memory is taken as the queue fills: a ring is added when the present one is full, up
// to the capacity, and not for nothing.
func TestRingsGrowAsNeeded(t *testing.T) {
	for _, capacity := range []int{1, 2, 16, 17, 20, 32, 100, 128} {
		q := New[int](capacity)
		q.ShutTail(true)
		for waiting := range capacity {
			before, size := q.rings()
			full := uint64(waiting) == size
			first, n := q.PushShut(every, []int{waiting})
			require.Equal(t, 1, n, "capacity %d, with %d waiting", capacity, waiting)
			require.EqualValues(t, waiting+1, first)
			after, size := q.rings()
			require.Equal(t, full, after > before, "capacity %d, with %d waiting", capacity, waiting)
			require.Less(t, size, uint64(max(2*capacity, 3)), "capacity %d, with %d waiting", capacity, waiting)
		}
		before, _ := q.rings()
		for range 3 {
			_, n := q.PushShut(every, []int{1})
			require.Zero(t, n)
		}
		after, _ := q.rings()
		assert.Equal(t, before, after, "capacity %d: a full queue has all its memory", capacity)
	}
}

// What does not need room takes none.
func TestPushOfNothing(t *testing.T) {
	q := New[int](100)
	for range firstSize {
		_, ok := q.Push(every, 1)
		require.True(t, ok)
	}
	q.ShutTail(true)
	first, n := q.PushShut(every, nil)
	assert.Zero(t, n)
	assert.Zero(t, first)
	_, n = q.PushShut(Range{Offset: 1, End: firstSize}, []int{1})
	assert.Zero(t, n, "there is no ID")
	rings, _ := q.rings()
	assert.Equal(t, 1, rings)
}

// A ring has the least power of two of slots that is enough, but two at least.
func TestRingSize(t *testing.T) {
	for n, want := range map[uint64]int{1: 2, 2: 2, 3: 4, 4: 4, 5: 8, 15: 16, 16: 16, 17: 32} {
		r := newRing[int](0, n, nil)
		assert.EqualValues(t, want, r.size, "for %d", n)
		assert.Len(t, r.slots, want)
	}
}

// A Pop that meets a Push between its steps finds nothing, also not what is published
// behind it.
func TestPopMeetsPush(t *testing.T) {
	q := New[int](10)
	publish := q.beginPush(1)
	_, ok := q.Push(every, 2)
	require.True(t, ok)
	mark := new(atomic.Uint64)
	it, ok := q.Pop(mark)
	assert.False(t, ok)
	assert.Zero(t, it)
	assert.Zero(t, mark.Load())
	assert.False(t, q.IsReady())
	assert.Equal(t, 2, q.Len())
	publish()
	assert.True(t, q.IsReady())
	for want := 1; want <= 2; want++ {
		it, ok := q.Pop(mark)
		assert.True(t, ok)
		assert.Equal(t, Item[int]{uint64(want), want}, it)
	}
}

// A slot that is being emptied is not written to, though its item waits no more, and
// neither is what follows it in a batch.
func TestPushMeetsPop(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 16} {
		for late := range capacity {
			q := New[int](capacity)
			_, n := q.PushAll(every, make([]int, capacity))
			require.Equal(t, capacity, n)
			_, size := q.rings()
			mark := new(atomic.Uint64)
			var empty func()
			for i := range capacity {
				if i == late {
					empty = q.beginPop(mark)
					continue
				}
				_, ok := q.Pop(new(atomic.Uint64))
				require.True(t, ok)
			}
			require.Zero(t, q.Len())
			_, n = q.PushAll(every, make([]int, capacity))
			want := min(capacity, late+int(size)-capacity)
			assert.Equal(t, want, n, "capacity %d, slot %d", capacity, late)
			_, ok := q.Push(every, 1)
			assert.False(t, ok, "capacity %d, slot %d", capacity, late)
			if n < capacity {
				assert.False(t, q.IsFree(), "capacity %d, slot %d", capacity, late)
			}
			empty()
			_, ok = q.Push(every, 1)
			assert.Equal(t, n < capacity, ok, "capacity %d, slot %d", capacity, late)
		}
	}
}

// An owner that finds the next slot being emptied makes another ring, if it may.
func TestOwnerMeetsPop(t *testing.T) {
	q := New[int](100)
	_, n := q.PushAll(every, make([]int, firstSize))
	require.Equal(t, firstSize, n)
	empty := q.beginPop(new(atomic.Uint64))
	q.ShutTail(true)
	first, n := q.PushShut(every, []int{1, 2, 3})
	assert.Equal(t, 3, n)
	assert.EqualValues(t, firstSize+1, first)
	empty()
	for want := uint64(2); want <= firstSize+3; want++ {
		it, ok := q.Pop(new(atomic.Uint64))
		require.True(t, ok)
		require.Equal(t, want, it.ID)
	}
}

// An item waits until its Pop is over, and then is in the mark.
func TestIsWaitingMeetsPop(t *testing.T) {
	q := New[int](10)
	mark := new(atomic.Uint64)
	for range 3 {
		_, ok := q.Push(every, 1)
		require.True(t, ok)
	}
	for ticket := range uint64(3) {
		assert.True(t, q.IsWaiting(ticket))
		empty := q.beginPop(mark)
		assert.True(t, q.IsWaiting(ticket), "the item is in no mark yet")
		empty()
		assert.False(t, q.IsWaiting(ticket))
		assert.Equal(t, ticket+1, mark.Load())
	}
}

// What was dropped does not wait, published or not, in however many steps it went. Its
// task is forgotten at once, or by the Sweep after it was published; what is not
// dropped is kept.
func TestDropMeetsPush(t *testing.T) {
	q := New[*int](10)
	_, ok := q.Push(every, new(int))
	require.True(t, ok)
	publish := q.beginPush(new(int))
	for range 3 {
		_, ok := q.Push(every, new(int))
		require.True(t, ok)
	}
	q.ShutTail(true)
	q.ShutHead(true)
	for dropped := range uint64(4) {
		q.Drop(1)
		assert.EqualValues(t, 4-dropped, q.Len())
		for ticket := range uint64(5) {
			assert.Equal(t, ticket > dropped, q.IsWaiting(ticket), "ticket %d, with %d dropped", ticket, dropped+1)
		}
	}
	publish()
	assert.False(t, q.IsWaiting(1))
	q.Drop(1)
	assert.False(t, q.IsCleared(), "nobody has seen the task that was published late")
	q.Sweep()
	assert.True(t, q.IsCleared())
}

// Tasks that are dropped while they are being pushed are forgotten in the end, and
// until they are published nobody but the pusher touches them.
func TestDropRacesPush(t *testing.T) {
	for range 100 {
		q := New[*int](16)
		var wg sync.WaitGroup
		var owner sync.Mutex
		for range 3 {
			wg.Go(func() {
				for {
					if _, ok := q.Push(every, new(int)); !ok {
						return
					}
					owner.Lock()
					if q.tail.Load()&shut != 0 {
						q.Sweep()
					}
					owner.Unlock()
				}
			})
		}
		runtime.Gosched()
		owner.Lock()
		q.ShutTail(true)
		q.ShutHead(true)
		q.Drop(q.Len())
		owner.Unlock()
		wg.Wait()
		require.Zero(t, q.Len())
		require.True(t, q.IsCleared())
	}
}

// As long as there is room and the tail is open, no Push fails, whoever else pushes. What
// goes wrong is lost between two instructions, so two push as fast as they can until they
// have come between each other often enough. How long that takes is the machine's: two
// free processors need a round or two, two goroutines on one get nowhere in 40.
func TestPushNeverFailsWithRoom(t *testing.T) {
	const each, enough = 1 << 16, 5000
	rounds := 40
	if raceEnabled {
		rounds = 5
	}
	q := New[int](2 * each)
	q.ShutTail(true)
	for n, pushed := 0, 0; pushed < 2*each; pushed += n { // until the ring is as large as it will be
		_, n = q.PushShut(every, make([]int, 2*each-pushed))
	}
	q.ShutTail(false)
	var mark atomic.Uint64
	overtaken := 0
	for round := 0; round < rounds && overtaken < enough; round++ {
		for {
			if _, ok := q.Pop(&mark); !ok {
				break
			}
		}
		require.Zero(t, q.Len())
		var start, done sync.WaitGroup
		start.Add(1)
		done.Go(func() {
			start.Wait()
			last := q.Pushed()
			for i := range each {
				id, ok := q.Push(every, i)
				if !ok {
					t.Error("Push failed, and there is room")
					return
				}
				if id != last+1 {
					overtaken++
				}
				last = id
			}
		})
		done.Go(func() {
			start.Wait()
			for i := 0; i < each; {
				first, n := q.PushAll(every, make([]int, 2))
				if n == 0 {
					t.Error("PushAll failed, and there is room")
					return
				}
				if first == 0 {
					t.Error("PushAll gave no ID")
				}
				i += n
			}
		})
		start.Done()
		done.Wait()
		if t.Failed() {
			return
		}
	}
}

// An item is published when it is written, not before: one pops what another pushes as
// soon as it can. The ring is small, so that the two are on the same slots all the time.
func TestPopSeesWhatWasPushed(t *testing.T) {
	items := 1 << 18
	if raceEnabled {
		items = 1 << 12
	}
	q := New[int](8)
	var popped atomic.Bool
	var pusher sync.WaitGroup
	pusher.Go(func() {
		for i := 1; !popped.Load(); {
			_, ok := q.Push(every, i)
			if ok {
				i++
			}
			_, n := q.PushAll(every, []int{i, i + 1})
			i += n
			if !ok && n == 0 {
				runtime.Gosched()
			}
		}
	})
	var mark atomic.Uint64
	start := time.Now() // two goroutines with one processor take turns of milliseconds
	for i := 1; i <= items && time.Since(start) < time.Second; {
		it, ok := q.Pop(&mark)
		if !ok {
			runtime.Gosched()
			continue
		}
		if want := (Item[int]{uint64(i), i}); it != want {
			t.Errorf("popped %+v, want %+v", it, want)
			break
		}
		i++
	}
	popped.Store(true)
	pusher.Wait()
}

// As long as a published item waits at the front and the head is open, no Pop fails,
// whoever else pops.
func TestPopNeverFailsWithItems(t *testing.T) {
	const consumers, each = 4, 4
	for range 300 {
		q := New[int](consumers * each)
		_, n := q.PushAll(every, make([]int, consumers*each))
		require.Equal(t, consumers*each, n)
		var start, done sync.WaitGroup
		start.Add(1)
		for range consumers {
			done.Go(func() {
				mark := new(atomic.Uint64)
				start.Wait()
				for range each {
					if _, ok := q.Pop(mark); !ok {
						t.Error("Pop failed, and there are items")
					}
				}
			})
		}
		start.Done()
		done.Wait()
		if t.Failed() {
			return
		}
	}
}
