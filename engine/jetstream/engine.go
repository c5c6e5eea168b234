package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"github.com/resultpool/resultpool/engine"
)

// An Engine is one pool's queue and results in the servers. It implements engine.Engine
// and every optional interface of that package. See the package comment.
type Engine struct {
	nc    *nats.Conn
	js    jetstream.JetStream
	names names

	tasks, results, starts jetstream.Stream
	workers                jetstream.ConsumerConfig // to make the consumer anew
	lease                  time.Duration

	// window bounds the messages that are published and not acknowledged. A server
	// refuses them if too many wait to be stored (100,000 or 128 MiB for a stream): this
	// leaves room for 200 others, with messages of up to 1 KiB, or for eight.
	window *semaphore.Weighted

	mu     sync.Mutex
	calls  map[*call]struct{} // guarded by mu; none is added when closed
	closed bool               // guarded by mu

	// unheard is why an acknowledgement was refused: nobody was waiting for it. Guarded
	// by mu.
	unheard error

	idle chan struct{} // closed when the engine is closed and no method runs
	gone chan struct{} // closed when the client has called its last callback
}

// All that an engine can do.
var (
	_ engine.Engine      = (*Engine)(nil)
	_ engine.Waiter      = (*Engine)(nil)
	_ engine.StartMarker = (*Engine)(nil)
	_ engine.Sizer       = (*Engine)(nil)
	_ engine.Describer   = (*Engine)(nil)
	_ engine.Retryabler  = (*Engine)(nil)
)

// acks is what the subjects for acknowledgements begin with.
const acks = "$JS.ACK."

const (
	inFlight     = 512      // units of the window
	bytesPerUnit = 32 << 10 // so there are 16 MiB under way at most

	askTimeout   = 10 * time.Second // for an answer that comes at once, if it comes
	openTimeout  = time.Minute      // for all that Open asks of servers that answer
	closeTimeout = 2 * time.Second
)

// names are the streams and subjects of a pool.
type names struct {
	tasks, results, starts, kind string // streams
	consumer                     string
	task, kindSubject            string // subjects
	result, saved, start         string // subjects, without the ID at the end

	// Subjects of the servers, or what they begin with.
	next, info, consumerInfo, purgeTasks, purge, get, direct string
	makeConsumer, makeStarts                                 string
}

func namesOf(pool string) names {
	stream, subject := "resultpool_"+pool, "resultpool."+pool+"."
	n := names{
		tasks:    stream + "_tasks",
		results:  stream + "_results",
		starts:   stream + "_starts",
		kind:     stream + "_kind",
		consumer: "workers",
		task:     subject + "task",
		result:   subject + "result.",
		saved:    subject + "saved.",
		start:    subject + "start.",

		kindSubject: subject + "kind",
	}
	n.next = "$JS.API.CONSUMER.MSG.NEXT." + n.tasks + "." + n.consumer
	n.info = "$JS.API.STREAM.INFO." + stream + "_"
	n.consumerInfo = "$JS.API.CONSUMER.INFO." + n.tasks + "." + n.consumer
	n.purgeTasks = "$JS.API.STREAM.PURGE." + n.tasks
	n.purge = "$JS.API.STREAM.PURGE." + n.results
	n.get = "$JS.API.STREAM.MSG.GET." + stream + "_"
	n.direct = "$JS.API.DIRECT.GET." + n.results
	n.makeConsumer = "$JS.API.CONSUMER.CREATE." + n.tasks + "." + n.consumer
	n.makeStarts = "$JS.API.STREAM.CREATE." + n.starts
	return n
}

// A call is a method that runs: what ends it before its time.
type call struct {
	subjects []string // what it publishes and subscribes to begins like one of these
	cancel   context.CancelCauseFunc
}

// begin starts a method that uses subjects that begin like one of these. Its context ends
// with ctx, with Close, when the connection breaks, when the server says that one of the
// subjects is not permitted, and after timeout, if that is not 0.
func (e *Engine) begin(ctx context.Context, timeout time.Duration, subjects ...string) (context.Context, func(), error) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &call{subjects: subjects, cancel: cancel}
	e.mu.Lock()
	switch {
	case e.closed:
		e.mu.Unlock()
		cancel(nil)
		return nil, nil, engine.ErrClosed
	case ctx.Err() != nil:
		e.mu.Unlock()
		cancel(nil)
		return nil, nil, context.Cause(ctx)
	}
	e.calls[c] = struct{}{}
	e.mu.Unlock()
	end := func() {
		e.mu.Lock()
		if delete(e.calls, c); e.closed && len(e.calls) == 0 {
			close(e.idle)
		}
		e.mu.Unlock()
		cancel(nil)
	}
	// After it is in calls: a connection that breaks now ends it.
	switch {
	case e.nc.IsClosed():
		end()
		return nil, nil, e.lost()
	case !e.nc.IsConnected():
		end()
		return nil, nil, e.disconnected()
	}
	if timeout > 0 {
		timer := time.AfterFunc(timeout, func() { cancel(errNoAnswer) })
		cancelCall := end
		end = func() { timer.Stop(); cancelCall() }
	}
	return ctx, end, nil
}

