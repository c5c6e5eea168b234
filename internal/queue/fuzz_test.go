package queue_test

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

// FuzzQueue reads calls from bytes and compares what a queue does with what a slice
// does. The first byte is the capacity, the second chooses the first ticket and the
// IDs; then come pairs of a call and its argument.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{3, 0, 0, 0, 2, 9, 3, 0, 3, 0, 4, 1, 2, 7, 7, 0, 8, 1, 9, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= 2 && len(data) <= 600 {
			playCalls(t, data)
		}
	})
}

// A queue does what a slice does, whatever the order of the calls, wherever in a
// ring it stands, and while it grows.
func TestQueueAgainstSlice(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	for range 100 {
		data := make([]byte, 600)
		_, _ = random.Read(data)
		if playCalls(t, data); t.Failed() {
			return
		}
	}
}

func playCalls(t *testing.T, data []byte) {
	m := newModel(t, int(data[0]), data[1])
	for calls := data[2:]; len(calls) >= 2; calls = calls[2:] {
		m.call(calls[0], int(calls[1]))
		m.check()
	}
	m.end()
}

// A model is a queue and what is known of it. It knows how large the ring is, and so
// which Push must succeed.
type model struct {
	t   *testing.T
	q   *queue.Queue[*uint64]
	ids queue.Range

	capacity, size int
	waiting        []*uint64 // each points to its ticket
	start, base    uint64    // the first ticket, and that of the present ring
	pushed, popped uint64    // tickets
	tailShut       bool
	headShut       bool
	ended          bool // both ends are shut for good
	dropped        uint64
}

func newModel(t *testing.T, capacity int, choice byte) *model {
	starts := append([]uint64{0, 1, 17}, boundaries...)
	offsets := []uint64{1, 0, 1 << 31, 1 << 32, math.MaxUint64 - math.MaxInt64}
	m := &model{t: t, capacity: 1 + capacity, start: starts[int(choice)%len(starts)]}
	m.q = queue.NewAt[*uint64](m.capacity, m.start)
	m.ids = queue.Range{Offset: offsets[int(choice)/len(starts)%len(offsets)], End: math.MaxInt64}
	m.size = ringSize(min(m.capacity, 16))
	m.base, m.pushed, m.popped = m.start, m.start, m.start
	return m
}

// ringSize is the power of two that holds n, but two at least.
func ringSize(n int) int { return 1 << max(1, bits.Len(uint(n-1))) }

// room returns for how many more there is room without growing.
func (m *model) room() int { return min(m.size, m.capacity) - len(m.waiting) }

// tasks returns n tasks with the tickets to come.
func (m *model) tasks(n int) []*uint64 {
	tasks := make([]*uint64, n)
	for i := range tasks {
		ticket := m.pushed + uint64(i)
		tasks[i] = &ticket
	}
	return tasks
}

func (m *model) accept(first uint64, tasks []*uint64) {
	want := m.pushed + m.ids.Offset
	if len(tasks) == 0 {
		want = 0
	}
	require.Equal(m.t, want, first)
	m.waiting = append(m.waiting, tasks...)
	m.pushed += uint64(len(tasks))
}

func (m *model) call(what byte, arg int) {
	t, q := m.t, m.q
	ids := m.ids
	switch what % 10 {
	case 0, 1:
		if arg > 200 { // no IDs are left for the next ticket
			ids.End = m.pushed - min(m.pushed, uint64(arg-201))
		}
		tasks := m.tasks(1)
		id, ok := q.Push(ids, tasks[0])
		require.Equal(t, !m.tailShut && m.room() > 0 && m.pushed < ids.End, ok, "Push")
		if !ok {
			tasks = nil
		}
		m.accept(id, tasks)
	case 2:
		m.pushAll(arg)
	case 3, 4:
		m.pop()
	case 5:
		if !m.ended {
			m.tailShut = arg%2 == 1
			q.ShutTail(m.tailShut)
		}
	case 6:
		if !m.ended {
			m.headShut = arg%2 == 1
			q.ShutHead(m.headShut)
		}
	case 7:
		if m.tailShut {
			n := 1 + arg
			require.Equal(t, max(m.pushed+uint64(n), uint64(m.capacity))-uint64(m.capacity), q.RoomAfter(n))
			if !m.ended {
				require.Equal(t, len(m.waiting) < m.size || m.pushed < m.base+uint64(m.size), q.IsFree())
			}
		}
	case 8:
		for range arg { // many laps
			m.pop()
			m.call(0, 0)
		}
	case 9:
		if arg >= 16 && !m.ended {
			return // seldom: it is the end
		}
		m.drop(arg % 16)
	}
}

