package queue_test

import (
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/internal/queue"
)

// Tasks of each size come out as they went in, whichever way they take, and nothing of them stays.
func TestTasksOfEachSize(t *testing.T) {
	t.Run("32 B", passSized[[4]uint64])
	t.Run("256 B", passSized[[32]uint64])
	t.Run("264 B", passSized[[33]uint64])
	t.Run("128 KiB, more than a channel takes", passSized[[1 << 14]uint64])
}

func passSized[T [4]uint64 | [32]uint64 | [33]uint64 | [1 << 14]uint64](t *testing.T) {
	const n = 300 // more than a segment
	sized := func(id uint64) (task T) { task[0], task[len(task)-1] = id, ^id; return task }
	synctest.Test(t, func(t *testing.T) {
		q := queue.New[T](math.MaxInt)
		var h queue.Hand[T]
		for id := uint64(1); id <= n; id += 3 {
			first, ok := q.Push(all, sized(id))
			require.True(t, ok)
			require.Equal(t, id, first)
			_, pushed := q.PushAll(all, []T{sized(id + 1), sized(id + 2)})
			require.Equal(t, 2, pushed)
		}
		for id := uint64(1); id <= n; id++ {
			it, ok := take(q, &h)
			require.True(t, ok)
			require.Equal(t, queue.Item[T]{ID: id, Task: sized(id)}, it)
		}
		_, ok := take(q, &h)
		require.False(t, ok)

		q.Announce()
		go q.Push(all, sized(n+1))
		it, found := q.Sleep(&h)
		assert.Equal(t, queue.Handed, found)
		assert.Equal(t, queue.Item[T]{ID: n + 1, Task: sized(n + 1)}, it)
		assert.True(t, q.IsCleared())
	})
}

// The first task takes no more memory than a segment of tasks of 256 bytes, or than itself, and each of many
// about its own.
func TestMemoryOfTasks(t *testing.T) {
	t.Run("256 B", checkMemory[[256]byte])
	t.Run("257 B", checkMemory[[257]byte])
	t.Run("64 KiB", checkMemory[[1 << 16]byte])
}

func checkMemory[T any](t *testing.T) {
	const little, n = 20 << 10, 250
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var task T
	bytes := int64(unsafe.Sizeof(task))
	before := heap()
	q := queue.New[T](math.MaxInt)
	push := func() { _, ok := q.Push(all, task); require.True(t, ok) }
	push()
	assert.Less(t, heap()-before, max(256*256, bytes)+little, "bytes for one task")
	for range n - 1 {
		push()
	}
	assert.Less(t, heap()-before, n*(bytes+bytes/4)+little, "bytes for %d tasks", n)
	runtime.KeepAlive(q)
}
