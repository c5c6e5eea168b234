package jetstream

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publishAll publishes n messages in their order, many of them before the first is
// acknowledged, and tells done of each that was published what came of it. It stops
// publishing when done returns false or ctx ends, and then tells done of those that are
// on their way still.
func (e *Engine) publishAll(ctx context.Context, n int, message func(i int) *nats.Msg, done func(i int, ack *jetstream.PubAck, err error) bool) {
	futures := make([]jetstream.PubAckFuture, 0, n)
	settled, more := 0, true
	settle := func() {
		ack, err := outcome(ctx, futures[settled])
		futures[settled] = nil
		<-e.slots
		if !done(settled, ack, err) {
			more = false
		}
		settled++
	}
	for i := 0; i < n && more && ctx.Err() == nil; i++ {
		for took := false; !took && more; {
			select {
			case e.slots <- struct{}{}:
				took = true
				continue
			default:
			}
			if settled < len(futures) {
				settle() // gives one back: nobody waits for a slot and holds others
				continue
			}
			select {
			case e.slots <- struct{}{}:
				took = true
			case <-ctx.Done():
				more = false
			}
		}
		if !more {
			break
		}
		future, err := e.js.PublishMsgAsync(message(i))
		if err != nil {
			<-e.slots
			for settled < len(futures) {
				settle()
			}
			done(i, nil, err)
			return
		}
		futures = append(futures, future)
	}
	for settled < len(futures) {
		settle()
	}
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
