package jetstream

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// A pulled run is a message that was delivered to this handle. Its lease is that of all of its tasks.
type pulledRun struct {
	of        *pulledRuns
	seq       uint64 // of the IDs of its tasks
	delivered int    // how often the message was
	reply     string
	entries   []entry
	at        time.Time

	// What follows is guarded by of.mu.
	given  int    // entries before this one were returned by Pull
	closed []bool // entries that are acknowledged, or stored in another message
	open   int    // the others
	some   bool   // some were closed while others were not
	unsent bool   // it is to be acknowledged, and that could not be sent
}

// A token is the Token of a Delivery.
type token struct {
	run *pulledRun
	at  int // in entries
}

func (t token) id() uint64 { return idAt(t.run.seq, t.run.entries[t.at].index) }

// pulledRuns are those that were pulled and not returned in whole.
type pulledRuns struct {
	mu    sync.Mutex
	spare []*pulledRun
	size  float64 // tasks in a message, in the mean of the last
	out   int     // tasks that Pull has returned, and that are not closed
	timer *time.Timer
}

// spareFor is how long tasks that were pulled with others stay here for the next Pull. Then they are given
// back: nobody here has time for them.
const spareFor = 100 * time.Millisecond

func (e *Engine) spareFor() time.Duration { return min(spareFor, e.lease/4) }

// receive returns the run in a message, or nil if there is none to be run now.
func (e *Engine) receive(ctx context.Context, m *nats.Msg) (*pulledRun, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, err
	}
	entries, due, err := decodeRun(m.Data)
	switch wait := time.Until(due); {
	case err != nil && isForeign(m.Data): // nobody was told an ID
		return nil, e.nc.Publish(m.Reply, term)
	case err != nil: // it is for another version
		return nil, e.nc.Publish(m.Reply, nakAfter(e.lease))
	case !due.IsZero() && wait > 0:
		return nil, e.nc.Publish(m.Reply, nakAfter(wait))
	}
	r := &pulledRun{
		of: &e.pulled, seq: meta.Sequence.Stream, delivered: int(meta.NumDelivered), reply: m.Reply, entries: entries, at: time.Now(),
	}
	if strings.HasPrefix(m.Subject, e.names.rest) {
		if r.seq, err = strconv.ParseUint(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:], 10, 64); err != nil {
			return nil, e.nc.Publish(m.Reply, term)
		}
	}
	if meta.NumDelivered > 1 && len(r.entries) > 1 {
		_ = e.dropDeleted(ctx, r) // if it fails, a task runs once more
	}
	if len(r.entries) == 0 {
		return nil, e.nc.Publish(m.Reply, ack)
	}
	r.closed, r.open = make([]bool, len(r.entries)), len(r.entries)
	return r, nil
}

// takeLocked returns the next tasks of a run.
func (p *pulledRuns) takeLocked(r *pulledRun, most int) (ds []engine.Delivery) {
	for ; r.given < len(r.entries) && len(ds) < most; r.given++ {
		one := r.entries[r.given]
		ds = append(ds, engine.Delivery{
			ID:      idAt(r.seq, one.index),
			Task:    bytes.Clone(one.task),
			Attempt: one.attempts + r.delivered,
			Runs:    one.runs,
			Token:   token{r, r.given},
		})
	}
	p.out += len(ds)
	return ds
}

// takeSpare returns tasks that are here already.
func (e *Engine) takeSpare(most int) (ds []engine.Delivery) {
	p := &e.pulled
	p.mu.Lock()
	defer func() {
		p.mu.Unlock()
		if len(ds) > 0 {
			e.pace.began()
		}
	}()
	for len(p.spare) > 0 && len(ds) < most {
		r := p.spare[0]
		if time.Since(r.at) > e.lease/2 { // it may be another's by now: see giveBackSpare
			break
		}
		if ds = append(ds, p.takeLocked(r, most-len(ds))...); r.given == len(r.entries) {
			p.spare = p.spare[1:]
		}
	}
	return ds
}

// messages returns how many messages have about so many tasks.
func (e *Engine) messages(tasks int) int {
	e.pulled.mu.Lock()
	defer e.pulled.mu.Unlock()
	if e.pulled.size == 0 && e.run != 1 { // it is not known yet
		return 1
	}
	return max(1, int(float64(tasks)/max(1, e.pulled.size)))
}

// giveBackSpare gives back what nobody has taken for a while.
func (e *Engine) giveBackSpare() {
	p := &e.pulled
	p.mu.Lock()
	p.timer = nil
	var old []*pulledRun
	for len(p.spare) > 0 && time.Since(p.spare[0].at) >= e.spareFor() {
		old = append(old, p.spare[0])
		p.spare = p.spare[1:]
	}
	if len(p.spare) > 0 {
		p.timer = time.AfterFunc(e.spareFor()/2, e.giveBackSpare)
	}
	p.mu.Unlock()
	if len(old) == 0 {
		return
	}
	call, end, err := e.begin(context.Background(), askTimeout, e.names.rest)
	if err == nil {
		defer end()
		for len(old) > 0 {
			var back []int
			for at := old[0].given; at < len(old[0].entries); at++ {
				back = append(back, at)
			}
			if e.putBack(call, old[0], back, false, true) != nil {
				break
			}
			old = old[1:]
		}
	}
	if len(old) > 0 && !errors.Is(err, engine.ErrClosed) {
		p.mu.Lock()
		p.spare = append(old, p.spare...)
		if p.timer == nil {
			p.timer = time.AfterFunc(time.Second, e.giveBackSpare)
		}
		p.mu.Unlock()
	}
}

