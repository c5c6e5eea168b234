// Package machine holds the pool against a model of its life cycle, one step at a
// time: the table of docs/design.md as a program.
//
// Each step is an action of a user: submit, end a task in some way, resize, stop,
// cancel, get, wait, break the store, let time pass, call the pool from inside a
// task. It is done to the pool, in a synctest bubble, and to the model. When all
// goroutines are blocked the model says exactly what is to be seen: which calls
// have returned and with what, which tasks have started, Stats, and what is in the
// store. pgregory.net/rapid picks the steps, and makes a failing run of them small.
//
// Package chaos has what this has not: calls that race.
package machine

import (
	"context"
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/resultpool/resultpool/internal/check/oracle"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// A Machine is a pool, its model, and what a user holds in hand.
type Machine struct {
	Steps []string // what was done, for people

	model
	p       oracle.Pool
	st      *moody
	cancelP context.CancelCauseFunc
	jobs    []*job // all that were made
	byID    map[store.ID]*job
	calls   []*call // those whose return was not checked yet
}

// New makes a pool by newPool and its model. It has to be called in a bubble, and
// Close before the end of it.
func New(t *rapid.T, newPool oracle.Maker) *Machine {
	m := &Machine{
		model: model{
			target:  rapid.IntRange(1, 3).Draw(t, "workers"),
			room:    rapid.IntRange(1, 5).Draw(t, "queue"),
			held:    make(map[store.ID]*job),
			unsaved: make(map[store.ID]*job),
		},
		st:   &moody{Store: rwmutex.New[int]()},
		byID: make(map[store.ID]*job),
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	m.cancelP = cancel
	p, err := newPool(ctx, oracle.Wrap(obey), m.st, &pool.Options{Workers: m.target, Queue: m.room})
	if err != nil {
		t.Fatalf("making the pool: %v", err)
	}
	m.p = p
	return m
}

// Close ends whatever is left of the pool and its callers, without a look at it.
func (m *Machine) Close() {
	m.cancelP(errCause)
	for _, j := range m.jobs {
		close(j.gate)
	}
	for _, c := range m.calls {
		c.cancel(errGone)
	}
	synctest.Wait()
}

// Actions are the steps there are, for rapid's Repeat.
func (m *Machine) Actions() map[string]func(*rapid.T) {
	outside := func(f func(*rapid.T, *job)) func(*rapid.T) { return func(t *rapid.T) { f(t, nil) } }
	return map[string]func(*rapid.T){
		"":                  m.check,
		"Submit":            outside(m.submit),
		"Submit once more":  outside(m.submit), // twice, as it is what makes all else interesting
		"SubmitAll":         outside(m.submitAll),
		"TrySubmit":         m.trySubmit,
		"end a task":        m.endTask,
		"end another task":  m.endTask,
		"call from inside":  m.inside,
		"Get":               outside(m.get),
		"Wait":              outside(m.wait),
		"Stop":              outside(m.stop),
		"cancel the pool":   m.cancelPool,
		"cancel a call":     m.cancelCall,
		"Resize":            outside(m.resizePool),
		"break the store":   m.breakStore,
		"let time pass":     m.passTime,
		"delete a result":   m.deleteResult,
		"look at the Stats": func(*rapid.T) { m.step("Stats") },
	}
}

// inside calls the pool from a task, with the task's context: nothing blocks there.
func (m *Machine) inside(t *rapid.T) {
	j := pick(t, m.inFunction())
	m.step("inside task %d:", j.Number)
	rapid.SampledFrom([]func(*rapid.T, *job){
		m.submit, m.submitAll, m.stop, m.wait, m.get, m.resizePool,
	}).Draw(t, "what")(t, j)
}

func (m *Machine) step(format string, args ...any) {
	m.Steps = append(m.Steps, fmt.Sprintf(format, args...))
}

func (m *Machine) newJob() *job {
	j := &job{gate: make(chan order)}
	j.Task = &oracle.Task{Number: len(m.jobs) + 1, Do: j}
	m.jobs = append(m.jobs, j)
	return j
}

// doneCtx is drawn seldom, and not for calls inside a task, which have its context.
func doneCtx(t *rapid.T, in *job) bool {
	return in == nil && rapid.IntRange(0, 9).Draw(t, "done") == 9
}

// start makes a call, inside a task or on a goroutine of its own, where its context is
// done if it says so.
func (m *Machine) start(c *call, in *job, done bool, f func(ctx context.Context)) {
	ctx, cancel := context.WithCancelCause(context.Background())
	if done {
		cancel(errGone)
	}
	c.cancel, c.done = cancel, make(chan struct{})
	m.calls = append(m.calls, c)
	if in == nil {
		go func() {
			defer close(c.done)
			f(ctx)
		}()
		return
	}
	in.gate <- func(ctx context.Context) (over bool, v int, err error) {
		defer close(c.done)
		f(ctx)
		return false, 0, nil
	}
}

func (m *Machine) submit(t *rapid.T, in *job) {
	j, done := m.newJob(), doneCtx(t, in)
	m.step("Submit(task %d, context done %t)", j.Number, done)
	c := &call{kind: submit, rest: []*job{j}}
	m.admit(c, done, in == nil)
	m.start(c, in, done, func(ctx context.Context) { c.one(m.p.Submit(ctx, j.Task)) })
}

func (m *Machine) trySubmit(*rapid.T) {
	j := m.newJob()
	m.step("TrySubmit(task %d)", j.Number)
	c := &call{kind: submit, rest: []*job{j}}
	m.admit(c, false, false)
	m.start(c, nil, false, func(context.Context) { c.one(m.p.TrySubmit(j.Task)) })
}

func (m *Machine) submitAll(t *rapid.T, in *job) {
	n := rapid.IntRange(1, 9).Draw(t, "tasks")
	if in != nil && len(m.running) < m.target {
		n = min(n, m.free()) // or a worker may make room meanwhile, or not
	}
	c := &call{kind: submit, batch: n > 1}
	var tasks []*oracle.Task
	for range n {
		j := m.newJob()
		c.rest, tasks = append(c.rest, j), append(tasks, j.Task)
	}
	done := doneCtx(t, in)
	m.step("SubmitAll(%d tasks up to task %d, context done %t)", n, len(m.jobs), done)
	m.admit(c, done, in == nil)
	m.start(c, in, done, func(ctx context.Context) { c.ids, c.err = m.p.SubmitAll(ctx, tasks) })
}

// pick draws one of the jobs or calls.
func pick[T any](t *rapid.T, of []T) T {
	if len(of) == 0 {
		t.Skip("there is none")
	}
	return of[rapid.IntRange(0, len(of)-1).Draw(t, "which")]
}

func (m *Machine) endTask(t *rapid.T) {
	j := pick(t, m.inFunction())
	end := rapid.SampledFrom([]how{value, failure, throw, goexit}).Draw(t, "how")
	m.step("task %d %v", j.Number, end)
	j.end(end)
	j.how = end
	m.save(j)
}

func (m *Machine) get(t *rapid.T, in *job) {
	id := store.ID(rapid.IntRange(1, int(m.last)+1).Draw(t, "id"))
	done := doneCtx(t, in)
	m.step("Get(%d, context done %t)", id, done)
	c := &call{kind: get, job: m.byID[id]}
	switch {
	case c.job == nil:
		c.returns(store.ErrNotFound)
	case c.job.stage == over:
		m.answer(c)
	case in != nil:
		c.returns(pool.ErrInTask)
	case done:
		c.returns(errGone)
	default:
		m.waiting = append(m.waiting, c)
	}
	m.start(c, in, done, func(ctx context.Context) { c.value, c.err = m.p.Get(ctx, id) })
}

func (m *Machine) wait(t *rapid.T, in *job) {
	done := doneCtx(t, in)
	m.step("Wait(context done %t)", done)
	c := &call{kind: wait}
	switch {
	case in != nil:
		c.returns(pool.ErrInTask)
	case done && len(m.queued)+len(m.running) > 0:
		c.returns(errGone)
	default:
		m.waiting = append(m.waiting, c)
	}
	m.start(c, in, done, func(ctx context.Context) { c.err = m.p.Wait(ctx) })
}

func (m *Machine) stop(t *rapid.T, in *job) {
	done := doneCtx(t, in)
	m.step("Stop(context done %t)", done)
	c := &call{kind: stop}
	ended := m.ended
	m.close()
	m.settle()
	switch {
	case in != nil:
		c.returns(pool.ErrInTask)
	case !done || ended:
		m.waiting = append(m.waiting, c)
	case m.ended: // it ends now: the one or the other
		c.orErr = errGone
		m.waiting = append(m.waiting, c)
	default:
		c.returns(errGone)
	}
	m.start(c, in, done, func(ctx context.Context) { c.err = m.p.Stop(ctx) })
}

func (m *Machine) cancelPool(*rapid.T) {
	m.step("the pool's context is cancelled")
	m.cancelP(errCause)
	m.cancel()
}

func (m *Machine) cancelCall(t *rapid.T) {
	c := pick(t, slices.DeleteFunc(slices.Clone(m.calls), func(c *call) bool { return c.returned }))
	m.step("the context of a %v that blocks is cancelled", c.kind)
	c.cancel(errGone)
	c.returns(errGone)
	is := func(other *call) bool { return other == c }
	m.blocked, m.waiting = slices.DeleteFunc(m.blocked, is), slices.DeleteFunc(m.waiting, is)
}

func (m *Machine) resizePool(t *rapid.T, in *job) {
	n := rapid.IntRange(-1, 4).Draw(t, "workers")
	m.step("Resize(%d)", n)
	c := &call{kind: resize}
	switch {
	case n < 0:
		c.returns(pool.ErrNoWorkers)
	case m.ended || m.aborted != nil:
		c.returns(pool.ErrClosed) // it may say why, or not
	default:
		m.resize(n)
		c.returns()
	}
	m.start(c, in, false, func(context.Context) { c.err = m.p.Resize(n) })
}

func (m *Machine) breakStore(t *rapid.T) {
	m.mode = rapid.SampledFrom([]mode{works, fails, rejects, refuses}).Draw(t, "mode")
	m.step("the store %v", m.mode)
	m.st.mode.Store(int32(m.mode))
}

// passTime lets more time pass than there is between two attempts.
func (m *Machine) passTime(*rapid.T) {
	m.step("time passes")
	time.Sleep(2 * time.Second)
	m.again()
}

func (m *Machine) deleteResult(t *rapid.T) {
	var jobs []*job
	for id := store.ID(1); id <= m.last; id++ {
		if j := m.held[id]; j != nil {
			jobs = append(jobs, j)
		}
	}
	j := pick(t, jobs)
	m.step("result %d is deleted", j.id)
	if err := m.st.Delete(context.Background(), j.id); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	delete(m.held, j.id)
}
