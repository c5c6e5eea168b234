package remote

import (
	"context"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/text"
)

// held is the tasks that are held, with all their deliveries. The engine is never called with
// its lock held.
//
// The table is the only place that knows what is held. Decided against: to look for the tasks in the
// host's queue, marks and batches, which are three places that a task moves through without a lock.
//
// A task has more than one delivery if it was delivered again while it is held. All of them are
// acknowledged or given back together: an engine may know a task by its delivery. The latest is the
// one whose lease counts.
type held struct {
	mu sync.Mutex
	// tasks has the deliveries of each task by its ID, in their order. It is guarded by mu.
	tasks map[uint64][]engine.Delivery
	// later has the times at which tasks are to run again that are to be given back until then. It is
	// guarded by mu.
	later map[uint64]time.Time
	// settling has the tasks whose results are saved and that the host has not settled: it knows them by their IDs. One
	// that is delivered again meanwhile, as by a server that was killed, is not the host's anew. It is guarded by mu.
	settling map[uint64]struct{}
	// bytes is the size of the tasks together, guarded by mu.
	bytes int
	// closed is true once no task is added any more. It is guarded by mu.
	closed bool
}

// add holds a task, which must not be lost from here on. It returns false if the task is held
// already, or is being settled: then the delivery is added.
func (h *held) add(d engine.Delivery) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	ds := h.tasks[d.ID]
	h.tasks[d.ID] = append(ds, d)
	h.bytes += len(d.Task)
	_, isSettling := h.settling[d.ID]
	return len(ds) == 0 && !isSettling
}

// saved notes that results are saved, which the host is about to settle.
func (h *held) saved(ids []uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		h.settling[id] = struct{}{}
	}
}

// settled notes that the host has settled tasks. It returns those that were delivered again meanwhile.
func (h *held) settled(ids []uint64) (again []uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		if _, is := h.settling[id]; is && len(h.tasks[id]) > 0 {
			again = append(again, id)
		}
		delete(h.settling, id)
	}
	return again
}

// close says that no task is added any more, and returns whether none is held. Either this or the
// last remove finds that the share is done with its tasks, since both look under the lock.
func (h *held) close() (empty bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	return len(h.tasks) == 0
}

// remove ends the holding of tasks. It returns their deliveries, and whether this is the end:
// none is held, and none is added any more.
func (h *held) remove(ids []uint64) (ds []engine.Delivery, end bool) {
	ds = make([]engine.Delivery, 0, len(ids))
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		for _, d := range h.tasks[id] {
			h.bytes -= len(d.Task)
			ds = append(ds, d)
		}
		delete(h.tasks, id)
		delete(h.later, id)
	}
	return ds, len(h.tasks) == 0 && h.closed
}

// delay notes when a task is to run again that is to be given back until then.
func (h *held) delay(id uint64, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.later[id] = until
}

// delayed returns which of ids are to run again later, and when.
func (h *held) delayed(ids []uint64) map[uint64]time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	var later map[uint64]time.Time
	for _, id := range ids {
		until, is := h.later[id]
		if !is {
			continue
		}
		if later == nil {
			later = make(map[uint64]time.Time)
		}
		later[id] = until
	}
	return later
}

// first returns the first delivery of a task that is held, as it is while the task runs.
func (h *held) first(id uint64) engine.Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tasks[id][0]
}

// latest returns the last delivery of each task that is held: those whose leases count.
func (h *held) latest() []engine.Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	ds := make([]engine.Delivery, 0, len(h.tasks))
	for _, d := range h.tasks {
		ds = append(ds, d[len(d)-1])
	}
	return ds
}

// count returns how many tasks are held.
func (h *held) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.tasks)
}

// size returns how many bytes the tasks have together.
func (h *held) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bytes
}

// drop ends the holding of tasks, and returns their deliveries, which the caller acknowledges or
// gives back. After the last task of a share that is closed no lease has to be kept.
func (s *Share) drop(ids []uint64) []engine.Delivery {
	ds, end := s.held.remove(ids)
	if end {
		s.release()
	}
	return ds
}

// Forget ends the holding of a task whose result was given up. Its lease ends by itself, and then
// another process runs the task: to give it back at once would only move the trouble on.
func (s *Share) Forget(id uint64) { s.drop([]uint64{id}) }

// keepLeases extends the leases of all tasks that are held, three times in each lease, until
// none is held and none is added any more. The host's cancel does not end it: tasks that run
// are worked on until they return.
//
// It keeps its own time in place of a loop of package backoff: what counts is when the leases end,
// and a pause that grows would outlast them. A final error ends the host, which cannot keep what it
// has taken over; the leases of tasks that still run are tried all the same.
func (s *Share) keepLeases() {
	loop := s.failures.Loop()
	defer loop.Leave()
	// A third, so that two attempts may fail before a lease ends.
	every := max(s.eng.Lease()/3, time.Millisecond)
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-s.leases.Done():
			return
		case <-timer.C:
		}
		switch err := s.extend(every); {
		case err == nil:
			loop.Succeeded()
			timer.Reset(every)
		case s.isFinal(s.leases, err):
			s.host.Fail(text.Wrap("pool: extending leases", err))
			timer.Reset(every)
		default:
			loop.Failed(err)
			timer.Reset(every / 4) // there is time for some more attempts
		}
	}
}

// extend extends the leases of all tasks that are held now, in one call. Tasks that are dropped
// meanwhile do no harm: an engine ignores deliveries whose tasks it does not know any more.
func (s *Share) extend(limit time.Duration) error {
	ds := s.held.latest()
	if len(ds) == 0 {
		return nil
	}
	return s.askFor(s.leases, limit, func(ctx context.Context) error { return s.eng.Extend(ctx, ds) })
}
