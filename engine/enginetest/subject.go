package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// A Subject is what [Run] tries: a queue that is new, empty and used by nobody else, and how to open it.
type Subject struct {
	// Open opens the queue, as a process does: also while it is open already, and after all have closed it. Each
	// call returns a handle of its own, which Run closes. It may be called from any goroutine, and ctx is for the
	// opening only. The engine's Lease must be between half a second and five, and should be one or two: many
	// checks wait for its end.
	Open func(ctx context.Context) (engine.Engine, error)

	// QueueBound is how many tasks have room in the queue, at least 256. Twice as many must not have room, or Run
	// times as many if that is more. With some hundreds the checks are quick.
	QueueBound int

	// Run is how many tasks the engine may put in one message; 0 is 1. With 1, the whole contract is checked; with
	// more, what it says of an engine that puts several tasks in one message.
	Run int

	// TooLarge is a size in bytes that the engine takes neither for a task nor for a record. With 0 it takes all,
	// and the clauses about ErrTooLarge are not checked.
	TooLarge int

	// Remake removes the queue with all that is in it and makes it anew under the same name, while nobody has it
	// open. If Remake is nil, that is not checked.
	Remake func(ctx context.Context) error
}

// A subject is a Subject in the hands of a check. It sees what is pushed and delivered,
// and compares it with what was before.
type subject struct {
	Subject
	ctx      context.Context // the check's
	remember time.Duration   // how long a key must be known

	mu     sync.Mutex // guards all that follows
	lease  time.Duration
	opened []engine.Engine
	made   int // keys and tasks
	tasks  map[uint64]*taskSeen
}

// A taskSeen is what is known of a task that was pushed.
type taskSeen struct {
	task    string
	attempt int       // of the last delivery; 0 if there was none
	since   time.Time // that, or the last Extend; zero if it is not held
	early   bool      // it was delivered, and no Push has returned its ID yet
	acked   time.Time // zero if it is in the queue
}

// open returns a new handle on the queue.
func (s *subject) open() *handle {
	eng, err := s.Open(s.ctx)
	if err != nil {
		kit.Failf("Open returned error %q, want none", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = append(s.opened, eng)
	s.lease = eng.Lease()
	return &handle{wholeOf(eng), s, s.ctx}
}

// two returns two handles, as of two processes.
func (s *subject) two() (h, other *handle) { return s.open(), s.open() }

// close closes what is open. It holds no lock meanwhile: Close may hang.
func (s *subject) close() {
	s.mu.Lock()
	opened := s.opened
	s.opened = nil
	s.mu.Unlock()
	for _, eng := range slices.Backward(opened) {
		wantNil("Close", eng.Close())
	}
}

// key returns a key that was not used before.
func (s *subject) key() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	return fmt.Sprintf("Key-%d-%d", s.made, time.Now().UnixNano())
}

// batch returns n tasks that are different from all others.
func (s *subject) batch(n int) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	tasks := make([][]byte, n)
	for i := range tasks {
		s.made++
		tasks[i] = []byte("task " + strconv.Itoa(s.made))
	}
	return tasks
}

// pushed has seen a Push succeed.
func (s *subject) pushed(tasks [][]byte, ids []uint64) {
	if len(ids) != len(tasks) {
		kit.Failf("Push of %d tasks returned %d IDs", len(tasks), len(ids))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, id := range ids {
		switch old := s.tasks[id]; {
		case id == 0:
			kit.Failf("Push returned ID 0 for a task, and no error")
		case old != nil && old.early && old.task == string(tasks[i]):
			old.early = false
			continue
		case old != nil:
			kit.Failf("Push returned ID %d for %s, which is the ID of %s", id, brief(tasks[i]), brief([]byte(old.task)))
		case i > 0 && id <= ids[i-1]:
			kit.Failf("Push returned ID %d for task %d of the call after ID %d for the one before, want them to increase", id, i, ids[i-1])
		}
		s.tasks[id] = &taskSeen{task: string(tasks[i])}
	}
}

// delivered has seen a Pull return d.
func (s *subject) delivered(d engine.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[d.ID]
	if t == nil {
		t = &taskSeen{task: string(d.Task), early: true}
		s.tasks[d.ID] = t
	}
	switch held := time.Since(t.since); {
	case t.task != string(d.Task):
		kit.Failf("Pull returned ID %d with %s, want %s", d.ID, brief(d.Task), brief([]byte(t.task)))
	case !t.acked.IsZero() && s.Run > 1 && held >= s.surely(): // others of its message are not
	case !t.acked.IsZero():
		err := fmt.Errorf("Pull returned task %d with Attempt %d, %v after it was acknowledged with Attempt %d, and %v after it was delivered or extended",
			d.ID, d.Attempt, time.Since(t.acked), t.attempt, held)
		if held >= s.surely() {
			err = inDoubt{err}
		}
		kit.Fail(err)
	case d.Attempt <= t.attempt:
		kit.Failf("Pull returned task %d with Attempt %d, after Attempt %d", d.ID, d.Attempt, t.attempt)
	case !t.since.IsZero() && held < s.surely():
		kit.Failf("Pull returned task %d again, %v after it was delivered or extended, want that it is held for %v", d.ID, held, s.lease)
	}
	t.attempt, t.since = d.Attempt, time.Now()
}

// allKnown wants that all that was delivered was pushed.
func (s *subject) allKnown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, t := range s.tasks {
		if t.early {
			kit.Failf("Pull returned ID %d with %s, an ID that no Push has returned", id, brief([]byte(t.task)))
		}
	}
}

// surely is how long a task is certainly held after a Pull has returned it: on a busy
// machine the Pull may have taken its time to return.
func (s *subject) surely() time.Duration { return s.lease * 3 / 4 }

// handled has seen Ack, Nack or Extend succeed, of deliveries whose leases may have ended
// since only if the machine is busy.
func (s *subject) handled(ds []engine.Delivery, change func(t *taskSeen)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range ds {
		if t := s.tasks[d.ID]; t != nil && t.attempt == d.Attempt {
			change(t)
		}
	}
}

// freed has seen ds given back, or their handle closed: they may be delivered again at any time.
func (s *subject) freed(ds []engine.Delivery) {
	s.handled(ds, func(t *taskSeen) { t.since = time.Time{} })
}

// gone has seen an Ack succeed whose lease had ended.
func (s *subject) gone(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks[id].acked = time.Now()
}

// unexpected panics with errSlow if a delivery that should not have been made may be the
// fault of the machine.
func (s *subject) unexpected(d engine.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tasks[d.ID]; t != nil && t.acked.IsZero() && !t.since.IsZero() && time.Since(t.since) >= s.surely() {
		kit.Fail(errSlow)
	}
}

// atOnce calls all fs at once. When all have ended it fails as the first did.
func atOnce(fs ...func()) {
	kit.Parallel(len(fs), func(i int) { fs[i]() })
}

// errSlow is the verdict of a check that was itself too slow: it knows nothing.
var errSlow = errors.New("enginetest: the machine is too busy for leases this short")

// inDoubt is the verdict of a check that has found a fault, or an engine that was too slow: a
// server with much else to do may not get to an acknowledgement before the lease ends.
type inDoubt struct{ error }

// brief is what a message says of a task or record.
func brief(data []byte) string {
	if len(data) > 40 {
		return fmt.Sprintf("%q… of %d bytes", data[:40], len(data))
	}
	return strconv.Quote(string(data))
}

// sameIDs wants the same IDs in any order.
func sameIDs(what string, got, want []uint64) {
	g, w := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(g, w) {
		kit.Failf("%s: IDs %v, want %v", what, g, w)
	}
}
