package enginetest

import (
	"errors"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// notFound reports whether the call has found nothing.
func (c *twistedCall) notFound() bool { return errors.Is(c.err, engine.ErrNotFound) }

// hang has the call wait until its context is done.
func (c *twistedCall) hang() {
	<-c.ctx.Done()
	c.got, c.err = nil, c.ctx.Err()
}

var brokenOffers = []broken{
	{"Wait waits for what is there", "Waiter/at-once", on("Wait", (*twistedCall).hang)},
	{"Wait needs a task", "Waiter/at-once", on("Wait", func(c *twistedCall) {
		if c.err = engine.ErrNotFound; c.data.tasks[c.id] != nil {
			c.do()
		}
	})},
	{"Wait does not wait", "Waiter/woken Waiter/race Waiter/ends", on("Wait", func(c *twistedCall) { c.got, c.err = c.Load(c.ctx, c.id) })},
	{"Wait that has waited is late", "Waiter/woken Waiter/ends", on("Wait", (*twistedCall).late)},
	{"Wait thinks for two seconds", "Waiter/at-once", before("Wait", func(*twistedCall) { time.Sleep(2 * time.Second) })},
	{"Wait looks and then listens", "Waiter/race", on("Wait", func(c *twistedCall) {
		if c.got, c.err = c.Load(c.ctx, c.id); c.err == nil {
			return
		}
		time.Sleep(200 * time.Microsecond)
		if c.stored(c.id) { // and has woken nobody
			c.hang()
			return
		}
		c.do()
	})},
	{"Wait waits for ever when the task has gone", "Waiter/ends", on("Wait", func(c *twistedCall) {
		pending := c.data.tasks[c.id] != nil
		if c.do(); pending && c.notFound() {
			c.hang()
		}
	})},
	{"Wait that ends says so in its own words", "Waiter/ends", after("Wait", func(c *twistedCall) {
		if c.err != nil && !c.notFound() {
			c.err = errBroken
		}
	})},
	{"Wait with a context that is done finds nothing", "Waiter/ends", whenDone("Wait", func(c *twistedCall) { c.err = engine.ErrNotFound })},
	{"starts are deliveries", "StartMarker/counts StartMarker/at-once", on("MarkStart", func(c *twistedCall) {
		c.n = c.data.tasks[c.id].deliveries
	})},
	{"starts are forgotten when the task is given back", "StartMarker/counts", before("Nack", func(c *twistedCall) {
		c.locked(func(d *memory) { clear(d.starts) })
	})},
	{"starts are of all tasks together", "StartMarker/counts", before("MarkStart", func(c *twistedCall) { c.id = 1 })},
	{"starts are forgotten when the queue is closed", "StartMarker/counts", whenClosed(func(d *memory) { clear(d.starts) })},
	{"starts are read and then written", "StartMarker/at-once", looking("MarkStart", func(c *twistedCall, d *memory) func() {
		starts := d.starts[c.id]
		return func() { d.starts[c.id] = starts }
	})},
	{"a start cannot be taken back", "StartMarker/counts", before("MarkStart", func(c *twistedCall) { c.n = max(c.n, 0) })},
	{"a start that is taken back counts as another", "StartMarker/counts", before("MarkStart", func(c *twistedCall) { c.n = 1 })},
	{"Size leaves out what is held", "Sizer/counts", after("Size", func(c *twistedCall) {
		c.locked(func(d *memory) { c.n -= len(d.held) })
	})},
	{"Size is what it was before", "Sizer/counts", func(r *rig) {
		before := 0
		r.on("Size", func(c *twistedCall) {
			c.do()
			before, c.n = c.n, before
		})
	}},
	{"the last kind wins", "Describer/first-wins", on("Describe", func(*twistedCall) {})},
	{"the kind is forgotten when the queue is closed", "Describer/first-wins", whenClosed(func(d *memory) { d.kind = "" })},
	{"the kind is looked for and then stored", "Describer/first-wins", looking("Describe", func(_ *twistedCall, d *memory) func() {
		stored := d.kind
		return func() { d.kind = stored }
	})},
	{"every error may pass", "Retryabler/of-this-package", func(r *rig) {
		r.retryable = func(error) bool { return true }
	}},
	{"no error may pass", "Retryabler/of-this-package", func(r *rig) {
		r.retryable = func(error) bool { return false }
	}},
	{"Retryable knows errors by their value", "Retryabler/of-this-package", func(r *rig) {
		r.retryable = func(err error) bool { return err != engine.ErrTooLarge && err != engine.ErrClosed }
	}},
}
