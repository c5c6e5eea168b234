package queue_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/queue"
)

// A worker is called if its mark is high enough, and the first to come takes the call
// back, unless it is for everybody.
func TestGatesCall(t *testing.T) {
	var g queue.Gates
	assert.True(t, g.Calls(0))
	g.SetCall(queue.Nobody)
	assert.False(t, g.CallsAny())
	g.Call(5)
	assert.False(t, g.Calls(4))
	assert.True(t, g.CallsAny())
	assert.True(t, g.Calls(5))
	for mark := range uint64(10) {
		assert.False(t, g.Calls(mark), "nobody is called")
	}
	g.SetCall(5)
	assert.True(t, g.Calls(9))
	assert.False(t, g.Calls(9), "one is enough")
	g.Call(queue.Everybody)
	for mark := range uint64(10) {
		assert.True(t, g.Calls(mark))
	}
	assert.True(t, g.CallsAny(), "the call stays")
	g.SetCall(queue.Nobody)
	assert.False(t, g.Calls(9))
}

func TestGatesWanted(t *testing.T) {
	var g queue.Gates
	for _, want := range []bool{false, true, true, false} {
		g.SetWanted(want)
		assert.Equal(t, want, g.Wanted())
	}
}
