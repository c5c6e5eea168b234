package remote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/backoff"
	"github.com/resultpool/resultpool/internal/text"
)

const (
	// MaxPush is how many tasks one Push takes, and so how many are in doubt together if the
	// engine does not answer. More would gain little: a round trip costs little by then.
	MaxPush = 256

	// MaxPushBytes is how many bytes of tasks one Push takes, if they are more than one task.
	MaxPushBytes = 8 << 20
)

// Push submits up to MaxPush tasks and returns their IDs. With an error, ids are those of the
// first of them, and the others are not accepted, or perhaps if the error matches
// ErrUnconfirmed.
//
// While the engine fails, Push tries again until ctx is done. While the engine's queue is full,
// it waits or returns ErrQueueFull. A queue that is full is no failure: it is asked again and again,
// with pauses that stay short.
//
// An attempt that got no answer may have succeeded. Decided against: to say so to the caller at once.
// It could only submit again, and the task might run twice. The attempt is repeated under the same
// key with the same tasks, so the engine tells which it has. Only if nothing is repeated any more is
// ErrUnconfirmed needed.
func (s *Share) Push(ctx context.Context, tasks [][]byte, wait bool) (ids []uint64, err error) {
	p := newPush(tasks)
	pushing, cancel := backoff.Both(ctx, s.intake)
	defer cancel()
	done, err := s.failures.Loop().Do(pushing, func() (backoff.Verdict, error) {
		ids, err := s.pushOnce(pushing, p)
		if err == nil && (len(ids) != len(p.left) || slices.Contains(ids, 0)) {
			p.unsure = true
			return backoff.Done, fmt.Errorf("pool: submitting: the engine has returned the IDs %d for %d tasks", ids, len(p.left))
		}
		p.answered(ids, err)
		full := errors.Is(err, engine.ErrFull)
		switch {
		case err == nil:
			return backoff.Done, nil
		case full && !wait:
			return backoff.Done, ErrQueueFull
		case pushing.Err() != nil: // which may be all that err says
			return backoff.Failed, nil
		case full:
			return backoff.Poll, nil
		case s.isFinal(pushing, err):
			s.failIfGone(err)
			return backoff.Done, text.Wrap("pool: submitting", err)
		default:
			return backoff.Failed, err
		}
	})
	if !done {
		// Of several reasons why it has ended the first that counts is the pool's own.
		refusal := err
		if err = s.host.Refusal(); err == nil {
			err = deadline(ctx, refusal)
		}
	}
	ids, unsure := p.accepted()
	if err != nil && unsure {
		err = text.Because(ErrUnconfirmed, err)
	}
	return ids, err
}

// pushOnce is one attempt, within patience.
func (s *Share) pushOnce(ctx context.Context, p *push) (ids []uint64, err error) {
	err = s.ask(ctx, func(ctx context.Context) (err error) {
		ids, err = s.eng.Push(ctx, p.key(), p.left)
		return err
	})
	return ids, err
}

// A push is tasks on their way into the engine. It belongs to the goroutine that submits them.
//
// Until the engine has answered for each task, the same tasks are pushed under the same key, by
// which the engine knows them. Those that it has certainly not accepted get another key.
type push struct {
	// keys is what the keys begin with: nobody else has such keys.
	keys string
	// attempt is the number of the present key.
	attempt int
	// ids are those of all tasks, in their order, and 0 where none is known yet.
	ids []uint64
	// left is the tasks that have no ID yet.
	left [][]byte
	// at says where in ids their IDs belong.
	at []int
	// unsure is true if some of those that are left may have been accepted.
	unsure bool
}

// newPush returns a push that has not been tried.
func newPush(tasks [][]byte) *push {
	p := &push{
		// 128 random bits. They need not be secret, and package crypto/rand would be linked
		// into programs that do not call Join.
		keys: fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()),
		ids:  make([]uint64, len(tasks)),
		left: tasks,
		at:   make([]int, len(tasks)),
	}
	for i := range p.at {
		p.at[i] = i
	}
	return p
}

// key returns the present key: letters, digits and a hyphen, as engines take them.
func (p *push) key() string { return fmt.Sprintf("%s-%d", p.keys, p.attempt) }

// answered notes what the engine has answered.
//
//	nil, ErrFull, ErrTooLarge   it speaks for all attempts with this key: what has no ID is not accepted
//	ErrRefused, ErrGone         it speaks for this attempt: earlier ones stay as they were
//	any other error             it says nothing: what has no ID may have been accepted
func (p *push) answered(ids []uint64, err error) {
	switch {
	case err == nil, errors.Is(err, engine.ErrFull), errors.Is(err, engine.ErrTooLarge):
		p.unsure = false
	case errors.Is(err, engine.ErrRefused), errors.Is(err, engine.ErrGone):
	default:
		p.unsure = true
	}
	var left [][]byte
	var at []int
	for i, place := range p.at {
		if i < len(ids) && ids[i] != 0 {
			p.ids[place] = ids[i]
		} else {
			left, at = append(left, p.left[i]), append(at, place)
		}
	}
	if p.unsure {
		return // to push the same tasks with the same key again tells
	}
	// Those that are left are not in the queue. With another key, the engine need not
	// remember this one for as long as the queue is full.
	p.left, p.at = left, at
	p.attempt++
}

// accepted returns the IDs of the tasks that were accepted, from the first task on, and whether
// some of the others may have been. A task that was accepted behind one that was not counts as such:
// its ID cannot be returned, since ids[i] is that of tasks[i].
func (p *push) accepted() (ids []uint64, unsure bool) {
	n := slices.Index(p.ids, 0)
	if n < 0 {
		n = len(p.ids)
	}
	behind := slices.ContainsFunc(p.ids[n:], func(id uint64) bool { return id != 0 })
	return p.ids[:n], p.unsure || behind
}
