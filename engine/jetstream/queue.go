package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// overhead is how many bytes a message may have besides its data.
const overhead = 512

// fits returns an error if the server does not take so many bytes.
func (e *Engine) fits(what string, n uint64, data []byte) error {
	if most := e.nc.MaxPayload() - overhead; int64(len(data)) > most {
		return fmt.Errorf("jetstream: %s %d has %d bytes, and the server takes %d: %w", what, n, len(data), most, engine.ErrTooLarge)
	}
	return nil
}

// Push adds tasks at the end of the queue.
func (e *Engine) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	call, end, err := e.begin(ctx, 0, e.names.task)
	if err != nil {
		return nil, refusal(err)
	}
	defer end()
	for i, task := range tasks {
		if err := e.fits("task", uint64(i), task); err != nil {
			return nil, err
		}
	}
	p := pushing{ids: make([]uint64, len(tasks))}
	publishing := publishing{e: e, ctx: call, done: p.done, message: func(i int) *nats.Msg {
		return &nats.Msg{Subject: e.names.task, Data: tasks[i], Header: nats.Header{nats.MsgIdHdr: {key + "-" + strconv.Itoa(i)}}}
	}}
	p.failed = cmp.Or(publishing.run(len(tasks)), p.failed)
	switch {
	case p.failed != nil:
		err = e.failAt(call, "push", e.names.tasks, p.failed)
	case p.full && p.underWay != nil: // those may be in the queue
		err = e.fail(call, "push", p.underWay)
	case p.full:
		return p.ids, fmt.Errorf("jetstream: %w", engine.ErrFull)
	case p.known < len(tasks):
		err = e.fail(call, "push", context.Cause(call))
	default:
		return p.ids, nil
	}
	if !p.unsure && p.underWay == nil {
		err = refusal(err)
	}
	return p.ids, err
}

// pushing is what is known of the tasks of a Push.
type pushing struct {
	ids      []uint64
	known    int // of ids
	full     bool
	failed   error
	unsure   bool  // a task that failed may be in the queue
	underWay error // of the last task that was pushed by another call at the same time
}

func (p *pushing) done(i int, ack *jetstream.PubAck, err error) fate {
	switch {
	case err == nil:
		p.ids[i] = ack.Sequence
		p.known++
		return settled
	case isUnderWay(err):
		p.underWay = err
		return underWay
	case isFull(err):
		p.full = true
	default:
		p.unsure = p.unsure || !isRefusal(err)
		p.failed = cmp.Or(p.failed, err)
	}
	return over
}

// pause waits, or returns the cause if ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

const (
	firstPoll = 5 * time.Second  // the first request for tasks ends after this
	pollFor   = 30 * time.Second // every later one
	heartbeat = 2 * time.Second  // how often the server shows that it knows of the request
	maxPull   = 4096

	// A server that has to hold more than 64 MiB for a client closes the connection, and
	// delivers everything that was on its way again.
	maxPullBytes = 16 << 20
)

// Pull takes over up to most tasks, and at most 4,096, of together 16 MiB if they are more than
// one. While there are none it removes acknowledged tasks that a server has left in the queue
// when it died: after 5 s, and then every 30 s. If somebody has deleted the consumer, Pull
// makes it anew.
func (e *Engine) Pull(ctx context.Context, most int) ([]engine.Delivery, error) {
	call, end, err := e.begin(ctx, 0, e.names.next)
	if err != nil {
		return nil, err
	}
	defer end()
	if most < 1 {
		return nil, fmt.Errorf("jetstream: pull: max is %d, want 1 or more", most)
	}
	poll, remade := firstPoll, false
	for single := false; ; {
		var ds []engine.Delivery
		ds, single, err = e.pull(call, min(most, maxPull), poll, single)
		switch {
		case len(ds) > 0:
			return ds, nil
		case isMissing(err) && !remade:
			if err := e.remakeConsumer(call); err != nil {
				return nil, e.failAt(call, "pull", e.names.tasks, err)
			}
			remade = true
		case err != nil:
			return nil, e.failAt(call, "pull", e.names.tasks, err)
		case !single: // nothing has come for as long as poll
			_ = e.removeOrphans(call) // if it fails, the next time
			poll, remade = pollFor, false
		}
	}
}

// A pullRequest asks a server for tasks. With NoWait and Expires the server sends the tasks that
// there are, and waits only while there are none.
type pullRequest struct {
	Batch     int           `json:"batch"`
	MaxBytes  int64         `json:"max_bytes"`
	Expires   time.Duration `json:"expires"`
	NoWait    bool          `json:"no_wait,omitempty"`
	Heartbeat time.Duration `json:"idle_heartbeat"`
}

