package pool

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// Join returns a pool that shares its tasks and results with all the pools, in this
// process and in others, that have joined the same engine. It is used as any other:
//
//	eng, err := jetstream.Open(ctx, "nats://10.0.0.7:4222", "thumbs", nil)
//	…
//	p, err := pool.Join(ctx, makeThumb, eng, &pool.Options{Workers: 8})
//	…
//	id, err := p.Submit(ctx, file) // run by this pool or by another
//	thumb, err := p.Get(ctx, id)   // from any of them
//
// All must have the same T and R and the same meaning of fn. With a nil fn the pool
// submits and reads and runs nothing.
//
// Every task that was accepted has exactly one result in the end, whichever of the
// processes die. fn may run more than once for it: when a process dies or is cut off
// for longer than the engine's lease, another one runs what it held. Then the first
// result that is saved counts, and nobody sees another. A task whose process dies at it
// five times is not tried again: its result is [ErrPoisoned].
//
// Tasks and values are written as opts.Codec says, and what survives of an error is said
// in package codec. What differs from a pool of New is said at Submit, Get, Results,
// Wait, Stop and Stats, and together in docs/many-machines.md.
//
// While the engine fails, the pool tries again, and Stats.Failing says what. An error that
// can never pass ends the pool; see the package comment.
//
// ctx is the context of the pool, as New's is. Join blocks while the engine is asked
// what its tasks are, until ctx is done, and starts two goroutines, which end with the
// pool. The engine is not closed with the pool: close it after Stop.
//
// The error is one that says which option is wrong, or that the engine has tasks or
// results of other types, or the engine's.
func Join[T, R any](ctx context.Context, fn func(context.Context, T) (R, error), eng engine.Engine, opts *Options) (*Pool[T, R], error) {
	switch {
	case ctx == nil:
		return nil, errNilContext
	case isNilEngine(eng):
		return nil, errNilEngine
	}
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	w, err := newWire[T, R](o.Codec)
	if err != nil {
		return nil, err
	}
	if err := describe(ctx, eng, w.kind()); err != nil {
		return nil, err
	}
	if fn == nil {
		o.Workers = 0
	}
	j := &joint[T, R]{
		eng:  eng,
		wire: w,
		room: make(chan struct{}, 1),
		turn: make(chan struct{}, 1),
		held: make(map[uint64][]engine.Delivery),
	}
	p := newPool[T, R](ctx, fn, o)
	j.pool, p.joint = p, j
	j.intake, j.shut = context.WithCancelCause(p.ctx)
	j.beating, j.still = context.WithCancel(context.WithoutCancel(p.taskCtx))
	p.ids = &ids{shut: j.shut}
	j.alive, j.die = context.WithCancelCause(context.WithoutCancel(ctx))
	p.saver = newSaver(p.taskCtx, store.ResultStore[R](&jointStore[T, R]{j}), &p.troubles, p.fail)
	p.saver.lost = j.forget
	if fn != nil {
		p.feeding = 2
	}
	p.watch() // first: what is started may end at once, and the pool with it
	if fn != nil {
		f := &feeder{pace: pace{since: time.Now()}, trouble: trouble{all: &p.troubles}}
		b := &trouble{all: &p.troubles}
		persist(func() { j.feed(f) })
		persist(func() { j.beat(b) })
	}
	return p, nil
}

// engineSide is a joint. It is an interface so that programs that do not call Join need
// not link what only a joint uses, encoding/json above all.
type engineSide[T, R any] interface {
	Submit(ctx context.Context, in []T, wait bool) ([]store.ID, error)
	Run(ctx context.Context, id uint64) (R, error)
	Resized()
	Failed(err error)
	Get(ctx context.Context, id store.ID) (R, error)
	Wait(ctx context.Context) error
}

// joint is what a pool has to do with its engine.
//
// The pool itself is as ever: a queue of its own, workers, and the writer. Two goroutines
// stand between it and the engine, from Join until the pool ends:
//
//	feed   pulls tasks and puts them into the queue, as many as can be run soon, until
//	       the pool is closed
//	beat   extends the leases of all that is held, until the pool is closed, feed is gone
//	       and nothing is held
//
// A task is held from the moment it is pulled until its result is saved and it is
// acknowledged (by the writer, through jointStore), or it is given back, or its result is
// given up. Only then is it removed from held, and the pool ends when nothing is left
// there. Its ID in the queue, in the marks and in the store is the engine's. The task in
// the queue is a zero T: bytes become a T in the worker that runs it.
//
// The same task may be delivered again while it is held here, when the engine could not
// be reached for longer than the lease. It is not run twice at once in one process: the
// delivery is added to what is held.
//
// mu is taken inside Pool.mu, or alone; the engine is never called with it held.
type joint[T, R any] struct {
	pool *Pool[T, R]
	eng  engine.Engine
	wire *wire[T, R]

	intake context.Context         // ends when the pool takes no more tasks
	shut   context.CancelCauseFunc // ends it

	beating context.Context // ends when beat is over
	still   context.CancelFunc

	alive context.Context // ends when the engine has failed for good: nobody need wait for it
	die   context.CancelCauseFunc

	room chan struct{} // for feed: look again for idle workers
	turn chan struct{} // full while a suspect runs; see suspect

	low atomic.Int64 // feed sleeps while more wait in the queue

	// The workers have entered - returned tasks to do, those that they are doing included.
	// The length of the queue and a count of the workers that run a task do not add up to
	// that: a task is in neither while a worker takes it.
	entered  uint64        // tasks that feed has put into the queue; feed's own
	returned atomic.Uint64 // calls of the function that are over

	deaf atomic.Bool // the engine did not answer to a Nack

	mu      sync.Mutex
	held    map[uint64][]engine.Delivery // by ID; guarded by mu
	bytes   int                          // of the tasks in held; guarded by mu
	fed     bool                         // feed is gone; guarded by mu
	resize  context.CancelFunc           // ends the Pull under way; nil before the first; guarded by mu
	resized bool                         // since feed has thought of it; guarded by mu
}

