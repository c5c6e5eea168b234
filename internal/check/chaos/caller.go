package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A caller is one goroutine that uses the pool.
type caller struct {
	*round
	rng  *rand.Rand
	seen pool.Stats // the last it has looked at
}

func (r *round) call(rng *rand.Rand, script []op) {
	defer r.guard()
	c := &caller{round: r, rng: rng}
	for _, o := range script {
		c.do(o)
	}
}

func (c *caller) do(o op) {
	switch o.kind {
	case opSubmit, opTrySubmit, opSubmitAll:
		c.submit(o)
	case opGet, opGetDelete:
		c.get(o)
	case opGetUnknown:
		if _, err := c.p.Get(context.Background(), unknown); !errors.Is(err, store.ErrNotFound) && !errors.Is(err, errUnread) {
			c.fault("Get of an ID that was never given out: %v", err)
		}
	case opResults:
		c.results()
	case opWait:
		c.wait(o)
	case opStats:
		c.stats()
	case opResize:
		c.resize(o.n)
	case opYield:
		for range o.n {
			runtime.Gosched()
		}
	case opSleep:
		time.Sleep(time.Duration(o.n) * time.Microsecond)
	case opPassed:
		c.await(int64(o.n))
	}
}

// await returns when n tasks have been offered, or when it does not look as if they
// would be.
func (c *caller) await(n int64) {
	patience := time.NewTimer(300 * time.Microsecond)
	defer patience.Stop()
	for c.offers.Load() < n {
		select {
		case <-c.passed:
		case <-patience.C:
			return
		}
	}
}

func (c *caller) pause() {
	for range c.rng.IntN(10) {
		runtime.Gosched()
	}
	if c.rng.IntN(4) == 0 {
		time.Sleep(time.Duration(c.rng.IntN(50)) * time.Microsecond)
	}
}

// context returns the context of a call.
func (c *caller) context(kind ctxKind) (ctx context.Context, cancel func()) {
	switch kind {
	case ctxDone:
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errGone)
		return ctx, func() {}
	case ctxSoon:
		return context.WithTimeoutCause(context.Background(), time.Duration(c.rng.IntN(60))*time.Microsecond, errSoon)
	case ctxSudden:
		ctx, cancel := context.WithCancelCause(context.Background())
		select {
		case c.sudden <- cancel:
		default: // there are enough of them
			cancel(errGone)
		}
		return ctx, func() {}
	default:
		return context.Background(), func() {}
	}
}

func (c *caller) submit(o op) {
	before := c.look()
	c.offer(o.tasks)
	switch o.kind {
	case opTrySubmit:
		id, err := c.p.TrySubmit(o.tasks[0])
		c.judge(before, o.tasks[0], id, err, call{try: true})
	case opSubmit:
		ctx, cancel := c.context(o.ctx)
		defer cancel()
		late := ctx.Err() != nil
		id, err := c.p.Submit(ctx, o.tasks[0])
		c.judge(before, o.tasks[0], id, err, call{ctx: ctx, late: late})
	case opSubmitAll:
		ctx, cancel := c.context(o.ctx)
		defer cancel()
		late := ctx.Err() != nil
		ids, err := c.p.SubmitAll(ctx, o.tasks)
		c.judgeAll(before, o.tasks, ids, err, call{ctx: ctx, late: late})
	}
}

// offer notes that tasks are about to be submitted.
func (r *round) offer(tasks []*Task) []*Task {
	for _, t := range tasks {
		if t != nil {
			t.offered = true
		}
	}
	r.offers.Add(int64(len(tasks)))
	select {
	case r.passed <- struct{}{}:
	default:
	}
	return tasks
}

// pick returns one of the tasks that are known to be accepted, or nil.
func (r *round) pick(n int) *Task {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ids) == 0 {
		return nil
	}
	// The newest are the most interesting.
	return r.ids[len(r.ids)-1-n%min(len(r.ids), 8)]
}

func (c *caller) get(o op) {
	t := c.pick(o.n)
	if t == nil {
		return
	}
	ctx, cancel := c.context(o.ctx)
	defer cancel()
	v, err := c.p.Get(ctx, t.storeID())
	if !c.judgeGet(ctx, t, v, err) || o.kind != opGetDelete || c.plan.store.fault == lying {
		return // a store that lies may be given again what was deleted
	}
	t.deleted.Store(true)
	if err := c.store.Delete(context.Background(), t.storeID()); err != nil {
		c.fault("Delete: %v", err)
	}
}

func (c *caller) results() {
	all, err := c.p.Results(context.Background())
	if err != nil {
		if !errors.Is(err, errUnread) {
			c.fault("Results: %v", err)
		}
		return
	}
	for id, res := range all {
		if c.isFiller(id) {
			continue
		}
		rec := c.store.look(id)
		if res.ID != id || rec.tries > 0 && rec.stored > 0 && res != rec.res && res != rec.last {
			c.fault("Results has %+v under %d, and %+v was put there", res, id, rec.res)
		}
	}
}

func (c *caller) wait(o op) {
	ctx, cancel := c.context(o.ctx)
	defer cancel()
	c.mu.Lock()
	known := len(c.ids)
	c.mu.Unlock()
	err := c.p.Wait(ctx)
	if err != nil {
		if ctx.Err() == nil || err != context.Cause(ctx) { //nolint:errorlint // the very error
			c.fault("Wait returned %v", err)
		}
		return
	}
	c.mu.Lock()
	ids := c.ids[:known]
	c.mu.Unlock()
	for _, t := range ids {
		if rec := c.store.look(t.storeID()); rec.stored == 0 && !rec.failed && !rec.refused {
			c.fault("Wait returned, and %v, accepted before, has no result", t)
		}
	}
}

// stats looks at the numbers: they add up, do not go backwards, and are within
// what is known from outside.
func (c *caller) stats() {
	accepted := c.accepts.Load()
	s := c.p.Stats()
	offered, started := c.offers.Load(), c.starts.Load()
	fillers := uint64(c.filler)
	if c.born {
		fillers = 0
	}
	old := c.seen
	c.seen = s
	ended := s.Succeeded + s.Failed + s.Panicked
	if s.Submitted != ended+s.NotRun+s.Queued+s.Running {
		c.fault("Stats do not add up: %+v", s)
	}
	if s.Submitted < old.Submitted || s.Succeeded < old.Succeeded || s.Failed < old.Failed ||
		s.Panicked < old.Panicked || s.NotRun < old.NotRun {
		c.fault("Stats go backwards, from %+v to %+v", old, s)
	}
	if s.Submitted < uint64(accepted)+fillers || s.Submitted > uint64(offered)+fillers {
		c.fault("%d to %d tasks were accepted, and Stats says %+v", uint64(accepted)+fillers, uint64(offered)+fillers, s)
	}
	if ended > uint64(started)+fillers {
		c.fault("%d tasks have started, and Stats says %+v", uint64(started)+fillers, s)
	}
	running := uint64(c.allowed.Load())
	if c.store.plan.batch {
		running += handed
	}
	if s.Queued > uint64(c.room()) || s.Running > running || int64(s.Workers) > c.allowed.Load() {
		c.fault("more than there is room for (queue %d, workers up to %d): %+v", c.room(), c.allowed.Load(), s)
	}
}
