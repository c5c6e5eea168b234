package pool

import (
	"container/list"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/internal/saver"
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
	callCtx context.Context // ctx, recognized by inTask: for the calls of stores and engines

	queue *queue.Queue[T] // its owner's lock is mu
	ids   *queue.IDs      // the table is guarded by mu
	saver *saver.Saver[R]
	share remoteQueue[T, R] // nil in a pool of New

	// broken is the final failure, if it has ended the pool. It is set once, by fail.
	broken atomic.Pointer[error]

	// What is before gates is read for each task, and never written. What is behind it is written
	// now and then, and gates, which is padded, keeps the two out of one cache line.
	gates queue.Gates

	// canceled is true once somebody has seen that parent is done, perhaps before ctx is.
	canceled atomic.Bool
	failures *backoff.Failures

	reserver  store.IDReserver    // nil: the pool counts
	reserving *semaphore.Weighted // held around ReserveIDs: one call at a time

	done chan struct{} // closed when the pool has ended

	finished finished // of a pool of New

	name        string
	logger      *slog.Logger
	hooks       Hooks
	profile     bool
	refusedFull atomic.Uint64 // see Stats.Refused

	// What follows is guarded by mu. See state.go for what holds while mu is free.
	mu      sync.Mutex
	phase   phase
	refusal error // what Submit returns; nil while the pool is open
	unrun   error // why the tasks that wait are not run; nil unless the pool is aborting, or has ended so
	cause   error // of the cancel, if there was one
	verdict error // of Stop; set when the pool ends, and immutable from then on

	intake context.Context         // ends when Submit is refused, and has the reason for its cause
	shut   context.CancelCauseFunc // ends intake; nil once it has been called

	submitters list.List        // of *submission[T]: those who wait for room, in order of arrival
	waiting    uint64           // tasks that they have left
	others     [outcomes]uint64 // settled tasks that have not succeeded

	target     int                        // how many workers there may be
	crew       map[*worker[T, R]]struct{} // those there are; more than target until the surplus leave
	reaping    bool                       // the reaper's goroutine is there
	reaper     queue.Hand[T]              // takes what is not to be run
	goroutines int                        // of the pool, all of them; the pool does not end before they do

	handover handover[R]
	offs     callOffs[R]
	park     parking[T, R]
	keys     keyring[T]         // nil but in a pool of NewKeyed; does not change
	cancels  map[store.ID]error // the causes of Cancels of tasks that run, until these have returned
	told     outageLog
	dead     *graveyard      // not guarded by mu
	quiet    chan struct{}   // closed when nothing waits or runs; nil if nobody asks
	wake     []chan struct{} // to be closed by wakeAndUnlock
	tell     []*queue.Waiter // to be told by it

	// The pool must not end while onCancel is on its way.
	unwatch func() bool // takes the call of onCancel back; false if it is too late for that
	watched bool        // onCancel has run, or was taken back
}

// New returns a pool that runs fn over the tasks it is given and puts the results into st.
//
// ctx is the context of the whole pool. When it is done, the pool takes no more tasks, does not start those that
// wait, cancels the context of those that run, and ends; see [Pool.Stop] for a graceful shutdown. Tasks see ctx's
// values. If ctx is done already, the pool is closed from the start, as if it had been cancelled a moment later.
//
// A pool with nil opts has GOMAXPROCS workers and room for 1024 waiting tasks.
//
// The error is [ErrNilFunc], [ErrNilStore], one that names the field of opts that is wrong, or the store's if it is
// a [store.IDReserver] that cannot reserve IDs. New blocks only while such a store reserves IDs. New starts no
// worker: that happens when there is first a task for it.
//
// Every pool must be ended, by Stop or by ctx, or its idle workers stay for ever (a goroutine leak).
func New[T, R any](ctx context.Context, fn func(context.Context, T) (R, error), st store.ResultStore[R], opts *Options) (*Pool[T, R], error) {
	return newLocal(ctx, fn, nil, st, opts)
}

// newLocal is New, with keys or nil.
func newLocal[T, R any](ctx context.Context, fn func(context.Context, T) (R, error), keys keyring[T], st store.ResultStore[R], opts *Options) (*Pool[T, R], error) {
	switch {
	case ctx == nil:
		return nil, errNilContext
	case fn == nil:
		return nil, ErrNilFunc
	case guard.IsNilPointer(st):
		return nil, ErrNilStore
	}
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	ids, err := firstIDs(ctx, st)
	if err != nil {
		return nil, err
	}

	p := newPool[T, R](ctx, fn, o)
	if p.keys = keys; keys != nil {
		p.queue.TakeOneByOne()
	}
	p.ids = ids
	p.reserver, _ = st.(store.IDReserver)
	p.saver = saver.New(p.callCtx, st, p.failures, saver.Hooks[R]{Fail: p.fail}) // a store that calls back is inside a task
	p.watch()
	return p, nil
}

