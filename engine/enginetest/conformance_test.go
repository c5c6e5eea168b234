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
	m := NewMemory(o)
	return Subject{
		Open:       func(context.Context) (engine.Engine, error) { return m.Open(), nil },
		QueueBound: testBound,
		TooLarge:   1<<18 + 1,
		Remake: func(context.Context) error {
			last := m.data.lastID // the clock of a bubble may not have gone on
			m = NewMemory(o)
			m.data.lastID = max(m.data.lastID, last)
			return nil
		},
	}
}

func TestConformance(t *testing.T) {
	Run(t, func(testing.TB) Subject { return newMemory(time.Second) })
}
