// Package naive is the worker pool that one writes first, kept as it was: the
// baseline in the benchmarks, and the negative that the pool's tests must reject.
//
// Do not use it, and do not mend it. What is wrong with it, and which test of
// package pool shows each fault, is in docs/design.md.
package naive

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// ErrPoolClosed is returned by Submit after Stop, sometimes.
var ErrPoolClosed = errors.New("naive: pool closed")

// A Result is the outcome of one task.
type Result[R any] struct {
	ID    int32
	Value R
	Err   error
}

// A Pool runs closures and keeps their results in a map.
type Pool[R any] struct {
	queue chan func(context.Context) (R, error)
	quit  chan struct{}
	wg    sync.WaitGroup
	count atomic.Int32 // completed tasks: the next ID

	mu      sync.RWMutex
	results map[int32]Result[R]
}

// New starts a pool.
func New[R any](ctx context.Context, workers, queue int) *Pool[R] {
	p := &Pool[R]{
		queue:   make(chan func(context.Context) (R, error), queue),
		quit:    make(chan struct{}),
		results: make(map[int32]Result[R]),
	}
	for range workers {
		p.wg.Add(1)
		go p.worker(ctx)
	}
	return p
}

func (p *Pool[R]) worker(ctx context.Context) {
	defer p.wg.Done()
	for {
		select {
		case <-ctx.Done():
			return
		case task, ok := <-p.queue:
			if !ok {
				return
			}
			v, err := task(ctx)
			id := p.count.Add(1)
			p.mu.Lock()
			p.results[id] = Result[R]{id, v, err}
			p.mu.Unlock()
		}
	}
}

// Submit hands in a task, waiting while the queue is full.
func (p *Pool[R]) Submit(task func(context.Context) (R, error)) error {
	select {
	case <-p.quit:
		return ErrPoolClosed
	case p.queue <- task:
		return nil
	}
}

// Results returns a defensive copy of what is stored.
func (p *Pool[R]) Results() map[int32]Result[R] {
	p.mu.RLock()
	defer p.mu.RUnlock()
	all := make(map[int32]Result[R])
	for id, res := range p.results {
		all[id] = res
	}
	return all
}

// Stop waits for the tasks that were submitted.
func (p *Pool[R]) Stop() {
	close(p.quit)
	close(p.queue)
	p.wg.Wait()
}

// Skip pretends that n more tasks have been completed. It stands in for running
// them, which would take seven minutes for a full turn of the counter.
func (p *Pool[R]) Skip(n uint32) { p.count.Add(int32(n)) }
