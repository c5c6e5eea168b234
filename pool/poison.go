package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/resultpool/resultpool/engine"
)

const (
	// suspectFrom is the delivery from which on a task may be what has killed the
	// processes that had it. Two deliveries are common: one process died.
	suspectFrom = 3

	// maxStarts is how often a suspect is started.
	maxStarts = 5

	// maxDeliveries is what counts in place of maxStarts if the engine cannot count
	// starts. It is larger, since a process that dies takes with it what it has pulled.
	maxDeliveries = 20
)

// Run is the function of a joined pool: that of the user, for a task that is held.
func (j *joint[T, R]) Run(ctx context.Context, id uint64) (v R, err error) {
	j.busy.Add(1)
	j.started.Add(1)
	defer j.ran()

	d := j.delivery(id)
	if d.Attempt >= suspectFrom {
		leave, err := j.suspect(ctx, d)
		if err != nil {
			return v, err
		}
		defer leave()
	}
	in, err := j.wire.decodeTask(d.Task)
	if err != nil {
		return v, err
	}
	v, err = j.pool.fn(ctx, in)
	if err != nil && j.isInterrupted(err) {
		var none R
		return none, &handBack{err}
	}
	return v, err
}

// isInterrupted reports whether err is what the cancel of the pool has done to a task.
// That is no outcome: another process is to run the task.
func (j *joint[T, R]) isInterrupted(err error) bool {
	cause := j.pool.cancelCause()
	return cause != nil && (errors.Is(err, context.Canceled) || errors.Is(err, cause))
}

// suspect waits until no other suspect runs in this process, and counts the start
// durably before it happens: if the process dies now, it is this task's doing, or at
// least no other suspect is blamed.
func (j *joint[T, R]) suspect(ctx context.Context, d engine.Delivery) (leave func(), err error) {
	select {
	case j.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, &handBack{causeOf(ctx)}
	}
	leave = func() { <-j.turn }
	if err := j.acquit(ctx, d); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// acquit returns an error if the suspect is not to be run.
func (j *joint[T, R]) acquit(ctx context.Context, d engine.Delivery) error {
	m, ok := j.eng.(engine.StartMarker)
	if !ok {
		if d.Attempt > maxDeliveries {
			return fmt.Errorf("%w: it was delivered %d times", ErrPoisoned, d.Attempt)
		}
		return nil
	}
	var pause time.Duration
	for {
		starts, err := m.MarkStart(ctx, d.ID)
		switch {
		case err == nil && starts > maxStarts:
			return fmt.Errorf("%w: it was started %d times", ErrPoisoned, starts-1)
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return &handBack{causeOf(ctx)}
		}
		pause = nextPause(pause)
		sleep(ctx, pause)
	}
}