func (m *model) pushAll(arg int) {
	ids, tasks := m.ids, m.tasks(arg)
	switch arg % 8 {
	case 5: // no IDs are left
		ids.End = m.pushed
	case 6: // no tasks
		tasks = nil
	case 7: // fewer IDs than tasks
		ids.End = m.pushed + uint64(arg/2)
	}
	want := 0
	if m.pushed < ids.End {
		want = int(min(uint64(len(tasks)), ids.End-m.pushed))
	}
	if !m.tailShut {
		if m.room() > 0 { // else it may make room
			_, n := m.q.PushShut(ids, tasks)
			require.Zero(m.t, n, "PushShut with an open tail")
		}
		first, n := m.q.PushAll(ids, tasks)
		require.Equal(m.t, min(want, m.room()), n, "PushAll")
		m.accept(first, tasks[:n])
		return
	}
	if m.ended {
		return // the owner pushes no more
	}
	first, n := m.q.PushAll(ids, tasks)
	require.Zero(m.t, n, "PushAll with the tail shut")
	require.Zero(m.t, first)
	if m.room() == 0 && want > 0 && m.size < m.capacity {
		m.size, m.base = ringSize(min(2*m.size, m.capacity)), m.pushed
	}
	first, n = m.q.PushShut(ids, tasks)
	require.Equal(m.t, min(want, m.room()), n, "PushShut")
	m.accept(first, tasks[:n])
}

func (m *model) pop() {
	var mark atomic.Uint64
	it, ok := m.q.Pop(&mark)
	require.Equal(m.t, len(m.waiting) > 0 && !m.headShut, ok, "Pop")
	if !ok {
		require.Zero(m.t, mark.Load())
		return
	}
	require.Equal(m.t, m.popped+1, mark.Load())
	require.Equal(m.t, m.popped+m.ids.Offset, it.ID)
	require.Same(m.t, m.waiting[0], it.Task)
	require.Equal(m.t, m.popped, *it.Task)
	m.waiting = m.waiting[1:]
	m.popped++
}

func (m *model) drop(n int) {
	if !m.ended {
		m.ended, m.tailShut, m.headShut, m.dropped = true, true, true, m.popped
		m.q.ShutTail(true)
		m.q.ShutHead(true)
	}
	n = min(n, len(m.waiting))
	m.q.Drop(n)
	if n%2 == 1 { // Drop itself forgets what is published
		m.q.Sweep()
	}
	m.waiting = m.waiting[n:]
	m.popped += uint64(n)
}

func (m *model) check() {
	t, q := m.t, m.q
	require.Equal(t, len(m.waiting), q.Len())
	require.LessOrEqual(t, len(m.waiting), m.capacity)
	require.Equal(t, m.pushed, q.Pushed())
	require.Equal(t, m.popped, q.Popped())
	require.Equal(t, m.capacity, q.Cap())
	require.Equal(t, len(m.waiting) > 0, q.IsReady())
	for _, ticket := range []uint64{m.start, m.popped - 1, m.popped, m.pushed - 1} {
		if ticket >= m.start && ticket < m.pushed {
			require.Equal(t, ticket >= m.popped, q.IsWaiting(ticket), "ticket %d", ticket)
		}
	}
}

// end empties the queue: all comes out, and nothing is kept.
func (m *model) end() {
	if m.ended {
		m.drop(len(m.waiting))
	} else {
		m.headShut = false
		m.q.ShutHead(false)
		for len(m.waiting) > 0 {
			m.pop()
		}
	}
	m.check()
	require.True(m.t, m.q.IsCleared())
}
