// Package remote is a share of an engine's queue, in bytes: it takes tasks over from the engine
// as its host can begin them, keeps their leases, counts the starts of tasks that may kill
// their process, and brings results back. It knows no types of tasks and results.
//
// Two goroutines stand between the engine and the host, from New until the host is closed:
//
//	feed        pulls tasks and puts them into the host's queue, as many as can be begun
//	            soon, until the host takes no more
//	keepLeases  extends the leases of all tasks that are held, until feed has ended and none
//	            is held
//
// A task is held from the moment it is pulled until it is acknowledged, because its result is
// saved, or given back to the engine, or its result is given up. The same task may be delivered
// again while it is held, when the engine could not be reached for longer than the lease. It
// is not run twice at once in one process: the delivery is added to those that are held.
//
// The life of a task here, with the calls of the host:
//
//	feed: Pull, hold, host.Enqueue
//	a worker of the host: Begin, the task's function, Start.End
//	the writer of the host: Finish: Save and Ack, or Nack
package remote

import (
	"context"
	"errors"
	"iter"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/internal/text"
)

// Errors that package pool exports.
var (
	ErrQueueFull   = errors.New("pool: queue is full")
	ErrUnconfirmed = errors.New("pool: nobody knows whether the task was accepted")
	ErrPoisoned    = errors.New("pool: the process dies at this task")
)

// A Host is the pool that runs the tasks of a share.
type Host interface {
	// Refusal returns why no task is accepted at this moment, or nil.
	Refusal() error

	// Workers returns how many tasks may run at once, and for how many more there is room.
	Workers() (workers, queue int)

	// Enqueue puts tasks that are held into the host's queue. It returns how many are in it:
	// fewer if the host is closed or has no workers.
	Enqueue(ids []uint64) int

	// Go runs f on a goroutine of the host, which does not end before f has returned. If
	// foreign code ends f by runtime.Goexit, f is run again.
	Go(f func())

	// Fail ends the host: the engine has failed for good, and the share can do no more work.
	Fail(err error)
}

// A Share is what one pool has taken over of an engine's queue.
type Share struct {
	eng      engine.Engine
	host     Host
	failures *backoff.Failures

	intake  context.Context // ends when the host takes no more tasks
	calls   context.Context // of calls that are made after that as well; does not end
	leases  context.Context // ends when keepLeases is to end
	release context.CancelFunc
	alive   context.Context // ends when the engine has failed for good, and nobody need wait for it
	die     context.CancelCauseFunc

	// look tells feed that there may be workers for more tasks.
	look chan struct{}
	// suspect is full while a task runs that somebody may have died at.
	suspect chan struct{}

	// A task is entered, begun and ended. That is counted here and not taken from the
	// host's queue and marks: a task is in neither while a worker takes it.
	entered atomic.Uint64
	begun   atomic.Uint64
	ended   atomic.Uint64
	low     atomic.Int64 // feed need not look while more tasks wait

	deaf atomic.Bool // the engine has not answered to a Nack

	held held

	mu         sync.Mutex
	resized    bool               // since feed has last thought of it; guarded by mu
	cancelPull context.CancelFunc // ends the Pull under way; nil before the first; guarded by mu
}

// New returns a share of eng for host. intake ends when the host takes no more tasks, and its
// values are those of the contexts that the engine is given.
func New(intake context.Context, eng engine.Engine, host Host, failures *backoff.Failures) *Share {
	s := &Share{
		eng: eng, host: host, failures: failures,
		intake:  intake,
		calls:   context.WithoutCancel(intake),
		look:    make(chan struct{}, 1),
		suspect: make(chan struct{}, 1),
		held:    held{tasks: make(map[uint64][]engine.Delivery)},
	}
	s.leases, s.release = context.WithCancel(s.calls)
	s.alive, s.die = context.WithCancelCause(s.calls)
	return s
}

// Start starts taking over tasks. Without it the share submits and reads only.
func (s *Share) Start() {
	s.host.Go(s.feed)
	s.host.Go(s.keepLeases)
}

// Resized tells the share that the host has another number of workers.
func (s *Share) Resized() {
	s.mu.Lock()
	s.resized = true
	cancel := s.cancelPull
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	s.wakeFeed()
}

// Close wakes all that wait for the engine, with that error: the engine has failed for good.
func (s *Share) Close(err error) { s.die(err) }

