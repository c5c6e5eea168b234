package chaos_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/check/chaos"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// TestRoundsReachAll shows that the rounds do come to where the contract has
// something to say: each outcome of a task and each error of a Submit occurs.
func TestRoundsReachAll(t *testing.T) {
	var mu sync.Mutex
	var sum pool.Stats
	refusals := map[error]int{ // those of Submit, TrySubmit and SubmitAll
		pool.ErrClosed: 0, pool.ErrNoWorkers: 0, pool.ErrQueueFull: 0, pool.ErrNilTask: 0,
	}
	verdicts := map[error]int{pool.ErrNotRun: 0}
	unsaved, partial, calm := 0, 0, 0
	counts := with(func(w *wrap) chaos.Pool {
		return watched{w, func(err error, accepted int) {
			mu.Lock()
			defer mu.Unlock()
			for is := range refusals {
				if errors.Is(err, is) {
					refusals[is]++
				}
			}
			if err != nil && accepted > 0 {
				partial++
			}
		}, func(s pool.Stats, verdict error) {
			mu.Lock()
			defer mu.Unlock()
			sum.Succeeded += s.Succeeded
			sum.Failed += s.Failed
			sum.Panicked += s.Panicked
			sum.NotRun += s.NotRun
			var u *pool.UnsavedError[int]
			switch {
			case errors.As(verdict, &u):
				unsaved += len(u.Results)
			case verdict == nil:
				calm++
			case errors.Is(verdict, pool.ErrNotRun):
				verdicts[pool.ErrNotRun]++
			}
		}}
	})
	seed := uint64(0)
	_, err := playAll(t, func() (uint64, bool) { seed++; return seed, seed <= 400 }, counts)
	require.NoError(t, err)
	for _, n := range []uint64{sum.Succeeded, sum.Failed, sum.Panicked, sum.NotRun} {
		assert.NotZero(t, n, "%+v", sum)
	}
	for err, n := range refusals {
		assert.NotZero(t, n, "no Submit was refused with %v", err)
	}
	assert.NotZero(t, verdicts[pool.ErrNotRun], "no Stop found tasks that were left without workers")
	assert.NotZero(t, unsaved, "nothing was handed back")
	assert.NotZero(t, partial, "no SubmitAll was accepted in part")
	assert.NotZero(t, calm, "no Stop returned nil")
}

// watched tells of errors and of the end.
type watched struct {
	*wrap
	refused func(err error, accepted int)
	ended   func(pool.Stats, error)
}

func (p watched) Submit(ctx context.Context, t *chaos.Task) (store.ID, error) {
	id, err := p.wrap.Submit(ctx, t)
	p.refused(err, 0)
	return id, err
}

func (p watched) TrySubmit(t *chaos.Task) (store.ID, error) {
	id, err := p.wrap.TrySubmit(t)
	p.refused(err, 0)
	return id, err
}

func (p watched) SubmitAll(ctx context.Context, in []*chaos.Task) ([]store.ID, error) {
	ids, err := p.wrap.SubmitAll(ctx, in)
	p.refused(err, len(ids))
	return ids, err
}

func (p watched) Stop(ctx context.Context) error {
	err := p.wrap.Stop(ctx)
	select {
	case <-p.Done():
		p.ended(p.Stats(), err)
	default:
	}
	return err
}
