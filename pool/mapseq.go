package pool

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/guard"
)

// MapSeq is [Map] over a sequence, which may be endless: it runs fn over the values of in and yields what it
// returns, in the order of in. It needs no pool and no store.
//
//	for thumb, err := range pool.MapSeq(ctx, files, makeThumb, nil) {
//
// The error is that of the call for this value, and the loop goes on: the error that fn returned, with its value; a
// *[PanicError] for a panic; [ErrGoexit] for a Goexit; [ErrNilTask] for a nil value, for which fn is not called.
//
// At most opts.Workers calls run at once, and in is pulled at most opts.Queue values ahead; 0 means 1,024. These
// are the values that run or wait to be yielded, so no more than that run at once either. in runs on the goroutine
// of the loop; while it blocks, nothing is yielded.
//
// When ctx is done, in is not pulled any more and no further call is started. The results of the calls that run are
// yielded as they are; a value that was pulled and not run has an error that matches [ErrNotRun] and ctx's cause;
// if in had not ended, one more pair, the last, has that error too.
//
// A break, and a panic in the body or in in, cancels the context of the calls that run, and waits for them. When
// the loop has ended, no goroutine is left. The sequence may be ranged over again if in may be.
//
// If an argument is wrong, there is one pair, with [ErrNilFunc], or with an error that says what is nil or names
// the field of opts.
func MapSeq[T, R any](ctx context.Context, in iter.Seq[T], fn func(context.Context, T) (R, error), opts *Options) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		o, err := opts.withDefaults()
		switch {
		case ctx == nil:
			err = errNilContext
		case in == nil:
			err = errNilSeq
		case fn == nil:
			err = ErrNilFunc
		}
		if err != nil {
			var none R
			yield(none, err)
			return
		}
		m := &mapping[T, R]{parent: ctx, fn: fn, workers: o.Workers, nilable: guard.CanBeNil[T]()}
		m.run(in, o.Queue, yield)
	}
}

var errNilSeq = errors.New("pool: nil sequence")

// mapping is one loop over MapSeq. Its calls, in the order of in, are those that were pulled and not yielded. A
// worker is there while there are calls that nobody has begun.
type mapping[T, R any] struct {
	parent  context.Context // MapSeq's
	ctx     context.Context // of the calls: it ends with parent, and with the loop
	fn      func(context.Context, T) (R, error)
	nilable bool
	running sync.WaitGroup // workers

	calls []*mapCall[T, R] // the loop's

	mu      sync.Mutex // what follows is guarded by mu
	todo    []*mapCall[T, R]
	workers int // that may still be started
}

// mapCall is a call of fn. What it has come to belongs to its worker until over is closed.
type mapCall[T, R any] struct {
	in   T
	out  R
	err  error
	over chan struct{}
}

func (m *mapping[T, R]) run(in iter.Seq[T], ahead int, yield func(R, error) bool) {
	var cancel context.CancelFunc
	m.ctx, cancel = context.WithCancel(m.parent)
	defer m.running.Wait()
	defer cancel() // first
	ended := m.parent.Err() == nil
	if ended {
		for v := range in {
			m.add(v)
			for len(m.calls) > 0 && (len(m.calls) >= ahead || isOver(m.calls[0])) {
				if !m.yieldFirst(yield) {
					return
				}
			}
			if ended = m.parent.Err() == nil; !ended {
				break
			}
		}
	}
	for len(m.calls) > 0 {
		if !m.yieldFirst(yield) {
			return
		}
	}
	if !ended {
		var none R
		yield(none, notRunBecause(backoff.Cause(m.parent)))
	}
}

func isOver[T, R any](c *mapCall[T, R]) bool {
	select {
	case <-c.over:
		return true
	default:
		return false
	}
}

// yieldFirst yields what the first call has come to, for which it waits.
func (m *mapping[T, R]) yieldFirst(yield func(R, error) bool) bool {
	c := m.calls[0]
	m.calls[0] = nil
	m.calls = m.calls[1:]
	<-c.over
	return yield(c.out, c.err)
}

// add has fn called with v.
func (m *mapping[T, R]) add(v T) {
	c := &mapCall[T, R]{in: v, over: make(chan struct{})}
	m.calls = append(m.calls, c)
	if m.nilable && guard.IsNilTask(v) {
		c.err = ErrNilTask
		close(c.over)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.todo = append(m.todo, c)
	if m.workers > 0 {
		m.workers--
		m.running.Go(m.work)
	}
}

// next takes a call that nobody has begun. If there is none, the worker is to leave.
func (m *mapping[T, R]) next() (c *mapCall[T, R], ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.todo) == 0 {
		m.workers++
		return nil, false
	}
	c, m.todo[0] = m.todo[0], nil
	m.todo = m.todo[1:]
	return c, true
}

// work is the life of a worker. If fn ends its goroutine by runtime.Goexit, it goes on on another one.
func (m *mapping[T, R]) work() {
	left := false
	defer func() {
		if !left {
			m.running.Go(m.work)
		}
	}()
	for c, ok := m.next(); ok; c, ok = m.next() {
		m.call(c)
	}
	left = true
}

// call calls fn, unless the loop or its context has ended.
func (m *mapping[T, R]) call(c *mapCall[T, R]) {
	if m.ctx.Err() != nil {
		c.err = notRunBecause(backoff.Cause(m.ctx))
		close(c.over)
		return
	}
	exited := true
	defer func() {
		if exited {
			c.err = ErrGoexit
		}
		close(c.over)
	}()
	panicked := guard.Call(func() error {
		c.out, c.err = m.fn(m.ctx, c.in)
		return nil
	})
	if panicked != nil {
		c.err = panicked
	}
	exited = false
}
