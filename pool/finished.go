package pool

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/queue"
	"github.com/resultpool/resultpool/store"
)

// Nobody notes for Finished what ends: the claims of the queue say which tasks have ended, and a loop looks
// at those (queue.Ended) when it has nothing left. So a worker does no more than read a gate, which is set
// while a loop sleeps; and a loop that falls behind remembers a ticket and not what has ended since. All loops
// of a pool share one Ended, and each result goes to the one that takes its ID.
//
// A task that waited, and that Cancel has called off, ends for the queue in its turn, which may be long after its
// result is stored: the IDs of those are noted while there is a loop (callOffs.early), and their tickets are not
// taken for others when their turn has come.
//
// What was stored before the first loop is listed once, by the store's All: a look at each ID that was ever
// given out would be endless in an old pool. When the last loop has left, all of this is forgotten. A later
// loop lists again: what was yielded is deleted by then, so what it finds was not.
//
// Decided against: a channel or a list that workers fill costs each task, and grows without a bound or
// holds the workers up when the loop does not keep up.

// finished is what the loops over Finished share.
type finished struct {
	// entering is held by a loop while it lists what is stored, if nobody has. It is taken first.
	entering *semaphore.Weighted

	mu       sync.Mutex // what follows is guarded by mu
	loops    int
	listed   bool
	ended    queue.Ended
	ready    []store.ID            // of tasks that have ended, to be taken next
	tickets  []uint64              // of tasks that have ended, while mu is held
	early    map[store.ID]struct{} // that were in ready before their turn, and were not seen to have ended
	sleepers []chan struct{}       // of loops that have found nothing; each is told once, and has room for one
}

// maxUndeleted is how many results a loop has gone through and not deleted, at most.
const maxUndeleted = 1024

// Finished returns a sequence of the results of all tasks of this pool: first those that are stored, in the order
// of their IDs, then the others, each when its task has ended. Each result is yielded once, and deleted from the
// store after the loop's body has run for it. The loop ends when the pool has ended and nothing is left.
//
//	for res, err := range p.Finished(ctx) {
//		if err != nil && res.ID == 0 {
//			return err // ctx is done, or the store has failed
//		}
//		use(res, err) // err: this one cannot be read, and stays in the store
//	}
//
// Memory stays constant as long as the loop keeps up; if it does not, the results stay in the store. Several loops,
// on several goroutines, share the results: each result goes to one of them. After a break or a panic in the body,
// the current result is still in the store, for another loop, and those before it are deleted.
//
// Results are deleted together, up to 1,024 of them, by [store.DeleteAll]: before the loop waits, breaks, panics or
// ends. So after a crash these may be seen again by whoever reads the store. Others may delete results as well: a
// result that is gone is skipped. A result that the store did not take is not yielded: Stop hands it back. Results
// of other pools and of earlier runs stay in the store: its All yields them.
//
// A pair with an error and ID 0 is the last: ctx is done, the store has failed, also in deleting, or the loop is
// inside a task of the same pool ([ErrInTask]). Another loop goes on where this one has ended, and yields again
// what could not be deleted. Results that a loop has yielded are deleted even if ctx is done; the store has five
// seconds for that.
//
// The loop blocks while no task ends, until ctx is done. Without a loop, the pool does no work for Finished. The
// body may call anything, also the pool: no lock is held while it runs.
//
// In a pool that has joined an engine, Finished yields the results of the tasks that this pool has submitted,
// whoever ran them, and the loop ends when the pool and all of those tasks have ended. Such a pool keeps 8 bytes
// for each task that it has submitted and that was not yielded, also without a loop.
func (p *Pool[T, R]) Finished(ctx context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		err := p.check(ctx)
		if err == nil && p.inTask(ctx) {
			err = ErrInTask
		}
		l := &finishing[T, R]{pool: p, ctx: ctx, yield: yield}
		switch {
		case err != nil:
			yield(store.Result[R]{}, err)
		case p.share != nil:
			p.share.Finished(l)
		default:
			p.runFinished(l)
		}
	}
}

// finishing is one loop over Finished.
type finishing[T, R any] struct {
	pool  *Pool[T, R]
	ctx   context.Context
	yield func(store.Result[R], error) bool
	hand  store.ID   // whose result was taken, and is not gone through or passed over; 0: none
	gone  []store.ID // whose results the body has gone through, and that are to be deleted
	kept  []store.ID // whose results could not be deleted; then the loop is over
}

