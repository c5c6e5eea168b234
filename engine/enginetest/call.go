package enginetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// A whole is an engine, with what is optional: nil if the engine does not implement it.
type whole struct {
	engine.Engine
	engine.Waiter
	engine.StartMarker
	engine.DelayedNacker
	engine.Sizer
	engine.Describer
	engine.Retryabler
}

func wholeOf(eng engine.Engine) whole {
	w := whole{Engine: eng}
	w.Waiter, _ = eng.(engine.Waiter)
	w.StartMarker, _ = eng.(engine.StartMarker)
	w.DelayedNacker, _ = eng.(engine.DelayedNacker)
	w.Sizer, _ = eng.(engine.Sizer)
	w.Describer, _ = eng.(engine.Describer)
	w.Retryabler, _ = eng.(engine.Retryabler)
	return w
}

// lacks reports whether the engine does not implement an optional interface, or has not the
// method of one.
func (w whole) lacks(name string) bool {
	switch name {
	case "Waiter", "Wait":
		return w.Waiter == nil
	case "StartMarker", "MarkStart":
		return w.StartMarker == nil
	case "DelayedNacker", "NackAfter":
		return w.DelayedNacker == nil
	case "Sizer", "Size":
		return w.Sizer == nil
	case "Describer", "Describe":
		return w.Describer == nil
	case "Retryabler":
		return w.Retryabler == nil
	default:
		return false
	}
}

// A call is one call of a method that may fail: what the method is given, and what it returns.
type call struct {
	method string
	ctx    context.Context
	key    string
	tasks  [][]byte
	limit  int
	ds     []engine.Delivery // given, or returned by Pull
	recs   []engine.Record
	ids    []uint64 // given, or returned by Push
	id     uint64
	n      int    // given to MarkStart, and what that and Size return
	kind   string // given, and returned
	after  time.Duration

	got []byte                          // returned by Load and Wait
	seq iter.Seq2[engine.Record, error] // returned
	err error                           // returned
}

// make makes the call.
func (c *call) make(eng whole) {
	if eng.lacks(c.method) {
		c.err = fmt.Errorf("enginetest: the engine inside has no method %s: %w", c.method, errors.ErrUnsupported)
		return
	}
	switch c.method {
	case "Push":
		c.ids, c.err = eng.Push(c.ctx, c.key, c.tasks)
	case "Pull":
		c.ds, c.err = eng.Pull(c.ctx, c.limit)
	case "Ack":
		c.err = eng.Ack(c.ctx, c.ds)
	case "Nack":
		c.err = eng.Nack(c.ctx, c.ds)
	case "Extend":
		c.err = eng.Extend(c.ctx, c.ds)
	case "Save":
		c.err = eng.Save(c.ctx, c.recs)
	case "Load":
		c.got, c.err = eng.Load(c.ctx, c.id)
	case "Delete":
		c.err = eng.Delete(c.ctx, c.ids)
	case "All":
		c.seq = eng.All(c.ctx)
	case "Close":
		c.err = eng.Close()
	case "Wait":
		c.got, c.err = eng.Wait(c.ctx, c.id)
	case "MarkStart":
		c.n, c.err = eng.MarkStart(c.ctx, c.id, c.n)
	case "NackAfter":
		c.err = eng.NackAfter(c.ctx, c.ds, c.after)
	case "Size":
		n, err := eng.Size(c.ctx)
		c.n, c.err = int(n), err
	case "Describe":
		c.kind, c.err = eng.Describe(c.ctx, c.kind)
	}
}

// about returns the IDs that the call is given, in whatever form.
func (c *call) about() []uint64 {
	ids := append(idsOf(c.ds), c.ids...)
	for _, rec := range c.recs {
		ids = append(ids, rec.ID)
	}
	if c.id != 0 {
		ids = append(ids, c.id)
	}
	return ids
}

func idsOf(ds []engine.Delivery) (ids []uint64) {
	for _, d := range ds {
		ids = append(ids, d.ID)
	}
	return ids
}

