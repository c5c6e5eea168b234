package pool

import "context"

// Call runs a closure. It is the task function of a pool whose tasks are
// closures:
//
//	p, err := pool.New(ctx, pool.Call[int], dense.New[int](), nil)
//	…
//	id, err := p.Submit(ctx, func(ctx context.Context) (int, error) { return 6 * 7, nil })
func Call[R any](ctx context.Context, task func(context.Context) (R, error)) (R, error) {
	return task(ctx)
}
