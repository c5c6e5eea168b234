package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/internal/text"
)

// Load returns the result of a task, whichever process has run it. If wait is true, it waits until
// there is one. In either case it tries again while the engine fails, until that has failed for
// good. The error matches engine.ErrNotFound if there is no result and none to wait for.
//
// The engine is asked with Load first: most results that are asked for are there. What follows:
//
//	it is there                        return it
//	not there, and no waiting          ErrNotFound
//	not there, the engine can wait     Wait, which knows of a task that was never pushed: ErrNotFound
//	not there, it cannot               Load again, after a short pause
//	the engine has failed              the same call again, after a pause that grows
func (s *Share) Load(ctx context.Context, id uint64, wait bool) (data []byte, err error) {
	if s.alive.Err() != nil {
		// Nothing will be added any more, but what is stored may be read all the same: an
		// engine that takes no results need not have lost those that it has.
		data, err := s.loadOnce(ctx, id)
		if err != nil {
			err = s.notWaited(ctx, nil)
		}
		return data, err
	}
	waiter, canWait := s.eng.(engine.Waiter)
	waiting, cancel := s.whileAlive(ctx)
	defer cancel()
	loop := s.failures.Loop()
	// missing is true once the engine has said that there is no result: then it is asked to wait.
	missing := false
	done, err := loop.Do(waiting, func() (backoff.Verdict, error) {
		var err error
		waited := missing && canWait
		if waited {
			data, err = s.waitFor(waiting, loop, waiter, id)
		} else {
			// With ctx: what is stored may be read even if the engine fails for good meanwhile.
			data, err = s.loadOnce(ctx, id)
		}
		notFound := errors.Is(err, engine.ErrNotFound)
		switch {
		case err == nil:
			return backoff.Done, nil
		case s.isGivenUp(ctx):
			return backoff.Done, context.Cause(s.alive)
		case waiting.Err() != nil:
			return backoff.Failed, nil
		case notFound && (waited || !wait):
			return backoff.Done, err
		case notFound && canWait:
			missing = true
			loop.Succeeded()
			return backoff.Again, nil
		case notFound:
			return backoff.Poll, nil
		case s.isFinal(waiting, err):
			s.failIfGone(err)
			return backoff.Done, text.Wrap(fmt.Sprintf("pool: task %d", id), err)
		default:
			return backoff.Failed, err
		}
	})
	if !done {
		return nil, s.notWaited(ctx, err)
	}
	return data, err
}

// Look returns the result of a task, or reports that it has none yet. It does not try again. If there is no
// task either, the error matches engine.ErrNotFound.
//
// Whether there is a task only Wait knows, which is made to answer by a context that ends soon: it says at
// once that there is none. How soon that is, the answer to Load has shown. Of an engine that cannot wait each
// task is pending.
func (s *Share) Look(ctx context.Context, id uint64) (data []byte, pending bool, err error) {
	begun := time.Now()
	data, err = s.loadOnce(ctx, id)
	waiter, canWait := s.eng.(engine.Waiter)
	if errors.Is(err, engine.ErrNotFound) && canWait {
		glance, cancel := context.WithTimeout(ctx, min(patience, max(shortestGlance, 5*time.Since(begun))))
		defer cancel()
		err = guard.Apart(func() (err error) {
			data, err = waiter.Wait(glance, id)
			return err
		})
		if err != nil && glance.Err() != nil && ctx.Err() == nil && !errors.Is(err, engine.ErrNotFound) {
			return nil, true, nil
		}
	} else if errors.Is(err, engine.ErrNotFound) {
		return nil, true, nil
	}
	switch {
	case err == nil:
		return data, false, nil
	case ctx.Err() != nil:
		return nil, false, backoff.Cause(ctx)
	case errors.Is(err, engine.ErrNotFound):
		return nil, false, err
	default:
		s.failIfGone(err)
		return nil, false, text.Wrap(fmt.Sprintf("pool: task %d", id), err)
	}
}

// shortestGlance is how long Look gives an engine, at least, to say that there is no task.
const shortestGlance = 100 * time.Millisecond

// notWaited returns why a call that has waited is over, given the engine's last refusal. The caller's
// own context comes first: whoever set it knows what it means.
func (s *Share) notWaited(ctx context.Context, refusal error) error {
	if ctx.Err() != nil {
		return deadline(ctx, refusal)
	}
	return context.Cause(s.alive)
}

// loadOnce is one attempt to load a result, within patience.
func (s *Share) loadOnce(ctx context.Context, id uint64) (data []byte, err error) {
	err = s.ask(ctx, func(ctx context.Context) (err error) {
		data, err = s.eng.Load(ctx, id)
		return err
	})
	return data, err
}

// waitFor waits for the result of a task in the engine. It is not bounded by patience: there is
// nothing wrong with a task that takes long.
func (s *Share) waitFor(ctx context.Context, loop *backoff.Loop, w engine.Waiter, id uint64) (data []byte, err error) {
	if loop.IsFailing() { // an engine that works again, and waits, does not say so
		defer time.AfterFunc(2*patience, loop.Clear).Stop()
	}
	err = guard.Apart(func() (err error) {
		data, err = w.Wait(ctx, id)
		return err
	})
	return data, err
}

// Wait waits until the engine's queue is empty: until no task of any process waits or runs. It asks
// again and again, also while the engine fails, until that has failed for good.
func (s *Share) Wait(ctx context.Context) error {
	// Without a Sizer nobody knows of the tasks that other processes have.
	sizer, ok := s.eng.(engine.Sizer)
	if !ok {
		return fmt.Errorf("pool: Wait: the engine cannot say how many tasks it has: %w", errors.ErrUnsupported)
	}
	waiting, cancel := s.whileAlive(ctx)
	defer cancel()
	// left says what it waits for, as of the last answer.
	var left error
	done, err := s.failures.Loop().Do(waiting, func() (backoff.Verdict, error) {
		var n uint64
		err := s.ask(waiting, func(ctx context.Context) (err error) {
			n, err = sizer.Size(ctx)
			return err
		})
		switch {
		case s.isGivenUp(ctx):
			return backoff.Done, context.Cause(s.alive)
		case waiting.Err() != nil:
			return backoff.Failed, nil
		case err == nil && n == 0:
			return backoff.Done, nil
		case err == nil:
			left = &leftError{queued: n, here: s.held.count(), lease: s.eng.Lease()}
			return backoff.Poll, nil
		case s.isFinal(waiting, err):
			s.failIfGone(err)
			return backoff.Done, text.Wrap("pool: Wait", err)
		default:
			return backoff.Failed, err
		}
	})
	if !done {
		return s.notWaited(ctx, cmp.Or(err, left))
	}
	return err
}

// A leftError says what Wait has waited for: whoever set the deadline wants to know whether the
// tasks are here, elsewhere, or with a process that has died.
type leftError struct {
	queued uint64
	here   int
	lease  time.Duration
}

func (e *leftError) Error() string {
	return fmt.Sprintf("tasks, or messages with several, in the shared queue: %d; tasks with this pool: %d; "+
		"what a process had that has died is delivered again within %v of its death", e.queued, e.here, e.lease)
}
