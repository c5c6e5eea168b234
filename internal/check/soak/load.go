package soak

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// errGaveUp is the cause of the contexts of those who do not wait for long.
var errGaveUp = errors.New("gave up")

// load puts the pool under load for that long, and returns when all goroutines of
// the load have ended. Tasks may be waiting and running then.
func (s *soak) load(ctx context.Context, length time.Duration) {
	over := make(chan struct{})
	timer := time.AfterFunc(length, func() { close(over) })
	defer timer.Stop()
	var submitters, others sync.WaitGroup
	for range 1 + s.rng.IntN(5) {
		rng := s.fork()
		submitters.Go(func() { s.submitter(ctx, rng, over) })
	}
	ended := make(chan struct{}) // by the submitters
	for _, f := range []func(context.Context, *rand.Rand){s.resize, s.wait, s.wait, s.look, s.sweepOften} {
		rng := s.fork()
		others.Go(func() {
			for !closed(ended) {
				f(ctx, rng)
			}
		})
	}
	submitters.Wait()
	close(ended)
	others.Wait()
	<-over
}

func (s *soak) fork() *rand.Rand { return rand.New(rand.NewPCG(s.rng.Uint64(), 1)) }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// submitter submits in bursts, with lulls between them.
func (s *soak) submitter(ctx context.Context, rng *rand.Rand, over <-chan struct{}) {
	var last store.ID
	for !closed(over) {
		for range rng.IntN(1 + rng.IntN(400)) {
			for _, id := range s.submit(ctx, rng) {
				if id <= last {
					s.ledger.blame(errIDs, "a submitter got %d after %d", id, last)
				}
				last = id
			}
			if closed(over) {
				return
			}
		}
		lull(rng, 3*time.Millisecond)
	}
}

func lull(rng *rand.Rand, most time.Duration) { time.Sleep(time.Duration(rng.Int64N(int64(most)))) }

// newJobs returns n jobs, if there is room for them in the cycle.
func (s *soak) newJobs(rng *rand.Rand, n int) []job {
	if !s.ledger.plan(n) {
		return nil
	}
	jobs := make([]job, n)
	for i := range jobs {
		does := behaviour(rng.IntN(int(behaviours)))
		if rng.IntN(3) > 0 {
			does = succeeds
		}
		jobs[i] = job{s.numbers.Add(1), does}
	}
	return jobs
}

// submit submits one task or many, in one of the ways there are, and returns the
// IDs of those that were accepted.
func (s *soak) submit(ctx context.Context, rng *rand.Rand) []store.ID {
	n := 1
	many := rng.IntN(20) == 0
	if many {
		n = 1 + rng.IntN(2*queueSize)
	}
	jobs := s.newJobs(rng, n)
	if jobs == nil {
		lull(rng, time.Millisecond)
		return nil
	}
	if rng.IntN(4) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = hurried(ctx, rng, 200*time.Microsecond)
		defer cancel()
	}
	var ids []store.ID
	var err error
	switch {
	case many:
		ids, err = s.pool.SubmitAll(ctx, jobs)
	case rng.IntN(3) == 0:
		ids, err = one(s.pool.TrySubmit(jobs[0]))
	default:
		ids, err = one(s.pool.Submit(ctx, jobs[0]))
	}
	s.accepted(ctx, jobs, ids, err)
	return ids
}

func one(id store.ID, err error) ([]store.ID, error) {
	if err != nil {
		return nil, err
	}
	return []store.ID{id}, nil
}

// hurried returns a context that is done soon, or already.
func hurried(ctx context.Context, rng *rand.Rand, most time.Duration) (context.Context, context.CancelFunc) {
	if rng.IntN(8) == 0 {
		ctx, cancel := context.WithCancelCause(ctx)
		cancel(errGaveUp)
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, time.Duration(rng.Int64N(int64(most))), errGaveUp)
}

// accepted notes what has become of jobs that were submitted.
func (s *soak) accepted(ctx context.Context, jobs []job, ids []store.ID, err error) {
	for i, id := range ids {
		s.ledger.accept(id, jobs[i])
		if waited(id) {
			s.waiters.add(id)
		}
	}
	s.ledger.unplan(len(jobs) - len(ids))
	if (err == nil) != (len(ids) == len(jobs)) {
		s.ledger.blame(errAnswer, "%d of %d tasks were accepted with error %v", len(ids), len(jobs), err)
	}
	if err == nil {
		return
	}
	s.refused.Add(1)
	switch {
	case errors.Is(err, pool.ErrQueueFull), errors.Is(err, pool.ErrNoWorkers):
	case errors.Is(err, errGaveUp) && ctx.Err() != nil:
	case errors.Is(err, pool.ErrClosed) && s.ending.Load():
	default:
		s.ledger.blame(errAnswer, "submitting: %v", err)
	}
}

