package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

var (
	errCause = errors.New("the round is cancelled")
	errSoon  = errors.New("the call's time is up")
	errGone  = errors.New("the caller has gone")
)

// A round is one plan that is carried out. What it knows of the pool's state is
// set in such an order that it can be wrong to one side only: what may happen is
// noted before the call that makes it happen, and what must not happen any more
// after that call has returned.
type round struct {
	*plan
	p     Pool
	store *recorder
	ctx   context.Context
	stop  context.CancelCauseFunc // the pool's cancel
	cause error                   // what it leads to

	callers sync.WaitGroup
	sudden  chan context.CancelCauseFunc // to be called by somebody else

	allowed    atomic.Int64  // the most workers there may ever have been
	running    atomic.Int64  // tasks
	starts     atomic.Int64  // of tasks, so far
	lateStarts atomic.Int64  // after the cancel
	offers     atomic.Int64  // tasks that were handed to a Submit
	accepts    atomic.Int64  // … which has said yes
	passed     chan struct{} // has room for one; told of each offer
	floor      atomic.Uint64 // the highest ID that was returned
	zero       atomic.Uint64 // odd while Resize(0) has returned and no other Resize has begun

	closing    atomic.Bool // Stop or the cancel has begun
	closed     atomic.Bool // … and has closed the pool
	cancelling atomic.Bool
	cancelled  atomic.Bool
	settled    atomic.Bool // the cancel was long ago, by the bubble's clock
	zeroed     atomic.Bool // a Resize(0) has begun

	first store.ID // of the fillers
	last  store.ID

	mu       sync.Mutex
	ids      []*Task            // accepted, in the order in which that was noticed; guarded by mu
	byID     map[store.ID]*Task // the same; guarded by mu
	verdicts []error            // of Stops that have waited for the end; guarded by mu
	faults   []error            // guarded by mu
}

// Round carries out the round of that seed on a pool that newPool makes, and
// returns all that is wrong with it. It must be called in a bubble if the plan
// says so; see [InBubble].
func Round(seed uint64, newPool Maker) error {
	r := &round{
		plan:   newPlan(seed),
		sudden: make(chan context.CancelCauseFunc, 64),
		passed: make(chan struct{}, 1),
		byID:   make(map[store.ID]*Task),
	}
	r.store = newRecorder(&r.plan.store)
	r.store.fill = r.isFiller
	if err := r.carryOut(newPool); err != nil {
		return err
	}
	if len(r.faults) > 0 {
		return fmt.Errorf("%w\n%v\n%+v", errors.Join(r.faults[:min(len(r.faults), 10)]...), r.plan, r.p.Stats())
	}
	return nil
}

// InBubble tells whether the round of that seed has to run in a synctest bubble.
func InBubble(seed uint64) bool { return newPlan(seed).bubble }

type roundKey struct{}

func (r *round) carryOut(newPool Maker) error {
	r.cause = errCause
	ctx, stop := context.WithCancelCause(context.WithValue(context.Background(), roundKey{}, r))
	defer stop(nil)
	r.ctx, r.stop = ctx, stop
	r.allowed.Store(int64(r.limit()))
	if r.noCause {
		r.cause = context.Canceled
	}
	if r.born {
		r.cancel()
	}

	opts := &pool.Options{Workers: r.workers, Queue: r.queue}
	p, err := newPool(ctx, r.fn, r.store.open(), opts)
	if err != nil {
		return fmt.Errorf("making the pool: %w\n%v", err, r.plan)
	}
	r.p = p
	if s := p.Stats(); s != (pool.Stats{Workers: r.limit()}) {
		r.fault("Stats of a new pool: %+v", s)
	}
	r.fillUp()

	var canceller sync.WaitGroup
	canceller.Go(r.cancelSuddenly)
	for i, script := range r.plan.callers {
		rng := rand.New(rand.NewPCG(r.seed, uint64(i)+1))
		r.callers.Go(func() { r.call(rng, script) })
	}
	r.controlAndEnd()
	r.callers.Wait()
	close(r.sudden)
	canceller.Wait()
	r.verify()
	return nil
}

// fault notes that the pool has done what it must not.
func (r *round) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, fmt.Errorf(format, args...))
}

// guard turns a panic of the pool's in the goroutine of a caller into a fault.
func (r *round) guard() {
	if v := recover(); v != nil {
		r.fault("a call panicked: %v\n%s", v, debug.Stack())
	}
}

// controlAndEnd resizes the pool as planned and brings it to its end.
func (r *round) controlAndEnd() {
	defer r.guard()
	rng := rand.New(rand.NewPCG(r.seed, 1<<32))
	c := &caller{round: r, rng: rng}
	for _, o := range r.control {
		c.do(o)
	}
	r.end(c)
	if r.plan.store.endless() && !r.cancelled.Load() {
		c.pause()
		r.cancel()
	}
	if err := r.halt(context.Background()); errors.Is(err, pool.ErrInTask) {
		r.fault("Stop outside a task: %v", err)
	}
	<-r.p.Done()
	r.closed.Store(true)
}

