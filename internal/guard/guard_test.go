package guard_test

import (
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/store"
)

func TestCallAndApart(t *testing.T) {
	for name, call := range map[string]func(func() error) error{"Call": guard.Call, "Apart": guard.Apart} {
		t.Run(name, func(t *testing.T) {
			assert.NoError(t, call(func() error { return nil }))
			assert.Equal(t, io.EOF, call(func() error { return io.EOF }))
			var panicked *store.PanicError
			require.ErrorAs(t, call(func() error { panic(io.EOF) }), &panicked)
			assert.Equal(t, io.EOF, panicked.Value)
			assert.Contains(t, string(panicked.Stack), "TestCallAndApart")
			assert.ErrorAs(t, call(func() error { panic(nil) }), &panicked)
			for _, godebug := range []string{"panicnil=1", "panicnil=0"} {
				t.Setenv("GODEBUG", godebug)
				assert.ErrorAs(t, call(func() error { panic(nil) }), &panicked, godebug)
			}
		})
	}
	assert.ErrorIs(t, guard.Apart(func() error { runtime.Goexit(); return nil }), store.ErrGoexit)
}

// What a Goexit ends goes on, on another goroutine, until it returns.
func TestPersist(t *testing.T) {
	over := make(chan int)
	calls := 0
	guard.Persist(func() {
		if calls++; calls < 4 {
			runtime.Goexit()
		}
		over <- calls
	})
	assert.Equal(t, 4, <-over)
}

func TestIsNilPointer(t *testing.T) {
	var p *int
	assert.True(t, guard.IsNilPointer(nil))
	assert.True(t, guard.IsNilPointer(p))
	assert.False(t, guard.IsNilPointer(new(int)))
	assert.False(t, guard.IsNilPointer(7))
}

func TestNilTask(t *testing.T) {
	i, found := guard.NilTask([]func(){func() {}, nil})
	assert.True(t, found)
	assert.Equal(t, 1, i)
	_, found = guard.NilTask([][]int{nil})
	assert.False(t, found, "a nil slice is an empty input")
	assert.False(t, guard.IsNilTask[io.Reader]((*io.PipeReader)(nil)), "its methods may work")
	assert.True(t, guard.IsNilTask[io.Reader](nil))
}
