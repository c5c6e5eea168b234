package enginetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
)

var brokenPushes = []broken{
	{"tasks are text", "clause=1/round-trip", before("Push", func(c *twistedCall) {
		c.tasks = clones(c.tasks)
		for i, task := range c.tasks {
			c.tasks[i] = bytes.ToValidUTF8(task, []byte("?"))
		}
	})},
	{"Pull of more than 1,000 is an error", "clause=1/round-trip", after("Pull", func(c *twistedCall) {
		if c.limit > 1000 {
			c.ds, c.err = nil, errBroken
		}
	})},
	{"Nack and Ack are of the first 100", "clause=1/round-trip", before("Nack Ack", func(c *twistedCall) {
		c.ds = c.ds[:min(len(c.ds), 100)]
	})},
	{"Push with a context that is done says that it has done nothing, and has", "Context/done-before", failing("Push", func(c *twistedCall) {
		_, _ = c.Push(context.WithoutCancel(c.ctx), c.key, c.tasks)
	})},
	{"Push after Close does not say that it has done nothing", "clause=17/closed", failing("Push", func(c *twistedCall) {
		c.err = engine.ErrClosed
	})},
	{"Push returns IDs with ErrRefused", "clause=17/closed", failing("Push", func(c *twistedCall) { c.ids = []uint64{7} })},
	{"a batch is pushed from its end", "clause=1/round-trip clause=1/increasing", on("Push", func(c *twistedCall) {
		c.tasks = slices.Clone(c.tasks)
		slices.Reverse(c.tasks)
		c.do()
		slices.Reverse(c.ids)
	})},
	{"Push returns the IDs of some", "clause=1/round-trip", after("Push", func(c *twistedCall) { c.ids = c.ids[:len(c.ids)/2] })},
	{"Push of nothing is an error", "clause=1/round-trip", after("Push", func(c *twistedCall) {
		if len(c.tasks) == 0 {
			c.err = errBroken
		}
	})},
	{"Push returns ID 0", "clause=1/round-trip", after("Push", func(c *twistedCall) {
		if len(c.ids) > 0 {
			c.ids[0] = 0
		}
	})},
	{"an empty queue that is opened begins again", "clause=1/increasing clause=1/made-anew", func(r *rig) {
		r.opened = func(m *Memory) {
			if len(m.data.tasks) == 0 {
				m.data.lastID = 1
			}
		}
	}},
	{"keys are ignored", "clause=2/again clause=2/again-at-once clause=3-4/full clause=18/returned", before("Push", func(c *twistedCall) {
		c.key = rand.Text()
	})},
	{"IDs are chosen and then taken", "clause=1-14/all-at-once", looking("Push", func(_ *twistedCall, d *memory) func() {
		last := d.lastID
		return func() { d.lastID = last }
	})},
	{"keys are looked up and then stored", "clause=2/again-at-once", looking("Push", func(c *twistedCall, d *memory) func() {
		if c.ids = slices.Clone(d.keys[c.key]); c.ids != nil {
			return nil
		}
		return func() { delete(d.keys, c.key) }
	})},
	{"a repeated push returns the IDs and adds the tasks", "clause=2/again", func(r *rig) {
		known := make(map[string][]uint64)
		r.on("Push", func(c *twistedCall) {
			key := c.key
			c.key = fmt.Sprint(key, len(c.data.keys))
			c.do()
			if known[key] == nil {
				known[key] = c.ids
			}
			c.ids = slices.Clone(known[key])
		})
	}},
	{"a key is forgotten after 9 seconds", "clause=2/again", before("Push", func(c *twistedCall) {
		if keys := time.Unix(0, int64(c.data.lastID)); time.Since(keys) > 9*time.Second {
			delete(c.data.keys, c.key)
		}
	})},
	{"answers are lost, and keys are ignored", "clause=2/in-doubt", func(r *rig) {
		var mu sync.Mutex
		lost := make(map[string]bool)
		r.on("Push", func(c *twistedCall) {
			key := c.key
			c.key = rand.Text()
			c.do()
			mu.Lock()
			defer mu.Unlock()
			if !lost[key] {
				lost[key], c.ids, c.err = true, nil, errBroken
			}
		})
	}},
	{"keys are cut", "clause=2/other-keys", before("Push", func(c *twistedCall) { c.key = c.key[:min(len(c.key), 32)] })},
	{"keys are for UUIDs", "clause=2/other-keys", after("Push", func(c *twistedCall) {
		if len(c.key) > 36 {
			c.ids, c.err = nil, errBroken
		}
	})},
	{"ErrFull comes without the IDs of those that are in", "clause=3-4/full", failing("Push", func(c *twistedCall) { c.ids = nil })},
	{"ErrFull comes with the IDs of the first only", "clause=3-4/full", after("Push", func(c *twistedCall) {
		c.ids = slices.DeleteFunc(c.ids, func(id uint64) bool { return id == 0 })
	})},
	{"those before a task that is too large are in, and not told", "clause=3/too-large", failing("Push", func(c *twistedCall) {
		_, _ = c.Push(c.ctx, c.key, c.tasks[:1])
	})},
	{"a task that is too large is cut", "clause=3/too-large", before("Push", func(c *twistedCall) {
		c.tasks = slices.Clone(c.tasks)
		for i, task := range c.tasks {
			c.tasks[i] = task[:min(len(task), c.data.maxSize)]
		}
	})},
	{"a queue has no bound", "clause=3-4/full", func(r *rig) {
		r.opened = func(m *Memory) { m.data.bound = 1 << 30 }
	}},
	{"a queue that is full drops the oldest task and returns ErrFull", "clause=3-4/full", failing("Push", func(c *twistedCall) {
		c.locked(func(d *memory) { delete(d.tasks, d.ready[0]) })
	})},
	{"Push waits a second for room", "clause=3-4/full", failing("Push", func(*twistedCall) { time.Sleep(time.Second) })},
	{"a full queue is any error", "clause=3-4/full", failing("Push", func(c *twistedCall) { c.err = errBroken })},
	{"there is no room again", "clause=3-4/full", before("Ack", func(c *twistedCall) {
		c.locked(func(d *memory) { d.bound = max(0, d.bound-len(c.ds)) })
	})},
}

