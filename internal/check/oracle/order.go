package oracle

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// An event happened to the pool at one moment between two readings of the clock.
type event struct {
	kind  eventKind
	id    store.ID   // of a task
	n     int        // workers
	stats pool.Stats // that were returned
}

type eventKind string

const (
	accepted  eventKind = "Submit"
	noWorkers eventKind = "Submit -> no workers"
	tooLate   eventKind = "Submit -> closed"
	started   eventKind = "a worker takes the task"
	put       eventKind = "its result is stored"
	succeeded eventKind = "success is counted"
	failed    eventKind = "failure is counted"
	threw     eventKind = "panic is counted"
	found     eventKind = "Get -> found"
	missing   eventKind = "Get -> not found"
	deleted   eventKind = "Delete"
	resized   eventKind = "Resize"
	looked    eventKind = "Stats"
	quiet     eventKind = "Wait or Stop -> nil"
	closing   eventKind = "Stop begins"
)

// Clock returns a later moment for each call.
func (o *Oracle) Clock() int64 { return o.clock.Add(1) }

// note records an event that lies between call and now, if an order is asked for.
func (o *Oracle) note(call int64, e event) {
	if !o.Ordered {
		return
	}
	ret := o.Clock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, porcupine.Operation{Input: e, Call: call, Return: ret})
}

// most is how many tasks there may be: the search takes milliseconds with as many, and
// with twice as many it may take minutes.
const most = 12

// order finds fault with the pool if no order of the events explains what was seen.
func (o *Oracle) order() {
	if len(o.ids) > most {
		return
	}
	for _, t := range o.ids {
		kind := succeeded
		switch out := t.outcome.Load(); {
		case out == nil:
			return // another fault says so
		case out.end == panicked:
			kind = threw
		case out.end == exited || out.err != nil:
			kind = failed
		}
		// A worker takes the task after the beginning of Submit and before the first line
		// of the function. When its end is counted is not seen: at any time after the Put.
		o.events = append(o.events,
			porcupine.Operation{Input: event{kind: started, id: t.ID()}, Call: t.submitted, Return: t.started.Load()},
			porcupine.Operation{Input: event{kind: kind, id: t.ID()}, Call: o.account(t.ID()).ended, Return: math.MaxInt64})
	}
	if err := Explain(orderModel(o.ids, o.room, o.workers), o.events); err != nil {
		o.Fault("with %d workers and room for %d: %w", o.workers, o.room, err)
	}
}

// Explain returns an error unless there is an order of the operations that the model
// allows.
func Explain(model porcupine.Model, ops []porcupine.Operation) error {
	switch porcupine.CheckOperationsTimeout(model, ops, time.Minute) {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("it takes too long to find an order of %d operations", len(ops))
	}
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var text strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&text, "\n%d to %d: %+v", op.Call, op.Return, op.Input)
	}
	return fmt.Errorf("no order of these explains what was seen:%s", text.String())
}

// state is a pool of which each event happens at one moment. A task is a bit: the
// lowest is the first that was accepted.
type state struct {
	workers    int
	closed     bool
	tail, head int       // tasks accepted, and taken by workers
	running    uint64    // taken and not counted yet
	kept, gone uint64    // stored, and deleted after that
	over       [3]uint64 // succeeded, failed, panicked
}

// orderModel is a pool whose queue has room for so many tasks: a worker takes the first
// one, no more run than there are workers at that moment, a result is seen when it is
// stored, nobody stops waiting before, and Stats tells all of this at one moment.
func orderModel(tasks []*Task, room, workers int) porcupine.Model {
	var ids []store.ID
	for _, t := range tasks {
		ids = append(ids, t.ID())
	}
	slices.Sort(ids)
	return porcupine.Model{
		Init: func() any { return state{workers: workers} },
		Step: func(s, in, _ any) (bool, any) {
			i, _ := slices.BinarySearch(ids, in.(event).id)
			return s.(state).step(in.(event), i, room)
		},
	}
}

// step tells whether the event, which is of task number i, can happen now, and what is
// then.
func (s state) step(e event, i, room int) (ok bool, next state) {
	bit := uint64(1) << i
	queued, running := s.tail-s.head, bits.OnesCount64(s.running)
	switch e.kind {
	case accepted:
		ok = !s.closed && s.workers > 0 && queued < room && i == s.tail
		s.tail++
	case noWorkers:
		ok = !s.closed && s.workers == 0
	case tooLate:
		ok = s.closed
	case started:
		ok = queued > 0 && i == s.head && running < s.workers
		s.head++
		s.running |= bit
	case put:
		ok = s.running&bit != 0 && s.kept&bit == 0
		s.kept |= bit
	case succeeded, failed, threw:
		ok = s.running&s.kept&bit != 0
		s.running &^= bit
		s.over[slices.Index([]eventKind{succeeded, failed, threw}, e.kind)]++
	case found:
		ok = s.kept&^s.gone&bit != 0
	case missing:
		ok = s.kept&^s.gone&bit == 0
	case deleted:
		ok = s.kept&bit != 0
		s.gone |= bit
	case resized:
		ok, s.workers = true, e.n
	case quiet:
		ok = queued+running == 0
	case closing:
		ok, s.closed = true, true
	case looked:
		ok = e.stats == pool.Stats{
			Submitted: uint64(s.tail), Queued: uint64(queued), Running: uint64(running), Workers: s.workers,
			Succeeded: s.over[0], Failed: s.over[1], Panicked: s.over[2],
		}
	}
	return ok, s
}
