package queue_test

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

// Each end is seen once: one that was before SeeAll by that, and each other one by a See after it.
func TestEnded(t *testing.T) {
	const n = 1000
	q := queue.New[int](n)
	_, pushed := q.PushAll(all, make([]int, n))
	require.Equal(t, n, pushed)
	hands := make([]queue.Hand[int], n)
	order := rand.Perm(n - 100) // some are never begun
	for i := range order {
		hands[i].SetLimit(1 + i%2)
		_, _, found := q.Next(&hands[i])
		require.NotEqual(t, queue.None, found)
	}
	var first, late queue.Ended
	assert.Empty(t, q.See(&first, nil, 1))
	var seen []uint64
	for i, k := range order {
		if i == 500 {
			q.SeeAll(&late)
			for ticket := range uint64(n) {
				require.Equal(t, !q.IsPending(ticket), late.Sees(ticket))
			}
		}
		ticket := hands[k].Ticket()
		require.False(t, first.Sees(ticket))
		q.End(&hands[k])
		got := q.See(&first, nil, 1)
		require.Equal(t, []uint64{ticket}, got)
		require.True(t, first.Sees(ticket))
		if i >= 500 {
			require.Equal(t, []uint64{ticket}, q.See(&late, nil, 1))
		}
		seen = append(seen, ticket)
	}
	assert.Empty(t, q.See(&first, nil, 1))

	// Who comes late sees what is left of a number of segments, in the order of the tickets.
	var all queue.Ended
	var got []uint64
	for len(got) < len(seen) {
		k := len(got)
		got = q.See(&all, got, k+1)
		require.Greater(t, len(got), k)
	}
	slices.Sort(seen)
	assert.Equal(t, seen, got)
}

// However who looks races with the ends, and with segments that are used for others, each is seen once.
func TestEndedRacesEnds(t *testing.T) {
	q := queue.New[int](300)
	const n = 50_000
	var wg sync.WaitGroup
	wg.Go(func() {
		for pushed := 0; pushed < n; {
			_, k := q.PushAll(all, make([]int, min(300, n-pushed)))
			pushed += k
		}
	})
	for range 2 {
		wg.Go(func() {
			var h queue.Hand[int]
			for q.Claimed() < n || h.Holds() {
				_, waiter, _ := q.Next(&h)
				waiter.Tell()
			}
		})
	}
	for begins := range uint64(3) {
		wg.Go(func() {
			for q.Claimed() < begins*n/3 {
				runtime.Gosched()
			}
			var e queue.Ended
			q.SeeAll(&e)
			var got []uint64
			for ticket := range uint64(n) {
				if e.Sees(ticket) {
					got = append(got, ticket)
				}
			}
			for len(got) < n {
				if got = q.See(&e, got, len(got)+100); len(got) < n {
					runtime.Gosched()
				}
			}
			slices.Sort(got)
			for i, ticket := range got {
				if uint64(i) != ticket {
					t.Errorf("ticket %d in the place of %d", ticket, i)
					return
				}
			}
		})
	}
	wg.Wait()
}
