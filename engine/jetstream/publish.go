package jetstream

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// A fate is what follows from the server's answer to a message.
type fate int

const (
	settled  fate = iota // the answer is known
	underWay             // replicas are storing the same message of another call: ask again
	over                 // publish no more
)

const (
	underWayPause = 20 * time.Millisecond
	maxUnderWay   = 50
)

// A publishing publishes messages, many of them before the first is acknowledged.
type publishing struct {
	e       *Engine
	ctx     context.Context
	message func(i int) *nats.Msg

	// done is called once for each message that was published, in their order.
	done func(i int, ack *jetstream.PubAck, err error) fate

	todo    []int // the messages of this round
	sent    []sent
	settled int   // how many of sent done was called for
	again   []int // those under way, for the next round
	last    error // of one that is under way
	over    bool
}

type sent struct {
	future jetstream.PubAckFuture
	err    error // it was not sent
	units  int64 // of the window
}

// run publishes n messages in their order. It publishes no more when done has returned over or
// ctx is done, and calls done then for those that were published.
//
// Messages that are under way are published again, in rounds, until their fate is known: the
// replicas store them in a moment, or lose them with their leader. The error is nil unless
// some are still under way in the end.
func (p *publishing) run(n int) error {
	p.todo = make([]int, n)
	for i := range p.todo {
		p.todo[i] = i
	}
	for tries := 0; ; tries++ {
		p.sent, p.settled, p.again = make([]sent, 0, len(p.todo)), 0, nil
		for _, i := range p.todo {
			if !p.publish(p.message(i)) {
				break
			}
		}
		for p.settled < len(p.sent) {
			p.settle()
		}
		if p.over || len(p.again) == 0 {
			return nil
		}
		if tries == maxUnderWay || pause(p.ctx, underWayPause) != nil {
			return p.last
		}
		p.todo = p.again
	}
}

// publish reports whether the next message may be published.
func (p *publishing) publish(m *nats.Msg) bool {
	units := min(inFlight, 1+int64(len(m.Data))/bytesPerUnit)
	for !p.e.window.TryAcquire(units) {
		if p.settled < len(p.sent) {
			p.settle() // gives units back: no call waits for the window and holds a part of it
			if p.over {
				return false
			}
			continue
		}
		if p.e.window.Acquire(p.ctx, units) != nil {
			return false
		}
		break
	}
	if p.ctx.Err() != nil {
		p.e.window.Release(units)
		return false
	}
	future, err := p.e.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0)) // a retry would keep the data
	p.sent = append(p.sent, sent{future, err, units})
	return err == nil
}

// settle waits for the answer to the first message that has none.
func (p *publishing) settle() {
	s := &p.sent[p.settled]
	ack, err := (*jetstream.PubAck)(nil), s.err
	if err == nil {
		ack, err = outcome(p.ctx, s.future)
	}
	p.e.window.Release(s.units)
	s.future = nil
	i := p.todo[p.settled]
	p.settled++
	switch p.done(i, ack, err) {
	case underWay:
		p.again, p.last = append(p.again, i), err
	case over:
		p.over = true
	}
}

// outcome waits for the answer to a message. An answer that has come counts even if ctx is
// done.
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

// isRefusal reports whether a message that was published with err is certainly not stored. A
// server answers with an error only if it has not stored the message: when it cannot know, as
// after a disk has failed, it does not answer. It looks for an earlier message with the same
// ID before it looks for room. So with one of these errors there is no earlier message either,
// but with another error there may be one.
func isRefusal(err error) bool {
	if apiError(err) != nil {
		return !isUnderWay(err)
	}
	return isAny(err, nats.ErrReconnectBufExceeded, nats.ErrConnectionClosed, nats.ErrConnectionDraining, nats.ErrMaxPayload,
		jetstream.ErrNoStreamResponse)
}

// A refusedError is an error that matches engine.ErrRefused and reads as its reason.
type refusedError struct{ reason error }

func refusal(reason error) error { return &refusedError{reason} }

func (e *refusedError) Error() string   { return e.reason.Error() }
func (e *refusedError) Unwrap() []error { return []error{engine.ErrRefused, e.reason} }
