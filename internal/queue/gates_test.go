package queue_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/queue"
)

// A worker is called if enough tasks are claimed, and the first to come takes the call back.
func TestGatesCall(t *testing.T) {
	var g queue.Gates
	g.Call(queue.Nobody)
	assert.False(t, g.CallsAny())
	g.Call(5)
	assert.False(t, g.Calls(4, false))
	assert.True(t, g.CallsAny())
	assert.True(t, g.Calls(9, false))
	for claimed := range uint64(10) {
		assert.False(t, g.Calls(claimed, true), "one is enough")
	}
	assert.False(t, g.CallsAny())
	g.Call(5)
	assert.True(t, g.Calls(4, true), "any room will do")
	assert.False(t, g.CallsAny())
}

func TestGateSet(t *testing.T) {
	var g queue.Gates
	for _, on := range []bool{false, true, true, false} {
		g.Hire.Set(on)
		assert.Equal(t, on, g.Hire.Load())
	}
}
