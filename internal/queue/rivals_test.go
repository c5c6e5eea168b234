package queue_test

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/puzpuzpuz/xsync/v3"

	"github.com/resultpool/resultpool/internal/queue"
)

// A line is a bounded queue of tasks that get IDs when they are pushed.
type line interface {
	push(task int) (ok bool)
	pop(consumer int) (id uint64, task int, ok bool)
}

const lineCapacity = 1024

var lines = []struct {
	name string
	open func(consumers int) line
}{
	{"tickets", func(consumers int) line {
		return &ticketLine{queue.New[int](lineCapacity), make([]paddedMark, consumers), sync.Mutex{}}
	}},
	{"mutex", func(int) line { return &mutexLine{ring: make([]queue.Item[int], lineCapacity)} }},
	{"channel", func(int) line { return &channelLine{tasks: make(chan queue.Item[int], lineCapacity)} }},
	{"xsync", func(int) line { return &xsyncLine{q: xsync.NewMPMCQueueOf[queue.Item[int]](lineCapacity)} }},
	{"sharded", func(consumers int) line {
		l := &shardedLine{shards: make([]paddedLine, consumers)}
		for i := range l.shards {
			l.shards[i].ring = make([]queue.Item[int], lineCapacity/consumers)
		}
		return l
	}},
}

// ticketLine is this package's.
type ticketLine struct {
	q     *queue.Queue[int]
	marks []paddedMark
	owner sync.Mutex
}

type paddedMark struct {
	atomic.Uint64
	_ [120]byte
}

func (l *ticketLine) push(task int) bool {
	if _, ok := l.q.Push(queue.Range{Offset: 1, End: math.MaxInt64}, task); ok {
		return true
	}
	l.owner.Lock()
	defer l.owner.Unlock()
	l.q.ShutTail(true)
	defer l.q.ShutTail(false)
	_, n := l.q.PushShut(queue.Range{Offset: 1, End: math.MaxInt64}, []int{task})
	return n == 1
}

func (l *ticketLine) pop(consumer int) (uint64, int, bool) {
	it, ok := l.q.Pop(&l.marks[consumer].Uint64)
	return it.ID, it.Task, ok
}

// mutexLine is a ring under a mutex. The counter of IDs is under it as well.
type mutexLine struct {
	mu    sync.Mutex
	ring  []queue.Item[int]
	front int
	n     int
	id    uint64
}

func (l *mutexLine) push(task int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == len(l.ring) {
		return false
	}
	l.id++
	i := l.front + l.n
	if i >= len(l.ring) {
		i -= len(l.ring)
	}
	l.ring[i] = queue.Item[int]{ID: l.id, Task: task}
	l.n++
	return true
}

func (l *mutexLine) pop(int) (uint64, int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n == 0 {
		return 0, 0, false
	}
	it := l.ring[l.front]
	l.ring[l.front] = queue.Item[int]{}
	l.n--
	if l.front++; l.front == len(l.ring) {
		l.front = 0
	}
	return it.ID, it.Task, true
}

// channelLine is a buffered channel with a counter for the IDs.
type channelLine struct {
	id    atomic.Uint64
	tasks chan queue.Item[int]
}

func (l *channelLine) push(task int) bool {
	if len(l.tasks) == cap(l.tasks) {
		return false
	}
	select {
	case l.tasks <- queue.Item[int]{ID: l.id.Add(1), Task: task}:
		return true
	default:
		return false // with an ID lost
	}
}

func (l *channelLine) pop(int) (uint64, int, bool) {
	select {
	case it := <-l.tasks:
		return it.ID, it.Task, true
	default:
		return 0, 0, false
	}
}

// xsyncLine is the queue of package xsync with a counter for the IDs.
type xsyncLine struct {
	id atomic.Uint64
	_  [120]byte
	q  *xsync.MPMCQueueOf[queue.Item[int]]
}

func (l *xsyncLine) push(task int) bool {
	id := l.id.Add(1)
	for range 1000 { // an ID that has been taken must be used
		if l.q.TryEnqueue(queue.Item[int]{ID: id, Task: task}) {
			return true
		}
		runtime.Gosched()
	}
	return false
}

func (l *xsyncLine) pop(int) (uint64, int, bool) {
	it, ok := l.q.TryDequeue()
	return it.ID, it.Task, ok
}

// shardedLine is a mutexLine for each consumer, who takes from the others' when its
// own is empty. Tasks do not start in the order of their IDs.
type shardedLine struct {
	id     atomic.Uint64
	_      [120]byte
	shards []paddedLine
}

type paddedLine struct {
	mutexLine
	_ [64]byte
}

func (l *shardedLine) push(task int) bool {
	id := l.id.Add(1)
	for i := range l.shards {
		if l.shards[(int(id)+i)%len(l.shards)].push(task) {
			return true
		}
	}
	return false
}

func (l *shardedLine) pop(consumer int) (uint64, int, bool) {
	for i := range l.shards {
		if id, task, ok := l.shards[(consumer+i)%len(l.shards)].pop(0); ok {
			return id, task, true
		}
	}
	return 0, 0, false
}

var sink atomic.Uint64

// BenchmarkLine measures one task through a queue, pushed by some goroutines and
// popped by others, who spend some time on it. Whoever finds the queue full or
// empty yields.
func BenchmarkLine(b *testing.B) {
	for _, work := range []int{0, 600} {
		for _, producers := range []int{1, 8} {
			for _, l := range lines {
				b.Run(fmt.Sprintf("work=%d/producers=%d/queue=%s", work, producers, l.name), func(b *testing.B) {
					const consumers = 2
					q := l.open(consumers)
					var left atomic.Int64
					left.Store(int64(b.N))
					var wg sync.WaitGroup
					for p := range producers {
						wg.Go(func() {
							for range (b.N + p) / producers {
								for !q.push(p) {
									runtime.Gosched()
								}
							}
						})
					}
					for c := range consumers {
						wg.Go(func() {
							x := uint64(c)
							popped := int64(0)
							for {
								_, task, ok := q.pop(c)
								if !ok {
									if popped > 0 {
										left.Add(-popped)
										popped = 0
									}
									if left.Load() <= 0 {
										break
									}
									runtime.Gosched()
									continue
								}
								popped++
								for range work {
									x ^= x << 13
									x ^= x >> 7
									x ^= x << 17
								}
								x += uint64(task)
							}
							sink.Add(x)
						})
					}
					wg.Wait()
				})
			}
		}
	}
}
