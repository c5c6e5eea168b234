package machine

import (
	"context"
	"errors"

	"pgregory.net/rapid"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// inside calls the pool from a task, with the task's context: nothing blocks there.
func (m *Machine) inside(t *rapid.T) {
	j := pick(t, m.inFunction())
	c := &call{done: make(chan struct{}), cancel: func(error) {}}
	var do func(ctx context.Context)
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0:
		kid := m.newJob()
		m.step("task %d: Submit(task %d)", j.number, kid.number)
		c.kind, c.rest = submit, []*job{kid}
		m.admit(c, nil, false)
		do = func(ctx context.Context) {
			id, err := m.p.Submit(ctx, kid)
			if c.err = err; id != 0 {
				c.ids = []store.ID{id}
			}
		}
	case 1:
		n := rapid.IntRange(1, 4).Draw(t, "tasks")
		if len(m.running) < m.target {
			n = min(n, m.free()) // or a worker may make room meanwhile, or not
		}
		kids := make([]*job, n)
		for i := range kids {
			kids[i] = m.newJob()
		}
		m.step("task %d: SubmitAll(%d tasks up to task %d)", j.number, n, len(m.jobs))
		c.kind, c.rest = submit, kids
		m.admit(c, nil, false)
		do = func(ctx context.Context) { c.ids, c.err = m.p.SubmitAll(ctx, kids) }
	case 2:
		m.step("task %d: Stop", j.number)
		c.kind = stop
		m.close()
		c.returns(pool.ErrInTask)
		do = func(ctx context.Context) { c.err = m.p.Stop(ctx) }
	case 3:
		m.step("task %d: Wait", j.number)
		c.kind = wait
		c.returns(pool.ErrInTask)
		do = func(ctx context.Context) { c.err = m.p.Wait(ctx) }
	case 4:
		id := store.ID(rapid.IntRange(1, int(m.last)+1).Draw(t, "id"))
		m.step("task %d: Get(%d)", j.number, id)
		c.kind, c.job = get, m.byID[id]
		switch {
		case c.job == nil:
			c.returns(store.ErrNotFound)
		case c.job.stage == over:
			m.answer(c)
		default:
			c.returns(pool.ErrInTask)
		}
		do = func(ctx context.Context) { c.value, c.err = m.p.Get(ctx, id) }
	default:
		n := rapid.IntRange(0, 4).Draw(t, "workers")
		m.step("task %d: Resize(%d)", j.number, n)
		c.kind = wait // as one that returns nothing but an error
		var want []error
		if m.aborted != isRun {
			want = []error{pool.ErrClosed}
		} else {
			m.resize(n)
		}
		c.returns(want...)
		do = func(context.Context) {
			c.err = m.p.Resize(n)
			if m.cancelled && errors.Is(c.err, errCause) {
				c.err = pool.ErrClosed // it may say why, or not
			}
		}
	}
	m.calls = append(m.calls, c)
	j.gate <- func(ctx context.Context) (over bool, v int, err error) {
		defer close(c.done)
		do(ctx)
		return false, 0, nil
	}
}
