package kit

import (
	"errors"
	"fmt"
	"runtime"
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

// IsHung reports whether err is the verdict of a check that was given up.
func IsHung(err error) bool {
	var h *hungError
	return errors.As(err, &h)
}

// watch calls f on a goroutine of its own and returns the error that it fails with. If f has
// not returned after limit, watch returns a *hungError and leaves f behind: Go cannot end it.
func watch(limit time.Duration, f func()) error {
	ended := make(chan error, 1)
	go func() {
		var err error
		defer func() { ended <- err }()
		settle(&err, f)
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

// Parallel calls f(0) to f(n-1) at once, each on a goroutine of its own. When all have ended
// it fails as the first of them that did, if one did.
func Parallel(n int, f func(i int)) {
	var first error
	var once sync.Once
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			var err error
			defer func() {
				if err != nil {
					once.Do(func() { first = err })
				}
			}()
			settle(&err, func() { f(i) })
		})
	}
	close(start)
	wg.Wait()
	if first != nil {
		Fail(first)
	}
}
