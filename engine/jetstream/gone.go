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

// Others may delete what the engine works with. The next method that needs it makes anew what can
// be without a loss: the consumer, since a task stays in its stream until it is acknowledged; the
// counts of starts, which say only how often suspects were started; and the kind.

// confirmAfter is the time between the two answers which say that there is no such stream.
const confirmAfter = time.Second

// isMissing reports whether nothing listens where a stream or a consumer should, or the server
// does not know it. A server answers the same for a moment when it has just been started, or
// has lost its cluster.
func isMissing(err error) bool {
	return isAny(err, nats.ErrNoResponders, jetstream.ErrNoStreamResponse, errConsumerDeleted) ||
		hasCode(err, jetstream.JSErrCodeStreamNotFound)
}

// failAt is fail for a request that needs a stream. It distinguishes a stream that is gone from
// one that does not answer now.
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

// isGone reports whether the servers say twice that there is no such stream. It is false for a
// client that may not ask.
func (e *Engine) isGone(ctx context.Context, stream string) bool {
	return e.isUnknown(ctx, stream) && pause(ctx, confirmAfter) == nil && e.isUnknown(ctx, stream)
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

// remakeConsumer makes the consumer anew if there is none. What was delivered and not
// acknowledged is delivered again, with Attempt 1.
func (e *Engine) remakeConsumer(ctx context.Context) error {
	n := e.names
	return e.remake(ctx, "consumer "+n.consumer+" of stream "+n.tasks, func(ctx context.Context) error {
		_, err := e.consumer(ctx, e.workers)
		return err
	}, n.consumerInfo, n.makeConsumer)
}

// remakeStarts makes the stream of the counts anew if there is none.
func (e *Engine) remakeStarts(ctx context.Context) error {
	return e.remake(ctx, "stream "+e.names.starts, func(ctx context.Context) error {
		_, err := e.madeOrThere(ctx, e.starts.CachedInfo().Config)
		return err
	}, e.names.info, e.names.makeStarts)
}

func (e *Engine) remake(ctx context.Context, what string, create func(context.Context) error, subjects ...string) error {
	call, end, err := e.begin(ctx, askTimeout, subjects...)
	if err != nil {
		return err
	}
	defer end()
	if err = create(call); err == nil {
		return nil
	}
	return fmt.Errorf("the %s does not answer, and is not made anew: %w", what, cause(call, err))
}
