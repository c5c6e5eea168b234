package remote

import (
	"context"
	"errors"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/internal/text"
)

// maxHeldBytes is how many bytes of tasks are held, at most, beyond those that the workers need: with
// more, feed takes over only what idle workers begin at once. A task without a worker does nothing
// here but take memory, and another machine might run it.
const maxHeldBytes = 8 << 20

// longestLook is for how long feed looks out for more tasks than the idle workers can begin:
// those that come later may take longer than the last ones.
const longestLook = 100 * time.Millisecond

// feed takes tasks over until the host takes no more.
//
// It is one loop of attempts, each a Pull for as many tasks as can be begun soon. A Pull that was
// successful is followed by the next at once; there is no timer, since Pull waits while there is
// nothing. Decided against: a Pull by each worker for itself, which costs a round trip for each task,
// and batches of a fixed size, which are too small for tasks of microseconds and keep tasks of minutes
// from other machines.
//
// What feed has pulled is held before it does anything else with it, so whatever becomes of
// feed, the leases are kept or the task is given back.
func (s *Share) feed() {
	loop := s.failures.Loop()
	pace := &pace{since: time.Now()}
	_, _ = loop.Do(s.intake, func() (backoff.Verdict, error) { return s.feedOnce(loop, pace) })
	if s.held.close() {
		s.release()
	}
}

// feedOnce takes over tasks for the workers that there are now, or waits until there may be some. What
// follows from a Pull:
//
//	tasks, no error          take them over, and pull again
//	tasks and an error       take them over, and go on as with the error alone
//	the context has ended    pull again: for another number of workers, or with another view of
//	                         how many they can begin
//	no task and no error     a bug of the engine, which is treated as a failure: to pull again at
//	                         once would spin
//	a final error            the host ends: its workers would wait for ever
//	any other error          pull again after a pause that grows
//
// A Pull that has waited for some time before its context ended has shown that the engine works.
func (s *Share) feedOnce(loop *backoff.Loop, pace *pace) (backoff.Verdict, error) {
	idle, more := s.wanted(pace.measure(time.Now(), s.ended.Load()))
	if idle+more == 0 {
		select {
		case <-s.look:
		case <-s.intake.Done():
		}
		return backoff.Again, nil
	}
	ctx, cancel := s.pullContext(loop, more)
	defer cancel()
	if s.resized.Swap(false) {
		return backoff.Again, nil
	}
	ds, err := s.pull(ctx, idle+more)
	waited := errors.Is(ctx.Err(), context.DeadlineExceeded)
	if len(ds) > 0 && err == nil || waited {
		loop.Succeeded()
	}
	s.takeOver(ds)
	switch {
	case len(ds) > 0 && err == nil, ctx.Err() != nil:
		return backoff.Again, nil
	case err == nil:
		return backoff.Failed, errors.New("pool: the engine's Pull has returned nothing")
	case s.isFinal(s.intake, err):
		s.host.Fail(text.Wrap("pool: taking over tasks", err))
		return backoff.Done, nil
	default:
		return backoff.Failed, err
	}
}

// wanted returns how many tasks to pull: for the workers that have none, and beyond that. While
// at least half of those beyond wait already, it is none, so that tasks come in batches.
//
// Workers are counted by what they have ended, and not by who is idle at this moment: a worker
// between two tasks would be counted twice.
func (s *Share) wanted(ahead int) (idle, more int) {
	workers, queue := s.host.Workers()
	if workers == 0 {
		return 0, 0
	}
	s.low.Store(int64(ahead / 2)) // store first, then load: noteChange changes first, then loads low
	room := max(0, queue-s.queued())
	unended := int(s.entered.Load() - s.ended.Load())
	idle = min(max(0, workers-unended), room)
	waiting := max(0, unended-workers) // for a worker that is busy now
	if more = ahead - waiting; more <= ahead/2 || s.held.size() >= maxHeldBytes {
		more = 0
	}
	return idle, min(more, room-idle)
}

// queued returns how many tasks wait in the host's queue. Only feed adds to it, so for feed it may be
// too high, by tasks that begin just now, and is never too low.
func (s *Share) queued() int { return int(int64(s.entered.Load()) - int64(s.begun.Load())) }

