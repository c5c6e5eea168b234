package pool

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A taskContext is the context of the task that its worker runs. It ends with the pool's, and, if Cancel
// ends the task, before that. It does not end with the task: what a task has opened with it may be used on.
//
// A worker has one for all of its tasks, until a task uses it: that is, calls a method. So a task that
// does not allocates nothing. The context of one that does is its own from the first use on: it then has
// a copy of what it says of the task, and the worker takes another for its next task.
//
//	word          is written by                                       and says
//	low bits      the worker, when a function has returned            1 more than the ticket of that task
//	used          who uses the context first                          it is to be replaced
//
// The worker sets the low bits by a compare-and-swap, which fails if the context was used. So it was used
// either before its task's function has returned, and belongs to that task; or later, by a goroutine that has
// kept it, and belongs to the next task: nobody can tell, unless each task had a context of its own.
//
// What becomes of a use and a Cancel at the same time: who uses the context copies first, and then looks
// whether the task is called off; Cancel marks it first, and then looks for a copy. So one of them ends the
// context.
//
// Lock order: mu, and then Pool.mu.
type taskContext[T, R any] struct {
	pool   *Pool[T, R]
	worker *worker[T, R] // not read once the context is used

	use   atomic.Int32 // how far the first use is; written with mu held
	ended atomic.Bool  // the task's function has returned
	own   atomic.Pointer[ownContext]

	mu        sync.Mutex
	task      Task // immutable once use is copied
	cancelled atomic.Bool
}

// used is the bit of a worker's word that says that its context is.
const used = 1 << 63

// How far the first use of a context is.
const (
	unused = iota
	copied // task is that of this context for good
	ready  // and a Cancel that came before was heeded
)

// ownContext is what makes a context end before the pool's does. It is made when somebody waits for
// that, or Cancel ends the task.
type ownContext struct {
	context.Context
	end context.CancelCauseFunc
}

// enter returns the context of the task that w has taken, before w notes which one that is.
func (p *Pool[T, R]) enter(w *worker[T, R]) *taskContext[T, R] {
	c := w.ctx.Load()
	if c == nil || w.word.Load()&used != 0 {
		if c != nil {
			c.retire() // if it was used since leave
		}
		c = &taskContext[T, R]{pool: p, worker: w}
		p.buryDead()
		w.word.Store(w.returned)
		w.ctx.Store(c)
	}
	return c
}

// leave notes that the function of the task that w holds has returned, or is not called. word is what Cancel
// is to see: 1 more than the task's ticket, or, if it is not known yet whether it runs again, 0.
func (p *Pool[T, R]) leave(w *worker[T, R], word uint64) {
	p.note(w, word)
	if word != 0 && w.hand.IsCalledOff() {
		p.mu.Lock()
		delete(p.cancels, w.id)
		p.mu.Unlock()
	}
}

// note is leave for a Cancel to come. What one that came before wants is kept.
func (p *Pool[T, R]) note(w *worker[T, R], word uint64) {
	last := w.returned
	w.returned = word
	if !w.word.CompareAndSwap(last, word) {
		w.word.Store(word | used)
		w.ctx.Load().retire()
	}
}

// retire says that the task has ended. What the context holds in the pool's is freed when nobody has the
// context any more: until then it ends with the pool's. To end it with the task would be simpler, but the
// body of a response, say, that a task returns would be cut off.
func (c *taskContext[T, R]) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended.Swap(true) {
		return
	}
	if own := c.own.Load(); own != nil && own.Err() == nil {
		runtime.AddCleanup(c, c.pool.dead.add, own.end)
	}
}

// first does what the first use of the context has to do.
func (c *taskContext[T, R]) first() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.use.Load() != unused {
		return
	}
	w := c.worker
	w.word.Or(used)
	c.task = Task{ID: w.id, Attempt: 1 + w.runs}
	if w.parked != nil {
		c.task.Attempt += w.parked.attempts
	}
	place := w.hand.Place()
	c.use.Store(copied)
	if place.IsCalledOff() {
		if cause := c.pool.cancelOf(c.task.ID); cause != nil {
			c.endLocked(cause)
		}
	}
	c.use.Store(ready)
}

func (c *taskContext[T, R]) touch() {
	if c.use.Load() != ready {
		c.first()
	}
}

// end ends the context for Cancel.
func (c *taskContext[T, R]) end(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(cause)
}

func (c *taskContext[T, R]) endLocked(cause error) {
	c.cancelled.Store(true)
	c.makeOwnLocked().end(cause)
}

func (c *taskContext[T, R]) makeOwnLocked() *ownContext {
	own := c.own.Load()
	if own == nil {
		own = &ownContext{}
		own.Context, own.end = context.WithCancelCause(c.pool.ctx)
		c.own.Store(own)
	}
	return own
}

// inner is the context whose end is that of c.
func (c *taskContext[T, R]) inner() context.Context {
	if own := c.own.Load(); own != nil {
		return own
	}
	return c.pool.ctx
}

// Done makes a context of c's own, unless the task has ended: nobody can end it any more.
func (c *taskContext[T, R]) Done() <-chan struct{} {
	c.touch()
	if c.own.Load() == nil && !c.ended.Load() {
		c.mu.Lock()
		if !c.ended.Load() {
			c.makeOwnLocked()
		}
		c.mu.Unlock()
	}
	return c.inner().Done()
}

// Err is that of the context that c has, or of the pool's.
func (c *taskContext[T, R]) Err() error {
	c.touch()
	return c.inner().Err()
}

// Deadline is the pool's.
func (c *taskContext[T, R]) Deadline() (deadline time.Time, ok bool) {
	c.touch()
	return c.pool.ctx.Deadline()
}

// Value has the task, and whether it is inside its pool, beside what the pool's has.
func (c *taskContext[T, R]) Value(key any) any {
	c.touch()
	switch k := key.(type) {
	case taskKey:
		return &c.task
	case contextKey:
		return c
	case taskOf[T, R]:
		if k.p == c.pool {
			return c.isInside()
		}
	}
	return c.inner().Value(key)
}

// contextKey is the key under which a task's context has itself.
type contextKey struct{}

// isInside returns true, or nil when the task has ended.
func (c *taskContext[T, R]) isInside() any {
	if c.ended.Load() {
		return nil
	}
	return true
}

// String says what the context is where those that are derived from it are printed.
func (c *taskContext[T, R]) String() string { return "pool.Task" }

// graveyard is what contexts have held that nobody has any more. They are found by the garbage
// collector, on a goroutine that is not the pool's, and must not close the pool's channels there: a
// test's bubble would not let it.
type graveyard struct {
	some atomic.Bool
	mu   sync.Mutex
	ends []context.CancelCauseFunc
}

func (g *graveyard) add(end context.CancelCauseFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ends = append(g.ends, end)
	g.some.Store(true)
}

// buryDead frees what contexts have held that nobody has any more. Most often there are none.
func (p *Pool[T, R]) buryDead() {
	g := p.dead
	if !g.some.Load() {
		return
	}
	g.mu.Lock()
	ends := g.ends
	g.ends = nil
	g.some.Store(false)
	g.mu.Unlock()
	for _, end := range ends {
		end(ErrClosed)
	}
}
