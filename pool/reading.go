package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/store"
)

// Get is that of a joined pool.
func (j *joint[T, R]) Get(ctx context.Context, id store.ID) (R, error) {
	var zero R
	data, err := j.load(ctx, id)
	if err != nil {
		return zero, err
	}
	res, err := j.wire.results.Decode(id, data)
	if err != nil {
		return zero, fmt.Errorf("pool: %w", err)
	}
	return res.Value, res.Err
}

// load waits for the result of a task. It goes on while the engine fails, as Submit does,
// until that fails for good.
func (j *joint[T, R]) load(ctx context.Context, id store.ID) ([]byte, error) {
	t := trouble{all: &j.pool.troubles}
	defer t.over()
	w, canWait := j.eng.(engine.Waiter)
	inTask := j.pool.inTask(ctx)
	waiting, cancel := j.whileAlive(ctx)
	defer cancel()
	var pause time.Duration // of an engine that is no Waiter
	for wait := false; ; {  // wait: Load has said that it is not there
		var (
			data []byte
			err  error
		)
		if wait && canWait {
			var seen *time.Timer
			if t.pause > 0 { // an engine that works again, and waits, does not say so
				seen = time.AfterFunc(2*patience, t.passed)
			}
			err = guarded(func() (err error) { data, err = w.Wait(waiting, uint64(id)); return err })
			if seen != nil {
				seen.Stop()
			}
		} else {
			data, err = j.loadOnce(ctx, id)
		}
		missing := errors.Is(err, engine.ErrNotFound)
		switch {
		case err == nil:
			return data, nil
		case ctx.Err() != nil:
			return nil, late(ctx, t.refusal())
		case missing && inTask:
			return nil, ErrInTask
		case missing && wait && canWait:
			return nil, notFoundOr(id, err)
		case j.alive.Err() != nil:
			return nil, closedBecause(context.Cause(j.alive))
		case missing && canWait:
			wait = true
			t.over()
			continue
		case !missing && isFinal(ctx, j.eng, err):
			j.failIfGone(err)
			return nil, &wrapped{fmt.Sprintf("pool: task %d", id), err}
		}
		if missing {
			t.over()
			pause = min(nextPause(pause), longestFullPause)
			sleep(waiting, pause)
		} else {
			sleep(waiting, t.failed(err))
		}
		if ctx.Err() != nil {
			return nil, late(ctx, t.refusal())
		}
	}
}

// whileAlive returns a context that ends with ctx, and when the engine has failed for good.
func (j *joint[T, R]) whileAlive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(j.alive, func() { cancel(context.Cause(j.alive)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

func (j *joint[T, R]) loadOnce(ctx context.Context, id store.ID) (data []byte, err error) {
	err = ask(ctx, func(ctx context.Context) (err error) {
		data, err = j.eng.Load(ctx, uint64(id))
		return err
	})
	return data, err
}

func notFoundOr(id store.ID, err error) error {
	if errors.Is(err, engine.ErrNotFound) {
		return fmt.Errorf("pool: task %d: %w", id, store.ErrNotFound)
	}
	return err
}

// Wait is that of a joined pool.
func (j *joint[T, R]) Wait(ctx context.Context) error {
	s, ok := j.eng.(engine.Sizer)
	if !ok {
		return fmt.Errorf("pool: Wait: the engine cannot say how many tasks it has: %w", errors.ErrUnsupported)
	}
	t := trouble{all: &j.pool.troubles}
	defer t.over()
	waiting, cancel := j.whileAlive(ctx)
	defer cancel()
	var (
		left    error // what it waits for
		refusal error
		pause   time.Duration
	)
	for {
		var n uint64
		err := ask(ctx, func(ctx context.Context) (err error) {
			n, err = s.Size(ctx)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return late(ctx, cmp.Or(refusal, left))
		case j.alive.Err() != nil:
			return closedBecause(context.Cause(j.alive))
		case err == nil && n == 0:
			return nil
		case err == nil:
			t.over()
			left, refusal = &leftError{queued: n, here: j.count(), lease: j.eng.Lease()}, nil
			pause = min(nextPause(pause), longestFullPause)
			sleep(waiting, pause)
		case isFinal(ctx, j.eng, err):
			j.failIfGone(err)
			return &wrapped{"pool: Wait", err}
		default:
			refusal = err
			sleep(waiting, t.failed(err))
		}
	}
}

// A leftError says what Wait has waited for.
type leftError struct {
	queued uint64
	here   int
	lease  time.Duration
}

func (e *leftError) Error() string {
	return fmt.Sprintf("tasks in the shared queue: %d, with this pool: %d; "+
		"what a process had that has died is delivered again within %v of its death", e.queued, e.here, e.lease)
}

// All returns the results that are stored.
func (s *jointStore[T, R]) All(ctx context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		for rec, err := range s.eng.All(ctx) {
			s.failIfGone(err)
			res := store.Result[R]{}
			if err == nil {
				res, err = s.wire.results.Decode(store.ID(rec.ID), rec.Data)
			}
			res.ID = store.ID(rec.ID) // also of one that cannot be read
			if !yield(res, err) || rec.ID == 0 {
				return
			}
		}
	}
}
