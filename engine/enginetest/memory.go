package enginetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// MemoryOptions are the options of [NewMemory]. A nil *MemoryOptions is the zero value.
type MemoryOptions struct {
	QueueBound int           // tasks in the queue, held or not; 0: 1 << 16
	Lease      time.Duration // 0: 30 s
	MaxSize    int           // of a task and of a record, in bytes; 0: 1 MiB
}

// A Memory is a whole [engine.Engine] in the memory of this process, with all optional interfaces, for testing code
// that uses an engine. Nothing outlives the process, and no other process can use it.
//
// It keeps the contract to the letter and does nothing beyond it. A Push that finds too little room takes the first
// of its tasks, and returns their IDs with ErrFull. A Push that does nothing returns ErrRefused beside the reason.
// An Ack counts even after the lease has ended. A Delivery must be handed back unchanged.
//
// A Memory is one handle on its data, like the connection of one process; [Memory.Open] makes another. It starts no
// goroutine, and waits by timers and channels only, so it can be used in a bubble of testing/synctest.
type Memory struct {
	data    *memory
	closing sync.Once
	closed  chan struct{} // closed by Close
}

// NewMemory returns the first handle on a new and empty queue.
func NewMemory(o *MemoryOptions) *Memory {
	if o == nil {
		o = new(MemoryOptions)
	}
	data := &memory{
		bound:   cmp.Or(o.QueueBound, 1<<16),
		lease:   cmp.Or(o.Lease, 30*time.Second),
		maxSize: cmp.Or(o.MaxSize, 1<<20),
		// One made anew goes on above all IDs of the one before.
		lastID:  uint64(time.Now().UnixNano()),
		tasks:   make(map[uint64]*memoryTask),
		held:    make(map[uint64]*memoryTask),
		arrived: make(chan struct{}),
		keys:    make(map[string][]uint64),
		starts:  make(map[uint64]int),
		records: make(map[uint64][]byte),
		waiting: make(map[uint64]chan struct{}),
	}
	return &Memory{data: data, closed: make(chan struct{})}
}

// Open returns another handle on the same data, for another process or for this one after a restart. It works also
// after Close.
func (m *Memory) Open() *Memory {
	return &Memory{data: m.data, closed: make(chan struct{})}
}

// Close closes this handle only. The tasks it held are delivered again when the leases end. The data lives as long
// as somebody has a handle to open another from.
func (m *Memory) Close() error {
	m.closing.Do(func() { close(m.closed) })
	return nil
}

// enter returns an error if nothing is to be done: the handle is closed, or ctx done.
func (m *Memory) enter(ctx context.Context) error {
	select {
	case <-m.closed:
		return engine.ErrClosed
	default:
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// locked calls f with mu held, unless nothing is to be done.
func (m *Memory) locked(ctx context.Context, f func(d *memory)) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	m.data.mu.Lock()
	defer m.data.mu.Unlock()
	f(m.data)
	return nil
}

// await blocks until changed is closed, the time is at, if it is not zero, ctx is done
// or the handle is closed; enter tells these two.
func (m *Memory) await(ctx context.Context, changed <-chan struct{}, at time.Time) {
	var due <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-changed:
	case <-due:
	case <-ctx.Done():
	case <-m.closed:
	}
}

// Retryable implements [engine.Retryabler].
func (m *Memory) Retryable(err error) bool {
	return mayPass(err, engine.ErrTooLarge, engine.ErrGone, engine.ErrClosed, errMisuse)
}

// errMisuse is in the errors of calls that break the contract on the caller's side.
var errMisuse = errors.New("enginetest: misuse")

func misuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMisuse, fmt.Sprintf(format, args...))
}
