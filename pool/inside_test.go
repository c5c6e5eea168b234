package pool

import (
	"context"
	"io"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// gapStore hands out ranges of IDs with gaps between them, or without.
type gapStore struct {
	*rwmutex.Store[int]
	mu     sync.Mutex
	next   store.ID
	gap    store.ID
	ranges []store.ID // where they begin
}

var _ store.IDReserver = (*gapStore)(nil)

func (s *gapStore) ReserveIDs(_ context.Context, n uint64) (store.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.next
	s.ranges = append(s.ranges, first)
	s.next += store.ID(n) + s.gap
	return first, nil
}

// While a task runs its ID is known, however many ranges have been reserved since; and
// an ID in the gap between two is not that of a task.
func TestRangesWithGaps(t *testing.T) {
	for _, gap := range []store.ID{0, 1, 1000} {
		st := &gapStore{Store: rwmutex.New[int](), next: 5, gap: gap}
		p, err := New(t.Context(), Call[int], st, &Options{Workers: 2, Queue: 1 << 18})
		require.NoError(t, err)
		gate, started := make(chan struct{}), make(chan struct{})
		long, err := p.Submit(t.Context(), func(context.Context) (int, error) { close(started); <-gate; return 42, nil })
		require.NoError(t, err)
		assert.EqualValues(t, 5, long)
		<-started
		quick := func(context.Context) (int, error) { return 1, nil }
		var ids []store.ID
		for range 7 {
			more, err := p.SubmitAll(t.Context(), slices.Repeat([]func(context.Context) (int, error){quick}, 30_000))
			require.NoError(t, err)
			ids = append(ids, more...)
		}
		require.GreaterOrEqual(t, len(st.ranges), 3)
		seen := make(map[store.ID]bool)
		for _, id := range ids {
			seen[id] = true
		}
		assert.Len(t, seen, len(ids))
		if gap > 0 {
			for _, first := range st.ranges[1:] {
				assert.False(t, seen[first-1], "an ID in a gap")
				_, err := p.Get(t.Context(), first-1)
				assert.Equal(t, store.ErrNotFound, err)
			}
		}
		for _, id := range ids[len(ids)-3:] {
			v, err := p.Get(t.Context(), id)
			assert.NoError(t, err)
			assert.Equal(t, 1, v)
		}
		p.mu.Lock()
		pending, blocks := p.pendingLocked(long), p.ids.Len()
		p.mu.Unlock()
		assert.True(t, pending, "the first task runs")
		if gap == 0 {
			assert.Equal(t, 1, blocks, "ranges that follow each other are one")
		}
		close(gate)
		v, err := p.Get(t.Context(), long)
		assert.NoError(t, err)
		assert.Equal(t, 42, v)
		// With the first task the old ranges can be forgotten, when there are new ones.
		for range 3 {
			_, err := p.SubmitAll(t.Context(), slices.Repeat([]func(context.Context) (int, error){quick}, 1<<16))
			require.NoError(t, err)
			require.NoError(t, p.Wait(t.Context()))
		}
		p.mu.Lock()
		assert.LessOrEqual(t, p.ids.Len(), 3)
		p.mu.Unlock()
		require.NoError(t, p.Stop(t.Context()))
	}
}

// A submitter whose context ends at the moment at which it is served, or refused, is
// not refused a second time, and what it was counted for is counted once.
func TestGivesUpTooLate(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that the submitter runs last
	const rounds, enough = 1000, 10
	for name, c := range map[string]struct {
		end  func(p *Pool[func(context.Context) (int, error), int], gate chan struct{})
		want error
	}{
		"served":  {func(_ *Pool[func(context.Context) (int, error), int], gate chan struct{}) { close(gate) }, nil},
		"refused": {func(p *Pool[func(context.Context) (int, error), int], _ chan struct{}) { _ = p.Resize(0) }, ErrNoWorkers},
	} {
		t.Run(name, func(t *testing.T) {
			late := 0
			for round := 0; round < rounds && late < enough; round++ {
				p, err := New(context.Background(), Call[int], rwmutex.New[int](), &Options{Workers: 1, Queue: 1})
				require.NoError(t, err)
				gate, started := make(chan struct{}), make(chan struct{})
				_, err = p.Submit(t.Context(), func(context.Context) (int, error) { close(started); <-gate; return 1, nil })
				require.NoError(t, err)
				<-started
				quick := func(context.Context) (int, error) { return 1, nil }
				_, err = p.Submit(t.Context(), quick)
				require.NoError(t, err)
				ctx, cancel := context.WithCancelCause(context.Background())
				type result struct {
					ids []store.ID
					err error
				}
				submitted := make(chan result, 1)
				go func() {
					ids, err := p.SubmitAll(ctx, []func(context.Context) (int, error){quick})
					submitted <- result{ids, err}
				}()
				for waits := false; !waits; runtime.Gosched() {
					p.mu.Lock()
					waits = p.waiting == 1
					p.mu.Unlock()
				}
				for range 20 {
					runtime.Gosched() // it goes to sleep
				}
				cancel(io.EOF)
				c.end(p, gate)
				res := <-submitted
				if res.err != nil {
					assert.Empty(t, res.ids, "accepted, and an error")
				} else {
					assert.Len(t, res.ids, 1)
				}
				if res.err == c.want {
					late++
				}
				p.mu.Lock()
				assert.Zero(t, p.waiting)
				p.mu.Unlock()
				if c.want != nil {
					close(gate)
				}
				_ = p.Stop(context.Background())
			}
			assert.Equal(t, enough, late, "the submitter came too late only so often")
		})
	}
}
