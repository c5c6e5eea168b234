package pool_test

import (
	"context"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
)

// A task that changes the state of its thread, here the name, and then ends its goroutine while that is locked to
// the thread, ends the thread: no other task sees it. The worker is replaced. A task that returns leaves
// its worker on that thread.
func TestThreadStateEndsWithItsGoroutine(t *testing.T) {
	const comm, changed = "/proc/thread-self/comm", "changed\n"
	change := func() {
		runtime.LockOSThread()
		assert.NoError(t, os.WriteFile(comm, []byte("changed"), 0))
	}
	for name, c := range map[string]struct {
		task  task
		err   error
		stays bool
	}{
		"Goexit": {func(context.Context) (int, error) { change(); runtime.Goexit(); return 0, nil }, pool.ErrGoexit, false},
		"its own goroutine": {func(context.Context) (int, error) {
			done := make(chan int)
			go func() { change(); done <- 7 }()
			return <-done, nil
		}, nil, false},
		"returns": {func(context.Context) (int, error) { change(); return 7, nil }, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, &pool.Options{Workers: 1})
			id := submit(t, p, c.task)
			n, err := p.Get(t.Context(), id)
			assert.Equal(t, c.err, err)
			if c.err == nil {
				assert.Equal(t, 7, n)
			}
			for range 50 {
				submit(t, p, func(context.Context) (int, error) {
					name, err := os.ReadFile(comm)
					if assert.NoError(t, err); c.stays {
						assert.Equal(t, changed, string(name), "the check cannot fail")
					} else {
						assert.NotEqual(t, changed, string(name), "the thread of another task")
					}
					return 0, nil
				})
			}
			submit(t, p, exitingTask) // ends the thread
			require.NoError(t, p.Stop(t.Context()))
		})
	}
}
