package jetstream

import (
	"cmp"
	"context"
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

// Push adds tasks at the end of the queue. The tasks of Pushes that come while others are under way are put into
// messages together, as Options.Run says.
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
	if e.run == 1 {
		return e.pushAlone(call, key, tasks)
	}
	return e.pushTogether(call, key, tasks)
}

// pushAlone gives each task a message of its own, by whose ID the servers know it again.
func (e *Engine) pushAlone(call context.Context, key string, tasks [][]byte) (ids []uint64, err error) {
	p := pushing{ids: make([]uint64, len(tasks))}
	publishing := publishing{e: e, ctx: call, done: p.done, message: func(i int) *nats.Msg {
		return e.taskMessage(key+"-"+strconv.Itoa(i), encodeRun([]entry{{task: tasks[i]}}, time.Time{}))
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

func (e *Engine) taskMessage(id string, data []byte) *nats.Msg {
	return &nats.Msg{Subject: e.names.task, Data: data, Header: nats.Header{nats.MsgIdHdr: {id}}}
}

// pushing is what is known of the tasks of a pushAlone.
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
		p.ids[i] = idAt(ack.Sequence, 0)
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
