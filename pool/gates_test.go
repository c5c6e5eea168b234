package pool

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A worker is called if its mark is high enough, and the first to come takes the call
// back, unless it is for everybody.
func TestGatesCall(t *testing.T) {
	var g gates
	g.callAt.Store(5)
	assert.False(t, g.calls(4))
	assert.EqualValues(t, 5, g.callAt.Load())
	assert.True(t, g.calls(5))
	assert.Equal(t, uint64(nobody), g.callAt.Load())
	for mark := range uint64(10) {
		assert.False(t, g.calls(mark), "nobody is called")
	}
	g.callAt.Store(5)
	assert.True(t, g.calls(9))
	assert.False(t, g.calls(9), "one is enough")
	g.callAt.Store(everybody)
	for mark := range uint64(10) {
		assert.True(t, g.calls(mark))
	}
	assert.EqualValues(t, everybody, g.callAt.Load(), "the call stays")
}

// countingGate counts what is stored.
type countingGate struct{ v, stores int }

func (g *countingGate) Load() int   { return g.v }
func (g *countingGate) Store(v int) { g.v = v; g.stores++ }

// A gate that is as it is to be is not written to: each write takes the cache line away
// from those who read it for each task.
func TestSetWritesOnlyChanges(t *testing.T) {
	var g countingGate
	for _, v := range []int{0, 3, 3, 3, 4} {
		set(&g, v)
		assert.Equal(t, v, g.v)
	}
	assert.Equal(t, 2, g.stores)
}

// Blocks are dealt out once each, and no more of them than there are.
func TestMapDealsEachBlockOnce(t *testing.T) {
	for _, n := range []int{1, 63, 64, 1000, 1 << 16} {
		m := mapping[int, int]{blockSize: 64, in: make([]int, n)}
		var c caller
		for i := range (n + 63) / 64 {
			assert.True(t, m.deal(&c), "block %d of %d inputs", i, n)
			assert.Equal(t, uint64(i)<<32, c.hand.state.Load())
		}
		assert.False(t, m.deal(&c), "%d inputs", n)
	}
}
