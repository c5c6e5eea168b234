package queue_test

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

// boundaries are tickets a little before those at which a smaller or a signed number
// would turn over, and near the last one that there is.
var boundaries = []uint64{1<<31 - 100, 1<<32 - 100, 1<<62 - 100, math.MaxInt64 - 10_000}

// A queue that has seen so many items works as a new one does, also where an int has
// 32 bits: it grows, passes every item on once and in order, and counts right.
func TestTicketsCrossBoundaries(t *testing.T) {
	for _, start := range boundaries {
		for _, capacity := range []int{1, 3, 64, 1000} {
			t.Run(fmt.Sprintf("start=%d,capacity=%d", start, capacity), func(t *testing.T) {
				const producers, each = 3, 1000
				q := queue.NewAt[uint64](capacity, start)
				ids := queue.Range{Offset: 1, End: math.MaxInt64}
				var owner sync.Mutex
				var wg sync.WaitGroup
				for range producers {
					wg.Go(func() {
						for i := 0; i < each; {
							if _, ok := q.Push(ids, 1); ok {
								i++
								continue
							}
							owner.Lock()
							q.ShutTail(true)
							_, n := q.PushShut(ids, []uint64{1})
							q.ShutTail(false)
							owner.Unlock()
							i += n
							runtime.Gosched()
						}
					})
				}
				var mark atomic.Uint64
				for next := start; next < start+producers*each; {
					it, ok := q.Pop(&mark)
					if !ok {
						runtime.Gosched()
						continue
					}
					require.Equal(t, queue.Item[uint64]{ID: next + 1, Task: 1}, it)
					require.Equal(t, next+1, mark.Load())
					require.False(t, q.IsWaiting(next))
					require.LessOrEqual(t, q.Len(), capacity)
					next++
				}
				wg.Wait()
				assert.Zero(t, q.Len())
				assert.False(t, q.IsReady())
				assert.Equal(t, start+producers*each, q.Pushed())
				assert.Equal(t, q.Pushed(), q.Popped())
				assert.True(t, q.IsCleared())
			})
		}
	}
}

// Exactly as many tasks are let in as there is room for, whatever the tickets are.
func TestTicketsBoundRoom(t *testing.T) {
	ids := queue.Range{Offset: 1, End: math.MaxInt64}
	for _, start := range boundaries {
		for _, capacity := range []int{1, 3, 64} {
			t.Run(fmt.Sprintf("start=%d,capacity=%d", start, capacity), func(t *testing.T) {
				q := queue.NewAt[uint64](capacity, start)
				var mark atomic.Uint64
				for range 300 {
					for range capacity - q.Len() {
						if _, ok := q.Push(ids, 1); !ok {
							q.ShutTail(true) // it has to grow first
							_, n := q.PushShut(ids, []uint64{1})
							q.ShutTail(false)
							require.Equal(t, 1, n)
						}
					}
					_, ok := q.Push(ids, 1)
					require.False(t, ok, "it is full, and took one more")
					for range max(1, capacity/2) {
						_, ok := q.Pop(&mark)
						require.True(t, ok)
					}
				}
			})
		}
	}
}