// leave gives back what nobody has had a part of, when the engine is closed.
func (e *Engine) leave() {
	p := &e.pulled
	p.mu.Lock()
	if p.timer != nil {
		p.timer.Stop()
	}
	spare := p.spare
	p.spare = nil
	p.mu.Unlock()
	for _, r := range spare {
		if r.given == 0 {
			_ = e.nc.Publish(r.reply, nak)
		}
	}
}

// putBack gives tasks of a run back, in a message of their own, or with that of the run if it has no others and mayBeWhole
// is true. wasGiven says that Pull has returned them.
func (e *Engine) putBack(ctx context.Context, r *pulledRun, back []int, wasGiven, mayBeWhole bool) error {
	entries, open, isAll := r.left(back)
	if !wasGiven {
		for i := range entries {
			entries[i].attempts--
		}
	}
	isWhole := mayBeWhole && isAll
	switch {
	case len(open) == 0:
		return nil
	case isWhole:
		if err := e.nc.Publish(r.reply, nak); err != nil {
			return err
		}
		e.close(r, open)
		return nil
	}
	return e.putRest(ctx, r, open, entries, time.Time{})
}

// putLater gives tasks back whose runs have ended, in a message of their own, until they are due.
func (e *Engine) putLater(ctx context.Context, r *pulledRun, back []int, due time.Time) error {
	entries, open, _ := r.left(back)
	if len(open) == 0 {
		return nil
	}
	for i := range entries {
		entries[i].runs++
	}
	return e.putRest(ctx, r, open, entries, due)
}

// left returns those of the tasks at these places that are not closed, as a rest has them, and whether the run never had
// any others.
func (r *pulledRun) left(places []int) (entries []entry, open []int, isAll bool) {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	for _, at := range places {
		if !r.closed[at] {
			one := r.entries[at]
			one.attempts += r.delivered
			entries, open = append(entries, one), append(open, at)
		}
	}
	return entries, open, len(open) == r.open && !r.some
}

// putRest stores tasks of a run, in as many messages as they need. First it stores them, and then they are closed
// here: if this process dies in between, some are delivered twice, and none is lost.
func (e *Engine) putRest(ctx context.Context, r *pulledRun, which []int, entries []entry, due time.Time) error {
	most, size, from := int(e.nc.MaxPayload())-overhead/2, 0, 0
	for i, one := range entries {
		n := len(one.task) + 16
		if i > from && size+n > most {
			if err := e.publishRest(ctx, r.seq, entries[from:i], due); err != nil {
				return err
			}
			size, from = 0, i
		}
		size += n
	}
	if err := e.publishRest(ctx, r.seq, entries[from:], due); err != nil {
		return err
	}
	return e.acknowledge(r, e.close(r, which))
}

func (e *Engine) publishRest(ctx context.Context, seq uint64, entries []entry, due time.Time) error {
	// On a subject of its own, so that the bound of the queue, which is that of a subject, does not keep it out.
	subject := e.names.rest + rand.Text() + "." + strconv.FormatUint(seq, 10)
	_, err := e.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: encodeRun(entries, due)},
		jetstream.WithRetryAttempts(0))
	return err
}

// close notes that tasks of a run are done with here. It reports whether these were the last ones.
func (e *Engine) close(r *pulledRun, which []int) (last bool) {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	had := r.open
	for _, at := range which {
		if !r.closed[at] {
			r.closed[at] = true
			if r.open--; at < r.given {
				r.of.out--
			}
		}
	}
	r.some = r.some || r.open < had
	if r.of == &e.pulled && r.of.out == 0 {
		e.pace.ended()
	}
	return had > 0 && r.open == 0
}

// byRun calls f for each run of which there are deliveries, with their places in it.
func byRun(ds []engine.Delivery, f func(r *pulledRun, at []int) error) error {
	places := make(map[*pulledRun][]int)
	var runs []*pulledRun
	for _, d := range ds {
		t := d.Token.(token)
		if places[t.run] == nil {
			runs = append(runs, t.run)
		}
		places[t.run] = append(places[t.run], t.at)
	}
	var failed error
	for _, r := range runs {
		if err := f(r, places[r]); err != nil {
			failed = err
		}
	}
	return failed
}

// latest returns the last delivery of each task, and those before it.
func latest(ds []engine.Delivery) (last, earlier []engine.Delivery) {
	at := make(map[uint64]int, len(ds))
	for i, d := range ds {
		at[d.ID] = i
	}
	if len(at) == len(ds) {
		return ds, nil
	}
	for i, d := range ds {
		if at[d.ID] == i {
			last = append(last, d)
		} else {
			earlier = append(earlier, d)
		}
	}
	return last, earlier
}
