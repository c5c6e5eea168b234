package jetstream

import (
	"context"
	"fmt"
	"time"

	"github.com/resultpool/resultpool/engine"
)

var (
	ack      = []byte("+ACK")
	nak      = []byte("-NAK")
	progress = []byte("+WPI")
	term     = []byte("+TERM")
)

func nakAfter(d time.Duration) []byte { return fmt.Appendf(nil, `-NAK {"delay": %d}`, d) }

// Ack tells the servers that the results of these tasks are saved, once that is so for all tasks of their message.
// It does not wait for an answer: if an acknowledgement is lost, the task is delivered again, and its result is
// there.
func (e *Engine) Ack(ctx context.Context, ds []engine.Delivery) error {
	return e.answer(ctx, "ack", ds, func(_ context.Context, r *pulledRun, at []int) error {
		return e.acknowledge(r, e.close(r, at))
	})
}

// acknowledge says that a run is done with, if it is, or if that could not be said before.
func (e *Engine) acknowledge(r *pulledRun, isDone bool) error {
	r.of.mu.Lock()
	isDone = isDone || r.unsent
	r.of.mu.Unlock()
	if !isDone {
		return nil
	}
	err := e.nc.Publish(r.reply, ack)
	r.of.mu.Lock()
	r.unsent = err != nil
	r.of.mu.Unlock()
	return err
}

// Nack gives tasks back. If they are only some of a message, they get a message of their own, and Nack waits for
// it.
func (e *Engine) Nack(ctx context.Context, ds []engine.Delivery) error {
	last, earlier := latest(ds)
	mayBeWhole := len(earlier) == 0 // or else these would be acknowledged, and with them the message
	return e.giveBackLast(ctx, last, earlier, func(call context.Context, r *pulledRun, at []int) error {
		return e.putBack(call, r, at, true, mayBeWhole)
	})
}

// NackAfter gives tasks back that are to run again later, in messages of their own, and waits for these. The clocks
// of the machines have to agree on that time. A task that is pulled before its time, for example by an idle pool,
// counts that as a delivery.
func (e *Engine) NackAfter(ctx context.Context, ds []engine.Delivery, d time.Duration) error {
	var due time.Time
	if d > 0 {
		due = time.Now().Add(d)
	}
	last, earlier := latest(ds)
	return e.giveBackLast(ctx, last, earlier, func(call context.Context, r *pulledRun, at []int) error {
		return e.putLater(call, r, at, due)
	})
}

// giveBackLast gives the last deliveries of tasks back, and then closes those before them: two messages would be made of two
// deliveries of one task.
func (e *Engine) giveBackLast(ctx context.Context, last, earlier []engine.Delivery, f func(ctx context.Context, r *pulledRun, at []int) error) error {
	err := e.answer(ctx, "nack", last, f)
	if err != nil || len(earlier) == 0 {
		return err
	}
	return e.Ack(ctx, earlier)
}

// Extend makes the leases of tasks begin again now, and with them those of all tasks that were delivered in the same
// messages. It does not wait for an answer.
func (e *Engine) Extend(ctx context.Context, ds []engine.Delivery) error {
	return e.answer(ctx, "extend", ds, func(_ context.Context, r *pulledRun, _ []int) error {
		r.of.mu.Lock()
		isOpen := r.open > 0
		r.of.mu.Unlock()
		if !isOpen {
			return nil
		}
		return e.nc.Publish(r.reply, progress)
	})
}

func (e *Engine) answer(ctx context.Context, what string, ds []engine.Delivery, f func(ctx context.Context, r *pulledRun, at []int) error) error {
	for _, d := range ds {
		if t, ok := d.Token.(token); !ok || t.id() != d.ID {
			return fmt.Errorf("jetstream: %s: the delivery of task %d is not from this engine", what, d.ID)
		}
	}
	call, end, err := e.begin(ctx, 0, e.names.rest)
	if err != nil {
		return err
	}
	defer end()
	e.mu.Lock()
	unheard := e.unheard
	e.unheard = nil // said once: this answer may be permitted
	e.mu.Unlock()
	if unheard != nil {
		return e.fail(call, what, unheard)
	}
	if err := byRun(ds, func(r *pulledRun, at []int) error { return f(call, r, at) }); err != nil {
		return e.failAt(call, what, e.names.tasks, err)
	}
	return nil
}