// pull asks once. The server refuses with "requests pending" if others have asked for more tasks
// than there are. Then the next request has to be for a single task, which waits for its turn.
func (e *Engine) pull(ctx context.Context, most int, poll time.Duration, single bool) (ds []engine.Delivery, refused bool, err error) {
	maxBytes := max(maxPullBytes, e.nc.MaxPayload()+1024) // the largest task has to fit, and 1024 for its subjects
	req := pullRequest{Batch: most, MaxBytes: maxBytes, Expires: poll, NoWait: true, Heartbeat: heartbeat}
	if single {
		req.Batch, req.NoWait = 1, false
	}
	sub, msgs, err := e.request(e.names.next, req, req.Batch)
	if err != nil {
		return nil, false, err
	}
	defer func() {
		if ctx.Err() != nil && len(ds) < req.Batch {
			e.giveBack(sub, msgs)
		} else {
			_ = sub.Unsubscribe()
		}
	}()
	const silence = 2*heartbeat + time.Second
	timer := time.NewTimer(silence)
	defer timer.Stop()
	want := req.Batch
	for {
		select {
		case m := <-msgs:
			timer.Reset(silence)
			if m.Reply != "" { // a task, whatever its headers say
				d, err := delivery(m)
				if err != nil {
					return ds, false, err
				}
				ds = append(ds, d)
				if len(ds) >= want {
					return ds, false, nil
				}
				continue
			}
			switch status, text := m.Header.Get("Status"), m.Header.Get("Description"); status {
			case "100": // the server still knows of the request
			case "404", "408": // there are no more
				return ds, text == "Requests Pending", nil
			case "503":
				return ds, false, jetstream.ErrNoStreamResponse
			default:
				if text == consumerDeleted {
					return ds, false, errConsumerDeleted
				}
				left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
				if err != nil || left >= want || text != batchComplete && text != bytesComplete {
					return ds, false, fmt.Errorf("the server says %s %s", status, text)
				}
				// With replicas the server says so before it sends the tasks.
				if want -= left; len(ds) >= want {
					return ds, false, nil
				}
			}
		case <-timer.C:
			return ds, false, jetstream.ErrNoHeartbeat
		case <-ctx.Done():
			return ds, false, context.Cause(ctx)
		}
	}
}

// The server's words.
const (
	batchComplete   = "Batch Completed"               // it has sent as many tasks as the request was for
	bytesComplete   = "Message Size Exceeds MaxBytes" // it has sent as many bytes
	consumerDeleted = "Consumer Deleted"              // or its stream was
)

var errConsumerDeleted = errors.New("the consumer was deleted")

func delivery(m *nats.Msg) (engine.Delivery, error) {
	meta, err := m.Metadata()
	if err != nil {
		return engine.Delivery{}, err
	}
	return engine.Delivery{
		ID:      meta.Sequence.Stream,
		Task:    m.Data,
		Attempt: int(meta.NumDelivered),
		Token:   m.Reply,
	}, nil
}

// giveBack ends a request that was not answered, and gives back the tasks that come in the
// meantime: nobody would get them until their leases end.
func (e *Engine) giveBack(sub *nats.Subscription, msgs <-chan *nats.Msg) {
	if !e.nc.IsConnected() || sub.Drain() != nil {
		_ = sub.Unsubscribe()
		return
	}
	// Nothing comes after the answer to this.
	_ = e.nc.FlushTimeout(time.Second)
	for {
		select {
		case m := <-msgs:
			if m.Reply != "" {
				_ = e.nc.Publish(m.Reply, nak)
			}
		default:
			_ = sub.Unsubscribe()
			return
		}
	}
}

var (
	ack      = []byte("+ACK")
	nak      = []byte("-NAK")
	progress = []byte("+WPI")
)

// Ack tells the servers that the results of these tasks are saved. It does not wait for them: a
// task whose acknowledgement is lost is delivered again, and its result is there.
func (e *Engine) Ack(ctx context.Context, ds []engine.Delivery) error {
	return e.answer(ctx, "ack", ds, ack)
}

// Nack gives tasks back.
func (e *Engine) Nack(ctx context.Context, ds []engine.Delivery) error {
	return e.answer(ctx, "nack", ds, nak)
}

// Extend makes the leases of tasks begin anew.
func (e *Engine) Extend(ctx context.Context, ds []engine.Delivery) error {
	return e.answer(ctx, "extend", ds, progress)
}

func (e *Engine) answer(ctx context.Context, what string, ds []engine.Delivery, say []byte) error {
	call, end, err := e.begin(ctx, 0)
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
	for _, d := range ds {
		to, ok := d.Token.(string)
		if !ok {
			return fmt.Errorf("jetstream: %s: the delivery of task %d is not from this engine", what, d.ID)
		}
		if err := e.nc.Publish(to, say); err != nil {
			return e.fail(call, what, err)
		}
	}
	return nil
}

// Lease is how long a task is held without an Extend.
func (e *Engine) Lease() time.Duration { return e.lease }

// Size returns how many tasks are in the queue, held or not. It returns an error if the first of
// them stays there because it is damaged on the server's disk and so delivered to nobody.
func (e *Engine) Size(ctx context.Context) (uint64, error) {
	call, end, err := e.begin(ctx, askTimeout, e.names.info, e.names.get)
	if err != nil {
		return 0, err
	}
	defer end()
	info, err := e.tasks.Info(call)
	if err == nil && info.State.Msgs > 0 && e.stays(info.State.FirstSeq) {
		if err = e.hasTask(call, info.State.FirstSeq); errors.Is(err, engine.ErrNotFound) { // it was done just now
			info, err = e.tasks.Info(call)
		}
	}
	if err != nil {
		return 0, e.failAt(call, "size", e.names.tasks, err)
	}
	return info.State.Msgs, nil
}

// MarkStart adds n to the starts of a task.
func (e *Engine) MarkStart(ctx context.Context, id uint64, n int) (int, error) {
	call, end, err := e.begin(ctx, askTimeout, e.names.start)
	if err != nil {
		return 0, err
	}
	defer end()
	mark := func() (*jetstream.PubAck, error) {
		return e.js.PublishMsg(call, &nats.Msg{
			Subject: e.names.start + strconv.FormatUint(id, 10),
			Header:  nats.Header{"Nats-Incr": {strconv.Itoa(n)}},
		})
	}
	ack, err := mark()
	if isMissing(err) {
		if err = e.remakeStarts(call); err == nil {
			ack, err = mark()
		}
	}
	if err != nil {
		return 0, e.fail(call, "mark start", err)
	}
	starts, err := strconv.Atoi(ack.Value)
	if err != nil {
		return 0, e.fail(call, "mark start", errors.New("the server does not count: it has to be 2.12 or newer"))
	}
	return starts, nil
}
