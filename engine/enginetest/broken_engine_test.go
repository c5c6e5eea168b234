package enginetest

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// whenClosed calls f before each Close.
func whenClosed(f func(d *memory)) func(*rig) {
	return before("Close", func(c *twistedCall) { c.locked(f) })
}

// workWhenClosed have a method work after Close, by another handle.
func workWhenClosed(methods ...string) (all []broken) {
	for _, method := range methods {
		twist := before(method, func(c *twistedCall) { c.Memory = c.Open() })
		all = append(all, broken{method + " works after Close", "clause=17/closed", twist})
	}
	return all
}

var brokenCloses = append(workWhenClosed("Push", "Pull", "Ack", "Nack", "Extend", "Save", "Load", "Delete", "All",
	"Wait", "MarkStart", "NackAfter", "Size", "Describe"), []broken{
	{"records are lost when the queue is closed", "clause=16/reopened", whenClosed(func(d *memory) { clear(d.records) })},
	{"the lease is another after each Open", "clause=16/reopened", func(r *rig) {
		r.lease = func(d time.Duration) time.Duration { return d + time.Duration(r.handles)*time.Second }
	}},
	{"Close again is an error", "clause=17/closed", on("Close", func(c *twistedCall) {
		c.err = c.enter(c.ctx)
		_ = c.Close()
	})},
	{"Close is an error", "clause=5/order", after("Close", func(c *twistedCall) { c.err = errBroken })},
	{"Pull tells of a cancel after Close", "clause=17/closed clause=17/closed-while-waiting", failing("Pull", func(c *twistedCall) {
		c.err = context.Canceled
	})},
	{"a loop that Close interrupts tells of something else", "clause=17/closed-while-waiting", loops(func(_ *twistedCall, yield yield) {
		if yield(record(1), nil) {
			yield(engine.Record{}, errBroken)
		}
	})},
	{"Close closes all handles", "clause=17/closed", func(r *rig) {
		var all []*Memory
		r.opened = func(m *Memory) { all = append(all, m) }
		r.on("Close", func(c *twistedCall) {
			for _, m := range all {
				_ = m.Close()
			}
		})
	}},
	{"a goroutine is left after Close", "clause=17/no-goroutines", func(r *rig) {
		end := make(chan struct{}) // of the check
		r.Cleanup(func() { close(end) })
		r.opened = func(*Memory) { go func() { <-end }() }
	}},
}...)

var brokenSlices = []broken{
	{"Push keeps the tasks that it was given", "clause=18/given", after("Push", func(c *twistedCall) {
		for i, id := range c.ids {
			c.data.tasks[id].data = c.tasks[i]
		}
	})},
	{"Push changes the tasks that it was given", "clause=18/given", after("Push", func(c *twistedCall) { slices.Reverse(c.tasks) })},
	{"Nack changes the deliveries that it was given", "clause=18/given", after("Nack", func(c *twistedCall) { clear(c.ds) })},
	{"Extend changes the deliveries that it was given", "clause=18/given", after("Extend", func(c *twistedCall) { slices.Reverse(c.ds) })},
	{"Save keeps the records that it was given", "clause=18/given", savesEach(func(c *twistedCall, rec engine.Record) error {
		c.data.records[rec.ID] = rec.Data
		return nil
	})},
	{"Save sorts the records that it was given", "clause=18/given", after("Save", func(c *twistedCall) { slices.Reverse(c.recs) })},
	{"Delete sorts the IDs that it was given", "clause=18/given", after("Delete", func(c *twistedCall) { slices.Sort(c.ids) })},
	{"Push returns IDs that it keeps", "clause=18/returned", after("Push", func(c *twistedCall) { c.ids = c.data.keys[c.key] })},
	{"Pull returns tasks in one piece of memory", "clause=18/returned", after("Pull", func(c *twistedCall) {
		page := make([]byte, 0, 4096)
		for i := range c.ds {
			from := len(page)
			page = append(page, c.ds[i].Task...)
			c.ds[i].Task = page[from:] // and as far as the page goes
		}
	})},
	{"Load returns records that it keeps", "clause=18/returned", after("Load", func(c *twistedCall) { c.got = c.data.records[c.id] })},
	{"All yields records in one buffer", "clause=18/returned", loops(func(c *twistedCall, yield yield) {
		var buf []byte
		for rec, err := range c.seq {
			buf = append(buf[:0], rec.Data...)
			if !yield(engine.Record{ID: rec.ID, Data: buf}, err) {
				return
			}
		}
	})},
}

