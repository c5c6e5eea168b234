package machine

import (
	"context"
	"errors"
	"fmt"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// A Machine is a pool, its model, and what a user holds in hand.
type Machine struct {
	Steps []string // what was done, for people

	model
	p       Pool
	st      *moody
	cancelP context.CancelCauseFunc
	jobs    []*job // all that were made
	byID    map[store.ID]*job
	calls   []*call // those whose return was not checked yet
}

// New makes a pool by newPool and its model. It has to be called in a bubble, and
// Close before the end of it.
func New(t *rapid.T, newPool Maker) *Machine {
	m := &Machine{
		model: model{
			target:  rapid.IntRange(1, 3).Draw(t, "workers"),
			room:    rapid.IntRange(1, 5).Draw(t, "queue"),
			held:    make(map[store.ID]*job),
			unsaved: make(map[store.ID]*job),
		},
		st:   &moody{ResultStore: rwmutex.New[int]()},
		byID: make(map[store.ID]*job),
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	m.cancelP = cancel
	p, err := newPool(ctx, run, m.st, &pool.Options{Workers: m.target, Queue: m.room})
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
	return map[string]func(*rapid.T){
		"":                  m.check,
		"Submit":            m.submit,
		"Submit once more":  m.submit, // twice, as it is what makes all else interesting
		"SubmitAll":         m.submitAll,
		"TrySubmit":         m.trySubmit,
		"end a task":        m.endTask,
		"end another task":  m.endTask,
		"call from inside":  m.inside,
		"Get":               m.get,
		"Wait":              m.wait,
		"Stop":              m.stop,
		"cancel the pool":   m.cancelPool,
		"cancel a call":     m.cancelCall,
		"Resize":            m.resizePool,
		"break the store":   m.breakStore,
		"let time pass":     m.passTime,
		"delete a result":   m.deleteResult,
		"look at the Stats": m.lookAtStats,
	}
}

func (m *Machine) step(format string, args ...any) {
	m.Steps = append(m.Steps, fmt.Sprintf(format, args...))
}

func (m *Machine) newJob() *job {
	j := &Job{number: len(m.jobs) + 1, gate: make(chan func(context.Context) (bool, int, error))}
	j.err = fmt.Errorf("task %d failed", j.number)
	m.jobs = append(m.jobs, j)
	return j
}

// start makes a call on a goroutine of its own, with a context that is done if it
// says so.
func (m *Machine) start(c *call, done bool, f func(ctx context.Context)) *call {
	ctx, cancel := context.WithCancelCause(context.Background())
	if done {
		cancel(errGone)
	}
	c.cancel, c.done = cancel, make(chan struct{})
	m.calls = append(m.calls, c)
	go func() {
		defer close(c.done)
		f(ctx)
	}()
	return c
}

func causeIf(done bool) error {
	if done {
		return errGone
	}
	return nil
}

// doneCtx is drawn seldom.
func doneCtx(t *rapid.T) bool { return rapid.IntRange(0, 9).Draw(t, "done") == 9 }

func (m *Machine) submit(t *rapid.T) {
	j, done := m.newJob(), doneCtx(t)
	m.step("Submit(task %d, context done %t)", j.number, done)
	c := &call{kind: submit, rest: []*job{j}}
	m.admit(c, causeIf(done), true)
	m.start(c, done, func(ctx context.Context) {
		id, err := m.p.Submit(ctx, j)
		if c.err = err; id != 0 {
			c.ids = []store.ID{id}
		}
	})
}

func (m *Machine) trySubmit(*rapid.T) {
	j := m.newJob()
	m.step("TrySubmit(task %d)", j.number)
	c := &call{kind: submit, rest: []*job{j}}
	m.admit(c, nil, false)
	m.start(c, false, func(context.Context) {
		id, err := m.p.TrySubmit(j)
		if c.err = err; id != 0 {
			c.ids = []store.ID{id}
		}
	})
}

func (m *Machine) submitAll(t *rapid.T) {
	var jobs []*job
	for range rapid.IntRange(1, 9).Draw(t, "tasks") {
		jobs = append(jobs, m.newJob())
	}
	done := doneCtx(t)
	m.step("SubmitAll(%d tasks up to task %d, context done %t)", len(jobs), len(m.jobs), done)
	c := &call{kind: submit, rest: jobs, batch: len(jobs) > 1}
	m.admit(c, causeIf(done), true)
	m.start(c, done, func(ctx context.Context) { c.ids, c.err = m.p.SubmitAll(ctx, jobs) })
}

// admit does to the model what a submit does. If there is no room, it waits or not.
func (m *Machine) admit(c *call, cause error, waits bool) {
	if err := m.refusal(cause); err != nil {
		c.returns(err...)
		return
	}
	if len(m.blocked) == 0 {
		m.flood(c)
	}
	switch {
	case len(c.rest) == 0:
		c.returns()
	case waits:
		m.blocked = append(m.blocked, c)
	default:
		c.returns(pool.ErrQueueFull)
	}
}

// flood accepts tasks while there is room and workers make more.
func (m *Machine) flood(c *call) {
	for {
		m.move(c)
		before := len(m.queued)
		m.settle()
		if len(c.rest) == 0 || len(m.queued) == before {
			return
		}
	}
}

// pick draws one of the jobs.
func pick(t *rapid.T, jobs []*job) *job {
	if len(jobs) == 0 {
		t.Skip("there is none")
	}
	return jobs[rapid.IntRange(0, len(jobs)-1).Draw(t, "which")]
}

// inFunction returns the jobs whose function is being called.
func (m *Machine) inFunction() []*job {
	var jobs []*job
	for _, j := range m.running {
		if j.stage == running {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

func (m *Machine) endTask(t *rapid.T) {
	j := pick(t, m.inFunction())
	end := how(rapid.IntRange(0, int(hows)-1).Draw(t, "how"))
	m.step("task %d %v", j.number, end)
	j.gate <- j.order(end)
	m.finish(j, end)
}

func (m *Machine) get(t *rapid.T) {
	id := store.ID(rapid.IntRange(1, int(m.last)+1).Draw(t, "id"))
	done := doneCtx(t)
	m.step("Get(%d, context done %t)", id, done)
	c := &call{kind: get, job: m.byID[id]}
	switch {
	case c.job == nil:
		c.returns(store.ErrNotFound)
	case c.job.stage == over:
		m.answer(c)
	case done:
		c.returns(errGone)
	default:
		m.waiting = append(m.waiting, c)
	}
	m.start(c, done, func(ctx context.Context) { c.value, c.err = m.p.Get(ctx, id) })
}

func (m *Machine) wait(t *rapid.T) {
	done := doneCtx(t)
	m.step("Wait(context done %t)", done)
	c := &call{kind: wait}
	if done && len(m.queued)+len(m.running) > 0 {
		c.returns(errGone)
	} else {
		m.waiting = append(m.waiting, c)
	}
	m.start(c, done, func(ctx context.Context) { c.err = m.p.Wait(ctx) })
}

func (m *Machine) stop(t *rapid.T) {
	done := doneCtx(t)
	m.step("Stop(context done %t)", done)
	c := &call{kind: stop}
	ended := m.ended
	m.close()
	m.settle()
	switch {
	case !done || ended:
		m.waiting = append(m.waiting, c)
	case m.ended: // it ends now: the one or the other
		c.orErr = errGone
		m.waiting = append(m.waiting, c)
	default:
		c.returns(errGone)
	}
	m.start(c, done, func(ctx context.Context) { c.err = m.p.Stop(ctx) })
}

func (m *Machine) cancelPool(*rapid.T) {
	m.step("the pool's context is cancelled")
	m.cancelP(errCause)
	m.cancel()
}

func (m *Machine) cancelCall(t *rapid.T) {
	var open []*call
	for _, c := range m.calls {
		if !c.returned {
			open = append(open, c)
		}
	}
	if len(open) == 0 {
		t.Skip("there is none")
	}
	c := open[rapid.IntRange(0, len(open)-1).Draw(t, "which")]
	m.step("the context of a %v that blocks is cancelled", c.kind)
	c.cancel(errGone)
	c.returns(errGone)
	m.blocked = withoutCall(m.blocked, c)
	m.waiting = withoutCall(m.waiting, c)
}

func withoutCall(calls []*call, c *call) []*call {
	var rest []*call
	for _, other := range calls {
		if other != c {
			rest = append(rest, other)
		}
	}
	return rest
}

func (m *Machine) resizePool(t *rapid.T) {
	n := rapid.IntRange(-1, 4).Draw(t, "workers")
	m.step("Resize(%d)", n)
	err := m.p.Resize(n)
	if problem := m.resizeModel(n, err); problem != nil {
		t.Fatalf("%v", problem)
	}
}

// resizeModel resizes the model, and compares what Resize has returned.
func (m *Machine) resizeModel(n int, err error) error {
	var want error
	switch {
	case n < 0:
		want = pool.ErrNoWorkers
	case m.ended || m.aborted != isRun:
		want = pool.ErrClosed
	default:
		m.resize(n)
	}
	if !errors.Is(err, want) {
		return fmt.Errorf("Resize(%d) returned %w, want %w", n, orNil(err), orNil(want))
	}
	return nil
}

func (m *Machine) breakStore(t *rapid.T) {
	to := mode(rapid.IntRange(0, 3).Draw(t, "mode"))
	m.step("the store %v", to)
	m.mode = to
	m.st.mode.Store(int32(to))
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

func (m *Machine) lookAtStats(*rapid.T) { m.step("Stats") }
