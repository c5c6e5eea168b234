package pool

import (
	"context"
	"runtime/pprof"
	"runtime/trace"

	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/internal/text"
)

// profiled calls the task's function as a task of runtime/trace, with the labels of Options.Profile, in a
// context that has both.
func (p *Pool[T, R]) profiled(ctx context.Context, w *worker[T, R], it queue.Item[T]) {
	labels := []string{"pool", p.name}
	if w.parked != nil && w.parked.key != nil {
		labels = append(labels, "key", text.Of(w.parked.key))
	}
	if trace.IsEnabled() {
		var task *trace.Task
		ctx, task = trace.NewTask(ctx, "resultpool task")
		defer task.End()
		trace.Logf(ctx, "task", "%d", w.id)
	}
	pprof.Do(ctx, pprof.Labels(labels...), func(ctx context.Context) { w.res.Value, w.res.Err = p.function(ctx, w, it) })
}
