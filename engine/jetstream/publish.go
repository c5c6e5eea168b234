package jetstream

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// publishAll publishes n messages in their order, many of them before the first is
// acknowledged, and tells done of each that was published what came of it, in their order.
// It publishes no more when done has returned false or ctx is done, and then tells done of
// those that are on their way.
func (e *Engine) publishAll(ctx context.Context, n int, message func(i int) *nats.Msg, done func(i int, ack *jetstream.PubAck, err error) bool) {
	p := publishing{e: e, ctx: ctx, done: done, sent: make([]sent, 0, n)}
	for i := 0; i < n && !p.over; i++ {
		p.publish(message(i))
	}
	for p.settled < len(p.sent) {
		p.settle()
	}
}

// isRefusal tells that a message that was published with err is certainly not stored. A
// server answers with an error only where it has not stored a message: when it cannot say
// whether it has, as after a disk has failed, it does not answer at all. It looks whether
// it has the message already before it looks whether there is room for it. With one of
// those errors an earlier message with the same ID is not there either, then; but with
// another it may be.
func isRefusal(err error) bool {
	if api := apiError(err); api != nil {
		return !isUnderWay(err)
	}
	for _, unsent := range []error{
		nats.ErrReconnectBufExceeded, nats.ErrConnectionClosed, nats.ErrConnectionDraining, nats.ErrMaxPayload,
		jetstream.ErrNoStreamResponse,
	} {
		if errors.Is(err, unsent) {
			return true
		}
	}
	return false
}

// A refusedError is an error that matches engine.ErrRefused and reads as its reason.
type refusedError struct{ reason error }

func refusal(reason error) error { return &refusedError{reason} }

func (e *refusedError) Error() string   { return e.reason.Error() }
func (e *refusedError) Unwrap() []error { return []error{engine.ErrRefused, e.reason} }

type publishing struct {
	e       *Engine
	ctx     context.Context
	done    func(i int, ack *jetstream.PubAck, err error) bool
	sent    []sent
	settled int // how many of sent done was told of
	over    bool
}

type sent struct {
	future jetstream.PubAckFuture
	err    error // it was not sent
	units  int64 // of the window
}

func (p *publishing) publish(m *nats.Msg) {
	units := min(inFlight, 1+int64(len(m.Data))/bytesPerUnit)
	for !p.e.window.TryAcquire(units) {
		if p.over {
			return
		}
		if p.settled < len(p.sent) {
			p.settle() // gives some back: nobody waits for the window and holds some of it
			continue
		}
		if p.e.window.Acquire(p.ctx, units) != nil {
			p.over = true
			return
		}
		break
	}
	if p.over = p.over || p.ctx.Err() != nil; p.over {
		p.e.window.Release(units)
		return
	}
	future, err := p.e.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0)) // it would keep the data
	p.sent = append(p.sent, sent{future, err, units})
	p.over = err != nil
}

// settle waits for what comes of the first message that is on its way.
func (p *publishing) settle() {
	s := &p.sent[p.settled]
	ack, err := (*jetstream.PubAck)(nil), s.err
	if err == nil {
		ack, err = outcome(p.ctx, s.future)
	}
	p.e.window.Release(s.units)
	s.future = nil
	if !p.done(p.settled, ack, err) {
		p.over = true
	}
	p.settled++
}

// outcome waits for what comes of a message. What is known already counts, also if ctx
// is done.
func outcome(ctx context.Context, future jetstream.PubAckFuture) (*jetstream.PubAck, error) {
	select {
	case ack := <-future.Ok():
		return ack, nil
	case err := <-future.Err():
		return nil, err
	default:
	}
	select {
	case ack := <-future.Ok():
		return ack, nil
	case err := <-future.Err():
		return nil, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