// newPool returns a pool that lacks IDs and a saver, and that does not watch its context.
func newPool[T, R any](ctx context.Context, fn func(context.Context, T) (R, error), o Options) *Pool[T, R] {
	p := &Pool[T, R]{
		fn:        fn,
		nilable:   guard.CanBeNil[T](),
		parent:    ctx,
		queue:     queue.New[T](o.Queue),
		reserving: semaphore.NewWeighted(1),
		failures:  backoff.New(),
		done:      make(chan struct{}),
		target:    o.Workers,
		handover:  handover[R]{handed: make(map[store.ID]handed)},
		finished:  finished{entering: semaphore.NewWeighted(1)},
		name:      o.Name,
		logger:    o.Logger,
		profile:   o.Profile,
		crew:      make(map[*worker[T, R]]struct{}),
		offs:      callOffs[R]{tasks: make(map[store.ID]*callOff)},
		cancels:   make(map[store.ID]error),
		park:      parking[T, R]{tasks: make(map[store.ID]*parked[T, R])},
		dead:      &graveyard{},
	}
	if o.Hooks != nil {
		p.hooks = *o.Hooks
	}
	if p.hooks.Started != nil {
		p.queue.KeepTimes()
	}
	if p.logger != nil {
		p.failures.Tell(p.logOutage)
	}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	p.callCtx = context.WithValue(p.ctx, taskOf[T, R]{p}, true)
	p.queue.SetWorkers(o.Workers)
	p.handover.next.Space.L = &p.mu
	p.openIntakeLocked()
	return p
}

// watch has the pool notice the end of its context, which may be done: it is the last step of New.
func (p *Pool[T, R]) watch() {
	p.mu.Lock() // onCancel may run at once, and uses unwatch
	p.unwatch = context.AfterFunc(p.ctx, p.onCancel)
	p.wakeAndUnlock()
}

// taskOf is the key under which a task's context says that it is inside its pool.
type taskOf[T, R any] struct{ p *Pool[T, R] }

// inTask reports whether ctx is, or comes from, that of one of the pool's tasks that has not ended.
func (p *Pool[T, R]) inTask(ctx context.Context) bool {
	return ctx.Value(taskOf[T, R]{p}) != nil
}

// isZero reports whether neither New nor Join has made the pool.
func (p *Pool[T, R]) isZero() bool { return p == nil || p.queue == nil }

// check returns the error of a call that is wrong whatever the pool's state. The exported methods
// begin with it.
func (p *Pool[T, R]) check(ctx context.Context) error {
	switch {
	case ctx == nil:
		return errNilContext
	case p.isZero():
		return errZero
	default:
		return nil
	}
}

// Done returns a channel that is closed when the pool has ended: it takes no tasks, the result of every accepted
// task is stored or handed back by Stop, and no goroutine of the pool is left. It stays open until Stop is called
// or the pool's context is done.
func (p *Pool[T, R]) Done() <-chan struct{} {
	if p.isZero() {
		done := make(chan struct{})
		close(done)
		return done
	}
	return p.done
}

// Stats is what a pool has done and is doing, at one moment. In every Stats
//
//	Submitted = Succeeded + Failed + Panicked + NotRun + Queued + Running
//
// For a pool of [Join], see the table in the package comment.
type Stats struct {
	Submitted uint64 // tasks accepted since New

	// Tasks that are over: their results are stored, or will be handed back by Stop. The first three have run.
	Succeeded uint64 // the function returned a nil error
	Failed    uint64 // the function returned an error or called runtime.Goexit
	Panicked  uint64 // the function panicked
	NotRun    uint64 // the function was never called; see ErrNotRun

	Queued uint64 // tasks that wait for a worker

	// Running is how many tasks run, or have run but their result is not stored yet, or were cancelled by Cancel
	// while they waited and are not stored yet. With a [store.BatchPutter] it may be up to twice Workers and 2,048
	// more.
	Running uint64

	// Unsaved is how many results the store was asked to take and has not taken: those that wait for another try,
	// whose tasks are not over, and those that were given up. Anything but 0 means trouble with the store.
	Unsaved uint64

	Workers  int // how many tasks may run at once; see Resize
	Capacity int // how many may wait; see Options.Queue

	// Refused is how many calls of Submit, TrySubmit and SubmitAll have returned ErrQueueFull.
	Refused uint64

	// Oldest is the lowest ID of the tasks that wait for a worker, for their key, or for their next attempt; 0 if
	// none waits.
	Oldest store.ID

	// Failing says since when the store or the engine has failed, and with what. Since is the time of the oldest
	// failure among the attempts that are still being repeated without success; it is zero if there are none. Err
	// is the latest error, and matches what the store or the engine has returned. After a failure for good, which
	// ends the pool, both stay. A full queue is not a failure.
	Failing struct {
		Since time.Time
		Err   error
	} `json:",omitzero"`
}

// Stats returns the numbers of this moment. It does not block.
func (p *Pool[T, R]) Stats() Stats {
	if p.isZero() {
		return Stats{}
	}
	p.mu.Lock()
	defer p.wakeAndUnlock()
	pushed, waiting, running := p.queue.Freeze()
	defer p.queue.Thaw()
	waiting, running = p.countCalledOffLocked(waiting, running)
	unrun := uint64(p.handover.unrun + len(p.park.tasks)) // they wait until that is saved, or for their turn
	s := Stats{
		Submitted: pushed,
		Failed:    p.others[failed],
		Panicked:  p.others[panicked],
		NotRun:    p.others[notRun],
		Queued:    waiting + unrun,
		Running:   running - unrun,
		Unsaved:   p.saver.Unsaved(),
		Workers:   p.target,
		Capacity:  p.queue.Cap(),
		Refused:   p.refusedFull.Load(),
		Oldest:    p.oldestLocked(pushed),
		Failing:   p.failures.Now(),
	}
	s.Succeeded = pushed - s.Queued - s.Running - s.Failed - s.Panicked - s.NotRun
	return s
}
