package queue_test

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
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

// A queue does what a slice does, whatever the order of the calls, and wherever in a
// segment it stands.
func TestQueueAgainstSlice(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	for range 30 {
		data := make([]byte, 300)
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

// A model is a queue and what is known of it. It does not know how large the claims are: that is up
// to the clock.
type model struct {
	t   *testing.T
	q   *queue.Queue[*uint64]
	ids queue.Range

	capacity uint64
	start    uint64  // the first ticket
	tasks    []*task // from there on
	first    int     // those before it have begun
	waits    uint64  // how many have not begun
	runs     uint64  // how many have and have not ended
	hands    [3]queue.Hand[*uint64]
	tailShut bool
	wg       sync.WaitGroup // those who wait
}

// A task points to its ticket.
type task struct {
	ticket       *uint64
	begun, ended bool
}

func newModel(t *testing.T, capacity int, choice byte) *model {
	starts := append([]uint64{0, 1, 17}, boundaries...)
	offsets := []uint64{1, 0, 1 << 31, 1 << 32, math.MaxUint64 - math.MaxInt64}
	m := &model{t: t, capacity: uint64(1 + capacity), start: starts[int(choice)%len(starts)]}
	m.q = queue.NewAt[*uint64](1+capacity, m.start)
	m.q.SetWorkers(1 + capacity%3)
	m.ids = queue.Range{Offset: offsets[int(choice)/len(starts)%len(offsets)], End: math.MaxInt64}
	return m
}

func (m *model) pushed() uint64 { return m.start + uint64(len(m.tasks)) }

// room returns for how many more there is room.
func (m *model) room() int { return int(m.capacity - (m.pushed() - m.q.Claimed())) }

// next returns n tasks with the tickets to come.
func (m *model) next(n int) []*uint64 {
	tasks := make([]*uint64, n)
	for i := range tasks {
		ticket := m.pushed() + uint64(i)
		tasks[i] = &ticket
	}
	return tasks
}

func (m *model) accept(first uint64, tasks []*uint64) {
	want := m.pushed() + m.ids.Offset
	if len(tasks) == 0 {
		want = 0
	}
	require.Equal(m.t, want, first)
	for _, ticket := range tasks {
		m.tasks = append(m.tasks, &task{ticket: ticket})
		m.waits++
	}
}

func (m *model) call(what byte, arg int) {
	t, q := m.t, m.q
	ids := m.ids
	switch what % 10 {
	case 0, 1:
		if arg > 200 { // no IDs are left for the next ticket
			ids.End = m.pushed() - min(m.pushed(), uint64(arg-201))
		}
		tasks, room := m.next(1), m.room()
		id, ok := q.Push(ids, tasks[0])
		require.Equal(t, !m.tailShut && room > 0 && m.pushed() < ids.End, ok, "Push")
		if !ok {
			tasks = nil
		}
		m.accept(id, tasks)
	case 2:
		m.pushAll(arg)
	case 3, 4:
		m.take(arg % 3)
	case 5:
		m.tailShut = arg%2 == 1
		q.ShutTail(m.tailShut)
	case 6:
		h := &m.hands[arg%3]
		if h.Holds() {
			ticket := h.Ticket()
			if arg%2 == 0 {
				m.ended(ticket, q.End(h))
			} else {
				h.Pass()
				m.ended(ticket, q.EndTicket(ticket))
			}
		}
	case 7:
		if m.tailShut {
			n := 1 + arg
			require.Equal(t, max(m.pushed()+uint64(n), m.capacity)-m.capacity, q.RoomAfter(n))
		}
	case 8:
		for range arg { // many segments
			m.take(arg % 3)
			m.call(0, 0)
		}
	case 9:
		if len(m.tasks) > 0 {
			one := m.tasks[len(m.tasks)-1-arg%min(len(m.tasks), 100)]
			require.Equal(t, one.ended, q.Await(*one.ticket, gone), "Await of a task that has ended: %t", one.ended)
			if !one.ended && arg%2 == 0 {
				m.wg.Go(func() { assert.True(t, q.Await(*one.ticket, nil)) })
			}
		}
	}
}

func (m *model) pushAll(arg int) {
	ids, tasks := m.ids, m.next(arg)
	switch arg % 8 {
	case 5: // no IDs are left
		ids.End = m.pushed()
	case 6: // no tasks
		tasks = nil
	case 7: // fewer IDs than tasks
		ids.End = m.pushed() + uint64(arg/2)
	}
	want := 0
	if m.pushed() < ids.End {
		want = int(min(uint64(len(tasks)), ids.End-m.pushed(), uint64(m.room())))
	}
	push, other := m.q.PushAll, m.q.PushShut
	if m.tailShut {
		push, other = other, push
	}
	first, n := other(ids, tasks)
	require.Zero(m.t, n, "the other one")
	require.Zero(m.t, first)
	first, n = push(ids, tasks)
	require.Equal(m.t, want, n)
	m.accept(first, tasks[:n])
}

// take has a hand end its task and take another: one that has not begun, and the first of those unless
// others are in a claim.
func (m *model) take(hand int) {
	h := &m.hands[hand]
	old, held := uint64(0), h.Holds()
	if held {
		old = h.Ticket()
	}
	claimed := m.q.Claimed()
	it, waiter, found := m.q.Next(h)
	if held {
		m.ended(old, waiter)
	}
	for m.first < len(m.tasks) && m.tasks[m.first].begun {
		m.first++
	}
	first := m.start + uint64(m.first)
	require.Equal(m.t, first < m.pushed(), found != queue.None, "a task waits")
	if found == queue.None {
		require.False(m.t, h.Holds())
		return
	}
	ticket := *it.Task
	require.Equal(m.t, ticket, h.Ticket())
	require.Equal(m.t, ticket+m.ids.Offset, it.ID)
	one := m.tasks[ticket-m.start]
	require.Same(m.t, one.ticket, it.Task)
	require.False(m.t, one.begun)
	one.begun = true
	m.waits--
	m.runs++
	require.True(m.t, ticket == first || ticket < claimed || ticket == claimed && found == queue.Claimed, "%d before %d", ticket, first)
}

func (m *model) ended(ticket uint64, waiter *queue.Waiter) {
	one := m.tasks[ticket-m.start]
	require.True(m.t, one.begun && !one.ended)
	one.ended = true
	m.runs--
	waiter.Tell()
}

func (m *model) check() {
	t, q := m.t, m.q
	require.Equal(t, m.pushed(), q.Pushed())
	require.Equal(t, int(m.capacity), q.Cap())
	require.LessOrEqual(t, m.pushed()-q.Claimed(), m.capacity)
	pushed, waiting, running := q.Freeze()
	q.Thaw()
	require.Equal(t, []uint64{m.pushed(), m.waits, m.runs}, []uint64{pushed, waiting, running})
	require.Equal(t, m.waits > 0, q.IsReady())
	require.Equal(t, m.waits == 0, q.IsEmpty())
	for _, one := range m.tasks[max(0, len(m.tasks)-70):] {
		require.Equal(t, !one.ended, q.IsPending(*one.ticket))
	}
}

// end empties the queue: all comes out, and nothing is kept.
func (m *model) end() {
	for range m.tasks {
		for i := range m.hands {
			m.take(i)
		}
		if m.q.IsEmpty() {
			break
		}
	}
	for i := range m.hands {
		m.take(i)
	}
	m.check()
	require.True(m.t, m.q.IsCleared())
	m.wg.Wait()
}

// gone is for those who do not wait.
var gone = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
