package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// A memory is what all handles share.
//
// A task is in tasks from Push to Ack. It is held from its delivery until its lease
// ends or it is given back, and has its ID in ready otherwise. Leases end without a
// timer: whoever pulls, or works with a delivery, looks at the clock.
//
// No method blocks with mu held.
type memory struct {
	bound   int           // immutable, as are lease and maxSize
	lease   time.Duration // of a delivery
	maxSize int           // of a task or a record

	mu      sync.Mutex // guards all that follows
	lastID  uint64
	tasks   map[uint64]*memoryTask
	ready   []uint64               // ascending; some may be acknowledged by now
	held    map[uint64]*memoryTask // those of tasks that are held
	soonest time.Time              // no lease of held ends before
	arrived chan struct{}          // closed and made anew when ready grows
	keys    map[string][]uint64    // the IDs of each push; 0 for a task for which there was no room yet
	starts  map[uint64]int         // of tasks
	kind    string

	records map[uint64][]byte
	waiting map[uint64]chan struct{} // closed, and gone, when the record is there or the task is not
}

type memoryTask struct {
	data       []byte
	deliveries int
	runs       int
	leaseEnds  time.Time // if it is held
	isDelayed  bool      // it is held by nobody until then
}

// A memoryToken is the Token of a Delivery.
type memoryToken struct {
	id       uint64
	delivery int // of this task; it is the last one that has a lease
}

// Push implements [engine.Queue].
func (m *Memory) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	if err := m.enter(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", engine.ErrRefused, err)
	}
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"
	if key == "" || len(key) > 64 || strings.Trim(key, allowed) != "" {
		return nil, misuse("Push with key %q, want 1 to 64 letters, digits and hyphens", key)
	}
	for i, task := range tasks {
		if len(task) > m.data.maxSize {
			return nil, fmt.Errorf("enginetest: task %d has %d bytes, want at most %d: %w",
				i, len(task), m.data.maxSize, engine.ErrTooLarge)
		}
	}
	return m.data.push(key, tasks)
}

func (d *memory) push(key string, tasks [][]byte) ([]uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := d.keys[key]
	if ids == nil {
		ids = make([]uint64, len(tasks))
		d.keys[key] = ids
	}
	if len(ids) != len(tasks) {
		return nil, misuse("Push of %d tasks with key %q, which was used for %d tasks", len(tasks), key, len(ids))
	}
	for i, task := range tasks {
		if ids[i] != 0 {
			continue
		}
		if len(d.tasks) >= d.bound {
			return slices.Clone(ids), fmt.Errorf("enginetest: %d tasks in the queue: %w", len(d.tasks), engine.ErrFull)
		}
		d.lastID++
		ids[i] = d.lastID
		d.tasks[d.lastID] = &memoryTask{data: bytes.Clone(task)}
		d.ready = append(d.ready, d.lastID)
		d.arriveLocked()
	}
	return slices.Clone(ids), nil
}

// arriveLocked wakes those who wait for a task.
func (d *memory) arriveLocked() {
	close(d.arrived)
	d.arrived = make(chan struct{})
}

// Pull implements [engine.Queue].
func (m *Memory) Pull(ctx context.Context, limit int) ([]engine.Delivery, error) {
	if limit < 1 {
		return nil, misuse("Pull of at most %d tasks, want 1 or more", limit)
	}
	for {
		if err := m.enter(ctx); err != nil {
			return nil, err
		}
		ds, arrived, leaseEnds := m.data.take(limit)
		if len(ds) > 0 {
			return ds, nil
		}
		m.await(ctx, arrived, leaseEnds)
	}
}

// take delivers at most so many tasks. If there are none, there may be some when arrived is
// closed, and when a lease ends, if any task is held.
func (d *memory) take(limit int) (ds []engine.Delivery, arrived <-chan struct{}, leaseEnds time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	d.endLeasesLocked(now)
	for len(ds) < limit && len(d.ready) > 0 {
		id := d.ready[0]
		d.ready = d.ready[1:]
		t := d.tasks[id]
		if t == nil {
			continue
		}
		t.deliveries++
		t.leaseEnds, t.isDelayed = now.Add(d.lease), false
		if len(d.held) == 0 {
			d.soonest = t.leaseEnds
		}
		d.held[id] = t
		ds = append(ds, engine.Delivery{
			ID:      id,
			Task:    bytes.Clone(t.data),
			Attempt: t.deliveries,
			Runs:    t.runs,
			Token:   memoryToken{id, t.deliveries},
		})
	}
	if len(d.held) > 0 {
		leaseEnds = d.soonest
	}
	return ds, d.arrived, leaseEnds
}

