package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// overhead is what a message may have besides its data.
const overhead = 512

func (e *Engine) tooLarge(data []byte) bool { return int64(len(data)) > e.nc.MaxPayload()-overhead }

// Push adds tasks at the end of the queue.
func (e *Engine) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	call, end, err := e.begin(ctx, 0, e.names.task)
	if err != nil {
		return nil, refusal(err)
	}
	defer end()
	for i, task := range tasks {
		if e.tooLarge(task) {
			return nil, fmt.Errorf("jetstream: task %d of %d has %d bytes, and the server takes %d: %w",
				i, len(tasks), len(task), e.nc.MaxPayload()-overhead, engine.ErrTooLarge)
		}
	}
	p := pushing{ids: make([]uint64, len(tasks))}
	todo := make([]int, len(tasks))
	for i := range todo {
		todo[i] = i
	}
	for tries := 0; len(todo) > 0; tries++ {
		p.underWay = nil
		e.publishAll(call, len(todo),
			func(i int) *nats.Msg {
				i = todo[i]
				return &nats.Msg{Subject: e.names.task, Data: tasks[i], Header: nats.Header{nats.MsgIdHdr: {key + "-" + strconv.Itoa(i)}}}
			},
			func(i int, ack *jetstream.PubAck, err error) bool { return p.done(todo[i], ack, err) })
		if p.failed != nil || p.full || len(p.underWay) == 0 {
			break
		}
		// Replicas are storing the same task of another call with this key: what its ID is
		// is known in a moment, if they do.
		if tries == maxUnderWay || pause(call, underWayPause) != nil {
			p.failed = p.lastUnderWay
			break
		}
		todo = p.underWay
	}
	switch {
	case p.failed != nil:
		err = e.failAt(call, "push", e.names.tasks, p.failed)
	case p.full && p.lastUnderWay != nil: // those may be in the queue
		err = e.fail(call, "push", p.lastUnderWay)
	case p.full:
		return p.ids, fmt.Errorf("jetstream: %w", engine.ErrFull)
	case p.known < len(tasks):
		err = e.fail(call, "push", context.Cause(call))
	default:
		return p.ids, nil
	}
	if !p.unsure && p.lastUnderWay == nil {
		err = refusal(err)
	}
	return p.ids, err
}

const (
	underWayPause = 20 * time.Millisecond
	maxUnderWay   = 50
)

// pushing is what has come of the tasks of a Push.
type pushing struct {
	ids          []uint64
	known        int // of ids
	full         bool
	failed       error
	unsure       bool // some that failed may be in the queue
	underWay     []int
	lastUnderWay error
}

func (p *pushing) done(i int, ack *jetstream.PubAck, err error) bool {
	switch {
	case err == nil:
		p.ids[i] = ack.Sequence
		p.known++
		return true
	case isUnderWay(err):
		p.underWay, p.lastUnderWay = append(p.underWay, i), err
		return true
	case isFull(err):
		p.full = true
	default:
		p.unsure = p.unsure || !isRefusal(err)
		if p.failed == nil {
			p.failed = err
		}
	}
	return false
}

// pause waits, or returns the cause if ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

const (
	firstPoll = 5 * time.Second  // a request for tasks is given up after this, and made again
	pollFor   = 30 * time.Second // the same, for all later ones
	heartbeat = 2 * time.Second  // and the server shows that it knows of it
	maxPull   = 4096

	// A server that has to hold more than 64 MiB for a client closes its connection, and
	// all that was on its way is delivered again.
	maxPullBytes = 16 << 20
)

// Pull takes over up to most tasks, and up to 4,096, of 16 MiB together if they are more
// than one. While it finds none it removes what a server that has died has left in the
// queue of tasks that are acknowledged: after 5 s, and then each 30 s. If somebody has
// deleted the consumer, Pull makes it anew.
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
		case !single: // nothing has come for so long
			_ = e.removeOrphans(call) // else the next time
			poll, remade = pollFor, false
		}
	}
}

// pullRequest is what a server is asked for: with NoWait and Expires it answers with what
// is there, and waits only while there is none.
type pullRequest struct {
	Batch     int           `json:"batch"`
	MaxBytes  int64         `json:"max_bytes"`
	Expires   time.Duration `json:"expires"`
	NoWait    bool          `json:"no_wait,omitempty"`
	Heartbeat time.Duration `json:"idle_heartbeat"`
}

// pull asks once. The server refuses with "requests pending" if others have asked for
// more than there is: one asks for a single task then, and waits for its turn.
func (e *Engine) pull(ctx context.Context, most int, poll time.Duration, single bool) (ds []engine.Delivery, refused bool, err error) {
	maxBytes := max(maxPullBytes, e.nc.MaxPayload()+1024) // 1024 for its subjects: the largest task has to fit
	req := pullRequest{Batch: most, MaxBytes: maxBytes, Expires: poll, NoWait: true, Heartbeat: heartbeat}
	if single {
		req.Batch, req.NoWait = 1, false
	}
	data, err := json.Marshal(req)
	if err != nil {
		return nil, false, err
	}
	// As many as can come, and heartbeats while nobody reads.
	msgs := make(chan *nats.Msg, most+16)
	inbox := e.nc.NewInbox()
	sub, err := e.nc.ChanSubscribe(inbox, msgs)
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
	if err := e.nc.PublishRequest(e.names.next, inbox, data); err != nil {
		return nil, false, err
	}
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
			case "100": // the server knows of the request still
			case "404", "408": // that was all there is
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
				// With replicas it says so before it sends the tasks.
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

// What a server says when it has taken all tasks for a request, or all that MaxBytes allows.
const (
	batchComplete = "Batch Completed"
	bytesComplete = "Message Size Exceeds MaxBytes"
)

// What a server says to those who wait, when somebody deletes the consumer or its stream.
const consumerDeleted = "Consumer Deleted"

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

// giveBack ends a request that has not had its answer, and gives back the tasks that
// come in the meantime: nobody would get them until the lease ends.
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

// Ack says that the results of these tasks are saved. The servers are not waited for:
// an acknowledgement that is lost is a task delivered again, whose result is there.
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
	if err := e.takeUnheard(); err != nil {
		return e.fail(call, what, err)
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

// takeUnheard returns why an earlier answer was refused, once: the caller answers again,
// and perhaps it is permitted by then.
func (e *Engine) takeUnheard() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.unheard
	e.unheard = nil
	return err
}

// Lease is for how long a task is held without an Extend.
func (e *Engine) Lease() time.Duration { return e.lease }

// Size returns how many tasks are in the queue, held or not. If the first of them is damaged
// on the server's disk, which delivers it to nobody, that is an error.
func (e *Engine) Size(ctx context.Context) (uint64, error) {
	call, end, err := e.begin(ctx, askTimeout, e.names.info, e.names.get)
	if err != nil {
		return 0, err
	}
	defer end()
	info, err := e.tasks.Info(call)
	if err == nil && info.State.Msgs > 0 {
		// The first task is damaged, or it has just been done.
		if err = e.hasTask(call, info.State.FirstSeq); errors.Is(err, engine.ErrNotFound) {
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
