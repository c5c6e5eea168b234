package queue_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

// A queue does what a slice does, whatever the order of pushes and pops, and
// wherever in the ring it stands when it grows.
func TestQueueAgainstSlice(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		capacity := 1 + rng.IntN(100)
		q := queue.New[string](capacity)
		var model []queue.Item[string]
		id := rng.Uint64() >> 1
		for range 1000 {
			switch {
			case !q.Full() && rng.IntN(2) == 0:
				id += 1 + rng.Uint64N(3)
				it := queue.Item[string]{ID: id, Task: string(rune('a' + id%26))}
				q.Push(it)
				model = append(model, it)
			case q.Len() > 0:
				require.Equal(t, model[0], q.Pop(), "seed %d", seed)
				model = model[1:]
			}
			require.Equal(t, len(model), q.Len(), "seed %d", seed)
			require.Equal(t, len(model) == capacity, q.Full(), "seed %d", seed)
			for i, it := range model {
				if q.At(i) != it.ID {
					t.Fatalf("seed %d: At(%d) is %d, want %d", seed, i, q.At(i), it.ID)
				}
			}
			probe := id - rng.Uint64N(200)
			held := slices.ContainsFunc(model, func(it queue.Item[string]) bool { return it.ID == probe })
			require.Equal(t, held, q.Contains(probe), "seed %d, ID %d", seed, probe)
		}
	}
}

// Memory is taken as the queue fills, so a huge capacity is no reason to panic.
func TestQueueHuge(t *testing.T) {
	q := queue.New[[1 << 20]byte](math.MaxInt)
	q.Push(queue.Item[[1 << 20]byte]{ID: 1})
	assert.False(t, q.Full())
	assert.EqualValues(t, 1, q.Pop().ID)
}

// A popped task is not kept reachable.
func TestQueueForgets(t *testing.T) {
	q := queue.New[*int](4)
	for id := range uint64(10) {
		q.Push(queue.Item[*int]{ID: id + 1, Task: new(int)})
		require.NotNil(t, q.Pop().Task)
	}
	assert.True(t, q.IsCleared())
}

func TestQueueMisuse(t *testing.T) {
	assert.PanicsWithValue(t, "queue: capacity is 0, want 1 or more", func() { queue.New[int](0) })
	q := queue.New[int](1)
	assert.PanicsWithValue(t, "queue: Pop of an empty queue", func() { q.Pop() })
	q.Push(queue.Item[int]{ID: 1})
	assert.PanicsWithValue(t, "queue: Push to a full queue", func() { q.Push(queue.Item[int]{ID: 2}) })
	assert.False(t, queue.New[int](1).Contains(0))
}
