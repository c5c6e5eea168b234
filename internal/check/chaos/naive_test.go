package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/resultpool/resultpool/internal/check/chaos"
	"github.com/resultpool/resultpool/internal/naive"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// naivePool gives the naive pool what it lacks, and is generous: it catches the
// panics of tasks, gives IDs at submission and stores the result under them. What
// is left are the faults of its protocol.
type naivePool struct {
	chaos.Pool // not used: for what the naive pool cannot do
	inner      *naive.Pool[int]
	ctx        context.Context
	fn         chaos.Func
	st         store.ResultStore[int]
	workers    int
	done       chan struct{}
	stop       sync.Once

	mu   sync.Mutex
	next store.ID   // guarded by mu
	seen pool.Stats // guarded by mu
}

func newNaive(ctx context.Context, fn chaos.Func, st store.ResultStore[int], opts *pool.Options) (chaos.Pool, error) {
	sized, err := chaos.Real(context.Background(), fn, st, opts) // for its numbers
	if err != nil {
		return nil, err
	}
	p := &naivePool{
		ctx: ctx, fn: fn, st: st, workers: sized.Stats().Workers, done: make(chan struct{}), next: 1,
		inner: naive.New[int](ctx, sized.Stats().Workers, max(1, opts.Queue)),
	}
	p.seen.Workers = p.workers
	return p, sized.Stop(context.Background())
}

func (p *naivePool) Submit(_ context.Context, t *chaos.Task) (id store.ID, err error) {
	if t == nil {
		return 0, pool.ErrNilTask
	}
	defer func() {
		if v := recover(); v != nil {
			id, err = 0, fmt.Errorf("Submit panicked: %v", v)
		}
	}()
	p.mu.Lock()
	id = p.next
	p.next++
	p.mu.Unlock()
	err = p.inner.Submit(func(ctx context.Context) (int, error) {
		v, err := outcomeOf(func() (int, error) { return p.fn(ctx, t) })
		return v, errors.Join(err, p.st.Put(ctx, result{ID: id, Value: v, Err: err}))
	})
	if err != nil {
		return 0, pool.ErrClosed
	}
	return id, nil
}

func (p *naivePool) TrySubmit(t *chaos.Task) (store.ID, error) { return p.Submit(p.ctx, t) }

func (p *naivePool) SubmitAll(ctx context.Context, in []*chaos.Task) (ids []store.ID, err error) {
	for _, t := range in {
		id, err := p.Submit(ctx, t)
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (p *naivePool) Get(ctx context.Context, id store.ID) (int, error) {
	res, err := p.st.Get(ctx, id)
	return res.Value, errors.Join(err, res.Err)
}

func (p *naivePool) Results(ctx context.Context) (map[store.ID]result, error) {
	return store.Snapshot(ctx, p.st)
}

func (p *naivePool) Wait(context.Context) error { return nil }

func (p *naivePool) Stop(context.Context) error {
	p.stop.Do(func() { p.inner.Stop(); close(p.done) })
	return nil
}

func (p *naivePool) Done() <-chan struct{} { return p.done }
func (p *naivePool) Resize(int) error      { return nil }

func (p *naivePool) Stats() pool.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}
