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

// A Task is what a task's context says of it.
type Task struct {
	ID      store.ID // the ID that Submit has returned
	Attempt int      // which run of its function this is, from 1
}

// TaskFromContext returns the task whose context ctx is, or comes from, and false if it is that of
// none. It does not block.
//
// A context is that of its task for good, also after the task's end. But the task, or what it has called,
// must have used it before: a context that was only kept, and is first used after the end of its task, may
// be that of another task by then, which is a data race.
//
// The function that [Map] calls runs as no task.
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
