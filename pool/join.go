package pool

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/errwalk"
	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/internal/remote"
	"github.com/resultpool/resultpool/internal/saver"
	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/internal/wire"
	"github.com/resultpool/resultpool/store"
)

// Join returns a pool that shares its tasks and results with all the pools, in this process and in others, that
// have joined the same engine (a queue and results outside the process). It is used like any other:
//
//	eng, err := jetstream.Open(ctx, "nats://10.0.0.7:4222", "thumbs", nil)
//	…
//	p, err := pool.Join(ctx, makeThumb, eng, &pool.Options{Workers: 8})
//	…
//	id, err := p.Submit(ctx, file) // run by this pool or by another
//	thumb, err := p.Get(ctx, id)   // from any of them
//
// All must have the same T and R and the same meaning of fn. With a nil fn the pool submits and reads, but runs
// nothing.
//
// Every accepted task has exactly one result in the end, whichever of the processes die. fn may run more than once
// for it: when a process dies, or is cut off for longer than the engine's lease (the time for which a task is its
// own), another one runs the tasks it held. Then the first result that is saved counts, and nobody sees another. A
// task that was being run by five processes when they died is not tried again: its result is [ErrPoisoned].
//
// Tasks and values are encoded as opts.Codec says; package codec says what survives of them and of an error. If
// JSON would lose something of the type T or R, such as an unexported field, Join returns an error that names the
// field and the way out. If JSON would lose something of a value, such as a string that is not UTF-8, the error is
// that of Submit, or is the task's result. The package comment has a table of what differs from a pool made by New.
//
// While the engine fails, the pool tries again, and Stats.Failing says what is wrong. An error that no retry can
// change ends the pool; see the package comment.
//
// ctx is the context of the pool, as New's is. Join blocks while it asks the engine for the types of its tasks,
// until ctx is done, and starts two goroutines, which end with the pool. The engine is not closed with the pool:
// close it after Stop.
//
// The error says which option is wrong, or that the engine has tasks or results of other types, or is the engine's.
func Join[T, R any](ctx context.Context, fn func(context.Context, T) (R, error), eng engine.Engine, opts *Options) (*Pool[T, R], error) {
	switch {
	case ctx == nil:
		return nil, errNilContext
	case guard.IsNilPointer(eng):
		return nil, errNilEngine
	}
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	w, err := wire.New[T, R](o.Codec, map[string]error{
		"pool.closed":     ErrClosed,
		"pool.in_task":    ErrInTask,
		"pool.nil_task":   ErrNilTask,
		"pool.no_workers": ErrNoWorkers,
		"pool.poisoned":   ErrPoisoned,
		"pool.queue_full": ErrQueueFull,
	})
	if err != nil {
		return nil, err
	}
	if err := w.Describe(ctx, eng); err != nil {
		return nil, err
	}
	if fn == nil {
		o.Workers = 0
	}
	p := newPool[T, R](ctx, fn, o)
	j := &joint[T, R]{pool: p, wire: w}
	j.share = remote.New(p.intake, eng, j, p.failures)
	j.submitted.tasks = j.share.NewFetch()
	p.share = j
	p.ids = &queue.IDs{}
	p.saver = saver.New(p.callCtx, store.ResultStore[R](w.Store(j.share)), p.failures,
		saver.Hooks[R]{Fail: p.fail, Dropped: j.dropped})
	if fn != nil {
		j.share.Start() // before watch: the pool may end at once, and not before these have
	}
	p.watch()
	return p, nil
}

// remoteQueue is what a joint does for its pool. It is an interface so that programs that do not
// call Join need not link what only a joint uses, encoding/json above all.
type remoteQueue[T, R any] interface {
	Submit(ctx context.Context, in []T, wait bool) ([]store.ID, error)
	Run(ctx context.Context, id uint64, begin func(runs int)) (R, error)
	RunLater(id uint64, after time.Duration) bool
	Settled(ids []uint64)
	Result(ctx context.Context, id store.ID) (store.Result[R], error)
	Peek(ctx context.Context, id store.ID) (res store.Result[R], pending bool, err error)
	GetAll(ctx context.Context, ids []store.ID, yield func(store.Result[R], error) bool)
	Finished(l *finishing[T, R])
	Wait(ctx context.Context) error
	Resized()
	Skipped()
	Resumed()
	Freed()
	Failed(err error)
}

