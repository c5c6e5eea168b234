package storetest

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWatchReturnsWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := func(f func() error) error {
			return watch(t.Context(), time.Minute, func(context.Context) error { return f() })
		}
		assert.NoError(t, run(func() error { return nil }))
		assert.Equal(t, io.EOF, run(func() error { return io.EOF }))
		assert.ErrorContains(t, run(func() error { panic("oh no") }), "panic: oh no")
		assert.ErrorContains(t, run(func() error { panic(nil) }), "panic: ")
		assert.Equal(t, errGoexit, run(func() error { runtime.Goexit(); return nil }))
	})
}

func TestWatchGivesUpWhoIgnoresTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		release := make(chan struct{})
		defer close(release)
		inner := make(chan context.Context, 1)
		err := watch(t.Context(), time.Minute, func(ctx context.Context) error {
			inner <- ctx
			<-release
			return nil
		})
		assert.Equal(t, time.Minute, time.Since(start))
		require.True(t, isHung(err), "%v", err)
		assert.ErrorContains(t, err, "TestWatchGivesUpWhoIgnoresTheContext.func1", "the stacks of all goroutines")
		assert.ErrorIs(t, (<-inner).Err(), context.Canceled)
	})
}

func TestParallelWaitsForAll(t *testing.T) {
	var ended atomic.Int32
	err := parallel(10, func(i int) error {
		defer ended.Add(1)
		switch i {
		case 3:
			panic("third")
		case 5:
			return errors.New("fifth")
		case 7:
			runtime.Goexit()
		}
		return nil
	})
	assert.EqualValues(t, 10, ended.Load())
	assert.ErrorContains(t, err, "panic: third", "the first in the order of their numbers")
	assert.NoError(t, parallel(0, nil))
}
