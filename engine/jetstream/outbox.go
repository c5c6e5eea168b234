package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// An outbox gathers the tasks of Pushes into runs. One flush is under way at a time; what comes
// meanwhile is the next. There is no pause to wait for more: a Push that is alone is sent at once.
//
// A run whose fate is not known, since no answer has come, is sent again as it was when somebody repeats
// one of its Pushes, and the servers know it by its ID. So a Push is remembered until it has
// succeeded, or for keyAge.
type outbox struct {
	mu     sync.Mutex // guards all that follows
	pushes map[string]*push
	left   []left // pushes that may be forgotten, in the order of time
	next   []part // tasks for the next runs
	again  []*run // to be sent once more
	isBusy bool   // flush runs
}

// keyAge is for how long a key is remembered whose Push has not succeeded.
const keyAge = dedupe

type left struct {
	push *push
	at   time.Time
}

// A push is what is known of the tasks of one key.
type push struct {
	key      string
	tasks    [][]byte // those of the last call, while one waits
	ids      []uint64 // 0: not known
	known    int      // of ids
	unknown  []*run   // those that may be in the queue or not
	open     int      // tasks that wait for an answer
	answered chan struct{}
	waiting  int // calls that wait for that

	// Of the tasks that have got an answer since answered was made.
	full   bool
	failed error
	unsure bool // one that has failed may be in the queue
}

// A part is successive tasks of a push.
type part struct {
	of      *push
	from, n int
	isOpen  bool // they are among those that are open
}

// A run is parts with one message.
type run struct {
	id      string
	data    []byte
	parts   []part
	isOnWay bool
}

// pushTogether gives tasks to the outbox and waits for the answer.
func (e *Engine) pushTogether(call context.Context, key string, tasks [][]byte) ([]uint64, error) {
	o := &e.outbox
	o.mu.Lock()
	p, err := o.enterLocked(key, tasks)
	if err == nil && p.open > 0 && !o.isBusy {
		var end func()
		if _, end, err = e.begin(context.WithoutCancel(call), 0); err == nil { // Close waits for it
			o.isBusy = true
			go e.flush(end)
		}
	}
	if err != nil {
		o.mu.Unlock()
		return nil, refusal(err)
	}
	p.waiting++
	answered := p.answered
	o.mu.Unlock()

	select {
	case <-answered:
	case <-call.Done():
	}

	o.mu.Lock()
	p.waiting--
	isRefused := false
	failed, full := p.failed, p.full
	if p.open > 0 { // call is done
		isRefused = o.withdrawLocked(p)
		failed = context.Cause(call)
	} else {
		isRefused = failed != nil && !p.unsure
	}
	ids := slices.Clone(p.ids)
	o.leaveLocked(p)
	o.mu.Unlock()
	switch {
	case failed != nil:
		err = e.failAt(call, "push", e.names.tasks, failed)
	case full:
		return ids, fmt.Errorf("jetstream: %w", engine.ErrFull)
	default:
		return ids, nil
	}
	if isRefused {
		err = refusal(err)
	}
	return ids, err
}

// enterLocked returns the push of a key, whose tasks are on their way or known.
func (o *outbox) enterLocked(key string, tasks [][]byte) (*push, error) {
	for len(o.left) > 0 && time.Since(o.left[0].at) > keyAge {
		if p := o.left[0].push; p.waiting == 0 && p.open == 0 && o.pushes[p.key] == p {
			delete(o.pushes, p.key)
		}
		o.left = o.left[1:]
	}
	p := o.pushes[key]
	if p == nil {
		p = &push{key: key, ids: make([]uint64, len(tasks)), answered: make(chan struct{})}
		o.pushes[key] = p
	}
	if len(p.ids) != len(tasks) {
		return nil, fmt.Errorf("jetstream: a Push of %d tasks with a key that was used for %d", len(tasks), len(p.ids))
	}
	p.tasks = tasks
	if p.open == 0 {
		o.sendLocked(p)
	}
	return p, nil
}

// sendLocked has all tasks of a push sent that are not known to be in the queue.
func (o *outbox) sendLocked(p *push) {
	p.answered = make(chan struct{})
	p.full, p.failed, p.unsure = false, nil, false
	var inRun []bool
	if len(p.unknown) > 0 {
		inRun = make([]bool, len(p.ids))
	}
	for _, r := range p.unknown {
		for i := range r.parts {
			part := &r.parts[i]
			if part.of != p {
				continue
			}
			part.isOpen = true
			p.open += part.n
			for i := range part.n {
				inRun[part.from+i] = true
			}
		}
		if !r.isOnWay { // another of its Pushes may have it sent already
			r.isOnWay = true
			o.again = append(o.again, r)
		}
	}
	for i := 0; i < len(p.ids); {
		from := i
		for i < len(p.ids) && p.ids[i] == 0 && (inRun == nil || !inRun[i]) {
			i++
		}
		if i > from {
			o.next = append(o.next, part{p, from, i - from, true})
			p.open += i - from
		} else {
			i++
		}
	}
	if p.open == 0 {
		close(p.answered)
	}
}

