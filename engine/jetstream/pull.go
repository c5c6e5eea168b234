package jetstream

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/resultpool/resultpool/engine"
)

// never is the due time of tasks that wait for nothing.
var never time.Time

// A pulled run is a message that was delivered to this handle. Its lease is that of all of its tasks.
type pulledRun struct {
	seq       uint64 // of the IDs of its tasks
	delivered int    // how often the message was
	reply     string
	entries   []entry
	at        time.Time

	// What follows is guarded by Engine.runs.mu.
	given  int    // entries before this one were returned by Pull
	closed []bool // entries that are acknowledged, or stored in another message
	open   int    // the others
	some   bool   // some were closed while others were not
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
func (e *Engine) receive(m *nats.Msg) (*pulledRun, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, err
	}
	entries, due, err := decodeRun(m.Data)
	if err != nil { // it is not from an engine, and nobody was told an ID
		return nil, e.nc.Publish(m.Reply, term)
	}
	if wait := time.Until(due); !due.IsZero() && wait > 0 {
		return nil, e.nc.Publish(m.Reply, nakAfter(wait))
	}
	r := &pulledRun{
		seq: meta.Sequence.Stream, delivered: int(meta.NumDelivered), reply: m.Reply, entries: entries,
		at: time.Now(), closed: make([]bool, len(entries)), open: len(entries),
	}
	if of, isRest := strings.CutPrefix(m.Subject, e.names.rest); isRest {
		if r.seq, err = strconv.ParseUint(of, 10, 64); err != nil {
			return nil, e.nc.Publish(m.Reply, term)
		}
	}
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
	defer p.mu.Unlock()
	for len(p.spare) > 0 && len(ds) < most {
		r := p.spare[0]
		if time.Since(r.at) < e.lease/2 { // or else it may be another's by now
			ds = append(ds, p.takeLocked(r, most-len(ds))...)
		} else {
			r.given = len(r.entries)
		}
		if r.given == len(r.entries) {
			p.spare = p.spare[1:]
		}
	}
	return ds
}

// stop ends the timer.
func (p *pulledRuns) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
}

// messages returns how many messages have about so many tasks.
func (e *Engine) messages(tasks int) int {
	e.pulled.mu.Lock()
	defer e.pulled.mu.Unlock()
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
	if err != nil {
		return // the leases end
	}
	defer end()
	for _, r := range old {
		var back []int
		for at := r.given; at < len(r.entries); at++ {
			back = append(back, at)
		}
		_ = e.putBack(call, r, back, never, false)
	}
}

// putBack gives tasks of a run back, all at once if nothing else of it is left, or in a message of their own
// until they are due. wasGiven says that Pull has returned them.
func (e *Engine) putBack(ctx context.Context, r *pulledRun, back []int, due time.Time, wasGiven bool) error {
	e.pulled.mu.Lock()
	var entries []entry
	open := back[:0:0]
	for _, at := range back {
		if r.closed[at] {
			continue
		}
		one := r.entries[at]
		if one.attempts += r.delivered; !wasGiven {
			one.attempts--
		}
		if !due.IsZero() {
			one.runs++
		}
		entries, open = append(entries, one), append(open, at)
	}
	isWhole := due.IsZero() && len(open) == r.open && !r.some
	e.pulled.mu.Unlock()
	switch {
	case len(open) == 0:
		return nil
	case isWhole:
		e.close(r, open)
		return e.nc.Publish(r.reply, nak)
	}
	// First store, then acknowledge: who dies in between has some delivered twice, and loses none.
	if err := e.putRest(ctx, r.seq, entries, due); err != nil {
		return err
	}
	if e.close(r, open) {
		return e.nc.Publish(r.reply, ack)
	}
	return nil
}

// putRest stores tasks of a run, in as many messages as they need.
func (e *Engine) putRest(ctx context.Context, seq uint64, entries []entry, due time.Time) error {
	most, size, from := int(e.nc.MaxPayload())-overhead/2, 0, 0
	for i, one := range entries {
		n := len(one.task) + 16
		if i > from && size+n > most {
			if err := e.publishRest(ctx, seq, entries[from:i], due); err != nil {
				return err
			}
			size, from = 0, i
		}
		size += n
	}
	return e.publishRest(ctx, seq, entries[from:], due)
}

func (e *Engine) publishRest(ctx context.Context, seq uint64, entries []entry, due time.Time) error {
	_, err := e.js.PublishMsg(ctx, &nats.Msg{Subject: e.names.rest + strconv.FormatUint(seq, 10), Data: encodeRun(entries, due)},
		jetstream.WithRetryAttempts(0))
	return err
}

// close notes that tasks of a run are done with here. It reports whether these were the last ones.
func (e *Engine) close(r *pulledRun, which []int) (last bool) {
	e.pulled.mu.Lock()
	defer e.pulled.mu.Unlock()
	had := r.open
	for _, at := range which {
		if !r.closed[at] {
			r.closed[at] = true
			if r.open--; at < r.given {
				e.pulled.out--
			}
		}
	}
	r.some = r.some || r.open < had
	if e.pulled.out == 0 {
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