// late has the call return late if it has waited.
func (c *twistedCall) late() {
	start := time.Now()
	if c.do(); time.Since(start) > 0 {
		time.Sleep(2 * soon)
	}
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
	{"every 10th task is never delivered", "clause=1/round-trip clause=1-14/all-at-once", before("Pull", func(c *twistedCall) {
		c.locked(func(d *memory) { d.ready = slices.DeleteFunc(d.ready, func(id uint64) bool { return id%10 == 0 }) })
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
		failing("Pull", func(c *twistedCall) { c.err = errBroken }),
	},
}

var brokenLeases = []broken{
	{
		"nothing is held", "clause=6/held clause=2/again clause=9/ack clause=1-14/all-at-once clause=8/nack",
		after("Pull", func(c *twistedCall) { _ = c.Nack(context.WithoutCancel(c.ctx), c.ds) }),
	},
	{"leases are a fifth shorter", "clause=6/held clause=7/extend clause=9/ack", func(r *rig) {
		r.lease = func(d time.Duration) time.Duration { return d * 5 / 4 }
	}},
	{"leases never end", "clause=6/held clause=7/extend clause=9/ack clause=16/reopened", func(r *rig) {
		r.opened = func(m *Memory) { m.data.lease = math.MaxInt64 }
		r.lease = func(time.Duration) time.Duration { return time.Second }
	}},
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
	{"Extend extends all that is held", "clause=7/extend clause=7/extend-when-ended", on("Extend", func(c *twistedCall) {
		c.locked(func(d *memory) {
			for _, t := range d.held {
				t.leaseEnds = time.Now().Add(d.lease)
			}
		})
	})},
	{"Extend brings back what is acknowledged", "clause=7/extend-when-ended clause=9/ack", on("Extend", func(c *twistedCall) {
		c.locked(func(d *memory) {
			for _, one := range c.ds {
				if d.tasks[one.ID] == nil {
					d.tasks[one.ID] = &memoryTask{data: one.Task, deliveries: one.Attempt}
					d.releaseLocked(one.ID)
					d.arriveLocked()
				}
			}
		})
	})},
	{"Nack does nothing", "clause=8/nack", on("Nack", func(*twistedCall) {})},
	{"Nack takes most of a lease", "clause=8/nack", before("Nack", func(c *twistedCall) {
		time.Sleep(c.data.lease * 8 / 10)
	})},
	{"Ack does nothing", "clause=9/ack clause=9/ack-when-ended clause=7/extend-when-ended", on("Ack", func(*twistedCall) {})},
	{"Ack of some is an Ack of all that was pushed with them", "clause=9/ack-in-part", before("Ack", func(c *twistedCall) {
		c.locked(func(d *memory) {
			for _, ids := range d.keys {
				if slices.Contains(ids, c.ds[0].ID) {
					for _, id := range ids {
						delete(d.tasks, id)
						delete(d.held, id)
					}
				}
			}
		})
	})},
	{"Ack of what another holds does nothing", "clause=9/ack-when-ended", before("Ack", func(c *twistedCall) {
		c.locked(func(d *memory) {
			d.endLeasesLocked(time.Now())
			c.ds = slices.DeleteFunc(slices.Clone(c.ds), func(one engine.Delivery) bool {
				held := d.held[one.ID]
				return held != nil && held.deliveries != one.Attempt
			})
		})
	})},
}
