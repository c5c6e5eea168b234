package pool

import (
	"context"

	"github.com/resultpool/resultpool/store"
)

// Call runs a closure. It is the task function of a pool whose tasks are
// closures:
//
//	p, err := pool.New(ctx, pool.Call[int], dense.New[int](), nil)
//	…
//	id, err := p.Submit(ctx, func(ctx context.Context) (int, error) { return 6 * 7, nil })
func Call[R any](ctx context.Context, task func(context.Context) (R, error)) (R, error) {
	return task(ctx)
}

// A Task is what a task's context says about it.
type Task struct {
	ID      store.ID // the ID that Submit has returned
	Attempt int      // which run of its function this is, from 1
}

// TaskFromContext returns the task that ctx, or the context it comes from, belongs to, and false if there is none.
// It does not block, and may be called from any goroutine; a nil ctx belongs to no task.
//
// A context belongs to its task for good, also after the task's end. But the task, or a function that it called,
// must have used the context before: one that was only kept, and is first used after the end of its task, may
// belong to another task by then, and using it is a data race.
//
// The function that [Map] calls does not run as a task.
func TaskFromContext(ctx context.Context) (Task, bool) {
	if ctx == nil {
		return Task{}, false
	}
	if t, ok := ctx.Value(taskKey{}).(*Task); ok {
		return *t, true
	}
	return Task{}, false
}

// taskKey is the key under which a task's context has its Task.
type taskKey struct{}
