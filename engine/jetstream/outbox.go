package jetstream

import (
	"cmp"
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
// one of its Pushes, and the servers know it by its ID. Until then none of its tasks is sent otherwise. So a Push
// is remembered until it has succeeded, or nobody has repeated it for keyAge.
type outbox struct {
	mu     sync.Mutex // guards all that follows
	pushes map[string]*push
	left   []*push // those that nobody waits for, in the order in which they were left, and others
	next   []part  // tasks for the next runs
	again  []*run  // to be sent once more
	isBusy bool    // flush runs
}

// keyAge is for how long a key is remembered whose Push has not succeeded.
const keyAge = dedupe

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
	leftAt   time.Time

	// Of the tasks that have got an answer since answered was made.
	full   bool
	failed error
	unsure bool // one that has failed may be in the queue by this attempt
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
	if err != nil {
		o.mu.Unlock()
		return nil, err
	}
	var failed error // of this call
	for failed == nil {
		if p.open == 0 { // all that was sent has an answer
			if p.failed != nil || p.full || p.known == len(p.ids) {
				break
			}
			if failed = e.startFlushLocked(call); failed != nil {
				break
			}
			o.sendLocked(p)
		}
		answered := p.answered
		o.mu.Unlock()
		select {
		case <-answered:
		case <-call.Done():
			failed = context.Cause(call)
		}
		o.mu.Lock()
	}
	p.waiting--
	isRefused := o.withdrawLocked(p) || p.open == 0 && !p.unsure
	if p.open == 0 && failed == nil {
		failed = p.failed
	}
	full, known := p.full && p.open == 0, p.known == len(p.ids)
	ids := slices.Clone(p.ids)
	o.leaveLocked(p)
	o.mu.Unlock()
	switch {
	case known:
		return ids, nil
	case failed == nil && full:
		return ids, fmt.Errorf("jetstream: %w", engine.ErrFull)
	}
	if err = e.failAt(call, "push", e.names.tasks, failed); isRefused {
		err = refusal(err)
	}
	return ids, err
}

// startFlushLocked has somebody send what is put into the outbox. Close waits for it.
func (e *Engine) startFlushLocked(call context.Context) error {
	if e.outbox.isBusy {
		return nil
	}
	_, end, err := e.begin(context.WithoutCancel(call), 0)
	if err != nil {
		return err
	}
	e.outbox.isBusy = true
	go e.flush(end)
	return nil
}

// enterLocked returns the push of a key, for a call that waits for it.
func (o *outbox) enterLocked(key string, tasks [][]byte) (*push, error) {
	for len(o.left) > 0 && (o.left[0].waiting > 0 || time.Since(o.left[0].leftAt) > keyAge) {
		if p := o.left[0]; p.waiting == 0 && p.open == 0 && o.pushes[p.key] == p {
			delete(o.pushes, p.key)
		}
		o.left = o.left[1:]
	}
	p := o.pushes[key]
	if p == nil {
		p = &push{key: key, ids: make([]uint64, len(tasks))}
		o.pushes[key] = p
	}
	if len(p.ids) != len(tasks) {
		return nil, fmt.Errorf("jetstream: a Push of %d tasks with a key that was used for %d", len(tasks), len(p.ids))
	}
	p.tasks = tasks
	p.waiting++
	if p.open == 0 { // or else it waits with another call
		p.full, p.failed, p.unsure = false, nil, false
	}
	return p, nil
}

// sendLocked has tasks of a push sent that are not known to be in the queue: those of which it is not known whether they
// are, and when there are none of these any more, the others.
func (o *outbox) sendLocked(p *push) {
	p.answered = make(chan struct{})
	for _, r := range p.unknown {
		for i := range r.parts {
			if part := &r.parts[i]; part.of == p {
				part.isOpen = true
				p.open += part.n
			}
		}
		if !r.isOnWay { // another of its Pushes may have it sent already
			r.isOnWay = true
			o.again = append(o.again, r)
		}
	}
	if len(p.unknown) > 0 {
		return
	}
	for i := 0; i < len(p.ids); i++ {
		from := i
		for i < len(p.ids) && p.ids[i] == 0 {
			i++
		}
		if i > from {
			o.next = append(o.next, part{p, from, i - from, true})
			p.open += i - from
		}
	}
}