// submitInside is a task that submits another.
func (s *soak) submitInside(ctx context.Context, in job) {
	if !s.ledger.plan(1) {
		return
	}
	child := job{s.numbers.Add(1), behaviour(in.number % uint64(sleeps))}
	ids, err := one(s.pool.Submit(ctx, child))
	s.accepted(ctx, []job{child}, ids, err)
}

// askInside is a task that asks for what would be waiting for itself.
func (s *soak) askInside(ctx context.Context) {
	if err := s.pool.Wait(ctx); !errors.Is(err, pool.ErrInTask) {
		s.ledger.blame(errAnswer, "Wait inside a task: %v", err)
	}
}

// resize changes the number of workers now and then, seldom to none.
func (s *soak) resize(_ context.Context, rng *rand.Rand) {
	lull(rng, 4*time.Millisecond)
	n := 1 + rng.IntN(mostWorkers)
	none := rng.IntN(10) == 0 && !s.ending.Load() // or the pool ends without running what waits
	if none {
		n = 0
	}
	err := s.pool.Resize(n)
	if none {
		lull(rng, time.Millisecond)
		err = errors.Join(err, s.pool.Resize(1))
	}
	if err != nil && (!errors.Is(err, pool.ErrClosed) || !s.ending.Load()) {
		s.ledger.blame(errAnswer, "Resize: %v", err)
	}
}

// look asks for all that can be asked without changing anything.
func (s *soak) look(ctx context.Context, rng *rand.Rand) {
	lull(rng, 2*time.Millisecond)
	if n := s.pool.Stats(); n.Submitted != n.Succeeded+n.Failed+n.Panicked+n.NotRun+n.Queued+n.Running {
		s.ledger.blame(errStats, "%+v", n)
	}
	if rng.IntN(4) == 0 {
		if _, err := s.pool.Results(ctx); err != nil {
			s.ledger.blame(errAnswer, "Results: %v", err)
		}
	}
	soon, cancel := hurried(ctx, rng, 500*time.Microsecond)
	defer cancel()
	if err := s.pool.Wait(soon); err != nil && !errors.Is(err, errGaveUp) {
		s.ledger.blame(errAnswer, "Wait: %v", err)
	}
}

// sweepOften deletes as it reads.
func (s *soak) sweepOften(ctx context.Context, rng *rand.Rand) {
	s.sweep(ctx)
	lull(rng, 2*time.Millisecond)
}

// sweep reads and deletes all results that nobody waits for.
func (s *soak) sweep(ctx context.Context) {
	for res, err := range s.st.All(ctx) {
		switch {
		case err != nil:
			s.ledger.blame(errAnswer, "All: %v", err)
		case !waited(res.ID):
			s.finish(res.ID, res.Value, res.Err)
		}
	}
}

// wait is one who waits for a task, deletes its result, and sometimes gives up.
func (s *soak) wait(ctx context.Context, rng *rand.Rand) {
	id, ok := s.waiters.take()
	if !ok {
		lull(rng, time.Millisecond)
		return
	}
	ctx, cancel := hurried(ctx, rng, 2*time.Millisecond)
	defer cancel()
	value, err := s.pool.Get(ctx, id)
	if errors.Is(err, errGaveUp) && ctx.Err() != nil {
		s.waiters.add(id)
		return
	}
	s.finish(id, value, err)
}

// finish notes a result that was read, and deletes it.
func (s *soak) finish(id store.ID, value *payload, err error) {
	if errors.Is(err, store.ErrNotFound) {
		s.ledger.blame(errTask, "the result of task %d was not found", id)
		return
	}
	s.ledger.read(id, read(value, err))
	if err := s.st.Delete(context.Background(), id); err != nil {
		s.ledger.blame(errAnswer, "Delete: %v", err)
	}
}

// waiters is the IDs of tasks that somebody is to wait for.
type waiters struct {
	mu  sync.Mutex
	ids []store.ID // guarded by mu
}

func (w *waiters) add(id store.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids = append(w.ids, id)
}

func (w *waiters) take() (store.ID, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.ids) == 0 {
		return 0, false
	}
	id := w.ids[0]
	w.ids = w.ids[1:]
	return id, true
}

// drain takes all and gives up their memory.
func (w *waiters) drain(f func(store.ID)) {
	for id, ok := w.take(); ok; id, ok = w.take() {
		f(id)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids = nil
}
