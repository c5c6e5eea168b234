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

// An Engine is one pool's queue and results in the servers. It implements engine.Engine and every optional interface
// of that package.
//
// While the client reconnects, each method returns at once an error that matches nats.ErrDisconnected. If the
// servers do not answer a request within 10 s, the method returns an error that matches nats.ErrTimeout; that of
// Push or Save may match ErrAsyncPublishTimeout of the client's package jetstream instead. Wait asks again until ctx
// is done. Pull returns an error that matches ErrNoHeartbeat of that package if it hears nothing from the servers
// for 5 s. The package comment says what other errors match.
type Engine struct {
	nc    *nats.Conn
	js    jetstream.JetStream
	names names

	tasks, results, starts jetstream.Stream
	workers                jetstream.ConsumerConfig // to make the consumer anew
	lease                  time.Duration
	run                    int // tasks in a message, at most; 0: as pace says

	outbox    outbox
	pulled    pulledRuns
	saves     saves
	listeners listeners
	pace      pace

	// window bounds the messages that are published and not acknowledged. A server refuses
	// messages if too many wait to be stored, 100,000 or 128 MiB for a stream: this leaves
	// room for 200 other engines with messages of up to 1 KiB, or for eight with large ones.
	window *semaphore.Weighted

	// looks has an element for each Wait that is asking the server. A server that has 10,000
	// requests waiting, by default and of all clients together, drops them.
	looks chan struct{}

	mu     sync.Mutex
	calls  map[*call]struct{} // guarded by mu; none is added when closed
	closed bool               // guarded by mu

	// unheard is why an acknowledgement was refused, for which nobody was waiting. Guarded
	// by mu.
	unheard error

	// said is what the client has last said of its own accord, for example that the server
	// allows it no more subscriptions, and when. Guarded by mu.
	said   error
	saidAt time.Time

	// first is the first task in the queue, as Size has seen it, and firstAt is since when, or
	// when it was last read. Guarded by mu.
	first   uint64
	firstAt time.Time

	idle chan struct{} // closed when the engine is closed and no method runs
	gone chan struct{} // closed when the client has called its last callback
}

// All that an engine can do.
var (
	_ engine.Engine        = (*Engine)(nil)
	_ engine.Waiter        = (*Engine)(nil)
	_ engine.StartMarker   = (*Engine)(nil)
	_ engine.DelayedNacker = (*Engine)(nil)
	_ engine.Sizer         = (*Engine)(nil)
	_ engine.Describer     = (*Engine)(nil)
	_ engine.Retryabler    = (*Engine)(nil)
)

// acks is what the subjects for acknowledgements begin with.
const acks = "$JS.ACK."

const (
	maxLooks     = 1024
	inFlight     = 512      // units of the window
	bytesPerUnit = 32 << 10 // so there are 16 MiB under way at most

	askTimeout   = 10 * time.Second // for an answer that comes at once, if it comes
	openTimeout  = time.Minute      // for everything that Open asks of servers that answer
	closeTimeout = 2 * time.Second
)

// names are the streams and subjects of a pool.
type names struct {
	tasks, results, starts, kind string // streams
	consumer                     string
	task, kindSubject, pace      string // subjects
	result, saved                string // subjects, without the sequence at the end
	rest                         string // subject, without a word of its own, and the sequence, at the end
	start                        string // subject, without the ID at the end

	// Subjects of the servers, or prefixes of them.
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
		rest:     subject + "rest.",
		pace:     subject + "pace",
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

// A call is a method that runs.
type call struct {
	subjects []string // prefixes of the subjects that it uses
	cancel   context.CancelCauseFunc
}

// begin starts a method that uses subjects with these prefixes. Its context ends with ctx, with
// Close, when the connection breaks, when the server says that one of the subjects is not
// permitted, and after timeout, unless that is 0.
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
	// Look after it is in calls: a connection that breaks from now on ends it.
	switch {
	case e.nc.IsClosed():
		end()
		return nil, nil, e.explain(e.lost())
	case !e.nc.IsConnected():
		end()
		return nil, nil, e.explain(e.disconnected())
	}
	if timeout == 0 {
		return ctx, end, nil
	}
	timer := time.AfterFunc(timeout, func() { cancel(errNoAnswer) })
	return ctx, func() { timer.Stop(); end() }, nil
}

// errNoAnswer replaces the client's own timeouts, too: a caller whose context has no deadline
// is not told that one has passed.
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

// refused is called by the client when the server says that something is not permitted. The
// message that was refused gets no answer of its own.
func (e *Engine) refused(err error) {
	_, subject, _ := strings.Cut(err.Error(), `"`)
	e.mu.Lock()
	defer e.mu.Unlock()
	if strings.HasPrefix(subject, acks) {
		e.unheard = err
		return
	}
	for c := range e.calls {
		uses := slices.ContainsFunc(c.subjects, func(prefix string) bool { return strings.HasPrefix(subject, prefix) })
		// Any other subject is the one for answers, without which nothing works.
		if uses || !strings.HasPrefix(subject, "resultpool.") && !strings.HasPrefix(subject, "$JS.") {
			c.cancel(err)
		}
	}
}

// heard is called by the client when something has failed; it does not say for which call.
func (e *Engine) heard(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.said, e.saidAt = err, time.Now()
}

// silent is the error of a call that got no answer, with what the client has said meanwhile or
// shortly before, which may be the reason.
func (e *Engine) silent(err error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.said == nil || time.Since(e.saidAt) > 2*askTimeout {
		return err
	}
	return fmt.Errorf("%w; the client has said: %w", err, e.said)
}

// disconnected is the error while the client reconnects, with the server's reason if it refuses
// that. Any other last error of the client belongs to the connection before.
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

// cause is the reason for err, of a call with this context.
func cause(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return errNoAnswer
	}
	return err
}

// fail is the error that a method returns for err. ctx is that of begin.
func (e *Engine) fail(ctx context.Context, what string, err error) error {
	switch err = cause(ctx, err); {
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
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, jetstream.ErrNoHeartbeat), errors.Is(err, jetstream.ErrAsyncPublishTimeout):
		err = e.silent(err)
	case errors.Is(err, nats.ErrMaxPayload), hasCode(err, jetstream.JSErrCodeStreamMessageExceedsMaximum):
		err = fmt.Errorf("%w: %w", engine.ErrTooLarge, err)
	}
	return e.explain(fmt.Errorf("jetstream: %s: %w", what, err))
}

// Close gives up the connection. Methods that run return, and waiting Pulls give back the tasks that have just
// arrived. Tasks that were pulled are delivered again when their leases end. Close waits for the methods, and until
// published messages are sent, for some seconds at most.
func (e *Engine) Close() error {
	e.mu.Lock()
	first := !e.closed
	e.closed = true
	if first && len(e.calls) == 0 {
		close(e.idle)
	}
	e.mu.Unlock()
	if first {
		e.leave()
		e.endCalls(engine.ErrClosed)
		awaitForClose(e.idle)
		if e.nc.IsConnected() {
			_ = e.nc.FlushTimeout(closeTimeout)
		}
		e.nc.Close()
	}
	// The user's callback that calls Close is the one that would be waited for in vain.
	awaitForClose(e.gone)
	return nil
}

func awaitForClose(done <-chan struct{}) {
	select {
	case <-done:
	case <-time.After(closeTimeout):
	}
}
