package pool

import (
	"context"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// hold notes that a task was delivered. It returns false if the task is held already.
func (j *joint[T, R]) hold(d engine.Delivery) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	ds := j.held[d.ID]
	j.held[d.ID] = append(ds, d)
	j.bytes += len(d.Task)
	return len(ds) == 0
}

// count returns how many tasks are held.
func (j *joint[T, R]) count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.held)
}

// heldBytes returns the size of the tasks that are held.
func (j *joint[T, R]) heldBytes() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.bytes
}

// delivery returns the first delivery of a task that is held.
func (j *joint[T, R]) delivery(id uint64) engine.Delivery {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.held[id][0]
}

// drop ends the holding of tasks and returns their deliveries.
func (j *joint[T, R]) drop(ids ...uint64) []engine.Delivery {
	ds := make([]engine.Delivery, 0, len(ids))
	j.mu.Lock()
	for _, id := range ids {
		for _, d := range j.held[id] {
			j.bytes -= len(d.Task)
			ds = append(ds, d)
		}
		delete(j.held, id)
	}
	over := len(j.held) == 0 && j.fed
	j.mu.Unlock()
	if over {
		j.still()
	}
	return ds
}

// forget ends the holding of a task whose result was given up. Its lease ends by itself.
func (j *joint[T, R]) forget(id uint64) { j.drop(id) }

// beat extends the leases of all that is held, three times in each, until the pool is
// closed and nothing is held.
func (j *joint[T, R]) beat(t *trouble) {
	every := max(j.eng.Lease()/3, time.Millisecond)
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-j.beating.Done():
			t.over()
			j.leave()
			return
		case <-timer.C:
		}
		switch err := j.extend(every); {
		case err == nil:
			t.over()
			timer.Reset(every)
		case isFinal(j.beating, j.eng, err):
			j.pool.fail(&wrapped{"pool: extending leases", err})
			timer.Reset(every)
		default:
			t.failed(err)
			timer.Reset(every / 4) // there is time for some more attempts
		}
	}
}

// extend returns nil if the engine has heard it.
func (j *joint[T, R]) extend(timeout time.Duration) error {
	j.mu.Lock()
	ds := make([]engine.Delivery, 0, len(j.held))
	for _, d := range j.held {
		ds = append(ds, d[len(d)-1])
	}
	j.mu.Unlock()
	if len(ds) == 0 {
		return nil
	}
	// The pool's cancel does not end it: tasks that run are worked on until they return.
	ctx, cancel := context.WithTimeout(j.beating, timeout)
	defer cancel()
	return apart(func() error { return guarded(func() error { return j.eng.Extend(ctx, ds) }) })
}