// withdrawLocked takes the tasks of a push out of the outbox that nobody waits for, and reports whether there were any:
// then none of its tasks is on its way.
func (o *outbox) withdrawLocked(p *push) bool {
	n := len(o.next)
	if p.waiting == 0 {
		o.next = slices.DeleteFunc(o.next, func(part part) bool { return part.of == p })
	}
	if len(o.next) == n {
		return false
	}
	p.open = 0
	return true
}

// leaveLocked follows a call that has had its answer, or does not wait any more.
func (o *outbox) leaveLocked(p *push) {
	switch {
	case p.waiting > 0 || o.pushes[p.key] != p:
	case p.known == len(p.ids):
		delete(o.pushes, p.key)
	default:
		p.tasks = nil
		p.leftAt = time.Now()
		o.left = append(o.left, p)
	}
}

// flush sends what is in the outbox until there is nothing.
func (e *Engine) flush(end func()) {
	defer end()
	o := &e.outbox
	for {
		most, bytes := e.runLimit(), e.mostBytes() // which ask the client
		o.mu.Lock()
		runs := o.again
		o.again = nil
		runs = append(runs, o.packLocked(most, bytes)...)
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
		runs = append(runs, &run{id: rand.Text(), data: encodeRun(entries, time.Time{}), parts: parts, isOnWay: true})
		entries, parts, size = entries[:0], nil, 0
	}
	for _, p := range o.next {
		for i := range p.n {
			task := p.of.tasks[p.from+i]
			if n := len(entries); n == most || n > 0 && size+len(task) > bytes {
				pack()
			}
			if n := len(parts); n > 0 && parts[n-1].of == p.of && parts[n-1].from+parts[n-1].n == p.from+i {
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
	var why error
	p := publishing{
		e: e, ctx: call,
		message: func(i int) *nats.Msg { return e.taskMessage(runs[i].id, runs[i].data) },
		done: func(i int, ack *jetstream.PubAck, err error) fate {
			if fates[i] = sent; isUnderWay(err) {
				return underWay
			}
			fates[i], why = known, cmp.Or(why, err)
			e.outbox.settle(runs[i], ack, err)
			return settled
		},
	}
	_ = p.run(len(runs))
	why = cmp.Or(context.Cause(call), why, p.last, errNoAnswer)
	for i, r := range runs {
		switch fates[i] {
		case unsent:
			e.outbox.settle(r, nil, refusal(why))
		case sent: // and others are storing it
			e.outbox.settle(r, nil, cmp.Or(p.last, why))
		}
	}
}

// settle notes the answer to a run.
//
//	stored, full            its fate is known, also of earlier attempts
//	another refusal         this attempt has not stored it: an earlier one may have
//	no answer               this attempt may have stored it
func (o *outbox) settle(r *run, ack *jetstream.PubAck, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r.isOnWay = false
	isNoRoom := isFull(err) && !errors.Is(err, engine.ErrRefused) // and not why this one was not sent
	isKnown := err == nil || isNoRoom
	isUnsure := !isKnown && !isRefusal(err) && !errors.Is(err, engine.ErrRefused)
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
		case isNoRoom:
			p.full = true
		default:
			p.failed = cmp.Or(p.failed, err)
			p.unsure = p.unsure || isUnsure
		}
		at := slices.Index(p.unknown, r)
		if isKnown && at >= 0 {
			p.unknown = slices.Delete(p.unknown, at, at+1)
		} else if isUnsure && at < 0 {
			p.unknown = append(p.unknown, r)
		}
		index += part.n
		if !part.isOpen { // it was sent again for another push
			continue
		}
		part.isOpen = false
		if p.open -= part.n; p.open > 0 {
			continue
		}
		close(p.answered)
		if p.waiting == 0 { // whoever repeats it is told
			p.leftAt = time.Now()
			o.left = append(o.left, p)
		}
	}
}
