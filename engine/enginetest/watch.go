package enginetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// A hungError tells that a function was given up.
type hungError struct {
	limit  time.Duration
	stacks []byte // of all goroutines
}

func (e *hungError) Error() string {
	return fmt.Sprintf("not ended after %v; all goroutines:\n\n%s", e.limit, e.stacks)
}

func isHung(err error) bool {
	var h *hungError
	return errors.As(err, &h)
}

// watch calls f on a goroutine of its own and returns its error. If f has not
// returned after limit, watch cancels f's context and returns a *hungError at
// once: f may ignore its context.
func watch(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	ended := make(chan error, 1)
	go func() {
		var err error
		defer func() { ended <- err }()
		settle(&err, func() error { return f(ctx) })
	}()

	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return &hungError{limit, stacks()}
	}
}

func stacks() []byte {
	for size := 1 << 20; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return buf[:n]
		}
	}
}

// errGoexit stands for a call that ended its goroutine, as tb.Fatal does.
var errGoexit = errors.New("runtime.Goexit was called")

// settle sets *err to f's error, to the error of the failure that f panics with, or to
// one that tells of another panic or of Goexit. After a Goexit it does not return, but
// *err is set.
func settle(err *error, f func() error) {
	*err = errGoexit
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			*err = r.err
		default:
			*err = fmt.Errorf("panic: %v\n\n%s", r, debug.Stack())
		}
	}()
	*err = f()
}

// together calls all fs at once, each on a goroutine of its own, with a context that is
// done when one of them has failed. When all have ended it fails as the first did.
func together(ctx context.Context, fs ...func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var first error
	var once sync.Once
	var wg sync.WaitGroup
	for _, f := range fs {
		wg.Go(func() {
			var err error
			defer func() {
				if err != nil {
					once.Do(func() { first = err })
					cancel()
				}
			}()
			settle(&err, func() error { f(ctx); return nil })
		})
	}
	wg.Wait()
	if first != nil {
		panic(failure{first})
	}
}

// times returns f n times, for together.
func times(n int, f func(ctx context.Context, i int)) []func(context.Context) {
	fs := make([]func(context.Context), n)
	for i := range fs {
		fs[i] = func(ctx context.Context) { f(ctx, i) }
	}
	return fs
}
