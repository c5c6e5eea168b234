package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/errwalk"
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
	j.changed()
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
	return cause != nil &&
		(errwalk.Is(err, context.Canceled) || errwalk.Is(err, cause) || errwalk.Is(err, j.pool.parent.Err()))
}

// suspect counts the start of a task that was delivered often, durably and before it
// happens: if the process dies now, it may be this task's doing. If somebody has died at
// it before, no other such suspect runs beside it in this process, so that none is blamed
// for another. (That it was delivered often may have harmless reasons: processes that were
// stopped and gave it back.) With an error the task is not run. A start that was
// interrupted has killed nobody, and is taken back.
func (j *joint[T, R]) suspect(d engine.Delivery) (leave func(interrupted bool), err error) {
	starts, err := j.countStart(d.ID)
	switch {
	case errors.Is(err, errors.ErrUnsupported) && d.Attempt > maxDeliveries:
		return nil, fmt.Errorf("%w: it was delivered %d times", ErrPoisoned, d.Attempt)
	case errors.Is(err, errors.ErrUnsupported):
		return func(bool) {}, nil
	case err != nil:
		return nil, err
	}
	if starts == 1 {
		return func(interrupted bool) { j.takeBack(d.ID, interrupted) }, nil
	}
	j.takeBack(d.ID, true) // it has to wait, and others may kill the process meanwhile
	select {
	case j.turn <- struct{}{}:
	case <-j.intake.Done():
		return nil, &handBack{causeOf(j.intake)}
	}
	if starts, err = j.countStart(d.ID); err == nil && starts > maxStarts {
		err = fmt.Errorf("%w: it was started %d times", ErrPoisoned, starts-1)
	}
	if err != nil && !errors.Is(err, errors.ErrUnsupported) { // not permitted any more: as above
		<-j.turn
		return nil, err
	}
	return func(interrupted bool) {
		j.takeBack(d.ID, interrupted)
		<-j.turn
	}, nil
}

// countStart adds a start and returns how many there are. While the engine does not say
// so, the task is not started; of one that never will, as it cannot or this process may not,
// the error is ErrUnsupported.
func (j *joint[T, R]) countStart(id uint64) (starts int, err error) {
	t := trouble{all: &j.pool.troubles}
	defer t.over()
	unanswered := 0 // these may be counted, and have not happened
	for j.intake.Err() == nil {
		starts, err = j.markStart(j.intake, id, 1)
		j.failIfGone(err)
		switch {
		case err == nil:
			return max(1, starts-unanswered), nil
		case j.intake.Err() == nil && isFinal(j.intake, j.eng, err):
			return 0, errors.ErrUnsupported
		}
		unanswered++
		sleep(j.intake, t.failed(err))
	}
	return 0, &handBack{causeOf(j.intake)}
}

func (j *joint[T, R]) takeBack(id uint64, interrupted bool) {
	if interrupted {
		_, _ = j.markStart(context.WithoutCancel(j.pool.taskCtx), id, -1) // one too many does not condemn
	}
}

func (j *joint[T, R]) markStart(ctx context.Context, id uint64, n int) (starts int, err error) {
	m, ok := j.eng.(engine.StartMarker)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	err = apart(func() error {
		return ask(ctx, func(ctx context.Context) (err error) {
			starts, err = m.MarkStart(ctx, id, n)
			return err
		})
	})
	return starts, err
}