// patience is how long the engine may take for a call that should return promptly. After it
// the answer is taken for lost, as with a connection that was cut, and the call is made again.
// It is half of the time for which an engine remembers the key of a Push.
const patience = 5 * time.Second

// ask makes a call of the engine that should return promptly: it ends after patience.
func (s *Share) ask(ctx context.Context, call func(ctx context.Context) error) error {
	return s.askFor(ctx, patience, call)
}

func (s *Share) askFor(ctx context.Context, limit time.Duration, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return guard.Apart(func() error { return call(ctx) })
}

// isFinal reports whether a call that has returned err need not be made again. If ctx, the
// call's, is done, err may be no more than that.
func (s *Share) isFinal(ctx context.Context, err error) bool {
	for _, final := range []error{engine.ErrClosed, engine.ErrGone, engine.ErrTooLarge, errors.ErrUnsupported} {
		if errors.Is(err, final) {
			return true
		}
	}
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) { // of patience, perhaps
		return false
	}
	r, ok := s.eng.(engine.Retryabler)
	return ok && !r.Retryable(err)
}

// failIfGone ends the host if err says that nobody can use the engine any more. Another final
// error may be that of one method, as where a process may read and not write.
func (s *Share) failIfGone(err error) {
	if errors.Is(err, engine.ErrGone) || errors.Is(err, engine.ErrClosed) {
		s.host.Fail(err)
	}
}

// whileAlive returns a context that ends with ctx, and when the engine has failed for good.
func (s *Share) whileAlive(ctx context.Context) (context.Context, context.CancelFunc) {
	return backoff.Both(ctx, s.alive)
}

// isGivenUp reports whether a call that waits for the engine is over, since that has failed for
// good, and ctx, the caller's, does not end at the same time.
func (s *Share) isGivenUp(ctx context.Context) bool { return ctx.Err() == nil && s.alive.Err() != nil }

// deadline is the error for a ctx that is done: its cause, and the refusal that was in the way,
// if there was one.
func deadline(ctx context.Context, refusal error) error {
	if refusal == nil {
		return backoff.Cause(ctx)
	}
	return text.Because(backoff.Cause(ctx), refusal)
}

// HandBack is the Err of a task that is to be returned to the engine, for another process. It
// is never stored: its record is empty, and Finish turns that into a Nack.
type HandBack struct{ Cause error }

func (e *HandBack) Error() string { return "pool: given back to the engine: " + text.Of(e.Cause) }
func (e *HandBack) Unwrap() error { return e.Cause }

// IsHandBack reports whether err itself is a HandBack, and not what a task has wrapped.
func IsHandBack(err error) bool {
	_, ok := err.(*HandBack) //nolint:errorlint // see above
	return ok
}

// Peek returns the result of a task that has one. It does not wait, nor try again.
func (s *Share) Peek(ctx context.Context, id uint64) ([]byte, error) { return s.eng.Load(ctx, id) }

// Delete deletes results.
func (s *Share) Delete(ctx context.Context, ids ...uint64) error { return s.eng.Delete(ctx, ids) }

// All returns the results that are stored, as the engine does.
func (s *Share) All(ctx context.Context) iter.Seq2[engine.Record, error] {
	return func(yield func(engine.Record, error) bool) {
		for rec, err := range s.eng.All(ctx) {
			s.failIfGone(err)
			if !yield(rec, err) {
				return
			}
		}
	}
}

// ahead is for how long a share takes over work beyond what the workers can begin at once: long
// enough that they do not wait for the engine, and short enough that another machine that has
// nothing to do does not wait for this one. What cannot be begun within it stays in the engine.
const ahead = 50 * time.Millisecond

// A pace measures how many tasks end in the time ahead, and so how many others can be begun. To
// count those that begin would be wrong: idle workers begin many at once, however long these
// then take.
type pace struct {
	since time.Time
	ended uint64
	tasks int
}

// measure returns how many that are, given how many have ended since New.
func (p *pace) measure(now time.Time, ended uint64) int {
	if passed := now.Sub(p.since); passed >= ahead/10 {
		p.tasks = int(min(float64(ended-p.ended)*float64(ahead)/float64(passed), math.MaxInt32))
		p.since, p.ended = now, ended
	}
	return p.tasks
}