// whenDone has methods not do their work, but what f says, if their context is done.
func whenDone(methods string, f func(c *twistedCall)) func(*rig) {
	return on(methods, func(c *twistedCall) {
		if c.ctx.Err() != nil {
			c.seq = func(yield) {}
			f(c)
			return
		}
		c.do()
	})
}

var brokenContexts = []broken{
	{"with a context that is done Push is any error", "Context/done-before", whenDone("Push", func(c *twistedCall) { c.err = errBroken })},
	{"with a context that is done Ack is any error", "Context/done-before", whenDone("Ack", func(c *twistedCall) { c.err = errBroken })},
	{"with a context that is done Save does nothing and is no error", "Context/done-before", whenDone("Save", func(*twistedCall) {})},
	{"with a context that is done Load finds nothing", "Context/done-before", whenDone("Load", func(*twistedCall) {})},
	{"with a context that is done Delete does nothing and is no error", "Context/done-before", whenDone("Delete", func(*twistedCall) {})},
	{"with a context that is done All yields nothing", "Context/done-before", whenDone("All", func(*twistedCall) {})},
	{"Pull returns a task from nowhere when its context ends", "Context/done-while-waiting", after("Pull", func(c *twistedCall) {
		c.ds = []engine.Delivery{{}}
	})},
}

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
		if c.do(); pending && errors.Is(c.err, engine.ErrNotFound) {
			c.hang()
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
	{"NackAfter does nothing", "DelayedNacker/comes-later DelayedNacker/runs", on("NackAfter", func(*twistedCall) {})},
	{"NackAfter is always at once", "DelayedNacker/comes-later", before("NackAfter", func(c *twistedCall) { c.after = 0 })},
	{"NackAfter takes a lease longer", "DelayedNacker/comes-later", before("NackAfter", func(c *twistedCall) {
		if c.after > 0 {
			c.after += c.data.lease + soon
		}
	})},
	{"NackAfter is an Ack and a Push", "DelayedNacker/comes-later DelayedNacker/runs", on("NackAfter", func(c *twistedCall) {
		_ = c.Ack(c.ctx, c.ds)
		for _, one := range c.ds {
			_, _ = c.Push(c.ctx, rand.Text(), [][]byte{one.Task})
		}
	})},
	{"all deliveries have run", "DelayedNacker/runs", after("Pull", func(c *twistedCall) {
		for i := range c.ds {
			c.ds[i].Runs = c.ds[i].Attempt - 1
		}
	})},
	{"runs are forgotten when the queue is closed", "DelayedNacker/runs", whenClosed(func(d *memory) {
		for _, t := range d.tasks {
			t.runs = 0
		}
	})},
	{"Size leaves out what is held", "Sizer/counts", after("Size", func(c *twistedCall) {
		c.locked(func(d *memory) { c.n -= len(d.held) })
	})},
	{"the last kind wins", "Describer/first-wins", on("Describe", func(*twistedCall) {})},
	{"the kind is forgotten when the queue is closed", "Describer/first-wins", whenClosed(func(d *memory) { d.kind = "" })},
	{"the kind is looked for and then stored", "Describer/first-wins", looking("Describe", func(_ *twistedCall, d *memory) func() {
		stored := d.kind
		return func() { d.kind = stored }
	})},
	{"no error may pass", "Retryabler/of-this-package", func(r *rig) {
		r.retryable = func(error) bool { return false }
	}},
	{"Retryable knows errors by their value", "Retryabler/of-this-package", func(r *rig) {
		r.retryable = func(err error) bool { return err != engine.ErrTooLarge && err != engine.ErrClosed }
	}},
}
