package storetest

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// concurrentChanges loops again and again while one goroutine puts and deletes
// new IDs, and another the same few over again, all among those that stay.
func concurrentChanges(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	c := &churn{stays: s.size(1000, 1)}
	c.begun = make([]atomic.Bool, onceEach*c.stays)
	for i := range c.stays {
		o.put(result(stayID(i), 0))
	}
	if o.err != nil {
		return o.err
	}

	changes := s.size(len(c.begun), 4)
	return parallel(3, func(i int) error {
		o := o.fork()
		switch i {
		case 0:
			defer c.over.Store(true)
			c.putOnce(o, changes)
		case 1:
			c.putOften(o)
		default:
			defer c.left.Store(true)
			for more := true; more && o.err == nil; {
				more = !c.over.Load() // one loop more when nothing changes
				c.loop(o)
			}
		}
		return o.err
	})
}

// A churn is a store in which some results stay, some come and go once, and some
// come and go often. Of each eight IDs the first stays, the last is put often,
// and the others are put once.
type churn struct {
	stays   int           // how many IDs stay
	begun   []atomic.Bool // by index: the ID that is put once has been put, or is being put
	changes atomic.Int64  // how often one of these was put or deleted
	over    atomic.Bool   // none of these will be put or deleted any more
	wanted  atomic.Int64  // how many changes the loop waits for
	left    atomic.Bool   // there will be no more loops
}

const (
	onceEach = 6   // of eight IDs
	burst    = 150 // how many of these are held at once
	ahead    = 100 // how many changes there may be beyond those that are waited for
)

func stayID(i int) store.ID  { return store.ID(8*i + 1) }
func onceID(i int) store.ID  { return store.ID(8*(i/onceEach) + 2 + i%onceEach) }
func oftenID(i int) store.ID { return store.ID(8*i + 8) }

// putOnce puts a burst of IDs, here and there, and then deletes them.
func (c *churn) putOnce(o *script, n int) {
	order := rand.New(rand.NewPCG(1, 3)).Perm(len(c.begun))[:n]
	for len(order) > 0 {
		now := order[:min(burst, len(order))]
		order = order[len(now):]
		for _, i := range now {
			c.begun[i].Store(true)
			o.put(result(onceID(i), 0))
			c.changed()
		}
		for _, i := range now {
			o.del(onceID(i))
			c.changed()
		}
	}
}

// changed counts a change, and waits if the loop has not come far enough. Else all
// changes might be over before it has begun.
func (c *churn) changed() {
	n := c.changes.Add(1)
	for n > c.wanted.Load()+ahead && !c.left.Load() {
		runtime.Gosched()
	}
}

func (c *churn) putOften(o *script) {
	for i := 0; o.err == nil && !c.over.Load(); i++ {
		id := oftenID(i % c.stays)
		o.put(result(id, 0))
		o.del(id)
		runtime.Gosched()
	}
}

func (c *churn) loop(o *script) {
	seen := make(map[store.ID]bool)
	stayed := 0
	o.each(func(res store.Result[int]) {
		group, member := int((res.ID-1)/8), int((res.ID-1)%8)
		once := 0 < member && member < 7
		switch {
		case !same(res, result(res.ID, 0)):
			o.fail("All yielded %+v, want %+v", res, result(res.ID, 0))
		case group >= c.stays, once && !c.begun[group*onceEach+member-1].Load():
			o.fail("All yielded ID %d, which was never put", res.ID)
		case member != 7 && seen[res.ID]:
			o.fail("All yielded ID %d twice, which was put only once", res.ID)
		case member == 0:
			stayed++
		}
		seen[res.ID] = true
		if len(seen)%100 == 0 {
			c.waitForChanges(32)
		}
	})
	if stayed != c.stays {
		o.fail("All yielded %d of the %d results that were held throughout, "+
			"while others were put and deleted", stayed, c.stays)
	}
}

// waitForChanges returns after n more changes than it has waited for before, or
// when there will be none.
func (c *churn) waitForChanges(n int64) {
	for wanted := c.wanted.Add(n); c.changes.Load() < wanted && !c.over.Load(); {
		runtime.Gosched()
	}
}
