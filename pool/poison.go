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
	j.begun()
	defer j.ran()

	d := j.delivery(id)
	if d.Attempt >= suspectFrom {
		leave, unrun := j.suspect(d)
		if unrun != nil {
			return v, unrun
		}
		defer func() { leave(isHandBack(err)) }()
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
	return cause != nil && (errors.Is(err, context.Canceled) || errors.Is(err, cause) ||
		j.pool.parent.Err() != nil && errors.Is(err, j.pool.parent.Err()))
}

// suspect waits until no other suspect runs in this process, and counts the start
// durably before it happens: if the process dies now, it is this task's doing, or at
// least no other suspect is blamed. With an error the task is not run. A suspect that was
// interrupted has killed nobody, and its start is taken back.
func (j *joint[T, R]) suspect(d engine.Delivery) (leave func(interrupted bool), err error) {
	select {
	case j.turn <- struct{}{}:
	case <-j.intake.Done():
		return nil, &handBack{causeOf(j.intake)}
	}
	if err := j.acquit(d); err != nil {
		<-j.turn
		return nil, err
	}
	return func(interrupted bool) {
		if interrupted {
			_ = j.markStart(context.WithoutCancel(j.pool.taskCtx), d.ID, -1, new(int))
		}
		<-j.turn
	}, nil
}

// acquit returns an error if the suspect is not to be run.
func (j *joint[T, R]) acquit(d engine.Delivery) error {
	if _, ok := j.eng.(engine.StartMarker); !ok {
		if d.Attempt > maxDeliveries {
			return fmt.Errorf("%w: it was delivered %d times", ErrPoisoned, d.Attempt)
		}
		return nil
	}
	var pause time.Duration
	unanswered := 0 // they may be counted, and have not happened
	for j.intake.Err() == nil {
		var starts int
		err := j.markStart(j.intake, d.ID, 1, &starts)
		switch {
		case err == nil && starts-unanswered > maxStarts:
			return fmt.Errorf("%w: it was started %d times", ErrPoisoned, starts-unanswered-1)
		case err == nil:
			return nil
		}
		unanswered++
		pause = nextPause(pause)
		sleep(j.intake, pause)
	}
	return &handBack{causeOf(j.intake)}
}

func (j *joint[T, R]) markStart(ctx context.Context, id uint64, n int, starts *int) error {
	m, ok := j.eng.(engine.StartMarker)
	if !ok {
		return nil
	}
	return ask(ctx, func(ctx context.Context) (err error) {
		*starts, err = m.MarkStart(ctx, id, n)
		return err
	})
}