// noteChange wakes feed if there may be something for it to do. Workers call it when they have
// begun and when they have ended a task: they change the counts first and load low second, and feed
// stores low first and loads the counts second, so one of them sees the other.
//
// A worker that has ended a task while others wait in the queue need not wake feed: it takes one of
// those next, and looks again when it begins it.
func (s *Share) noteChange() {
	if int64(s.queued()) <= s.low.Load() {
		s.wakeFeed()
	}
}

// Freed says that the host may have room for another task, though none has begun or ended.
func (s *Share) Freed() { s.wakeFeed() }

// wakeFeed has feed look for workers that could begin more, now or before it next sleeps.
func (s *Share) wakeFeed() {
	select {
	case s.look <- struct{}{}:
	default:
	}
}

// pullContext returns the context of the next Pull. It ends when it is time to think again about how
// many tasks to pull:
//
//	Resized is called          at once
//	the engine has failed      after twice the patience: one that works again, and has no task, would
//	                           not say so
//	more than idle workers     after longestLook: their pace may be another by then
//	can begin are pulled
//	otherwise                  not at all: idle workers stay idle until there are tasks
func (s *Share) pullContext(loop *backoff.Loop, more int) (ctx context.Context, cancel context.CancelFunc) {
	switch {
	case loop.IsFailing():
		ctx, cancel = context.WithTimeout(s.intake, 2*patience)
	case more > 0:
		ctx, cancel = context.WithTimeout(s.intake, longestLook)
	default:
		ctx, cancel = context.WithCancel(s.intake)
	}
	s.mu.Lock()
	s.cancelPull = cancel
	s.mu.Unlock()
	return ctx, cancel
}

// pull is the engine's Pull. What it returns with an error is taken over as well: the engine counts
// it as delivered.
func (s *Share) pull(ctx context.Context, limit int) (ds []engine.Delivery, err error) {
	err = guard.Apart(func() (err error) {
		ds, err = s.eng.Pull(ctx, limit)
		return err
	})
	return ds, err
}

// takeOver puts tasks that were pulled into the host's queue, unless they are there or saved
// already. From here on they are held: the share owns them until Finish, giveBack or Forget.
//
// Tasks that were delivered before wait for the engine's answer whether they are saved. First
// deliveries do not wait for that, so one task that is hard to find holds up no other.
func (s *Share) takeOver(ds []engine.Delivery) {
	var first []uint64
	var again []uint64 // they were delivered before, perhaps to a process that has saved the result
	for _, d := range ds {
		switch {
		case !s.held.add(d): // it is in the queue, or runs
		case d.Attempt > 1:
			again = append(again, d.ID)
		default:
			first = append(first, d.ID)
		}
	}
	s.enqueue(first)
	var rerun []uint64
	for _, id := range again {
		if s.mustRun(id) {
			rerun = append(rerun, id)
		}
	}
	s.enqueue(rerun)
}

// mustRun reports whether a task that was delivered before is to be run. A process that had it
// may have saved its result and died before it could acknowledge the task: that is done here
// then. It is to be run if the host is closed before the engine answers, and if the engine never
// will: the first result that is saved counts.
func (s *Share) mustRun(id uint64) bool {
	saved := false
	_, _ = s.failures.Loop().Do(s.intake, func() (backoff.Verdict, error) {
		_, err := s.loadOnce(s.intake, id)
		switch {
		case err == nil:
			saved = true
			s.ack(s.intake, id)
			return backoff.Done, nil
		case errors.Is(err, engine.ErrNotFound):
			return backoff.Done, nil
		case s.isFinal(s.intake, err):
			s.failIfGone(err)
			return backoff.Done, nil
		default:
			return backoff.Failed, err
		}
	})
	return !saved
}

// enqueue puts tasks that are held into the host's queue, or gives them back if it takes none. The
// host's workers own what is in its queue; until a worker begins one, the share only extends its lease.
func (s *Share) enqueue(ids []uint64) {
	n := 0
	if len(ids) > 0 {
		n = s.host.Enqueue(ids)
	}
	s.entered.Add(uint64(n))
	s.giveBack(ids[n:])
}