// joint joins a pool and its share of an engine: for the pool it is a remoteQueue, for the share a
// remote.Host. Package remote has the life of a task there; package wire turns T and R into bytes.
//
// The task in the pool's queue is a zero T under the ID of the engine: bytes become a T in the
// worker that runs it.
type joint[T, R any] struct {
	pool  *Pool[T, R]
	share *remote.Share
	wire  *wire.Wire[T, R]

	submitted submitted // for Finished
}

// Submit is Submit, TrySubmit and SubmitAll. If the engine's queue is full, it waits for room or does
// not. Tasks are encoded as they are pushed, so that a large slice is not in memory twice.
func (j *joint[T, R]) Submit(ctx context.Context, in []T, wait bool) ([]store.ID, error) {
	if err := j.Refusal(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, backoff.Cause(ctx)
	}
	wait = wait && !j.pool.inTask(ctx)
	all := roomForIDs(len(in))
	for len(all) < len(in) {
		tasks, err := j.wire.EncodeTasks(in, len(all))
		if err != nil {
			return all, err
		}
		ids, err := j.share.Push(ctx, tasks, wait)
		j.submitted.tasks.Add(ids...)
		for _, id := range ids {
			all = append(all, store.ID(id))
		}
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// Run is the function of a task that this pool has taken over. The error decides who owns the task
// afterwards: with a HandBack the engine, and otherwise the writer, which saves the result and
// acknowledges the task. begin is called when the function is about to be, with how many runs have ended in other
// pools.
func (j *joint[T, R]) Run(ctx context.Context, id uint64, begin func(runs int)) (v R, err error) {
	task, start, err := j.share.Begin(id)
	isRetry := false // what comes again has not killed its process either
	defer func() { start.End(isRetry || remote.IsHandBack(err)) }()
	if err != nil {
		if !remote.IsHandBack(err) && errwalk.Is(err, ErrPoisoned) {
			j.pool.log(slog.LevelError, "a task is poisoned: processes die at it", slog.Uint64("task", id), slog.String("error", text.Of(err)))
		}
		return v, err
	}
	in, err := j.wire.DecodeTask(task)
	if err != nil {
		return v, err
	}
	begin(start.Runs)
	v, err = j.pool.fn(ctx, in)
	isRetry = retryOf(err) != nil
	if err != nil && j.isInterrupted(ctx, err) {
		var none R
		return none, &remote.HandBack{Cause: err}
	}
	return v, err
}

// RunLater has a task given back that is to run again after that, if the engine can wait.
func (j *joint[T, R]) RunLater(id uint64, after time.Duration) bool {
	return j.share.RunLater(id, after)
}

// Settled follows tasks that are settled: those for which RunLater was called are given back.
func (j *joint[T, R]) Settled(ids []uint64) { j.share.Settled(ids) }

// isInterrupted reports whether err is what the cancel of the pool has done to a task. That is no
// outcome: another process is to run the task. An error that only looks like one, before the cancel or
// after a Cancel of the task, is the task's own.
func (j *joint[T, R]) isInterrupted(ctx context.Context, err error) bool {
	cause := j.pool.cancelCause()
	return cause != nil && !isCancelled[T, R](ctx) &&
		(errwalk.Is(err, context.Canceled) || errwalk.Is(err, cause) || errwalk.Is(err, j.pool.parent.Err()))
}

// outcomeOf returns the outcome of a task with an error.
func (p *Pool[T, R]) outcomeOf(err error) outcome {
	if remote.IsHandBack(err) {
		return notRun
	}
	return failed
}

// notRunError is the Err of a task that is not to be run, since the pool ends.
func (p *Pool[T, R]) notRunError(cause error) error {
	if p.share != nil {
		return &remote.HandBack{Cause: cause}
	}
	return notRunBecause(cause)
}

// Result is Result.
func (j *joint[T, R]) Result(ctx context.Context, id store.ID) (store.Result[R], error) {
	inTask := j.pool.inTask(ctx)
	data, err := j.share.Load(ctx, uint64(id), !inTask)
	if inTask && errors.Is(err, engine.ErrNotFound) {
		return store.Result[R]{}, ErrInTask
	}
	return j.resultOf(id, data, err)
}

// Peek is Peek.
func (j *joint[T, R]) Peek(ctx context.Context, id store.ID) (res store.Result[R], pending bool, err error) {
	data, pending, err := j.share.Look(ctx, uint64(id))
	if pending {
		return res, true, nil
	}
	res, err = j.resultOf(id, data, err)
	return res, false, err
}

// resultOf returns the result that was loaded, and only its ID if it cannot be read.
func (j *joint[T, R]) resultOf(id store.ID, data []byte, err error) (store.Result[R], error) {
	if err != nil {
		return store.Result[R]{}, wire.NotFoundOr(id, err)
	}
	res, err := j.wire.DecodeResult(id, data)
	if err != nil {
		return store.Result[R]{ID: id}, err
	}
	return res, nil
}

// Wait is Wait.
func (j *joint[T, R]) Wait(ctx context.Context) error { return j.share.Wait(ctx) }

// Resized follows a Resize.
func (j *joint[T, R]) Resized() { j.share.Resized() }

// Skipped follows a task that was taken and is not run.
func (j *joint[T, R]) Skipped() { j.share.Skip() }

// Resumed follows a task that was parked and is taken again.
func (j *joint[T, R]) Resumed() { j.share.Reenter() }

// Freed follows a Cancel: there may be room for another task.
func (j *joint[T, R]) Freed() { j.share.Freed() }

// Failed follows a final failure.
func (j *joint[T, R]) Failed(err error) { j.share.Close(closedBecause(err)) }

// dropped is told of a result that was given up. A HandBack is not handed to the user: its task is
// the engine's again, or will be when its lease ends.
func (j *joint[T, R]) dropped(res store.Result[R]) bool {
	j.share.Forget(uint64(res.ID))
	return !remote.IsHandBack(res.Err)
}

// Refusal returns why the pool takes no task, or nil.
func (j *joint[T, R]) Refusal() error {
	if cause := j.pool.cancelCause(); cause != nil {
		return closedBecause(cause)
	}
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	return j.pool.refusalLocked(nil)
}

// Workers returns how many tasks may run at once, and how many more may wait for that: those that are parked
// take up room.
func (j *joint[T, R]) Workers() (workers, queue int) {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	return j.pool.target, max(0, j.pool.queue.Cap()-len(j.pool.park.tasks))
}

// Enqueue puts tasks into the queue. There is room, since nobody else adds to it, unless the
// engine has sent more than it was asked for, or tasks were parked meanwhile. These may stay for hours, so
// what they leave no room for is given back.
func (j *joint[T, R]) Enqueue(ids []uint64) (n int) {
	p := j.pool
	var none [1]T
	for n < len(ids) {
		p.lockHeedingCancel()
		if p.phase != open || p.target == 0 {
			p.wakeAndUnlock()
			return n
		}
		p.queue.ShutTail(true)
		full, isParking := p.fullLocked(), len(p.park.tasks) > 0
		for ; n < len(ids); n++ {
			ticket := p.queue.Pushed()
			r := queue.Range{First: ticket, Offset: ids[n] - ticket, End: ticket + 1}
			if _, k := p.queue.PushShut(r, none[:]); k == 0 {
				break
			}
		}
		p.wakeAndUnlock()
		switch {
		case !full || n == len(ids):
			runtime.Gosched()
		case isParking:
			return n
		default:
			backoff.Sleep(p.intake, backoff.First) // which does not change in a joined pool
		}
	}
	return n
}

// Go runs f on a goroutine of the pool, which does not end before f has returned.
func (j *joint[T, R]) Go(f func()) {
	j.pool.mu.Lock()
	defer j.pool.mu.Unlock()
	j.pool.goLocked(f)
}

// Fail ends the pool.
func (j *joint[T, R]) Fail(err error) { j.pool.fail(err) }