// errNoAnswer is also for the client's own timeouts: who gave a context with no deadline is
// not told that it has passed.
var errNoAnswer = fmt.Errorf("no answer from the server in time: %w", nats.ErrTimeout)

// endCalls ends all methods that run.
func (e *Engine) endCalls(cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.calls {
		c.cancel(cause)
	}
}

// broken is called by the client when the connection breaks.
func (e *Engine) broken(err error) {
	if err == nil {
		err = nats.ErrDisconnected
	} else {
		err = fmt.Errorf("%w: %w", nats.ErrDisconnected, err)
	}
	e.endCalls(err)
}

// refused is called by the client when the server says that something is not permitted.
// It says so apart from the message that it refers to, which gets no answer.
func (e *Engine) refused(err error) {
	_, subject, _ := strings.Cut(err.Error(), `"`)
	e.mu.Lock()
	defer e.mu.Unlock()
	if strings.HasPrefix(subject, acks) {
		e.unheard = err
		return
	}
	for c := range e.calls {
		// Without the subject for answers nothing works.
		if c.uses(subject) || !strings.HasPrefix(subject, "resultpool.") && !strings.HasPrefix(subject, "$JS.") {
			c.cancel(err)
		}
	}
}

func (c *call) uses(subject string) bool {
	return slices.ContainsFunc(c.subjects, func(prefix string) bool { return strings.HasPrefix(subject, prefix) })
}

// disconnected is the error while the client reconnects, with what the server says if it
// refuses that. Any other last error of the client is one of the connection that was.
func (e *Engine) disconnected() error {
	last := e.nc.LastError()
	for _, refusal := range []error{
		nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
		nats.ErrMaxConnectionsExceeded, nats.ErrMaxAccountConnectionsExceeded,
	} {
		if errors.Is(last, refusal) {
			return fmt.Errorf("jetstream: not connected, reconnecting: %w: %w", nats.ErrDisconnected, refusal)
		}
	}
	return fmt.Errorf("jetstream: not connected, reconnecting: %w", nats.ErrDisconnected)
}

// lost is the error of an engine whose client has given up.
func (e *Engine) lost() error {
	if err := e.nc.LastError(); err != nil {
		return fmt.Errorf("jetstream: %w for good: %w: %w", nats.ErrConnectionClosed, err, engine.ErrClosed)
	}
	return fmt.Errorf("jetstream: %w for good: %w", nats.ErrConnectionClosed, engine.ErrClosed)
}

// fail is the error that a method returns for err. ctx is that of begin.
func (e *Engine) fail(ctx context.Context, what string, err error) error {
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		err = errNoAnswer
	}
	switch {
	case errors.Is(err, engine.ErrClosed) && !errors.Is(err, nats.ErrConnectionClosed):
		return engine.ErrClosed
	case errors.Is(err, nats.ErrConnectionClosed):
		e.mu.Lock()
		closed := e.closed
		e.mu.Unlock()
		if closed {
			return engine.ErrClosed
		}
		return e.lost()
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		err = nats.ErrDisconnected
	case errors.Is(err, nats.ErrMaxPayload), hasCode(err, jetstream.JSErrCodeStreamMessageExceedsMaximum):
		err = fmt.Errorf("%w: %w", engine.ErrTooLarge, err)
	}
	return fmt.Errorf("jetstream: %s: %w", what, err)
}

// Close gives up the connection. Methods that run return, and those that wait give back
// what has just come. Tasks that were pulled are delivered again when their lease ends.
// Close waits for both, and until what was published is sent, for some seconds at most.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		e.awaitGone()
		return nil
	}
	e.closed = true
	for c := range e.calls {
		c.cancel(engine.ErrClosed)
	}
	if len(e.calls) == 0 {
		close(e.idle)
	}
	e.mu.Unlock()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-e.idle:
	case <-timer.C:
	}
	if e.nc.IsConnected() {
		_ = e.nc.FlushTimeout(closeTimeout)
	}
	e.nc.Close()
	e.awaitGone()
	return nil
}

// awaitGone waits for the client's last callback, and not for ever: one of the user's that
// calls Close is waited for in vain.
func (e *Engine) awaitGone() {
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-e.gone:
	case <-timer.C:
	}
}
