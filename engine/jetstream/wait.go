package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/resultpool/resultpool/engine"
)

const (
	// A server that has too many requests waiting drops them without a word. So Wait gives up
	// a look after a while and repeats it, with more time and after a longer pause. It seldom
	// needs the answer: it hears what is saved meanwhile.
	firstLook, lastLook   = 3 * time.Second, askTimeout
	firstPause, lastPause = time.Second, 30 * time.Second
)

// Wait returns the record with that ID, as soon as it is saved.
func (e *Engine) Wait(ctx context.Context, id uint64) ([]byte, error) {
	call, end, err := e.begin(ctx, 0, e.names.direct, e.names.get, e.names.info, e.names.saved)
	if err != nil {
		return nil, err
	}
	defer end()
	// First listen, then look: what is saved after the look is heard.
	w, stop, err := e.listen(id)
	if err != nil {
		return nil, e.fail(call, "wait", err)
	}
	defer stop()
	// In a cluster the message about a result may be missed, and a task may vanish without a
	// result: look again now and then.
	var unanswered error
	limit, rest := firstLook, firstPause
	for {
		data, err := e.lookAndListen(call, w, limit)
		switch {
		case err == nil:
			return data, nil
		case call.Err() != nil:
		case errors.Is(err, engine.ErrNotFound):
			return nil, fmt.Errorf("jetstream: neither task nor result %d: %w", id, engine.ErrNotFound)
		case errors.Is(err, errNoAnswer):
			unanswered = err
		case errors.Is(err, errPending):
			unanswered = nil
		default:
			return nil, err
		}
		select {
		case data := <-w.saved:
			return data, nil
		case <-time.After(rest/2 + rand.N(rest)): // not at the same time as all others that were dropped
		case <-call.Done():
			err := e.fail(call, "wait", context.Cause(call))
			if unanswered != nil {
				err = fmt.Errorf("%w; when it last looked: %w", err, unanswered)
			}
			return nil, err
		}
		limit, rest = min(2*limit, lastLook), min(2*rest, lastPause)
	}
}

// lookAndListen returns what look finds, or the result that is saved meanwhile. limit is the time
// for the look, once it is its turn.
func (e *Engine) lookAndListen(call context.Context, w *wait, limit time.Duration) ([]byte, error) {
	select {
	case e.looks <- struct{}{}:
	case data := <-w.saved:
		return data, nil
	case <-call.Done():
		return nil, context.Cause(call)
	}
	ctx, cancel := context.WithTimeoutCause(call, limit, errNoAnswer)
	defer cancel()
	var data []byte
	looked := make(chan error, 1)
	go func() {
		var err error
		data, err = e.look(ctx, w.id)
		<-e.looks
		looked <- err
	}()
	select {
	case data := <-w.saved:
		cancel()
		<-looked
		return data, nil
	case err := <-looked:
		return data, err
	}
}

var errPending = errors.New("not done")

// look returns the record with that ID, errPending if its task is in the queue, or else
// ErrNotFound. A task leaves the queue after its result was saved. So if there is no result,
// then no task, and then still no result, there will never be one.
func (e *Engine) look(ctx context.Context, id uint64) ([]byte, error) {
	if id == 0 {
		return nil, engine.ErrNotFound
	}
	data, _, err := e.direct(ctx, id)
	switch {
	case err == nil:
		return data, nil
	case !errors.Is(err, engine.ErrNotFound):
		return nil, e.failAt(ctx, "wait", e.names.results, err)
	}
	err = e.hasTask(ctx, id)
	switch {
	case err == nil:
		return nil, errPending
	case errors.Is(err, errUnreadable):
		return nil, e.fail(ctx, "wait", err)
	case !errors.Is(err, engine.ErrNotFound):
		return nil, e.failAt(ctx, "wait", e.names.tasks, err)
	}
	data, err = e.lastOrUnreadable(ctx, id, 0) // what was read before says nothing of now
	if err == nil || errors.Is(err, engine.ErrNotFound) {
		return data, err
	}
	return nil, e.failAt(ctx, "wait", e.names.results, err)
}
