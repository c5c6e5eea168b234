package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/resultpool/resultpool/internal/errwalk"
	"github.com/resultpool/resultpool/internal/text"
)

// RetryAfter returns an error by which a task function says that its task has not ended: it must be run again after
// d, by any worker. err is the reason, and gives the error its text.
//
//	if resp.StatusCode == http.StatusTooManyRequests {
//		return page, pool.RetryAfter(pause, errTooMany)
//	}
//
// Meanwhile the task holds no worker. It stays accepted, counts as Queued in Stats, takes up room in the queue, and
// Stop waits for it. So many such tasks can fill the queue and block submission while workers idle. If d is 0 or
// negative, the task is ready at once, behind those that wait now. [TaskFromContext] says which attempt is running.
//
// Nothing is stored for an attempt that ends so. If the task is not run again, because of [Pool.Cancel], the pool's
// cancel, or a Stop without workers, also if that came while the attempt ran, it becomes Failed: its result is the
// last such value, and err joined with the cause. (A pool that has joined an engine gives the task back to it
// instead, except after Cancel; if the engine implements engine.DelayedNacker, the engine holds the task meanwhile,
// and it is no task of this pool.)
//
// The pool looks for the error as errors.As does; its wrappers are not kept. A nil err becomes one that says so; if
// err itself is or wraps a RetryAfter, only the err of that is kept. For [Map] and [MapSeq] it is an error like
// others.
func RetryAfter(d time.Duration, err error) error {
	if err == nil {
		err = errNoReason
	}
	if inner := retryOf(err); inner != nil { // it would be stored with err
		err = inner.err
	}
	return &retryAfter{after: d, err: err}
}

var errNoReason = errors.New("pool: RetryAfter was called with a nil error")

// retryAfter is never stored.
type retryAfter struct {
	after time.Duration
	err   error
}

func (e *retryAfter) Error() string { return text.Of(e.err) }
func (e *retryAfter) Unwrap() error { return e.err }

// retryOf returns the RetryAfter in err, or nil.
func retryOf(err error) *retryAfter {
	if err == nil {
		return nil
	}
	retry, _ := errwalk.As[*retryAfter](err)
	return retry
}

// Backoff says how often [Retry] has a task run, and how long it pauses between attempts. A zero field means its
// default. With a negative field, each attempt fails with an error that names it.
type Backoff struct {
	Attempts int           // in all; 0 means 5
	First    time.Duration // the longest first pause, twice as long for each one after it; 0 means 100 ms
	Max      time.Duration // the longest pause; 0 means 30 s
}

func (b Backoff) withDefaults() (Backoff, error) {
	switch {
	case b.Attempts < 0:
		return b, fmt.Errorf("pool: Backoff.Attempts is %d, want 0 (5) or more", b.Attempts)
	case b.First < 0:
		return b, fmt.Errorf("pool: Backoff.First is %v, want 0 (100ms) or more", b.First)
	case b.Max < 0:
		return b, fmt.Errorf("pool: Backoff.Max is %v, want 0 (30s) or more", b.Max)
	}
	if b.Attempts == 0 {
		b.Attempts = 5
	}
	if b.First == 0 {
		b.First = 100 * time.Millisecond
	}
	if b.Max == 0 {
		b.Max = 30 * time.Second
	}
	return b, nil
}

// pause returns how long to wait after so many attempts: a random time in the upper half of what the
// doubling gives, so that tasks that have failed together do not come again together.
func (b Backoff) pause(attempts int) time.Duration {
	longest := min(b.First, b.Max)
	for range attempts - 1 {
		if longest >= b.Max/2 {
			longest = b.Max
			break
		}
		longest *= 2
	}
	return longest - rand.N(longest/2+1)
}

// Retry returns a task function that calls fn and, if that fails, has the task run again by [RetryAfter], after
// random pauses that double (exponential backoff with jitter).
//
//	p, err := pool.New(ctx, pool.Retry(fetch, pool.Backoff{}), st, nil)
//
// An error made by [Permanent] is not tried again, nor is that of the last attempt; the task's result is then the
// value and the error of that attempt. If fn itself returns a RetryAfter, its pause is kept, and it counts as an
// attempt. A panic and a Goexit are not tried again.
//
// Outside a task, as in [Map], fn is called once. If fn is nil, so is the function returned, which New refuses.
func Retry[T, R any](fn func(context.Context, T) (R, error), b Backoff) func(context.Context, T) (R, error) {
	if fn == nil {
		return nil
	}
	b, bad := b.withDefaults()
	return func(ctx context.Context, in T) (R, error) {
		var none R
		if bad != nil {
			return none, bad
		}
		v, err := fn(ctx, in)
		if err == nil {
			return v, nil
		}
		if p, ok := errwalk.As[*permanent](err); ok {
			if err == error(p) { //nolint:errorlint // itself, and not what it wraps
				err = p.err
			}
			return v, err
		}
		task, inTask := TaskFromContext(ctx)
		retry := retryOf(err)
		if retry == nil {
			retry = &retryAfter{after: b.pause(task.Attempt), err: err}
		}
		if !inTask || task.Attempt >= b.Attempts {
			return v, retry.err
		}
		return v, retry
	}
}

// Permanent marks err as an error that [Retry] does not try again; it returns nil if err is nil. The task's result
// has err itself.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

type permanent struct{ err error }

func (e *permanent) Error() string { return text.Of(e.err) }
func (e *permanent) Unwrap() error { return e.err }
