package enginetest

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// late has the call return late if it has waited.
func (c *twistedCall) late() {
	start := time.Now()
	if c.do(); time.Since(start) > 0 {
		time.Sleep(2 * soon)
	}
}

// bringBack makes tasks of c.ds that are not in the queue.
func (c *twistedCall) bringBack() {
	c.locked(func(d *memory) {
		for _, one := range c.ds {
			if d.tasks[one.ID] == nil {
				d.tasks[one.ID] = &memoryTask{data: one.Task, deliveries: one.Attempt}
				d.releaseLocked(one.ID)
				d.arriveLocked()
			}
		}
	})
}

// holder returns the task of a delivery if it is held: still, or again.
func (c *twistedCall) holder(one engine.Delivery) (held *memoryTask, still bool) {
	c.locked(func(d *memory) {
		d.endLeasesLocked(time.Now())
		held = d.held[one.ID]
	})
	return held, held != nil && held.deliveries == one.Attempt
}

var brokenPulls = []broken{
	{"Pull returns one more", "clause=5/order", before("Pull", func(c *twistedCall) { c.limit++ })},
	{"Pull returns none and no error", "clause=5/waits-for-one clause=1-14/all-at-once", on("Pull", func(c *twistedCall) {
		ctx, cancel := context.WithTimeout(c.ctx, time.Millisecond)
		defer cancel()
		c.ctx = ctx
		c.do()
		c.err = nil
	})},
	{
		"Pull that has waited is late", "clause=5/waits-for-one clause=8/nack clause=17/closed-while-waiting Context/done-while-waiting",
		on("Pull", (*twistedCall).late),
	},
	{"Pull waits for as many as it may return", "clause=5/no-waiting-for-more", after("Pull", func(c *twistedCall) {
		if n := len(c.ds); n > 0 && n < c.limit {
			time.Sleep(300 * time.Millisecond)
		}
	})},
	{"a queue is a stack", "clause=5/order", on("Pull", func(c *twistedCall) {
		c.locked(func(d *memory) { slices.Reverse(d.ready) })
		c.do()
		c.locked(func(d *memory) { slices.Sort(d.ready) })
	})},
	{"a Pull that ends takes a task with it", "clause=5/pulls-that-end", func(r *rig) {
		ended := false
		r.on("Pull", func(c *twistedCall) {
			if c.do(); ended && c.err == nil { // and is still known to the servers
				_ = c.Ack(context.WithoutCancel(c.ctx), c.ds[:1])
				c.do()
			}
			ended = c.err != nil
		})
	}},
	{
		"a Pull that ends says so in its own words", "clause=5/pulls-that-end Context/done-while-waiting Context/done-before",
		after("Pull", func(c *twistedCall) {
			if c.err != nil {
				c.err = errBroken
			}
		}),
	},
}

var brokenLeases = []broken{
	{
		"nothing is held", "clause=6/held clause=2/again clause=9/ack clause=1-14/all-at-once clause=8/nack",
		after("Pull", func(c *twistedCall) { _ = c.Nack(context.WithoutCancel(c.ctx), c.ds) }),
	},
	{"leases are half as long", "clause=6/held clause=7/extend clause=9/ack", func(r *rig) {
		r.lease = func(d time.Duration) time.Duration { return 2 * d }
	}},
	{"leases never end", "clause=6/held clause=7/extend clause=9/ack clause=16/reopened", func(r *rig) {
		r.opened = func(m *Memory) { m.data.lease = math.MaxInt64 }
		r.lease = func(time.Duration) time.Duration { return time.Second }
	}},
	{"a lease that ends ends the task", "clause=6/held clause=16/reopened", on("Pull", func(c *twistedCall) {
		for c.do(); len(c.ds) > 0 && c.ds[0].Attempt > 1; c.do() {
			_ = c.Ack(c.ctx, c.ds)
		}
	})},
	{
		"Attempt is always 1",
		"clause=6/held clause=7/extend clause=8/nack clause=9/ack clause=1-14/all-at-once",
		after("Pull", func(c *twistedCall) {
			for i := range c.ds {
				c.ds[i].Attempt = 1
			}
		}),
	},
	{"Attempt counts from 2", "clause=6/held", after("Pull", func(c *twistedCall) {
		for i := range c.ds {
			c.ds[i].Attempt++
		}
	})},
	{"Extend does nothing", "clause=7/extend", on("Extend", func(*twistedCall) {})},
	{"Extend brings back what is acknowledged", "clause=7/extend-when-ended clause=9/ack", on("Extend", (*twistedCall).bringBack)},
	{"Nack brings back what is acknowledged", "clause=9/ack", on("Nack", (*twistedCall).bringBack)},
	{"Nack does nothing", "clause=8/nack", on("Nack", func(*twistedCall) {})},
	{"Nack takes most of a lease", "clause=8/nack", before("Nack", func(c *twistedCall) {
		time.Sleep(c.data.lease * 8 / 10)
	})},
	{"Nack gives back the first", "clause=8/nack", before("Nack", func(c *twistedCall) { c.ds = c.ds[:1] })},
	{"Ack does nothing", "clause=9/ack clause=9/ack-when-ended clause=7/extend-when-ended", on("Ack", func(*twistedCall) {})},
	{"Ack forgets the first", "clause=9/ack", before("Ack", func(c *twistedCall) { c.ds = c.ds[:1] })},
	{"Ack of what nobody holds does nothing", "clause=9/ack-when-ended", before("Ack", func(c *twistedCall) {
		c.ds = slices.DeleteFunc(slices.Clone(c.ds), func(d engine.Delivery) bool { _, still := c.holder(d); return !still })
	})},
	{"Ack of what another holds does nothing", "clause=9/ack-when-ended", before("Ack", func(c *twistedCall) {
		c.ds = slices.DeleteFunc(slices.Clone(c.ds), func(d engine.Delivery) bool { held, still := c.holder(d); return held != nil && !still })
	})},
}