func (r *round) end(c *caller) {
	switch r.ending {
	case endPatient:
		if r.canWait() {
			r.resize(1 + r.limit())
			r.callers.Wait()
		}
	case endStop:
	case endStops:
		for i := range 3 {
			r.callers.Go(func() {
				defer r.guard()
				ctx, cancel := context.WithTimeoutCause(context.Background(), time.Duration(10*i)*time.Microsecond, errSoon)
				defer cancel()
				_ = r.halt(ctx)
			})
			r.callers.Go(func() {
				defer r.guard()
				_ = r.halt(context.Background())
			})
		}
	case endCancel:
		r.cancel()
		r.settle()
	case endZero:
		r.resize(0)
	case endStopCancel:
		done, cancel := context.WithCancelCause(context.Background())
		cancel(errGone)
		_ = r.halt(done)
		c.pause()
		r.cancel()
		r.settle()
	case endRace:
		r.callers.Go(func() {
			defer r.guard()
			_ = r.halt(context.Background())
		})
		r.cancel()
	case endHurry:
		done, cancel := context.WithCancelCause(context.Background())
		cancel(errGone)
		_ = r.halt(done)
		r.resize(0)
	}
}

// canWait tells whether all callers come to their end before the pool does.
func (r *round) canWait() bool {
	return !r.plan.store.endless() && !r.rivals && (r.filler == 0 || r.plan.store.reserve != reserveHangs)
}

// cancel cancels the pool's context.
func (r *round) cancel() {
	r.closing.Store(true)
	r.cancelling.Store(true)
	if r.noCause {
		r.stop(nil)
	} else {
		r.stop(errCause)
	}
	r.cancelled.Store(true)
	r.closed.Store(true)
}

// settle notes that whoever had looked for the cancel before it came has gone on
// since, where that can be known.
func (r *round) settle() {
	if r.bubble {
		synctest.Wait()
		r.settled.Store(true)
	}
}

// halt calls Stop, and sees to what it returns.
func (r *round) halt(ctx context.Context) error {
	r.closing.Store(true)
	err := r.p.Stop(ctx)
	r.closed.Store(true)
	ended := r.hasEnded()
	switch {
	case ctx.Err() != nil && err == context.Cause(ctx): //nolint:errorlint // the very error
	case !ended:
		r.fault("Stop returned %v and Done is not closed", err)
	default:
		r.mu.Lock()
		r.verdicts = append(r.verdicts, err)
		r.mu.Unlock()
	}
	return err
}

func (r *round) hasEnded() bool {
	select {
	case <-r.p.Done():
		return true
	default:
		return false
	}
}

// resize calls Resize, and sees to what it returns.
func (r *round) resize(n int) {
	if r.zero.Load()%2 == 1 {
		r.zero.Add(1)
	}
	if n == 0 {
		r.zeroed.Store(true)
	}
	for old := r.allowed.Load(); old < int64(n) && !r.allowed.CompareAndSwap(old, int64(n)); old = r.allowed.Load() {
	}
	err := r.p.Resize(n)
	switch {
	case n < 0:
		if !errors.Is(err, pool.ErrNoWorkers) {
			r.fault("Resize(%d) returned %v", n, err)
		}
	case err == nil:
		if n == 0 && !r.rivals {
			r.zero.Add(1)
		}
	case !errors.Is(err, pool.ErrClosed) || !r.closing.Load():
		r.fault("Resize(%d) returned %v", n, err)
	}
}

// cancelSuddenly cancels the contexts that callers hand to it, each a little later.
func (r *round) cancelSuddenly() {
	rng := rand.New(rand.NewPCG(r.seed, 1<<33))
	for cancel := range r.sudden {
		for range rng.IntN(4) {
			runtime.Gosched()
		}
		if rng.IntN(8) == 0 {
			time.Sleep(time.Duration(rng.IntN(20)) * time.Microsecond)
		}
		cancel(errGone)
	}
}

// fillUp has the pool use up most of the IDs that it has reserved.
func (r *round) fillUp() {
	if r.filler == 0 || r.born {
		return
	}
	batch := make([]*Task, r.filler)
	for i := range batch {
		batch[i] = filler
	}
	r.first, r.last = store.ID(r.plan.store.base+1), store.ID(r.plan.store.base+uint64(r.filler))
	ids, err := r.p.SubmitAll(context.Background(), batch)
	if err != nil || len(ids) != r.filler || ids[0] != r.first || ids[len(ids)-1] != r.last {
		r.fault("SubmitAll of %d tasks to a new pool: %d ids, %v", r.filler, len(ids), err)
	}
	r.floor.Store(uint64(r.last))
}

// filler is a task that is there to use up an ID.
var filler = &Task{number: -1}

func (r *round) isFiller(id store.ID) bool { return id >= r.first && id <= r.last && r.last > 0 }
