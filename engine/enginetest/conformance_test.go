package enginetest

import (
	"context"
	"testing"
	"time"

	"github.com/resultpool/resultpool/engine"
)

const testBound = 256

// newMemory is a Subject of a Memory.
func newMemory(lease time.Duration) Subject {
	o := &MemoryOptions{QueueBound: testBound, Lease: lease, MaxSize: 1 << 18}
	first := NewMemory(o)
	return Subject{
		Open:       func(context.Context) (engine.Engine, error) { return first.Open(), nil },
		QueueBound: testBound,
		TooLarge:   1<<18 + 1,
		Remake:     func(context.Context) error { first = NewMemory(o); return nil },
	}
}

func TestConformance(t *testing.T) {
	Run(t, func(testing.TB) Subject { return newMemory(time.Second) })
}
