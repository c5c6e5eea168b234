package pool

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/store"
)

// A Pool runs tasks of type T and stores their results of type R. Make one with
// [New] or [Join]: the zero Pool is closed. All of its methods may be called from any
// number of goroutines at once.
type Pool[T, R any] struct {
	fn      func(context.Context, T) (R, error)
	nilable bool // a T can be nil, and nil is no task

	parent  context.Context // New's; it is asked directly, since onCancel may be late
	ctx     context.Context // ends with parent, and with cause ErrClosed when the pool has ended
	cancel  context.CancelCauseFunc
	taskCtx context.Context // ctx, recognized by inTask

	saver *saver[R]
	ids   *ids
	joint engineSide[T, R] // nil in a pool of New
	done  chan struct{}    // closed by release

	queue *queue.Queue[T] // its owner's lock is mu
	gates gates
	heard atomic.Bool // somebody has seen that parent is done, perhaps before ctx is

	broken   atomic.Pointer[error] // the failure for good, if it has ended the pool; set once, by fail
	troubles troubles

	mu sync.Mutex
	lifecycle[T, R]
}

// New returns a pool that runs fn over the tasks it is given and puts the
// results into st.
//
// ctx is the context of the whole pool. When it is done, the pool takes no more
// tasks, does not start those that wait, cancels the context of those that run,
// and ends; see [Pool.Stop] for the gentle way. Tasks see ctx's values. If ctx
// is done already, the pool is closed from the start, as one that is cancelled a
// moment later.
//
// A pool with nil opts has GOMAXPROCS workers and room for 1024 waiting tasks.
//
// The error is [ErrNilFunc], [ErrNilStore], one that names the field of opts
// that is wrong, or the store's if it is a [store.IDReserver] that cannot
// reserve IDs, which is all that New blocks for. New starts no worker: that is
// done when there is first a task for it.
//
// Every pool must be ended, by Stop or by ctx, or its idle workers stay for ever.
func New[T, R any](ctx context.Context, fn func(context.Context, T) (R, error), st store.ResultStore[R], opts *Options) (*Pool[T, R], error) {
	switch {
	case ctx == nil:
		return nil, errNilContext
	case fn == nil:
		return nil, ErrNilFunc
	case isNilStore(st):
		return nil, ErrNilStore
	}
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	ids, err := newIDs(ctx, st)
	if err != nil {
		return nil, err
	}

	p := newPool[T, R](ctx, fn, o)
	p.ids = ids
	p.saver = newSaver(p.taskCtx, st, &p.troubles, p.fail) // a store that calls back is inside a task
	p.ids.openLocked(p.ctx)
	p.watch()
	return p, nil
}

// newPool returns a pool that lacks IDs and a saver, and that does not watch its context.
func newPool[T, R any](ctx context.Context, fn func(context.Context, T) (R, error), o Options) *Pool[T, R] {
	p := &Pool[T, R]{
		fn:        fn,
		nilable:   canBeNil[T](),
		parent:    ctx,
		done:      make(chan struct{}),
		queue:     queue.New[T](o.Queue),
		lifecycle: newLifecycle[T, R](o),
	}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	p.taskCtx = context.WithValue(p.ctx, taskOf[T, R]{p}, true)
	p.work.L, p.room.L = &p.mu, &p.mu
	return p
}

// watch has the pool hear of the end of its context.
func (p *Pool[T, R]) watch() {
	p.mu.Lock() // onCancel may run at once, and uses unwatch
	p.unwatch = context.AfterFunc(p.ctx, p.onCancel)
	p.unlock()
}

// Done returns a channel that is closed when the pool has ended: it takes no
// tasks, the result of every accepted one is stored or handed back by Stop, and
// no goroutine of the pool is left. It stays open until Stop is called or the
// pool's context is done.
func (p *Pool[T, R]) Done() <-chan struct{} {
	if p.isZero() {
		done := make(chan struct{})
		close(done)
		return done
	}
	return p.done
}

// isZero reports whether neither New nor Join has made the pool. The exported methods ask
// first, and return errZero.
func (p *Pool[T, R]) isZero() bool { return p == nil || p.queue == nil }

// taskOf is the key under which a task's context carries its pool.
type taskOf[T, R any] struct{ p *Pool[T, R] }

// inTask reports whether ctx is, or comes from, that of one of the pool's tasks.
func (p *Pool[T, R]) inTask(ctx context.Context) bool {
	return ctx.Value(taskOf[T, R]{p}) != nil
}