// withdrawLocked takes the tasks of a push back if none of them is on its way and nobody else waits.
func (o *outbox) withdrawLocked(p *push) bool {
	waiting := 0
	for _, part := range o.next {
		if part.of == p {
			waiting += part.n
		}
	}
	if waiting < p.open || p.waiting > 0 {
		return false
	}
	o.next = slices.DeleteFunc(o.next, func(part part) bool { return part.of == p })
	p.open = 0
	return true
}

// leaveLocked follows a call that has had its answer.
func (o *outbox) leaveLocked(p *push) {
	switch {
	case p.waiting > 0 || o.pushes[p.key] != p:
	case p.known == len(p.ids):
		delete(o.pushes, p.key)
	default:
		p.tasks = nil
		o.left = append(o.left, left{p, time.Now()})
	}
}

// flush sends what is in the outbox until there is nothing.
func (e *Engine) flush(end func()) {
	defer end()
	o := &e.outbox
	for {
		o.mu.Lock()
		runs := o.again
		o.again = nil
		runs = append(runs, o.packLocked(e.runLimit(), e.mostBytes())...)
		o.isBusy = len(runs) > 0
		o.mu.Unlock()
		if len(runs) == 0 {
			return
		}
		e.send(runs)
	}
}

// packLocked makes runs of the tasks that have gathered.
func (o *outbox) packLocked(most, bytes int) (runs []*run) {
	var entries []entry
	var parts []part
	size := 0
	pack := func() {
		runs = append(runs, &run{id: rand.Text(), data: encodeRun(entries, never), parts: parts, isOnWay: true})
		entries, parts, size = entries[:0], nil, 0
	}
	for _, p := range o.next {
		for i := range p.n {
			task := p.of.tasks[p.from+i]
			if n := len(entries); n == most || n > 0 && size+len(task) > bytes {
				pack()
			}
			if n := len(parts); n > 0 && parts[n-1].of == p.of {
				parts[n-1].n++
			} else {
				parts = append(parts, part{p.of, p.from + i, 1, true})
			}
			entries = append(entries, entry{index: len(entries), task: task})
			size += len(task) + 8
		}
	}
	if len(entries) > 0 {
		pack()
	}
	o.next = nil
	return runs
}

// send publishes runs, and notes what becomes of each.
func (e *Engine) send(runs []*run) {
	call, end, err := e.begin(context.Background(), 0, e.names.task)
	if err != nil {
		for _, r := range runs {
			e.outbox.settle(r, nil, refusal(err))
		}
		return
	}
	defer end()
	const unsent, sent, known = 0, 1, 2
	fates := make([]int, len(runs))
	p := publishing{
		e: e, ctx: call,
		message: func(i int) *nats.Msg { return e.taskMessage(runs[i].id, runs[i].data) },
		done: func(i int, ack *jetstream.PubAck, err error) fate {
			if fates[i] = sent; isUnderWay(err) {
				return underWay
			}
			fates[i] = known
			e.outbox.settle(runs[i], ack, err)
			return settled
		},
	}
	last := p.run(len(runs))
	for i, r := range runs {
		switch fates[i] {
		case unsent:
			e.outbox.settle(r, nil, refusal(context.Cause(call)))
		case sent:
			e.outbox.settle(r, nil, last)
		}
	}
}

// settle notes the answer to a run. An error that is no refusal leaves its fate unknown.
func (o *outbox) settle(r *run, ack *jetstream.PubAck, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r.isOnWay = false
	isSure := err == nil || isFull(err) || isRefusal(err) || errors.Is(err, engine.ErrRefused)
	index := 0
	for i := range r.parts {
		part := &r.parts[i]
		p := part.of
		switch {
		case err == nil:
			for i := range part.n {
				if p.ids[part.from+i] == 0 {
					p.ids[part.from+i] = idAt(ack.Sequence, index+i)
					p.known++
				}
			}
		case isFull(err):
			p.full = true
		default:
			if p.failed == nil {
				p.failed = err
			}
			p.unsure = p.unsure || !isSure
		}
		at := slices.Index(p.unknown, r)
		if isSure && at >= 0 {
			p.unknown = slices.Delete(p.unknown, at, at+1)
		} else if !isSure && at < 0 {
			p.unknown = append(p.unknown, r)
		}
		index += part.n
		if !part.isOpen { // it was sent again for another push
			continue
		}
		part.isOpen = false
		if p.open -= part.n; p.open == 0 {
			close(p.answered)
		}
	}
}
