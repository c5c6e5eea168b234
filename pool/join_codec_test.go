package pool_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// A lossy is a type of which JSON loses something.
type lossy struct {
	Name  string
	cache string
}

var _ = lossy{}.cache

// A T or an R of which JSON would lose something is an error of Join, unless the Codec has Values of its own; a value
// that would is one of Submit, or the task's result.
func TestJoinLosesNothing(t *testing.T) {
	const says = "lossy as json would not come back as it was: its field cache is not exported; export it"
	eng := newMemory(0)
	_, err := pool.Join[lossy, int](t.Context(), nil, eng, nil)
	require.ErrorContains(t, err, says)
	_, err = pool.Join[int, lossy](t.Context(), nil, eng, nil)
	require.ErrorContains(t, err, says)
	_, err = pool.Join[int, error](t.Context(), nil, eng, nil)
	require.ErrorContains(t, err, "an interface of which JSON cannot say what to make again")
	p := joinIn[lossy, struct{}](t, t.Context(), newMemory(0), nil, &pool.Options{Codec: &codec.Options{Values: nothing{}}})
	require.NoError(t, p.Stop(t.Context()))

	synctest.Test(t, func(t *testing.T) {
		p := joinIn(t, t.Context(), newMemory(0), func(_ context.Context, n any) (string, error) { return n.(string) + "\xff", nil }, nil)
		ids, err := p.SubmitAll(t.Context(), []any{"a", "\xff"})
		require.ErrorContains(t, err, "the task at index 1: codec: the value cannot be written")
		require.ErrorContains(t, err, "not UTF-8")
		require.Empty(t, ids)
		_, err = p.Submit(t.Context(), map[string]any{"n": int64(1<<53 + 1)})
		require.ErrorContains(t, err, "9007199254740993, in an interface, would come back as the float64 9007199254740992")
		id, err := p.Submit(t.Context(), "a")
		require.NoError(t, err)
		_, err = p.Get(t.Context(), id)
		require.ErrorIs(t, err, store.ErrRejected)
		require.ErrorContains(t, err, "not UTF-8")
		require.NoError(t, p.Stop(t.Context()))
	})
}

// nothing are Values of a type that has none.
type nothing struct{}

func (nothing) Marshal(any) ([]byte, error) { return nil, nil }
func (nothing) Unmarshal([]byte, any) error { return nil }

// What errors match they match in every process.
func TestJoinUsualSentinels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eng := newMemory(0)
		joinIn(t, t.Context(), eng, func(_ context.Context, n int) (int, error) {
			return 0, fmt.Errorf("x: %w, %w", &fs.PathError{Op: "open", Path: "a", Err: syscall.Errno(n)}, io.ErrUnexpectedEOF)
		}, nil)
		p := joinIn[int, int](t, t.Context(), eng, nil, nil)
		id, err := p.Submit(t.Context(), int(syscall.ENOENT))
		require.NoError(t, err)
		_, err = p.Get(t.Context(), id)
		for _, s := range []error{syscall.ENOENT, fs.ErrNotExist, io.ErrUnexpectedEOF} {
			require.ErrorIs(t, err, s)
		}
	})
}
