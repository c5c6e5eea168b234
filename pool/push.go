package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/store"
)

const (
	// maxPush is how many tasks are pushed at once. As with maxBatch, more would gain
	// little.
	maxPush = 256

	// longestFullPause is the longest pause before a queue that was full is tried again:
	// shorter than longestPause, since there is no outage to be considerate of.
	longestFullPause = 100 * time.Millisecond
)

// Submit is Submit, TrySubmit and SubmitAll of a joined pool. If the queue is full, it
// waits for room or does not.
func (j *joint[T, R]) Submit(ctx context.Context, in []T, wait bool) ([]store.ID, error) {
	p := j.pool
	late, err := p.lookAt(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.refusal(late); err != nil {
		return nil, err
	}
	wait = wait && !p.inTask(ctx)
	pushing, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(j.intake, func() { cancel(context.Cause(j.intake)) })
	defer stop()

	ids := roomForIDs(len(in))
	many := len(in) > 1
	for len(in) > 0 {
		b := batch{keys: newKey()}
		n := 0
		for size := 0; n < min(len(in), maxPush) && size < maxBatchBytes; n++ {
			data, err := j.wire.encodeTask(in[n])
			if err != nil && many {
				err = fmt.Errorf("%w (at index %d)", err, len(ids)+n)
			}
			if err != nil {
				return ids, err
			}
			b.tasks, b.at = append(b.tasks, data), append(b.at, n)
			size += len(data)
		}
		b.ids = make([]store.ID, n)
		err := j.push(ctx, pushing, &b, wait)
		done := b.accepted()
		ids = append(ids, b.ids[:done]...)
		if err != nil {
			return ids, b.confirm(done, err)
		}
		in = in[n:]
	}
	return ids, nil
}

// refusal returns why the pool takes no task, or late.
func (p *Pool[T, R]) refusal(late error) error {
	p.mu.Lock()
	defer p.unlock()
	if p.closed != nil {
		return p.closed
	}
	return late
}

// A batch is tasks on their way into the engine.
type batch struct {
	keys  string // what its keys begin with
	turn  int    // the number of the present one
	ids   []store.ID
	tasks [][]byte // those that are left
	at    []int    // where their IDs belong
	// unsure is true if some of those that are left may have been accepted, since
	// nobody knows how the last call ended.
	unsure bool
}

// newKey returns 128 random bits. They need not be secret, and package crypto/rand would
// be linked into programs that do not call Join.
func newKey() string { return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()) }

func (b *batch) key() string { return fmt.Sprintf("%s-%d", b.keys, b.turn) }

// accepted returns how many tasks were accepted, from the first one on.
func (b *batch) accepted() int {
	for i, id := range b.ids {
		if id == 0 {
			return i
		}
	}
	return len(b.ids)
}

// confirm adds to err whether tasks behind the first n may have been accepted.
func (b *batch) confirm(n int, err error) error {
	for _, id := range b.ids[n:] {
		b.unsure = b.unsure || id != 0
	}
	if b.unsure {
		return &because{ErrUnconfirmed, err}
	}
	return err
}

// settle notes the answer of a Push.
func (b *batch) settle(ids []uint64, err error) {
	switch {
	case err == nil, errors.Is(err, engine.ErrFull), errors.Is(err, engine.ErrTooLarge):
		b.unsure = false
	case errors.Is(err, engine.ErrRefused), errors.Is(err, engine.ErrGone): // not by this call; of those before it says nothing
	default:
		b.unsure = true
	}
	var left batch
	for i, place := range b.at {
		if i < len(ids) && ids[i] != 0 {
			b.ids[place] = store.ID(ids[i])
		} else {
			left.tasks, left.at = append(left.tasks, b.tasks[i]), append(left.at, place)
		}
	}
	if b.unsure {
		return // the same key with the same tasks tells
	}
	// Those that are left are not in the queue. They get another key, which the engine
	// need not remember for as long as the queue is full.
	b.tasks, b.at = left.tasks, left.at
	b.turn++
}

// push pushes a batch until all is accepted, or no other attempt is to be made. pushing ends
// with ctx and when the pool is closed.
func (j *joint[T, R]) push(ctx, pushing context.Context, b *batch, wait bool) error {
	t := trouble{all: &j.pool.troubles}
	defer t.over()
	var (
		refusal error         // the last one
		pause   time.Duration // while the queue is full
	)
	for {
		if pushing.Err() != nil {
			return j.pushEnded(ctx, refusal)
		}
		ids, err := j.pushOnce(pushing, b)
		if err == nil && (len(ids) != len(b.tasks) || slices.Contains(ids, 0)) {
			b.unsure = true
			return fmt.Errorf("pool: submitting: the engine has returned the IDs %d for %d tasks", ids, len(b.tasks))
		}
		b.settle(ids, err)
		full := errors.Is(err, engine.ErrFull)
		switch {
		case err == nil:
			return nil
		case full && !wait:
			return ErrQueueFull
		case pushing.Err() != nil:
			return j.pushEnded(ctx, refusal)
		case !full && isFinal(pushing, j.eng, err):
			j.failIfGone(err)
			return &wrapped{"pool: submitting", err}
		}
		if full {
			t.over()
			refusal = nil
			pause = min(nextPause(pause), longestFullPause)
			sleep(pushing, pause)
		} else {
			refusal = err
			sleep(pushing, t.failed(err))
		}
	}
}

func (j *joint[T, R]) pushOnce(ctx context.Context, b *batch) (ids []uint64, err error) {
	err = ask(ctx, func(ctx context.Context) (err error) {
		ids, err = j.eng.Push(ctx, b.key(), b.tasks)
		return err
	})
	return ids, err
}

// pushEnded returns why a Submit is over, the most important reason first.
func (j *joint[T, R]) pushEnded(ctx context.Context, refusal error) error {
	if cause := j.pool.cancelCause(); cause != nil {
		return closedBecause(cause)
	}
	if j.intake.Err() != nil {
		return j.pool.refusal(ErrClosed)
	}
	return late(ctx, refusal)
}