// handBack is the Err of a result that is none: the task is to be given back to the
// engine, for another process.
type handBack struct{ cause error }

func (e *handBack) Error() string { return "pool: given back to the engine: " + text.Of(e.cause) }
func (e *handBack) Unwrap() error { return e.cause }

func isHandBack(err error) bool {
	_, ok := err.(*handBack) //nolint:errorlint // itself, and not what a task has wrapped
	return ok
}

// notRun is the Err of a task that is not to be run, since the pool ends.
func (p *Pool[T, R]) notRun(cause error) error {
	if p.joint != nil {
		return &handBack{cause}
	}
	return notRunBecause(cause)
}

func isNilEngine(eng engine.Engine) bool {
	if eng == nil {
		return true
	}
	v := reflect.ValueOf(eng)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// describe makes sure that all who use the engine mean the same.
func describe(ctx context.Context, eng engine.Engine, kind string) error {
	d, ok := eng.(engine.Describer)
	if !ok {
		return nil
	}
	stored, err := d.Describe(ctx, kind)
	if err != nil {
		return &wrapped{"pool: joining the engine", err}
	}
	if stored != kind {
		return fmt.Errorf("pool: the engine's tasks are %s, and this pool's are %s; "+
			"join with a function of the same types, or open the engine under another name", stored, kind)
	}
	return nil
}

// Failed wakes all who wait for the engine.
func (j *joint[T, R]) Failed(err error) { j.die(err) }

// failIfGone ends the pool if err says that the engine is of no use to anybody. Another
// final error may be that of one method, as where a process may read and not write.
func (j *joint[T, R]) failIfGone(err error) {
	if errors.Is(err, engine.ErrGone) || errors.Is(err, engine.ErrClosed) {
		j.pool.fail(err)
	}
}

// isFinal reports whether a call that has returned err need not be made again. If ctx, the
// call's, is done, err may be no more than that.
func isFinal(ctx context.Context, eng engine.Engine, err error) bool {
	for _, final := range []error{engine.ErrClosed, engine.ErrGone, engine.ErrTooLarge, errors.ErrUnsupported} {
		if errors.Is(err, final) {
			return true
		}
	}
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) { // patience is at an end, for this attempt
		return false
	}
	r, ok := eng.(engine.Retryabler)
	return ok && !r.Retryable(err)
}

// poolErrors adds the errors of this package to those that a codec is to know, except
// for what the user has there already.
func poolErrors(users map[string]error) map[string]error {
	all := map[string]error{
		"pool.closed":     ErrClosed,
		"pool.in_task":    ErrInTask,
		"pool.nil_task":   ErrNilTask,
		"pool.no_workers": ErrNoWorkers,
		"pool.poisoned":   ErrPoisoned,
		"pool.queue_full": ErrQueueFull,
	}
	for code, err := range users {
		for ours, known := range all {
			if ours != code && known == err { //nolint:errorlint // which one it is, not what it matches
				delete(all, ours)
			}
		}
		all[code] = err
	}
	return all
}

// newWire says how tasks and results are written.
func newWire[T, R any](opts *codec.Options) (*wire[T, R], error) {
	switch t := reflect.TypeFor[T](); t.Kind() {
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return nil, fmt.Errorf("pool: tasks of type %v cannot be sent to another process; use one that can be written down", t)
	}
	if opts == nil {
		opts = &codec.Options{}
	}
	tasks, err := codec.New[T](&codec.Options{Values: opts.Values})
	if err != nil {
		return nil, fmt.Errorf("pool: Codec: %w", err)
	}
	results, err := codec.New[R](&codec.Options{Values: opts.Values, Errors: poolErrors(opts.Errors)})
	if err != nil {
		return nil, fmt.Errorf("pool: Codec: %w", err)
	}
	w := &wire[T, R]{values: opts.Values, results: results, name: tasks.Name()}
	if w.values == nil {
		w.values = codec.JSON{}
	}
	return w, nil
}
