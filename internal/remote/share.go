// Package remote is a share of an engine's queue, in bytes: it takes tasks over from the engine
// as its host can begin them, keeps their leases, counts the starts of tasks that may kill
// their process, and brings results back. It knows no types of tasks and results.
//
// Two goroutines stand between the engine and the host, from Start until the host is closed:
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
// The way of one task, with "(held)" where the lock of the held tasks is taken:
//
//	Push              a submitter, here or elsewhere, gives it to the engine, which gives it an ID
//	feed.wanted       the host has idle workers, or will have them soon
//	feed.pull         Pull: the engine hands it out, under a lease
//	feed.takeOver     (held) add; a task that was delivered before is looked for with Load first
//	host.Enqueue      its ID is in the host's queue
//	keepLeases        (held) latest; Extend, three times in each lease, until the task is done with
//	Begin             a worker has taken it: (held) first, its bytes; MarkStart if it is a suspect
//	…                 the host runs the task's function
//	Start.End         it has ended; feed may take over another
//	Finish            the writer of the host has its result: Save, then (held) remove, then Ack
//	Settled           the host has settled it; what was delivered again meanwhile is acknowledged, too
//	  a HandBack      or it is not to be run here: (held) remove, then Nack, or NackAfter if it has run and
//	                  is to run again
//	Load              whoever waits for the result, here or elsewhere, gets it from the engine
//
// The calls of the engine: who makes them, what ends an attempt, how long attempts are repeated, and
// what becomes of an error that is final (see isFinal):
//
//	Push       Push        patience, ctx, intake   until ctx or intake ends    it is returned
//	Pull       feed        see pullContext         until intake ends           it ends the host
//	Load       mustRun     patience, intake        until intake ends           the task is run
//	MarkStart  a worker    patience, intake        until intake ends           starts are not counted
//	Extend     keepLeases  a third of the lease    until the leases end        it ends the host
//	Save       Finish      patience, ctx           not here                    it ends the host
//	Ack        Finish      patience, ctx           never                       it ends the host
//	Nack       giveBack    patience                never                       it is ignored
//	NackAfter  Settled     patience                never                       it is ignored
//	Ack        Settled     patience                never                       it ends the host
//	Load       Load        patience, ctx           until ctx ends              it is returned
//	Wait       Load        ctx                     until ctx ends              it is returned
//	Size       Wait        patience, ctx           until ctx ends              it is returned
//
// An error that says that the engine is gone or closed ends the host whichever call it is of.
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

// Errors that package pool exports under its own names. They are here since this package returns
// them, and nothing here may import the pool.
var (
	ErrQueueFull   = errors.New("pool: queue is full")
	ErrUnconfirmed = errors.New("pool: nobody knows whether the task was accepted")
	ErrPoisoned    = errors.New("pool: the process dies at this task")
)

// A Host is the pool that runs the tasks of a share. Its methods may be called from any goroutine, and
// the share holds no lock of its own while it calls them.
//
// A channel of tasks in place of Enqueue would be shorter, but then the pool could neither look
// through what waits nor count it, and Stop could not give it back.
type Host interface {
	// Refusal returns why no task is accepted at this moment, or nil.
	Refusal() error

	// Workers returns how many tasks may run at once, and how many more may wait for that.
	Workers() (workers, queue int)

	// Enqueue puts tasks that are held into the host's queue. It returns how many are in it:
	// fewer if the host is closed, has no workers, or has no room for long.
	Enqueue(ids []uint64) int

	// Go runs f on a goroutine of the host, which does not end before f has returned. If
	// foreign code ends f by runtime.Goexit, f is run again.
	Go(f func())

	// Fail ends the host: the engine has failed for good, and the share can do no more work.
	Fail(err error)
}

// A Share is what one pool has taken over of an engine's queue.
//
// Its methods may be called from any goroutine. It has two locks, that of held and mu, which are
// taken alone or inside the host's. The engine and the host are never called with one of them held.
//
// Three contexts end at different times. intake ends first, when the host takes no more tasks.
// leases ends when the last task is done with, so that what runs keeps its lease while the host is
// closing. alive ends only when the engine has failed for good: those who wait for a result of
// another process may do so while and after this host ends.
type Share struct {
	eng      engine.Engine
	host     Host
	failures *backoff.Failures

	// intake ends when the host takes no more tasks.
	intake context.Context
	// calls is the context of calls that are made after that as well. It does not end.
	calls context.Context
	// leases ends when no lease has to be kept any more. release ends it.
	leases  context.Context
	release context.CancelFunc
	// alive ends when the engine has failed for good, so nobody need wait for it. die ends it.
	alive context.Context
	die   context.CancelCauseFunc

	// look tells feed that there may be workers for more tasks. It has room for one token: nobody
	// waits to send it, and feed finds it even if it was sent before feed began to wait.
	look chan struct{}
	// suspect is full while a task runs that somebody may have died at.
	suspect chan struct{}

	// A task is entered by feed, begun and ended by a worker. That is counted here and not taken from the
	// host's queue and marks: a task is in neither while a worker takes it.
	entered atomic.Uint64
	begun   atomic.Uint64
	ended   atomic.Uint64
	// low is the number of waiting tasks above which feed need not look for workers. Feed stores
	// it; workers read it.
	low atomic.Int64

	// deaf is true once the engine has not answered to a Nack in time. No other one is sent then, and no NackAfter
	// once the host ends.
	deaf atomic.Bool

	held held

	// resized is true if the number of workers has changed since feed has last thought of it. Resized
	// sets it first and then cancels the Pull under way; feed says first how the Pull is cancelled and
	// then looks at resized. So one of them sees the other.
	resized atomic.Bool

	mu sync.Mutex
	// cancelPull ends the Pull under way, or the last one. It is nil before the first, and guarded
	// by mu.
	cancelPull context.CancelFunc
}

