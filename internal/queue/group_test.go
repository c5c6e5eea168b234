package queue_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

// A group is told of the tasks that have ended, in that order, and nobody stands with a task once the group has
// left.
func TestGroup(t *testing.T) {
	const n = 600
	q := queue.New[int](n)
	_, pushed := q.PushAll(all, make([]int, n))
	require.Equal(t, n, pushed)
	var g, left queue.Group
	for ticket := range uint64(n) {
		require.True(t, q.Join(&g, ticket, ticket+1000))
		require.True(t, q.Join(&left, ticket, ticket))
	}
	assert.False(t, q.Join(&g, n, 0), "no such task")
	assert.Empty(t, q.Take(&g, nil))
	for ticket := range uint64(n) {
		require.Equal(t, 2, q.Waiting(ticket))
	}
	q.Leave(&left)
	q.Leave(&left)
	for ticket := range uint64(n) {
		require.Equal(t, 1, q.Waiting(ticket))
	}

	var want []uint64
	hands := make([]queue.Hand[int], n)
	for i := range hands {
		hands[i].SetLimit(1)
		_, _, found := q.Next(&hands[i])
		require.NotEqual(t, queue.None, found)
	}
	for _, i := range rand.Perm(n) {
		require.Len(t, g.Ready(), min(1, len(want)%7))
		want = append(want, hands[i].Ticket()+1000)
		q.End(&hands[i]).Tell()
		if len(want)%7 == 0 {
			<-g.Ready()
			require.Equal(t, want[len(want)-7:], q.Take(&g, nil))
		}
	}
	assert.Equal(t, want[n/7*7:], q.Take(&g, nil))
	assert.False(t, q.Join(&g, 0, 1000), "it has ended")
	q.Leave(&g)
}

// However a group races with the ends of its tasks, and these with the use of their slots for others, it is told
// of each once.
func TestGroupRacesEnds(t *testing.T) {
	q := queue.New[int](300)
	const n = 20_000
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
	for range 2 {
		wg.Go(func() {
			var g queue.Group
			defer q.Leave(&g)
			var got []uint64
			joined := 0
			for ticket := uint64(0); ticket < n; {
				if ticket >= q.Pushed() {
					continue
				}
				if q.Join(&g, ticket, ticket) {
					joined++
				} else {
					got = append(got, ticket)
				}
				if ticket%100 == 0 {
					got = q.Take(&g, got)
				}
				ticket++
			}
			for len(got) < n {
				<-g.Ready()
				got = q.Take(&g, got)
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
