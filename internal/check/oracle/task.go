package oracle

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A Task is the input of a pool that is checked, and notes what became of itself.
type Task struct {
	Number int // no two of a pool have the same
	Do     any // what it does, for the one who made it

	id      atomic.Uint64 // 0 until it is accepted, as far as its submitter knows
	ran     atomic.Int32
	outcome atomic.Pointer[outcome] // set when it ends
	deleted atomic.Bool             // somebody has begun to delete its result
}

// outcome is what a task ended with.
type outcome struct {
	end    end
	value  int
	err    error
	thrown any // what it panicked with
}

type end int

const (
	exited end = iota // by Goexit
	returned
	panicked
)

// ID returns the ID under which the task was accepted, or 0.
func (t *Task) ID() store.ID { return store.ID(t.id.Load()) }

// run calls fn and notes how it ends.
func (t *Task) run(ctx context.Context, fn Func) (int, error) {
	o := new(outcome)
	defer func() {
		if o.end == exited {
			if o.thrown = recover(); o.thrown != nil {
				o.end = panicked
			}
		}
		t.outcome.Store(o)
		if o.end == panicked {
			panic(o.thrown)
		}
	}()
	o.value, o.err = fn(ctx, t)
	o.end = returned
	return o.value, o.err
}

// Wrap returns the task function that calls fn and has each task note how it ends.
func Wrap(fn Func) Func {
	return func(ctx context.Context, t *Task) (int, error) {
		t.ran.Add(1)
		return t.run(ctx, fn)
	}
}

// Ran returns how often the task was run.
func (t *Task) Ran() int { return int(t.ran.Load()) }

// Own returns an error unless v and err are what the task ended with.
func (t *Task) Own(v int, err error) error {
	o := t.outcome.Load()
	if o == nil {
		return Wrong("it has not ended", v, err)
	}
	switch o.end {
	case returned:
		if v != o.value || err != o.err { //nolint:errorlint // the very error
			return Wrong("not what it returned", v, err)
		}
	case exited:
		if v != 0 || err != pool.ErrGoexit { //nolint:errorlint // the very error
			return Wrong("it called Goexit", v, err)
		}
	case panicked:
		var p *pool.PanicError
		if v != 0 || !errors.As(err, &p) || len(p.Stack) == 0 {
			return Wrong("it panicked", v, err)
		}
		if p.Value != o.thrown {
			return Wrong("not what it panicked with", v, err)
		}
	}
	return nil
}

// NotRun returns an error unless v and err say that the task was not run, and why.
func (t *Task) NotRun(v int, err, why error) error {
	switch {
	case t.Ran() != 0:
		return Wrong("it did run", v, err)
	case v != 0:
		return Wrong("a value of a task that did not run", v, err)
	case !errors.Is(err, pool.ErrNotRun) || !errors.Is(err, why):
		return Wrong("not the reason", v, err)
	}
	return nil
}

func (t *Task) String() string {
	if t == nil {
		return "nil task"
	}
	return fmt.Sprintf("task %d (id %d, ran %d, does %v)", t.Number, t.id.Load(), t.ran.Load(), t.Do)
}

// Wrong returns an error that says why a result is not what it should be.
func Wrong(why string, v int, err error) error {
	return fmt.Errorf("%s: value %d, error %v", why, v, err)
}

// A TaskError is an error of one task; no two are the same.
type TaskError struct{ Number int }

func (e *TaskError) Error() string { return fmt.Sprintf("task %d failed", e.Number) }
