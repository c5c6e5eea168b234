package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	{"Push with a context that is done says that it has done nothing, and has", "clause=3/refused", after("Push", func(c *twistedCall) {
		if c.ctx.Err() != nil {
			_, _ = c.Push(context.WithoutCancel(c.ctx), c.key, c.tasks)
		}
	})},
	{"Push after Close does not say that it has done nothing", "clause=3/refused", after("Push", func(c *twistedCall) {
		if errors.Is(c.err, engine.ErrClosed) {
			c.err = engine.ErrClosed
		}
	})},
	{"Push returns IDs with ErrRefused", "clause=3/refused", after("Push", func(c *twistedCall) {
		if errors.Is(c.err, engine.ErrRefused) {
			c.ids = []uint64{7, 0, 0}
		}
	})},
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
	{"the first ID is 0", "clause=1/round-trip", func(r *rig) {
		var first uint64
		r.on("Push", func(c *twistedCall) {
			c.do()
			for i, id := range c.ids {
				if first == 0 {
					first = id
				}
				c.ids[i] -= first
			}
		})
	}},
	{"Pull makes up IDs", "clause=1/round-trip", after("Pull", func(c *twistedCall) {
		for i := range c.ds {
			c.ds[i].ID += 1 << 20
		}
	})},
	{"an empty queue that is opened begins again", "clause=1/increasing", func(r *rig) {
		r.opened = func(m *Memory) {
			if len(m.data.tasks) == 0 {
				m.data.lastID = 1
			}
		}
	}},
	{"a queue that is made anew begins again", "clause=1/made-anew", func(r *rig) {
		r.opened = func(m *Memory) {
			if len(m.data.keys) == 0 {
				m.data.lastID = 1
			}
		}
	}},
	{"each handle has IDs of its own", "clause=1-14/all-at-once", func(r *rig) {
		last := make(map[int]uint64) // of each
		r.on("Push", func(c *twistedCall) {
			c.do()
			c.locked(func(*memory) {
				for i, id := range c.ids {
					if id != 0 {
						last[c.handle]++
						c.ids[i] = last[c.handle]
					}
				}
			})
		})
	}},
	{"IDs are chosen and then taken", "clause=1-14/all-at-once", before("Push", func(c *twistedCall) {
		var last uint64
		c.locked(func(d *memory) { last = d.lastID })
		time.Sleep(time.Microsecond)
		c.locked(func(d *memory) { d.lastID = last })
	})},
	{"keys are ignored", "clause=2/again clause=2/again-at-once clause=3-4/full clause=18/returned", func(r *rig) {
		calls := 0
		r.on("Push", func(c *twistedCall) {
			c.locked(func(*memory) { calls++; c.key = fmt.Sprint("call-", calls) })
			c.do()
		})
	}},
	{"each handle has keys of its own", "clause=2/again clause=2/again-at-once", before("Push", func(c *twistedCall) {
		c.key = fmt.Sprint(c.handle, "-", c.key)
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
	{"a key is forgotten with its tasks", "clause=2/again", before("Ack", func(c *twistedCall) {
		for key, ids := range c.data.keys {
			if slices.Contains(ids, c.ds[0].ID) {
				delete(c.data.keys, key)
			}
		}
	})},
	{"a key is forgotten after 9 seconds", "clause=2/again", before("Push", func(c *twistedCall) {
		if keys := time.Unix(0, int64(c.data.lastID)); time.Since(keys) > 9*time.Second {
			delete(c.data.keys, c.key)
		}
	})},
	{"keys are looked up and then stored", "clause=2/again-at-once", func(r *rig) {
		known := make(map[string][]uint64)
		calls := 0
		r.on("Push", func(c *twistedCall) {
			key := c.key
			c.locked(func(*memory) {
				calls++
				c.ids, c.key = known[key], fmt.Sprint("call-", calls)
			})
			if c.ids != nil {
				return
			}
			time.Sleep(time.Microsecond)
			c.do()
			c.locked(func(*memory) { known[key] = c.ids })
		})
	}},
	{"keys are all in small letters", "clause=2/other-keys", before("Push", func(c *twistedCall) { c.key = strings.ToLower(c.key) })},
	{"keys are cut", "clause=2/other-keys", before("Push", func(c *twistedCall) { c.key = c.key[:min(len(c.key), 32)] })},
	{"keys are for UUIDs", "clause=2/other-keys", after("Push", func(c *twistedCall) {
		if len(c.key) > 36 {
			c.ids, c.err = nil, errBroken
		}
	})},
	{"ErrFull comes without the IDs of those that are in", "clause=3-4/full", after("Push", func(c *twistedCall) {
		if c.err != nil {
			c.ids = nil
		}
	})},
	{"ErrFull comes with the IDs of the first only", "clause=3-4/full", after("Push", func(c *twistedCall) {
		c.ids = slices.DeleteFunc(c.ids, func(id uint64) bool { return id == 0 })
	})},
	{"a repeated push after ErrFull leaves out what did not fit", "clause=3-4/full", func(r *rig) {
		known := make(map[string][]uint64)
		r.on("Push", func(c *twistedCall) {
			if c.ids = known[c.key]; c.ids == nil {
				c.do()
				known[c.key] = slices.Clone(c.ids)
			}
		})
	}},
	{"those before a task that is too large are in, and not told", "clause=3/too-large", after("Push", func(c *twistedCall) {
		if errors.Is(c.err, engine.ErrTooLarge) {
			_, _ = c.Push(c.ctx, c.key, c.tasks[:1])
		}
	})},
	{"a task that is too large is cut", "clause=3/too-large", before("Push", func(c *twistedCall) {
		c.tasks = slices.Clone(c.tasks)
		for i, task := range c.tasks {
			c.tasks[i] = task[:min(len(task), c.data.maxSize)]
		}
	})},
	{"nothing is pushed after a task that is too large", "clause=3/too-large", func(r *rig) {
		failed := false
		r.on("Push", func(c *twistedCall) {
			if c.err = engine.ErrTooLarge; !failed {
				c.do()
				failed = c.err != nil
			}
		})
	}},
	{"a queue has no bound", "clause=3-4/full", func(r *rig) {
		r.opened = func(m *Memory) { m.data.bound = 1 << 30 }
	}},
	{"a queue is full when it is half full", "clause=3-4/full", func(r *rig) {
		r.opened = func(m *Memory) { m.data.bound = testBound / 2 }
	}},
	{"a queue that is full drops the oldest task and returns ErrFull", "clause=3-4/full", after("Push", func(c *twistedCall) {
		if c.err != nil {
			c.locked(func(d *memory) { delete(d.tasks, d.ready[0]) })
		}
	})},
	{"Push waits a second for room", "clause=3-4/full", after("Push", func(c *twistedCall) {
		if c.err != nil {
			time.Sleep(time.Second)
		}
	})},
	{"a full queue is any error", "clause=3-4/full", after("Push", func(c *twistedCall) {
		if c.err != nil {
			c.err = errBroken
		}
	})},
	{"there is no room again", "clause=3-4/full", before("Ack", func(c *twistedCall) {
		c.locked(func(d *memory) { d.bound = max(0, d.bound-len(c.ds)) })
	})},
}
