package storetest

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

// settle sets *err to f's error, or to an error that tells of f's panic or
// Goexit. After a Goexit it does not return, but *err is set.
func settle(err *error, f func() error) {
	*err = errGoexit
	defer func() {
		if r := recover(); r != nil {
			*err = fmt.Errorf("panic: %v\n\n%s", r, debug.Stack())
		}
	}()
	*err = f()
}

// parallel calls f(0) to f(n-1) at once, each on a goroutine of its own. When
// all have ended it returns the first error in the order of their numbers.
func parallel(n int, f func(i int) error) error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			settle(&errs[i], func() error { return f(i) })
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