// New returns a share of eng for host, which has not taken over any task yet. intake ends when the
// host takes no more tasks, and its values are those of the contexts that the engine is given.
func New(intake context.Context, eng engine.Engine, host Host, failures *backoff.Failures) *Share {
	s := &Share{
		eng: eng, host: host, failures: failures,
		intake:  intake,
		calls:   context.WithoutCancel(intake),
		look:    make(chan struct{}, 1),
		suspect: make(chan struct{}, 1),
		held:    held{tasks: make(map[uint64][]engine.Delivery), later: make(map[uint64]time.Time), settling: make(map[uint64]struct{})},
	}
	s.leases, s.release = context.WithCancel(s.calls)
	s.alive, s.die = context.WithCancelCause(s.calls)
	return s
}

// Start starts taking over tasks: it starts two goroutines of the host. Without it the share submits
// and reads only.
func (s *Share) Start() {
	s.host.Go(s.feed)
	s.host.Go(s.keepLeases)
}

// Resized tells the share that the host has another number of workers. The Pull under way was told
// how many tasks the old ones can begin, so it ends: with fewer workers, tasks would be held here
// that another machine could run.
func (s *Share) Resized() {
	s.resized.Store(true)
	s.mu.Lock()
	cancel := s.cancelPull
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	s.wakeFeed()
}

// Close wakes all that wait for the engine, with that error: the engine has failed for good. What is
// held is still given back, if the engine takes that.
func (s *Share) Close(err error) { s.die(err) }

// patience is how long the engine may take for a call that should return promptly. After it
// the answer is taken for lost, as with a connection that was cut, and the call is made again.
// It is half of the time for which an engine remembers the key of a Push.
const patience = 5 * time.Second

// ask makes a call of the engine that should return promptly: it ends after patience. All calls of
// the engine that do not wait for something to happen are made here, so that a connection that was
// cut, a panic and a Goexit of the engine are errors like others.
func (s *Share) ask(ctx context.Context, call func(ctx context.Context) error) error {
	return s.askFor(ctx, patience, call)
}

func (s *Share) askFor(ctx context.Context, limit time.Duration, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return guard.Apart(func() error { return call(ctx) })
}

// isFinal reports whether a call that has returned err need not be made again, since it would fail
// for ever. If ctx, the call's, is done, err may be no more than that, and then only the errors that
// package engine calls final count. Of an engine that is no Retryabler only those count as well: to
// repeat a call in vain does less harm than to end a pool that could go on. For the same reason no
// Retryabler is asked about a Goexit, which is no error that the engine has returned.
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
	if !ok || err == guard.ErrGoexit { //nolint:errorlint // the call has returned no error, which Retryable is about
		return false
	}
	// Apart, since feed and the workers hold what a Goexit would lose.
	final := false
	_ = guard.Apart(func() error {
		final = !r.Retryable(err)
		return nil
	})
	return final
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
//
// So a task that is given back takes the same way as one that has a result, by the worker or the
// reaper to the writer, and is counted, waited for and retried like it. A way of its own for such
// tasks was decided against: Stop, the cancel, the reaper and Stats would each need a second case.
type HandBack struct{ Cause error }

func (e *HandBack) Error() string { return "pool: given back to the engine: " + text.Of(e.Cause) }
func (e *HandBack) Unwrap() error { return e.Cause }

// IsHandBack reports whether err itself is a HandBack, and not what a task has wrapped: a task may
// return the error of another pool's.
func IsHandBack(err error) bool {
	_, ok := err.(*HandBack) //nolint:errorlint // see above
	return ok
}

// Peek returns the result of a task that has one. It does not wait, nor try again.
func (s *Share) Peek(ctx context.Context, id uint64) ([]byte, error) { return s.eng.Load(ctx, id) }

// Delete deletes results. Their tasks are done with, so nobody makes them anew.
func (s *Share) Delete(ctx context.Context, ids ...uint64) error { return s.eng.Delete(ctx, ids) }

// All returns the results that are stored, by whichever process, as the engine does. An error that
// says that the engine is gone ends the host here as well.
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

// measure returns how many that are, given how many have ended since New. The count is taken anew
// every 5 ms: more often it would be noise.
func (p *pace) measure(now time.Time, ended uint64) int {
	if passed := now.Sub(p.since); passed >= ahead/10 {
		p.tasks = int(min(float64(ended-p.ended)*float64(ahead)/float64(passed), math.MaxInt32))
		p.since, p.ended = now, ended
	}
	return p.tasks
}
