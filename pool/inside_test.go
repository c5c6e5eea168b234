package pool

import (
	"context"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// A crew has those who were added and not removed, in whatever order they leave.
func TestCrew(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var c crew[int]
	var want []*worker[int]
	for range 2000 {
		if len(want) < 6 && rng.IntN(2) == 0 {
			w := new(worker[int])
			c.add(w)
			want = append(want, w)
		} else if len(want) > 0 {
			i := rng.IntN(len(want))
			c.remove(want[i])
			want = slices.Delete(want, i, i+1)
		}
		got := slices.Collect(c.all)
		assert.Len(t, got, len(want))
		assert.Equal(t, len(want), c.n)
		for _, w := range want {
			assert.True(t, slices.Contains(got, w))
		}
		if t.Failed() {
			return
		}
	}
}

// A range that repeats the last ID of the one before is refused, as often as it comes.
func TestRangeOverlapsByOne(t *testing.T) {
	d := &ids{}
	require.NoError(t, d.addLocked(10, 100))
	for range 2 {
		assert.ErrorContains(t, d.addLocked(109, 100), "want a range above 109")
		assert.EqualValues(t, 100, d.end)
		assert.Len(t, d.blocks, 1)
	}
	require.NoError(t, d.addLocked(110, 100))
	require.NoError(t, d.addLocked(300, 100))
	assert.Equal(t, []idBlock{{0, 200, 10}, {200, 100, 300}}, d.blocks)
	for ticket, id := range map[uint64]store.ID{0: 10, 99: 109, 100: 110, 199: 209, 200: 300, 299: 399} {
		assert.Equal(t, id, d.idLocked(ticket))
		got, ok := d.ticketLocked(id)
		assert.True(t, ok)
		assert.Equal(t, ticket, got)
	}
	for _, id := range []store.ID{0, 9, 210, 299, 400} {
		_, ok := d.ticketLocked(id)
		assert.False(t, ok, "ID %d", id)
	}
	assert.EqualValues(t, 200, d.nextLocked(199).End)
	assert.EqualValues(t, 300, d.nextLocked(200).End)
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
