package pool

import (
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

// load waits for the result of a task. It goes on while the engine fails, as Submit does.
func (j *joint[T, R]) load(ctx context.Context, id store.ID) ([]byte, error) {
	var pause time.Duration
	w, canWait := j.eng.(engine.Waiter)
	inTask := j.pool.inTask(ctx)
	wait := false // Load has said that it is not there
	for {
		var (
			data []byte
			err  error
		)
		if wait && canWait {
			data, err = w.Wait(ctx, uint64(id))
		} else {
			data, err = j.loadOnce(ctx, id)
		}
		missing := errors.Is(err, engine.ErrNotFound)
		switch {
		case err == nil:
			return data, nil
		case ctx.Err() != nil:
			return nil, causeOf(ctx)
		case missing && inTask:
			return nil, ErrInTask
		case missing && wait && canWait:
			return nil, notFoundOr(id, err)
		case missing && canWait:
			wait = true
			continue
		case !missing && isFinal(j.eng, err):
			return nil, fmt.Errorf("pool: task %d: %w", id, err)
		}
		pause = nextPause(pause)
		if missing {
			pause = min(pause, longestFullPause)
		}
		sleep(ctx, pause)
		if ctx.Err() != nil {
			return nil, causeOf(ctx)
		}
	}
}

func (j *joint[T, R]) loadOnce(ctx context.Context, id store.ID) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return j.eng.Load(ctx, uint64(id))
}

func sizeOnce(ctx context.Context, s engine.Sizer) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.Size(ctx)
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
	var pause time.Duration
	for ctx.Err() == nil {
		n, err := sizeOnce(ctx, s)
		switch {
		case err == nil && n == 0:
			return nil
		case err != nil && ctx.Err() == nil && isFinal(j.eng, err):
			return fmt.Errorf("pool: Wait: %w", err)
		}
		pause = nextPause(pause)
		if err == nil {
			pause = min(pause, longestFullPause)
		}
		sleep(ctx, pause)
	}
	return causeOf(ctx)
}

// All returns the results that are stored.
func (s *jointStore[T, R]) All(ctx context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		for rec, err := range s.eng.All(ctx) {
			res := store.Result[R]{}
			if err == nil {
				res, err = s.wire.results.Decode(store.ID(rec.ID), rec.Data)
			}
			if !yield(res, err) || err != nil {
				return
			}
		}
	}
}
