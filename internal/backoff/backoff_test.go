package backoff_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/backoff"
)

// attempts returns an attempt that goes through verdicts, and the times at which it was made.
func attempts(verdicts ...backoff.Verdict) (attempt func() (backoff.Verdict, error), at *[]time.Duration) {
	begun := time.Now()
	at = new([]time.Duration)
	return func() (backoff.Verdict, error) {
		v := verdicts[len(*at)]
		*at = append(*at, time.Since(begun))
		if v == backoff.Failed {
			return v, io.EOF
		}
		return v, nil
	}, at
}

const ms = time.Millisecond

// Pauses double from 10 ms on: up to a second after failures, and up to 100 ms between polls. A
// success begins anew.
func TestPauses(t *testing.T) {
	const (
		done, again  = backoff.Done, backoff.Again
		poll, failed = backoff.Poll, backoff.Failed
	)
	for name, c := range map[string]struct {
		verdicts []backoff.Verdict
		at       []time.Duration
	}{
		"done":        {[]backoff.Verdict{done}, []time.Duration{0}},
		"again":       {[]backoff.Verdict{again, again, done}, []time.Duration{0, 0, 0}},
		"poll":        {[]backoff.Verdict{poll, poll, poll, poll, poll, done}, []time.Duration{0, 10 * ms, 30 * ms, 70 * ms, 150 * ms, 250 * ms}},
		"failures":    {[]backoff.Verdict{failed, failed, failed, done}, []time.Duration{0, 10 * ms, 30 * ms, 70 * ms}},
		"long outage": {[]backoff.Verdict{failed, failed, failed, failed, failed, failed, failed, failed, failed, done}, []time.Duration{0, 10 * ms, 30 * ms, 70 * ms, 150 * ms, 310 * ms, 630 * ms, 1270 * ms, 2270 * ms, 3270 * ms}},
		"hiccups":     {[]backoff.Verdict{failed, poll, failed, done}, []time.Duration{0, 10 * ms, 20 * ms, 30 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempt, at := attempts(c.verdicts...)
				done, err := backoff.New().Loop().Do(t.Context(), attempt)
				assert.True(t, done)
				assert.NoError(t, err)
				assert.Equal(t, c.at, *at)
			})
		})
	}
}

// When ctx ends, Do returns at once, with the error of the last attempt unless that was the end of ctx
// itself.
func TestEndOfContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*ms)
		defer cancel()
		begun := time.Now()
		done, err := backoff.New().Loop().Do(ctx, func() (backoff.Verdict, error) { return backoff.Failed, io.EOF })
		assert.False(t, done)
		assert.Equal(t, io.EOF, err)
		assert.Equal(t, 15*ms, time.Since(begun))

		done, err = backoff.New().Loop().Do(ctx, func() (backoff.Verdict, error) {
			t.Error("an attempt after the end of ctx")
			return backoff.Done, nil
		})
		assert.False(t, done)
		assert.NoError(t, err)

		ctx, cancel = context.WithCancel(t.Context())
		failures := backoff.New()
		done, err = failures.Loop().Do(ctx, func() (backoff.Verdict, error) {
			cancel()
			return backoff.Failed, context.Canceled
		})
		assert.False(t, done)
		assert.NoError(t, err, "it failed because ctx has ended")
	})
}

// Failures has the oldest of the loops that fail, until each succeeds or ends, and a final one for ever.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := backoff.New()
		assert.Zero(t, f.Now())
		first, second := f.Loop(), f.Loop()
		begun := time.Now()
		first.Failed(io.EOF)
		time.Sleep(time.Second)
		second.Failed(io.ErrNoProgress)
		first.Failed(io.ErrShortWrite)
		assert.Equal(t, backoff.Outage{Since: begun, Err: io.ErrShortWrite}, f.Now(), "the oldest, and its last error")
		assert.True(t, first.IsFailing())
		assert.Equal(t, io.ErrShortWrite, first.LastError())

		first.Clear()
		assert.True(t, first.IsFailing(), "its pauses go on growing")
		assert.Equal(t, io.ErrNoProgress, f.Now().Err)
		second.Succeeded()
		assert.False(t, second.IsFailing())
		assert.Zero(t, f.Now())

		assert.NoError(t, f.Final())
		assert.True(t, f.End(io.EOF))
		assert.False(t, f.End(io.ErrClosedPipe))
		first.Failed(io.ErrNoProgress)
		assert.Equal(t, io.EOF, f.Final())
		assert.Equal(t, backoff.Outage{Since: time.Now(), Err: io.EOF}, f.Now())
	})
}

// A loop that ends, however that is, leaves no entry.
func TestDoLeavesNoEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := backoff.New()
		n := 0
		done, err := f.Loop().Do(t.Context(), func() (backoff.Verdict, error) {
			if n++; n < 3 {
				return backoff.Failed, io.EOF
			}
			assert.Equal(t, io.EOF, f.Now().Err)
			return backoff.Done, io.ErrUnexpectedEOF
		})
		assert.True(t, done)
		assert.Equal(t, io.ErrUnexpectedEOF, err)
		assert.Zero(t, f.Now())
	})
}

// odd is done without an error, as contexts of others may be.
type odd struct{ context.Context }

func (odd) Err() error              { return nil }
func (odd) Value(any) any           { return nil }
func (o odd) Done() <-chan struct{} { return nil }

func TestCauseAndBoth(t *testing.T) {
	assert.Equal(t, context.Canceled, backoff.Cause(odd{t.Context()}))
	errWhy := errors.New("why")
	for name, end := range map[string]func(a, b context.CancelCauseFunc){
		"the first":  func(a, _ context.CancelCauseFunc) { a(errWhy) },
		"the second": func(_, b context.CancelCauseFunc) { b(errWhy) },
	} {
		t.Run(name, func(t *testing.T) {
			a, cancelA := context.WithCancelCause(t.Context())
			b, cancelB := context.WithCancelCause(t.Context())
			ctx, free := backoff.Both(a, b)
			assert.NoError(t, ctx.Err())
			end(cancelA, cancelB)
			<-ctx.Done()
			assert.Equal(t, errWhy, backoff.Cause(ctx))
			free()
			ctx, free = backoff.Both(a, b)
			assert.Error(t, ctx.Err(), "done from the start")
			free()
			cancelA(nil)
			cancelB(nil)
		})
	}
}
