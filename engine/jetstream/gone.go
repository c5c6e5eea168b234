package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// Somebody may delete what the engine works with. What can be made anew without a loss is
// made anew by the next method that needs it: the consumer, since a task stays in its
// stream until it is acknowledged; the counts of starts, which say only how often suspects
// were started; and the description. With the other two streams tasks or results are gone:
// that is an error that matches engine.ErrGone.

// confirmAfter is between the two answers that say that a stream is not there.
const confirmAfter = time.Second

// isMissing tells that nothing listens where a stream or a consumer should, or that the
// server does not know it. A server says the same for a moment when it has just been
// started, or has lost its cluster.
func isMissing(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, errConsumerDeleted) || hasCode(err, jetstream.JSErrCodeStreamNotFound)
}

// failAt is fail for a request that needs a stream: it tells a stream that is gone from one
// that does not answer now.
func (e *Engine) failAt(ctx context.Context, what, stream string, err error) error {
	if isMissing(err) && e.isGone(ctx, stream) {
		kept := "tasks"
		if stream == e.names.results {
			kept = "results"
		}
		err = fmt.Errorf("the stream %s is gone from the servers, and with it all %s that were in it: "+
			"restore it from a backup, or delete the other streams of the pool and open the pool anew: %w", stream, kept, engine.ErrGone)
	}
	return e.fail(ctx, what, err)
}

// isGone reports whether the servers say that there is no such stream, and say it again
// after a while. Who may not ask does not know.
func (e *Engine) isGone(ctx context.Context, stream string) bool {
	if !e.isUnknown(ctx, stream) {
		return false
	}
	return pause(ctx, confirmAfter) == nil && e.isUnknown(ctx, stream)
}

func (e *Engine) isUnknown(ctx context.Context, stream string) bool {
	call, end, err := e.begin(ctx, askTimeout, e.names.info)
	if err != nil {
		return false
	}
	defer end()
	_, err = e.js.Stream(call, stream)
	return errors.Is(err, jetstream.ErrStreamNotFound)
}

// remakeConsumer makes the consumer anew if it is not there. What was delivered and not
// acknowledged is delivered again, with Attempt 1.
func (e *Engine) remakeConsumer(ctx context.Context) error {
	call, end, err := e.begin(ctx, askTimeout, e.names.consumerInfo, e.names.makeConsumer)
	if err != nil {
		return err
	}
	defer end()
	if _, err := e.consumer(call, e.workers); err != nil {
		if call.Err() != nil {
			err = context.Cause(call)
		}
		return fmt.Errorf("the consumer %s of stream %s does not answer, and is not made anew: %w", e.names.consumer, e.names.tasks, err)
	}
	return nil
}

// remakeStarts makes the stream of the counts anew if it is not there.
func (e *Engine) remakeStarts(ctx context.Context) error {
	call, end, err := e.begin(ctx, askTimeout, e.names.makeStarts)
	if err != nil {
		return err
	}
	defer end()
	_, err = e.js.CreateStream(call, e.starts.CachedInfo().Config)
	if err == nil || errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return nil
	}
	if call.Err() != nil {
		err = context.Cause(call)
	}
	return fmt.Errorf("the stream %s does not answer, and is not made anew: %w", e.names.starts, err)
}