// pass yields the result at hand, or why it cannot be had. It returns false if the loop is over.
func (l *finishing[T, R]) pass(res store.Result[R], err error) bool {
	switch {
	case err == nil:
	case l.passesOver(err):
		l.hand = 0
		return true
	case res.ID == 0:
		l.last(err)
		return false
	}
	if !l.yield(res, err) {
		return false
	}
	if err == nil {
		l.gone = append(l.gone, l.hand)
	}
	l.hand = 0
	if len(l.gone) < maxUndeleted {
		return true
	}
	return l.delete()
}

// passesOver reports whether err says that a result is not stored: it was deleted, or is Stop's.
func (l *finishing[T, R]) passesOver(err error) bool {
	var unsaved *UnsavedError[R]
	return errors.Is(err, store.ErrNotFound) || errors.As(err, &unsaved)
}

// delete deletes what the body has gone through. If that fails, the loop is over, and it returns false.
func (l *finishing[T, R]) delete() bool {
	err := l.flush()
	if err != nil {
		l.yield(store.Result[R]{}, err)
	}
	return err == nil
}

// last yields the last pair, when all that can be deleted is.
func (l *finishing[T, R]) last(why error) {
	if err := l.flush(); err != nil {
		why = errors.Join(why, err)
	}
	l.yield(store.Result[R]{}, why)
}

// flush deletes what the body has gone through. It is tried once.
func (l *finishing[T, R]) flush() error {
	if len(l.gone) == 0 {
		return nil
	}
	l.kept = append(l.kept, l.gone...) // also if the store panics
	l.gone = l.gone[:0]
	ctx, cancel := lingering(l.ctx)
	defer cancel()
	err := store.DeleteAll(ctx, l.pool.saver.Store(), l.kept)
	if err == nil {
		l.kept = l.kept[:0]
	}
	return err
}

// left returns the IDs that a loop which is over leaves to another one.
func (l *finishing[T, R]) left() []store.ID {
	if l.hand != 0 {
		return append(l.kept, l.hand)
	}
	return l.kept
}

// linger is how long a delete may go on after the end of a loop's context.
const linger = 5 * time.Second

// lingering returns a context that ends some time after ctx.
func lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(linger, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}

// runFinished is a loop over a pool of New.
func (p *Pool[T, R]) runFinished(l *finishing[T, R]) {
	p.enterFinished()
	defer func() { // also after a panic or a Goexit in the body
		defer p.leaveFinished(l)
		_ = l.flush() // after a break or a panic nobody can be told
	}()
	if err := p.listFinished(l.ctx); err != nil {
		l.last(err)
		return
	}
	for {
		hasEnded := p.hasEnded() // first: then nothing ends after the look
		id, ok := p.takeFinished(nil)
		if !ok && len(l.gone) > 0 { // before it waits or ends
			if !l.delete() {
				return
			}
			continue
		}
		if !ok && !hasEnded {
			id, ok = p.sleepFinished(l.ctx)
		}
		l.hand = id
		switch {
		case l.ctx.Err() != nil:
			l.last(backoff.Cause(l.ctx))
			return
		case ok:
			if !l.pass(p.stored(l.ctx, id)) {
				return
			}
		case hasEnded:
			return
		}
	}
}

// hasEnded reports whether the pool has.
func (p *Pool[T, R]) hasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *Pool[T, R]) enterFinished() {
	f := &p.finished
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loops++
	p.setEarlyNoted(true)
}

// setEarlyNoted has the tasks noted whose results are stored before their turn, or not any more. finished.mu is
// held.
func (p *Pool[T, R]) setEarlyNoted(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.offs.notesEarly = on; !on {
		p.offs.early = nil
	}
}

// leaveFinished ends a loop. What it leaves is for another one.
func (p *Pool[T, R]) leaveFinished(l *finishing[T, R]) {
	f := &p.finished
	f.mu.Lock()
	f.ready = slices.Insert(f.ready, 0, l.left()...)
	if f.loops--; f.loops == 0 {
		f.listed, f.ended, f.ready, f.tickets, f.early = false, queue.Ended{}, nil, nil, nil
		p.setEarlyNoted(false)
	}
	f.mu.Unlock()
	p.wakeFinished() // this loop may have been told of what others are to take
}

