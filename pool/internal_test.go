package pool

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What the tests look at that users cannot see.

// CallsWorkers reports whether workers are called to the pool's lock on their way to
// the next task.
func (p *Pool[T, R]) CallsWorkers() bool { return p.gates.callAt.Load() != nobody }

// Waiting returns how many tasks wait for room in the queue.
func (p *Pool[T, R]) Waiting() uint64 {
	p.mu.Lock()
	defer p.unlock()
	return p.waiting
}

// IDBlocks returns how many ranges of IDs the pool remembers.
func (p *Pool[T, R]) IDBlocks() int {
	p.mu.Lock()
	defer p.unlock()
	return len(p.ids.blocks)
}

// A worker is called if its mark is high enough, and the first to come takes the call
// back, unless it is for everybody.
func TestGatesCall(t *testing.T) {
	var g gates
	g.callAt.Store(5)
	assert.False(t, g.calls(4))
	assert.True(t, g.calls(5))
	assert.False(t, g.calls(9), "one is enough")
	g.callAt.Store(everybody)
	for mark := range uint64(10) {
		assert.True(t, g.calls(mark), "the call stays")
	}
}