// endLeasesLocked makes those tasks ready whose leases have ended.
func (d *memory) endLeasesLocked(now time.Time) {
	if len(d.held) == 0 || now.Before(d.soonest) {
		return
	}
	d.soonest = now.Add(d.lease)
	for id, t := range d.held {
		switch {
		case !now.Before(t.leaseEnds):
			d.releaseLocked(id)
		case t.leaseEnds.Before(d.soonest):
			d.soonest = t.leaseEnds
		}
	}
}

// releaseLocked makes a task ready that is held.
func (d *memory) releaseLocked(id uint64) {
	delete(d.held, id)
	if at, found := slices.BinarySearch(d.ready, id); !found {
		d.ready = slices.Insert(d.ready, at, id)
	}
}

// Ack implements [engine.Queue].
func (m *Memory) Ack(ctx context.Context, ds []engine.Delivery) error {
	return m.deliveries(ctx, "Ack", ds, func(id uint64, _ *memoryTask) {
		d := m.data
		delete(d.tasks, id)
		delete(d.held, id)
		delete(d.starts, id)
		d.wakeLocked(id)
	})
}

// Nack implements [engine.Queue].
func (m *Memory) Nack(ctx context.Context, ds []engine.Delivery) error {
	return m.deliveries(ctx, "Nack", ds, func(id uint64, held *memoryTask) {
		if held != nil {
			m.data.releaseLocked(id)
			m.data.arriveLocked()
		}
	})
}

// NackAfter implements [engine.DelayedNacker].
func (m *Memory) NackAfter(ctx context.Context, ds []engine.Delivery, after time.Duration) error {
	return m.deliveries(ctx, "NackAfter", ds, func(id uint64, held *memoryTask) {
		d := m.data
		if held == nil {
			return
		}
		held.runs++
		if after <= 0 {
			d.releaseLocked(id)
		} else {
			held.isDelayed = true
			held.leaseEnds = time.Now().Add(after)
			if held.leaseEnds.Before(d.soonest) {
				d.soonest = held.leaseEnds
			}
		}
		d.arriveLocked() // who waits for the soonest end of a lease looks again
	})
}

// Extend implements [engine.Queue].
func (m *Memory) Extend(ctx context.Context, ds []engine.Delivery) error {
	return m.deliveries(ctx, "Extend", ds, func(_ uint64, held *memoryTask) {
		if held != nil {
			held.leaseEnds = time.Now().Add(m.data.lease)
		}
	})
}

// deliveries calls f, with mu held, for each of ds. Its task is nil if the lease that
// came with the delivery has ended or was ended.
func (m *Memory) deliveries(ctx context.Context, method string, ds []engine.Delivery, f func(id uint64, held *memoryTask)) error {
	for _, one := range ds {
		if token, ok := one.Token.(memoryToken); !ok || token.id != one.ID {
			return misuse("%s of task %d with token %v, which is not the one it was delivered with", method, one.ID, one.Token)
		}
	}
	return m.locked(ctx, func(d *memory) {
		d.endLeasesLocked(time.Now())
		for _, one := range ds {
			t := d.held[one.ID]
			if t != nil && (t.isDelayed || t.deliveries != one.Token.(memoryToken).delivery) {
				t = nil
			}
			f(one.ID, t)
		}
	})
}

// Lease implements [engine.Queue].
func (m *Memory) Lease() time.Duration { return m.data.lease }

// MarkStart implements [engine.StartMarker]. The count is forgotten with the task.
func (m *Memory) MarkStart(ctx context.Context, id uint64, n int) (starts int, err error) {
	err = m.locked(ctx, func(d *memory) {
		d.starts[id] += n
		starts = d.starts[id]
	})
	return starts, err
}

// Size implements [engine.Sizer].
func (m *Memory) Size(ctx context.Context) (size uint64, err error) {
	err = m.locked(ctx, func(d *memory) { size = uint64(len(d.tasks)) })
	return size, err
}

// Describe implements [engine.Describer].
func (m *Memory) Describe(ctx context.Context, kind string) (stored string, err error) {
	err = m.locked(ctx, func(d *memory) {
		if d.kind == "" {
			d.kind = kind
		}
		stored = d.kind
	})
	return stored, err
}