// listFinished lists what is stored, if no other loop has.
func (p *Pool[T, R]) listFinished(ctx context.Context) error {
	f := &p.finished
	if err := f.entering.Acquire(ctx, 1); err != nil {
		return backoff.Cause(ctx)
	}
	defer f.entering.Release(1)
	f.mu.Lock()
	listed := f.listed
	if !listed {
		p.queue.SeeAll(&f.ended) // first: what ends from here on is not taken from the list
	}
	f.mu.Unlock()
	if listed {
		return nil
	}
	var ids []store.ID
	for res, err := range p.saver.Store().All(ctx) {
		switch {
		case ctx.Err() != nil:
			return backoff.Cause(ctx)
		case err != nil && res.ID == 0:
			_, err = p.unsavedOr(0, res, err)
			return err
		default:
			ids = append(ids, res.ID)
		}
	}
	slices.Sort(ids)
	f.mu.Lock()
	defer f.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	f.early = make(map[store.ID]struct{})
	ids = slices.DeleteFunc(ids, func(id store.ID) bool {
		if off := p.offs.tasks[id]; off != nil && off.saved {
			f.early[id] = struct{}{}
			return false
		}
		return !p.seesEnded(id)
	})
	p.offs.early = slices.DeleteFunc(p.offs.early, p.seesEnded) // noted for a loop before, and listed
	f.ready, f.listed = ids, true
	return nil
}

// seesEnded reports whether a task of this pool had ended before what is stored was listed. finished.mu is held.
func (p *Pool[T, R]) seesEnded(id store.ID) bool {
	ticket, ok := p.ids.Past(uint64(id))
	return ok && p.finished.ended.Sees(ticket)
}

// takeFinished takes the ID of a task that has ended. If there is none, the loop whose channel is sleeper, if
// that is not nil, is told when there may be one.
func (p *Pool[T, R]) takeFinished(sleeper chan struct{}) (id store.ID, ok bool) {
	f := &p.finished
	f.mu.Lock()
	defer func() {
		more := len(f.ready) > 0
		f.mu.Unlock()
		if more && p.gates.Ended.Load() {
			p.wakeFinished()
		}
	}()
	if sleeper != nil {
		f.sleepers = append(f.sleepers, sleeper)
		p.gates.Ended.Set(true) // first; then look
	}
	if len(f.ready) == 0 {
		p.lookFinished()
	}
	if len(f.ready) == 0 {
		return 0, false
	}
	id, f.ready = f.ready[0], f.ready[1:]
	p.awakeLocked(sleeper)
	return id, true
}

// lookFinished looks for tasks that have ended. finished.mu is held.
func (p *Pool[T, R]) lookFinished() {
	f := &p.finished
	f.tickets = p.queue.See(&f.ended, f.tickets[:0], maxUndeleted)
	f.ready = f.ready[:0]
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range p.offs.early {
		if _, is := f.early[id]; !is {
			f.early[id] = struct{}{}
			f.ready = append(f.ready, id)
		}
	}
	p.offs.early = p.offs.early[:0]
	for _, ticket := range f.tickets {
		id := store.ID(p.ids.ID(ticket))
		if _, was := f.early[id]; was {
			delete(f.early, id)
			continue
		}
		f.ready = append(f.ready, id)
	}
}

// sleepFinished is takeFinished, and if there is nothing returns when there may be, the pool has ended or ctx
// is done.
func (p *Pool[T, R]) sleepFinished(ctx context.Context) (id store.ID, ok bool) {
	told := make(chan struct{}, 1)
	if id, ok = p.takeFinished(told); ok {
		return id, true
	}
	select {
	case <-told:
	case <-ctx.Done():
	case <-p.done:
	}
	p.finished.mu.Lock()
	defer p.finished.mu.Unlock()
	p.awakeLocked(told)
	return 0, false
}

// awakeLocked takes a loop off those that sleep. finished.mu is held.
func (p *Pool[T, R]) awakeLocked(sleeper chan struct{}) {
	f := &p.finished
	if i := slices.Index(f.sleepers, sleeper); i >= 0 {
		f.sleepers = slices.Delete(f.sleepers, i, i+1)
	}
	p.gates.Ended.Set(len(f.sleepers) > 0)
}

// tellFinished follows the end of a task: a loop may sleep until one ends. The end comes first and the look at
// the gate second, and with the loop it is the other way round.
func (p *Pool[T, R]) tellFinished() {
	if p.gates.Ended.Load() {
		p.wakeFinished()
	}
}

// wakeFinished wakes one of the loops that sleep. It wakes another one if it leaves something.
func (p *Pool[T, R]) wakeFinished() {
	f := &p.finished
	f.mu.Lock()
	var told chan struct{}
	if len(f.sleepers) > 0 {
		told = f.sleepers[0]
		p.awakeLocked(told)
	}
	f.mu.Unlock()
	if told != nil {
		told <- struct{}{}
	}
}
