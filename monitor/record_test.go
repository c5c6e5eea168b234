package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// odd errors: their methods panic, cannot be compared, or lead back to themselves.
type (
	panics       struct{}
	uncomparable []int
	circle       struct{}
)

func (panics) Error() string       { panic("secret") }
func (uncomparable) Error() string { return "secret" }
func (c *circle) Error() string    { return "secret" }
func (c *circle) Unwrap() error    { return c }

// Errors are told apart by their types. No text of theirs is shown: it may quote what the task was given.
func TestErrorsByKind(t *testing.T) {
	for _, e := range []struct {
		out  pool.Outcome
		err  error
		want string
	}{
		{pool.Failed, errors.New("secret"), "Failed: *errors.errorString"},
		{pool.Failed, fmt.Errorf("secret: %w", &fs.PathError{Op: "open", Path: "secret", Err: fs.ErrNotExist}), "Failed: *fs.PathError, *errors.errorString"},
		{pool.Failed, fmt.Errorf("secret: %w", errors.Join(context.Canceled, context.DeadlineExceeded)), "Failed: context.Canceled, context.deadlineExceededError"},
		{pool.Failed, fmt.Errorf("secret: %w", fmt.Errorf("secret")), "Failed: *errors.errorString"},
		{pool.Failed, store.ErrGoexit, "Failed: pool.ErrGoexit"},
		{pool.Panicked, &store.PanicError{Value: "secret"}, "Panicked: string"},
		{pool.Panicked, &store.PanicError{Value: panics{}}, "Panicked: monitor_test.panics"},
		{pool.NotRun, fmt.Errorf("%w: %w", store.ErrNotRun, context.Canceled), "NotRun: pool.ErrNotRun, context.Canceled"},
		{pool.Failed, &pool.UnsavedError[int]{Err: errors.New("secret")}, "result not saved"},
		{pool.Failed, panics{}, "Failed: monitor_test.panics"},
		{pool.Failed, uncomparable{1}, "Failed: monitor_test.uncomparable"},
		{pool.Failed, &circle{}, "Failed: *monitor_test.circle"},
	} {
		m := newMonitor(t, nil)
		m.Hooks("p").Ended(1<<60, e.out, e.err, 0)
		m.Add("p", &fake{})
		body := get(m, "/stats").Body.String()
		assert.NotContains(t, body, "secret")
		kinds := decode(t, body).Pools[0].Errors
		require.Len(t, kinds, 1)
		assert.Equal(t, e.want, kinds[0].Kind)
		assert.Equal(t, "1152921504606846976", kinds[0].LastID)
	}
}

func TestErrorsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		m.Add("p", &fake{})
		assert.Nil(t, stats(t, m).Errors, "without Hooks they are not known")
		ended := m.Hooks("p").Ended
		assert.Empty(t, stats(t, m).Errors)
		assert.NotNil(t, stats(t, m).Errors)
		for i := range store.ID(10) {
			ended(i, pool.Failed, assert.AnError, 0)
			time.Sleep(time.Second)
			ended(i, pool.Succeeded, nil, 0)
		}
		ended(100, pool.NotRun, context.Canceled, 0)
		kinds := stats(t, m).Errors
		require.Len(t, kinds, 2)
		assert.Equal(t, "NotRun: context.Canceled", kinds[0].Kind, "the last comes first")
		assert.Equal(t, 10, kinds[1].Count)
		assert.Equal(t, "9", kinds[1].LastID)

		for i := range 1000 { // types without end
			ended(1, pool.Outcome(i), assert.AnError, 0)
		}
		kinds = stats(t, m).Errors
		assert.LessOrEqual(t, len(kinds), 51)
		sum := 0
		for _, k := range kinds {
			sum += k.Count
			assert.LessOrEqual(t, len(k.Kind), 1000)
		}
		assert.Equal(t, 1011, sum)
	})
}

func TestDurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		m.Add("p", &fake{})
		ended := m.Hooks("p").Ended
		assert.Nil(t, stats(t, m).Ran)
		for range 98 {
			ended(1, pool.Succeeded, nil, 3*time.Millisecond)
		}
		ended(1, pool.Succeeded, nil, 5*time.Second)
		ended(1, pool.Succeeded, nil, -1)
		ended(1, pool.NotRun, assert.AnError, 0)
		time.Sleep(time.Second)
		ran := stats(t, m).Ran
		require.NotNil(t, ran)
		assert.InDelta(t, 0.003, ran.HalfUnder, 0.003)
		assert.Greater(t, ran.HalfUnder, 0.003)
		assert.Less(t, ran.MostUnder, 0.006)
		ended(1, pool.Succeeded, nil, 5*time.Second)
		time.Sleep(time.Second)
		assert.InDelta(t, 5, stats(t, m).Ran.MostUnder, 5)
		assert.Greater(t, stats(t, m).Ran.MostUnder, 5.0)

		for range 4 {
			time.Sleep(time.Minute)
			ran = stats(t, m).Ran
		}
		assert.Nil(t, ran, "of the last minutes")
		ended(1, pool.Succeeded, nil, 1<<63-1)
		time.Sleep(time.Second)
		assert.Greater(t, stats(t, m).Ran.HalfUnder, 1e9)
	})
}

// Hooks belong to a name: what they have told is there when the pool is, and goes with the last one of that name, but
// not if a next one has asked for its Hooks already.
func TestHooksOfAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		fail := func(h *pool.Hooks) { h.Ended(1, pool.Failed, assert.AnError, 0) }
		errorsOf := func() (n []int) {
			for _, p := range decode(t, get(m, "/stats").Body.String()).Pools {
				if p.Errors == nil {
					n = append(n, -1)
				}
				for _, k := range p.Errors {
					n = append(n, k.Count)
				}
			}
			return n
		}
		long := strings.Repeat("x", 10_000)
		fail(m.Hooks(long + "1"))
		remove := m.Add(long+"1", &fake{})
		m.Add(long+"2", &fake{})
		assert.Equal(t, []int{1, -1}, errorsOf(), "the whole name counts")
		next := m.Hooks(long + "1")
		remove()
		fail(next)
		remove = m.Add(long+"1", &fake{})
		assert.Equal(t, []int{-1, 2}, errorsOf())
		removeOther := m.Add(long+"1", &fake{})
		assert.Equal(t, []int{-1, 2, 2}, errorsOf(), "shared")
		remove()
		removeOther()
		m.Add(long+"1", &fake{})
		assert.Equal(t, []int{-1, -1}, errorsOf(), "forgotten")
	})
}