// calls returns a call of each method but Close. ds are held, and the calls are about them.
func (w whole) calls(ctx context.Context, ds []engine.Delivery) (calls []*call) {
	id := ds[0].ID
	for _, method := range []string{
		"Push", "Pull", "Ack", "Nack", "Extend", "Save", "Load", "Delete", "All", "Wait", "MarkStart", "NackAfter", "Size", "Describe",
	} {
		if !w.lacks(method) {
			calls = append(calls, &call{
				method: method,
				ctx:    ctx,
				key:    "another-key",
				tasks:  [][]byte{[]byte("another task")},
				limit:  1,
				ds:     ds,
				recs:   records(id, 1),
				ids:    []uint64{id},
				id:     id,
				n:      1,
				kind:   "a kind",
			})
		}
	}
	return calls
}

// try makes the call, and the loop to its first pair if it is one of All, and returns the error.
func (c *call) try(eng whole) error {
	c.make(eng)
	if c.method == "All" {
		for _, c.err = range c.seq {
			break
		}
	}
	return c.err
}

// A wrapped engine has each call of a method that may fail made by around.
type wrapped struct {
	eng    whole
	around func(c *call)
}

func (w *wrapped) do(c *call) *call {
	w.around(c)
	return c
}

// Push implements [engine.Queue].
func (w *wrapped) Push(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
	c := w.do(&call{method: "Push", ctx: ctx, key: key, tasks: tasks})
	return c.ids, c.err
}

// Pull implements [engine.Queue].
func (w *wrapped) Pull(ctx context.Context, limit int) ([]engine.Delivery, error) {
	c := w.do(&call{method: "Pull", ctx: ctx, limit: limit})
	return c.ds, c.err
}

// Ack implements [engine.Queue].
func (w *wrapped) Ack(ctx context.Context, ds []engine.Delivery) error {
	return w.do(&call{method: "Ack", ctx: ctx, ds: ds}).err
}

// Nack implements [engine.Queue].
func (w *wrapped) Nack(ctx context.Context, ds []engine.Delivery) error {
	return w.do(&call{method: "Nack", ctx: ctx, ds: ds}).err
}

// Extend implements [engine.Queue].
func (w *wrapped) Extend(ctx context.Context, ds []engine.Delivery) error {
	return w.do(&call{method: "Extend", ctx: ctx, ds: ds}).err
}

// Lease implements [engine.Queue].
func (w *wrapped) Lease() time.Duration { return w.eng.Lease() }

// Save implements [engine.Results].
func (w *wrapped) Save(ctx context.Context, recs []engine.Record) error {
	return w.do(&call{method: "Save", ctx: ctx, recs: recs}).err
}

// Load implements [engine.Results].
func (w *wrapped) Load(ctx context.Context, id uint64) ([]byte, error) {
	c := w.do(&call{method: "Load", ctx: ctx, id: id})
	return c.got, c.err
}

// Delete implements [engine.Results].
func (w *wrapped) Delete(ctx context.Context, ids []uint64) error {
	return w.do(&call{method: "Delete", ctx: ctx, ids: ids}).err
}

// All implements [engine.Results].
func (w *wrapped) All(ctx context.Context) iter.Seq2[engine.Record, error] {
	return w.do(&call{method: "All", ctx: ctx}).seq
}

// Wait implements [engine.Waiter].
func (w *wrapped) Wait(ctx context.Context, id uint64) ([]byte, error) {
	c := w.do(&call{method: "Wait", ctx: ctx, id: id})
	return c.got, c.err
}

// MarkStart implements [engine.StartMarker].
func (w *wrapped) MarkStart(ctx context.Context, id uint64, n int) (int, error) {
	c := w.do(&call{method: "MarkStart", ctx: ctx, id: id, n: n})
	return c.n, c.err
}

// NackAfter implements [engine.DelayedNacker].
func (w *wrapped) NackAfter(ctx context.Context, ds []engine.Delivery, d time.Duration) error {
	return w.do(&call{method: "NackAfter", ctx: ctx, ds: ds, after: d}).err
}

// Size implements [engine.Sizer].
func (w *wrapped) Size(ctx context.Context) (uint64, error) {
	c := w.do(&call{method: "Size", ctx: ctx})
	return uint64(c.n), c.err
}

// Describe implements [engine.Describer].
func (w *wrapped) Describe(ctx context.Context, kind string) (string, error) {
	c := w.do(&call{method: "Describe", ctx: ctx, kind: kind})
	return c.kind, c.err
}

// Close implements [engine.Engine].
func (w *wrapped) Close() error {
	return w.do(&call{method: "Close", ctx: context.Background()}).err
}
