package remote

import (
	"context"
	"errors"
	"fmt"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/backoff"
)

const (
	// suspectFrom is the delivery from which on a task may be what has killed the processes
	// that had it. Two deliveries are common: one process has died.
	suspectFrom = 3

	// maxStarts is how often a suspect is started.
	maxStarts = 5

	// maxDeliveries counts in place of maxStarts if the engine cannot count starts. It is
	// larger, since a process that dies takes with it what it has pulled and not started.
	maxDeliveries = 20
)

// A Start is a task that a worker has begun. It belongs to that worker, which calls End once, when
// the task has ended, however that was.
type Start struct {
	share *Share
	id    uint64
	// Runs is how many runs of the task have ended that were not the last, in whichever process.
	Runs int
	// counted is true if the start is counted, durably, with MarkStart.
	counted bool
	// alone is true if this Start has filled share.suspect: End empties it.
	alone bool
}

// Begin returns the bytes of a task that is held, for the worker that has taken it from the
// host's queue. It is quick, except for tasks that were delivered three times or more.
//
// With an error, the task is not to be run, and the error is its Err: it may be a [HandBack]. End is
// to be called in either case.
func (s *Share) Begin(id uint64) (task []byte, start Start, err error) {
	s.begun.Add(1)
	s.noteChange()
	// It is held until Finish or Forget, which come after its worker is done with it.
	d := s.held.first(id)
	start = Start{share: s, id: id, Runs: d.Runs}
	if deliveries := d.Attempt - d.Runs; deliveries >= suspectFrom { // nobody has died at the others
		err = start.countSuspect(deliveries)
	}
	return d.Task, start, err
}

// End says that the task has ended, and lets feed take over another. One that was interrupted, and
// is handed back, has not killed its process: that start is taken back.
func (t *Start) End(interrupted bool) {
	if t.counted && interrupted {
		t.takeBack()
	}
	if t.alone {
		<-t.share.suspect
	}
	t.share.ended.Add(1)
	t.share.noteChange()
}

// Skip is Begin and End of a task that a worker has taken and does not run, since its result is known.
func (s *Share) Skip() {
	s.begun.Add(1)
	s.ended.Add(1)
	s.noteChange()
}

// Reenter notes that a task which has ended is to begin again.
func (s *Share) Reenter() { s.entered.Add(1) }

// countSuspect counts the start of a task that was delivered often, durably and before it
// happens: if the process dies now, the task may be the reason. If a process has died at it
// before, no other such suspect runs beside it in this process, so that none is blamed for
// another. (A task may be delivered often for harmless reasons: processes that were stopped and
// gave it back.) With an error the task is not run.
//
//	deliveries   starts so far     what happens
//	1, 2         not asked         it runs
//	3 or more    0                 it runs, and the start is counted
//	3 or more    1 to 4            it runs when no other such suspect runs here, and is counted
//	3 or more    5                 ErrPoisoned
//	3 to 20      not to be had     it runs
//	21 or more   not to be had     ErrPoisoned
//
// The wait for other suspects is not counted as a start: one that is taken back, and another when it
// is over. A process that dies between the two has not been killed by this task.
func (t *Start) countSuspect(deliveries int) error {
	starts, err := t.count()
	switch {
	case errors.Is(err, errors.ErrUnsupported) && deliveries > maxDeliveries:
		return fmt.Errorf("%w: it was delivered %d times", ErrPoisoned, deliveries)
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return err
	}
	t.counted = true
	if starts == 1 {
		return nil
	}
	// It has to wait, and others may kill the process meanwhile: that would not be its doing.
	t.takeBack()
	t.counted = false
	select {
	case t.share.suspect <- struct{}{}:
		t.alone = true
	case <-t.share.intake.Done():
		return t.share.closed()
	}
	starts, err = t.count()
	switch {
	case errors.Is(err, errors.ErrUnsupported): // it is not permitted any more
		// The start before may not have been taken back, for the same reason. To try that once
		// more at the end does no harm.
		t.counted = true
		return nil
	case err != nil:
		return err
	case starts > maxStarts:
		return fmt.Errorf("%w: it was started %d times", ErrPoisoned, starts-1)
	}
	t.counted = true
	return nil
}

// count adds a start and returns how many there are. Until the engine says that it is counted,
// the task is not started: a start that is not counted could kill every process there is. Attempts
// without an answer may have been counted and are subtracted, since they have killed nobody.
//
// The error is ErrUnsupported if the engine cannot count, or not for this process, and a HandBack if
// the host is closed.
func (t *Start) count() (starts int, err error) {
	s := t.share
	// Starts that may be counted, since the engine has not answered, and have not happened.
	unanswered := 0
	done, err := s.failures.Loop().Do(s.intake, func() (backoff.Verdict, error) {
		n, err := t.mark(s.intake, 1)
		s.failIfGone(err)
		switch {
		case err == nil:
			starts = max(1, n-unanswered)
			return backoff.Done, nil
		case s.intake.Err() == nil && s.isFinal(s.intake, err):
			return backoff.Done, errors.ErrUnsupported
		}
		unanswered++
		return backoff.Failed, err
	})
	if !done {
		return 0, s.closed()
	}
	return starts, err
}

// closed is the Err of a task that is not run since the host is closed: another process is to run it.
func (s *Share) closed() error { return &HandBack{backoff.Cause(s.intake)} }

// takeBack takes a start back, also when the host is closing. If the engine does not do so, one
// start too many condemns no task.
func (t *Start) takeBack() { _, _ = t.mark(t.share.calls, -1) }

// mark is one MarkStart, within patience. It is made on a goroutine of its own, so that a Goexit of the
// engine does not look like one of the task.
func (t *Start) mark(ctx context.Context, n int) (starts int, err error) {
	m, ok := t.share.eng.(engine.StartMarker)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	err = t.share.ask(ctx, func(ctx context.Context) (err error) {
		starts, err = m.MarkStart(ctx, t.id, n)
		return err
	})
	return starts, err
}
