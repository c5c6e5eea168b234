package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

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

// Pull takes over up to most tasks, from at most 4,096 messages, of together at most 16 MiB if they are more than
// one. Tasks beyond most, from the last of these messages, are for the next Pull, or given back after 100 ms. While
// there are no tasks, Pull removes acknowledged tasks that a killed server has left in the queue: after 5 s, and
// then every 30 s. If somebody has deleted the consumer, Pull makes it anew.
func (e *Engine) Pull(ctx context.Context, most int) ([]engine.Delivery, error) {
	call, end, err := e.begin(ctx, 0, e.names.next)
	if err != nil {
		return nil, err
	}
	defer end()
	if most < 1 {
		return nil, fmt.Errorf("jetstream: pull: the limit is %d, want 1 or more", most)
	}
	if ds := e.takeSpare(most); len(ds) > 0 {
		return ds, nil
	}
	poll, remade := firstPoll, false
	for single := false; ; {
		var runs []*pulledRun
		var some bool
		runs, some, single, err = e.pull(call, min(e.messages(most), maxPull), poll, single)
		switch {
		case len(runs) > 0:
			return e.hand(runs, most), nil
		case some && err == nil:
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

// hand returns the first tasks of runs, and keeps the others.
func (e *Engine) hand(runs []*pulledRun, most int) (ds []engine.Delivery) {
	p := &e.pulled
	p.mu.Lock()
	for _, r := range runs {
		ds = append(ds, p.takeLocked(r, most-len(ds))...)
		if size := float64(len(r.entries)); size > p.size {
			p.size = size // rather too few messages than tasks that are in others' way
		} else {
			p.size += (size - p.size) / 8
		}
		if r.given < len(r.entries) {
			p.spare = append(p.spare, r)
		}
	}
	if len(p.spare) > 0 && p.timer == nil {
		p.timer = time.AfterFunc(e.spareFor(), e.giveBackSpare)
	}
	p.mu.Unlock()
	e.pace.began()
	return ds
}

// pull asks once, for some messages. It returns the runs in them, and whether there were any messages, of which some
// may not be due. The server refuses with "requests pending" if others have asked for more tasks
// than there are. Then the next request has to be for a single task, which waits for its turn.
func (e *Engine) pull(ctx context.Context, most int, poll time.Duration, single bool) (runs []*pulledRun, some, refused bool, err error) {
	maxBytes := max(maxPullBytes, e.nc.MaxPayload()+1024) // the largest task has to fit, and 1024 for its subjects
	req := pullRequest{Batch: most, MaxBytes: maxBytes, Expires: poll, NoWait: true, Heartbeat: heartbeat}
	if single {
		req.Batch, req.NoWait = 1, false
	}
	sub, msgs, err := e.request(e.names.next, req, req.Batch)
	if err != nil {
		return nil, false, false, err
	}
	got := 0
	defer func() {
		if ctx.Err() != nil && got < req.Batch {
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
				run, err := e.receive(ctx, m)
				if err != nil {
					return runs, some, false, err
				}
				if got, some = got+1, true; run != nil {
					runs = append(runs, run)
				}
				if got >= want {
					return runs, some, false, nil
				}
				continue
			}
			switch status, text := m.Header.Get("Status"), m.Header.Get("Description"); status {
			case "100": // the server still knows of the request
			case "404", "408": // there are no more
				return runs, some, text == "Requests Pending", nil
			case "503":
				return runs, some, false, jetstream.ErrNoStreamResponse
			default:
				if text == consumerDeleted {
					return runs, some, false, errConsumerDeleted
				}
				left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
				if err != nil || left >= want || text != batchComplete && text != bytesComplete {
					return runs, some, false, fmt.Errorf("the server says %s %s", status, text)
				}
				// With replicas the server says so before it sends the tasks.
				if want -= left; got >= want {
					return runs, some, false, nil
				}
			}
		case <-timer.C:
			return runs, some, false, jetstream.ErrNoHeartbeat
		case <-ctx.Done():
			return runs, some, false, context.Cause(ctx)
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

// Lease is how long a task is held without an Extend.
func (e *Engine) Lease() time.Duration { return e.lease }

// Size returns how many messages with tasks are in the queue, held or not. It returns an error if the first of them
// stays there because it is damaged on the server's disk and therefore never delivered.
func (e *Engine) Size(ctx context.Context) (uint64, error) {
	call, end, err := e.begin(ctx, askTimeout, e.names.info, e.names.get)
	if err != nil {
		return 0, err
	}
	defer end()
	info, err := e.tasks.Info(call)
	if err == nil && info.State.Msgs > 0 && e.stays(info.State.FirstSeq) {
		if err = e.hasMessage(call, info.State.FirstSeq); errors.Is(err, engine.ErrNotFound) { // it was done just now
			info, err = e.tasks.Info(call)
		}
	}
	if err != nil {
		return 0, e.failAt(call, "size", e.names.tasks, err)
	}
	return info.State.Msgs, nil
}

// MarkStart adds n to the number of starts of a task, and returns how many there are now.
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
