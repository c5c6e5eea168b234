package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/resultpool/resultpool/engine"
)

// Wait returns the record with that ID, as soon as it is saved.
func (e *Engine) Wait(ctx context.Context, id uint64) ([]byte, error) {
	call, end, err := e.begin(ctx, 0, e.names.direct, e.names.get, e.names.saved)
	if err != nil {
		return nil, err
	}
	defer end()
	// First listen, then look: what is saved after the look is heard.
	saved := make(chan *nats.Msg, 1)
	sub, err := e.nc.ChanSubscribe(e.names.saved+strconv.FormatUint(id, 10), saved)
	if err != nil {
		return nil, e.fail(call, "wait", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	// In a cluster what was said may be missed, and a task may vanish without a result:
	// look again, now and then.
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		data, err := e.look(call, id)
		switch {
		case err == nil:
			return data, nil
		case errors.Is(err, engine.ErrNotFound):
			return nil, fmt.Errorf("jetstream: neither task nor result %d: %w", id, engine.ErrNotFound)
		case !errors.Is(err, errPending):
			return nil, e.fail(call, "wait", err)
		}
		timer := time.NewTimer(pause)
		select {
		case m := <-saved:
			timer.Stop()
			return m.Data, nil
		case <-timer.C:
		case <-call.Done():
			timer.Stop()
			return nil, e.fail(call, "wait", context.Cause(call))
		}
	}
}

var errPending = errors.New("not done")

// look returns the record with that ID, errPending if its task is in the queue, or else
// ErrNotFound. A task leaves the queue after its result was saved: so a result that is
// not there, then no task, and then still no result, never comes.
func (e *Engine) look(ctx context.Context, id uint64) ([]byte, error) {
	if id == 0 {
		return nil, engine.ErrNotFound
	}
	data, err := e.direct(ctx, id)
	if !errors.Is(err, engine.ErrNotFound) {
		return data, err
	}
	if _, err := e.ask(ctx, e.names.tasks, getRequest{Seq: id}); err == nil {
		return nil, errPending
	} else if !errors.Is(err, engine.ErrNotFound) {
		return nil, err
	}
	return e.last(ctx, id)
}
