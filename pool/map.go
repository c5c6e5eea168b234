package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
)

// Map runs fn over all of in and returns the values in the order of in, with all
// the errors. It needs no pool and no store.
//
//	thumbs, err := pool.Map(ctx, files, makeThumb, nil)
//
// values is as long as in: values[i] is what fn returned for in[i], also beside
// an error, and zero if fn did not return. The error is nil if every call
// succeeded. Otherwise it joins the errors of the calls that did not, in the
// order of in, each with its index in the text: a *[PanicError] for a panic,
// [ErrGoexit] for a Goexit. An error does not stop the others; to stop at the
// first, cancel ctx in fn.
//
// When ctx is done, no further call is started. Map waits for those that run,
// and adds one error that matches [ErrNotRun] and ctx's cause.
//
// opts.Workers calls run at once, on goroutines that have ended when Map
// returns. The error is [ErrNilFunc], [ErrNilTask] with the index, or one that
// names the field of opts that is wrong, and fn is not called then.
func Map[T, R any](ctx context.Context, in []T, fn func(context.Context, T) (R, error), opts *Options) (values []R, err error) {
	if ctx == nil {
		return nil, errNilContext
	}
	if fn == nil {
		return nil, ErrNilFunc
	}
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if i, ok := nilTask(in); ok {
		return nil, fmt.Errorf("%w at index %d", ErrNilTask, i)
	}

	m := mapping[T, R]{ctx: ctx, fn: fn, in: in, values: make([]R, len(in))}
	m.run(min(o.Workers, len(in)))
	return m.values, m.err()
}

// mapping is one call of Map under way.
//
// The inputs are dealt out to the workers in blocks, so that these share nothing
// for most calls. But a block does not belong to its worker: once all are dealt
// out, whoever has nothing left takes inputs from the blocks of the others. So no
// input waits for the end of another's call while a worker is idle.
type mapping[T, R any] struct {
	ctx    context.Context
	fn     func(context.Context, T) (R, error)
	in     []T
	values []R // each written by who took its index

	blockSize int
	hands     []hand       // one for each worker
	empty     atomic.Int64 // how many hands, from the first, have nothing left and get no more
	crew      sync.WaitGroup

	mu     sync.Mutex
	dealt  int       // how many blocks are dealt out; guarded by mu
	calls  int       // of fn by workers that have ended; guarded by mu
	failed []failure // guarded by mu
}

type failure struct {
	index int
	err   error
}

// A hand is what a worker was dealt: a block, and how many of its inputs have been
// taken. It is dealt with mapping.mu held, so who sees there that all is dealt
// out finds what is left in the hands.
type hand struct {
	state atomic.Uint64 // block<<32 | taken, which may pass the size of the block
	_     [120]byte     // the state changes with each input: a cache line of its own
}

// largestBlock is how many inputs are dealt out at once if there are many: enough
// for that to cost nothing beside the most trivial calls.
const largestBlock = 1024

func (m *mapping[T, R]) run(workers int) {
	if workers == 0 {
		return
	}
	m.blockSize = min(largestBlock, max(1, len(m.in)/workers/8))
	m.hands = make([]hand, workers)
	for i := range m.hands {
		m.hands[i].state.Store(uint64(m.blockSize)) // nothing is left of it
	}
	for i := range m.hands {
		m.crew.Go(func() { m.work(i) })
	}
	m.crew.Wait()
}

// deal gives a hand another block, if there is one.
func (m *mapping[T, R]) deal(h *hand) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dealt*m.blockSize >= len(m.in) {
		return false
	}
	h.state.Store(uint64(m.dealt) << 32)
	m.dealt++
	return true
}

// take takes the index of an input from a hand, if there is one.
func (m *mapping[T, R]) take(h *hand) (i int, ok bool) {
	state := h.state.Add(1) - 1
	block, taken := int(state>>32), int(uint32(state))
	i = block*m.blockSize + taken
	return i, taken < m.blockSize && i < len(m.in)
}

// A caller is a worker on one goroutine.
type caller struct {
	calls int
	index int        // of the last call
	busy  bool       // it is under way
	over  bool       // no more are to come
	panic PanicError // how it has ended, if it was by a panic
}

// work calls fn for as long as there is something to take.
func (m *mapping[T, R]) work(own int) {
	var c caller
	defer func() {
		if !c.over { // fn has called runtime.Goexit
			m.fail(c.index, ErrGoexit)
			m.crew.Go(func() { m.work(own) })
		}
		m.mu.Lock()
		m.calls += c.calls
		m.mu.Unlock()
	}()
	for m.shift(own, &c); !c.over; m.shift(own, &c) {
		m.fail(c.index, &PanicError{Value: c.panic.Value, Stack: c.panic.Stack})
	}
}

// shift calls fn until there is nothing left to take, ctx is done, or fn panics.
// What is deferred guards many calls: one for each would cost more than they may.
func (m *mapping[T, R]) shift(own int, c *caller) {
	c.busy = false
	defer func() {
		if c.busy { // else it is a panic of ctx, which is not ours to recover from
			c.panic.Value, c.panic.Stack = recover(), debug.Stack() // nil after a Goexit
		}
	}()
	h := &m.hands[own]
	for m.play(h, c); m.deal(h); m.play(h, c) {
	}
	for i := m.empty.Load(); i < int64(len(m.hands)) && m.ctx.Err() == nil; i = m.empty.Load() {
		m.play(&m.hands[i], c)
		m.empty.CompareAndSwap(i, i+1)
	}
	c.over = true
}

// play calls fn for what is left in a hand, unless ctx is done.
func (m *mapping[T, R]) play(h *hand, c *caller) {
	ctx, fn := m.ctx, m.fn
	for ctx.Err() == nil {
		i, ok := m.take(h)
		if !ok {
			return
		}
		c.calls++
		c.index, c.busy = i, true
		v, err := fn(ctx, m.in[i])
		c.busy = false
		m.values[i] = v
		if err != nil {
			m.fail(i, err)
		}
	}
}

func (m *mapping[T, R]) fail(i int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = append(m.failed, failure{i, err})
}

func (m *mapping[T, R]) err() error {
	slices.SortFunc(m.failed, func(a, b failure) int { return cmp.Compare(a.index, b.index) })
	var errs []error
	for _, f := range m.failed {
		errs = append(errs, &wrapped{fmt.Sprintf("pool: input %d", f.index), f.err})
	}
	if unrun := len(m.in) - m.calls; unrun > 0 {
		errs = append(errs, &wrapped{fmt.Sprintf("%d of %d inputs", unrun, len(m.in)), notRunBecause(context.Cause(m.ctx))})
	}
	return errors.Join(errs...)
}
