package pool

import (
	"sync"

	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/remote"
	"github.com/resultpool/resultpool/store"
)

// submitted is the tasks that a joint has submitted and that no loop over Finished has yielded. The engine is
// the only one who knows what has become of them, so their IDs are kept, whether anybody loops or not.
type submitted struct {
	tasks *remote.Fetch

	mu    sync.Mutex // what follows is guarded by mu
	loops int
	old   int  // tasks from before the first loop that no loop has looked at
	waits bool // all of these were looked at, and what has no result is waited for
}

// Finished is Finished. The loops first look at what was submitted before they came, in that order, some at a
// time. Then they wait for what is not there yet.
func (j *joint[T, R]) Finished(l *finishing[T, R]) {
	s := &j.submitted
	s.enter()
	var found []remote.Fetched // results beyond that at hand
	defer func() {             // also after a panic or a Goexit in the body
		defer func() {
			ids := l.left()
			for _, r := range found {
				ids = append(ids, store.ID(r.ID))
			}
			s.leave(ids)
		}()
		_ = l.flush() // after a break or a panic nobody can be told
	}()
	for {
		hasEnded := j.pool.hasEnded() // first: then nothing is submitted after the look
		for len(found) == 0 {
			n := s.takeOld()
			if n == 0 {
				break
			}
			_, found = s.tasks.Look(l.ctx, n)
			s.startIfLooked()
		}
		if l.ctx.Err() != nil {
			l.last(backoff.Cause(l.ctx))
			return
		}
		if len(found) == 0 {
			select {
			case r := <-s.tasks.Results():
				s.tasks.Received()
				found = append(found, r)
			default:
			}
		}
		if len(found) > 0 {
			r := found[0]
			found = found[1:]
			l.hand = store.ID(r.ID)
			if !l.pass(j.fetched(r)) {
				return
			}
			continue
		}
		if len(l.gone) > 0 { // before it waits or ends
			if !l.delete() {
				return
			}
			continue
		}
		if hasEnded && s.tasks.Open() == 0 {
			return
		}
		if r, ok := j.nextFetched(l, hasEnded); ok {
			found = append(found, r)
		}
	}
}

// nextFetched waits until there is a result, or another reason to look around: the pool has ended, or nothing is
// left in one that has, or the loop's context is done.
func (j *joint[T, R]) nextFetched(l *finishing[T, R], hasEnded bool) (r remote.Fetched, ok bool) {
	var emptied <-chan struct{}
	done := j.pool.Done()
	if hasEnded {
		done, emptied = nil, j.submitted.tasks.Emptied()
	}
	select {
	case r = <-j.submitted.tasks.Results():
		j.submitted.tasks.Received()
		return r, true
	case <-emptied:
	case <-done:
	case <-l.ctx.Done():
	}
	return r, false
}

func (s *submitted) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loops++; s.loops == 1 {
		s.old = s.tasks.Open()
		s.startIfLookedLocked()
	}
}

// takeOld returns how many of the old tasks the loop is to look at now.
func (s *submitted) takeOld() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = min(s.old, remote.MaxLook)
	s.old -= n
	return n
}

// startIfLooked follows each look at old tasks: when all were looked at, what has no result is waited for.
func (s *submitted) startIfLooked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startIfLookedLocked()
}

func (s *submitted) startIfLookedLocked() {
	if s.old == 0 && !s.waits {
		s.waits = true
		s.tasks.Start()
	}
}

// leave ends a loop. What it leaves is for another one.
func (s *submitted) leave(left []store.ID) {
	ids := make([]uint64, len(left))
	for i, id := range left {
		ids[i] = uint64(id)
	}
	s.tasks.Return(ids...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loops--; s.loops == 0 {
		s.old, s.waits = 0, false
		s.tasks.Stop()
	}
}
