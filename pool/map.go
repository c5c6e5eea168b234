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
// opts.Workers calls run at once, on goroutines that are started as they are
// needed and have ended when Map returns. The error is [ErrNilFunc], [ErrNilTask]
// with the index, or one that names the field of opts that is wrong, and fn is not
// called then.
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
// out, a worker that has nothing left takes inputs from the blocks of the others. So
// no input waits for the end of another's call while a worker is idle.
//
// Nor does it while there may be another worker: the worker that was started last
// starts the next one when it has taken its first input, before it calls fn with it.
// Calls that wait for each other all run at once in this way, while calls that do not
// wait are over before many workers are there, however many there may be.
//
// A worker walks one way:
//
//	newest   it has taken no input yet; one worker is, until the first that finds nothing
//	dealt    it takes inputs from its hand, and is dealt another block when that is empty
//	helping  all blocks are dealt out: it takes inputs from any hand
//	over     no input is left, or ctx is done
//
// If fn panics, the worker goes on; if it calls Goexit, the worker goes on on another
// goroutine.
type mapping[T, R any] struct {
	ctx    context.Context
	fn     func(context.Context, T) (R, error)
	in     []T
	values []R // each written by the worker that took its index

	blockSize int
	unstarted int                  // workers that may still be started; the newest worker's
	left      atomic.Pointer[hand] // the first hand; once all is dealt out, those before it have nothing left
	crew      sync.WaitGroup

	mu     sync.Mutex
	dealt  int       // blocks that are dealt out; guarded by mu
	last   *hand     // of those from the first on; guarded by mu
	calls  int       // of fn by workers that have ended; guarded by mu
	failed []failure // guarded by mu
}

type failure struct {
	index int
	err   error
}

// A hand is what a worker was dealt: a block, and how many of its inputs have been
// taken. It is dealt with mapping.mu held, so a worker that sees there that all is
// dealt out finds what is left in the hands.
type hand struct {
	state atomic.Uint64 // block<<32 | taken, which may pass the size of the block
	next  *hand         // guarded by mapping.mu; does not change once all is dealt out
	_     [112]byte     // the state changes with each input: a cache line of its own
}

// largestBlock is how many inputs are dealt out at once if there are many: enough
// for that to cost nothing beside the most trivial calls.
const largestBlock = 1024

func (m *mapping[T, R]) run(workers int) {
	m.blockSize = min(largestBlock, len(m.in)/max(1, workers)/8)
	m.blockSize = max(m.blockSize, int(uint64(len(m.in))>>32)+1) // the number of a block has 32 bits
	m.unstarted = workers
	m.start()
	m.crew.Wait()
}

// start starts another worker, if there may be one. It is called by run, and then by the
// newest worker, which no longer is that.
func (m *mapping[T, R]) start() {
	if m.unstarted > 0 {
		m.unstarted--
		c := &caller{newest: true}
		m.crew.Go(func() { m.work(c) })
	}
}

// deal gives a worker another block, if there is one.
func (m *mapping[T, R]) deal(c *caller) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dealt*m.blockSize >= len(m.in) {
		return false
	}
	c.hand.state.Store(uint64(m.dealt) << 32)
	m.dealt++
	if c.hasHand {
		return true
	}
	c.hasHand = true
	if m.last == nil {
		m.left.Store(&c.hand)
	} else {
		m.last.next = &c.hand
	}
	m.last = &c.hand
	return true
}

// take takes the index of an input from a hand, if there is one.
func (m *mapping[T, R]) take(h *hand) (i int, ok bool) {
	state := h.state.Add(1) - 1
	block, taken := int(state>>32), int(uint32(state))
	i = block*m.blockSize + taken
	return i, taken < m.blockSize && i < len(m.in)
}

// A caller is a worker. All but its hand belongs to the goroutine that it is on.
type caller struct {
	hand    hand
	hasHand bool // it was dealt a block, and its hand is among those of the mapping
	newest  bool
	over    bool       // no more calls are to come
	busy    bool       // a call is under way
	index   int        // of the last call
	panic   PanicError // how it has ended, if it was by a panic
	calls   int        // that are not counted in mapping.calls

	_ [64]byte // each worker writes to its own for every input
}

// work calls fn for as long as there is something to take.
func (m *mapping[T, R]) work(c *caller) {
	defer func() {
		m.mu.Lock()
		m.calls += c.calls
		m.mu.Unlock()
		if !c.over { // fn has called runtime.Goexit
			m.fail(c.index, ErrGoexit)
			c.calls = 0
			m.crew.Go(func() { m.work(c) })
		}
	}()
	for m.shift(c); !c.over; m.shift(c) {
		m.fail(c.index, &PanicError{Value: c.panic.Value, Stack: c.panic.Stack})
	}
}

// shift calls fn until there is nothing left to take, ctx is done, or fn panics.
// What is deferred guards many calls: one for each would cost more than they may.
func (m *mapping[T, R]) shift(c *caller) {
	c.busy = false
	defer func() {
		if c.busy { // else it is a panic of ctx, which is not ours to recover from
			c.panic.Value, c.panic.Stack = recover(), debug.Stack() // nil after a Goexit
		}
	}()
	if c.hasHand { // a call of fn has ended the shift before
		m.play(&c.hand, c)
	}
	for m.ctx.Err() == nil {
		if !m.deal(c) {
			m.help(c)
			break
		}
		m.play(&c.hand, c)
	}
	c.over = true
}

// help calls fn for what is left in the hands, all blocks being dealt out.
func (m *mapping[T, R]) help(c *caller) {
	for h := m.left.Load(); h != nil && m.ctx.Err() == nil; h = m.left.Load() {
		m.play(h, c)
		m.left.CompareAndSwap(h, h.next)
	}
}

// play calls fn for what is left in a hand, unless ctx is done.
func (m *mapping[T, R]) play(h *hand, c *caller) {
	ctx, fn := m.ctx, m.fn
	for ctx.Err() == nil {
		i, ok := m.take(h)
		if !ok {
			return
		}
		if c.newest { // first, since the call may wait for others
			c.newest = false
			m.start()
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
