// Package backoff repeats attempts that fail, after pauses that grow, and keeps a record of
// what fails at this moment.
package backoff

import (
	"context"
	"time"
)

const (
	// First is the first pause. The next ones double: an attempt is repeated soon after a
	// hiccup, and seldom during an outage.
	First = 10 * time.Millisecond

	// Longest is the longest pause after a failure.
	Longest = time.Second

	// LongestPoll is the longest pause before something is asked for again that is not
	// there yet: shorter, since there is no outage to be considerate of.
	LongestPoll = 100 * time.Millisecond
)

// next returns the pause after one of length last.
func next(last, longest time.Duration) time.Duration {
	return min(max(2*last, First), longest)
}

// Sleep returns after d, or once ctx is done.
func Sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// Cause returns why ctx is done. (A context that is not the standard library's may be done
// without an error.)
func Cause(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return context.Canceled
}

// Both returns a context that ends with ctx and with other, and has the cause of that.
func Both(ctx, other context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	if other.Err() != nil { // the function above runs on a goroutine of its own
		cancel(context.Cause(other))
	}
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// A Verdict is what an attempt came to.
type Verdict int

const (
	// Done means that no other attempt is to be made, whether this one succeeded or not.
	Done Verdict = iota
	// Again means that the next attempt is to be made now.
	Again
	// Poll means that it worked, but what is wanted is not there yet: ask again soon.
	Poll
	// Failed means that it failed, and may succeed another time.
	Failed
)

// A Loop is a series of attempts to do one thing. It belongs to one goroutine at a time.
//
// It has an entry in its Failures from its first failure to its next success.
type Loop struct {
	failures *Failures
	pause    time.Duration // after the last attempt, if that has failed
	outage   Outage        // zero unless the last attempt has failed; written with failures.mu held
}

// Do calls attempt until it returns Done, and returns true and its error; or until ctx is
// done, and returns false and the error of the last attempt, if that had failed before.
//
// An attempt that fails when ctx is done is taken to have failed because of that: its own
// error is not recorded.
func (l *Loop) Do(ctx context.Context, attempt func() (Verdict, error)) (done bool, err error) {
	defer func() {
		if done {
			l.Succeeded() // whoever is asked has answered
		} else {
			l.Leave()
		}
	}()
	var poll time.Duration
	for ctx.Err() == nil {
		verdict, err := attempt()
		switch {
		case verdict == Done:
			return true, err
		case verdict == Poll:
			l.Succeeded()
			poll = next(poll, LongestPoll)
			Sleep(ctx, poll)
		case verdict == Failed && ctx.Err() == nil:
			Sleep(ctx, l.Failed(err))
		}
	}
	return false, l.LastError()
}

// Failed records that an attempt has failed, and returns the pause before the next one.
func (l *Loop) Failed(err error) time.Duration {
	l.pause = next(l.pause, Longest)
	f := l.failures
	f.mu.Lock()
	if l.outage.Since.IsZero() {
		l.outage.Since = time.Now()
		f.open[l] = struct{}{}
	}
	l.outage.Err = err
	outage := l.outage
	f.mu.Unlock()
	if f.tell != nil {
		f.tell(outage, true)
	}
	return l.pause
}

// Succeeded records that an attempt has succeeded.
func (l *Loop) Succeeded() {
	l.pause = 0
	l.Clear()
}

// Leave records that no other attempt follows, which says nothing of what has failed.
func (l *Loop) Leave() {
	l.pause = 0
	l.remove()
}

// Clear removes the loop's entry. Any goroutine may call it while the loop's own makes an
// attempt: one that succeeds by waiting does not say so.
func (l *Loop) Clear() {
	if was, left := l.remove(); !was.Since.IsZero() && left == 0 && l.failures.tell != nil {
		l.failures.tell(was, false)
	}
}

// remove removes the loop's entry, if there is one. It returns what that was, and how many others are left.
func (l *Loop) remove() (was Outage, left int) {
	f := l.failures
	f.mu.Lock()
	defer f.mu.Unlock()
	was, l.outage = l.outage, Outage{}
	delete(f.open, l)
	return was, len(f.open)
}

// IsFailing reports whether the last attempt has failed.
func (l *Loop) IsFailing() bool { return l.pause > 0 }

// LastError returns the error of the last attempt, or nil if that has not failed.
func (l *Loop) LastError() error {
	l.failures.mu.Lock()
	defer l.failures.mu.Unlock()
	return l.outage.Err
}
