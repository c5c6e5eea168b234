package enginetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit/kittest"
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

// TestContract compares what Run quotes with what package engine says.
func TestContract(t *testing.T) {
	kittest.Names(t, contract(), checks)
	kittest.Contract(t, contract(), "../engine.go", map[string][]string{
		"Waiter":        {"Wait"},
		"StartMarker":   {"MarkStart"},
		"DelayedNacker": {"NackAfter"},
		"Sizer":         {"Size"},
		"Describer":     {"Describe"},
		"Retryabler":    {"Retryable"},
	})
}

// TestChild runs the checks where they can fail: of which subject, the parent says.
func TestChild(t *testing.T) {
	name := kittest.ChildName(t)
	newSubject := map[string]func(testing.TB) Subject{
		"panics": broken{twist: on("Delete", func(*twistedCall) { panic("boom") })}.newSubject,
		"offers nothing": func(testing.TB) Subject {
			sub := newMemory(minLease)
			open := sub.Open
			sub.Open = func(ctx context.Context) (engine.Engine, error) {
				eng, err := open(ctx)
				return struct{ engine.Engine }{eng}, err
			}
			sub.Remake, sub.TooLarge = nil, 0
			return sub
		},
		"cannot be made":    func(tb testing.TB) Subject { tb.Fatal("no server"); return Subject{} },
		"has a small queue": func(testing.TB) Subject { return Subject{Open: newMemory(minLease).Open, QueueBound: 10} },
		"has a long lease":  func(testing.TB) Subject { return newMemory(time.Minute) },
	}[name]
	run(t, newRun(newSubject, patience, time.Second))
}

func TestRun(t *testing.T) {
	for _, row := range []struct {
		name, filter string
		fails        bool
		says         []string
	}{
		{"panics", "/^clause=1[23]$/^(delete|not-found)$", true, []string{
			"--- FAIL: TestChild/engine/clause=13/delete",
			"panic: boom",
			"Clause 13 of engine.Engine: After Delete has returned nil",
			"--- PASS: TestChild/engine/clause=12/not-found",
		}},
		{"offers nothing", "", false, []string{
			"THE ENGINE IS NO engine.Waiter",
			"--- SKIP: TestChild/engine/Sizer/counts",
			"--- SKIP: TestChild/engine/clause=11/too-large",
			"--- SKIP: TestChild/engine/clause=1/made-anew",
			"--- PASS: TestChild/engine/clause=6/held",
		}},
		{"cannot be made", "", true, []string{"no server"}},
		{"has a small queue", "", true, []string{"QueueBound 10 and TooLarge 0, want not nil, 256 or more, 0 or more"}},
		{"has a long lease", "", true, []string{"Lease is 1m0s, want 500ms to 5s"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			filter := "^TestChild$"
			if row.filter != "" {
				filter += "/^engine$" + row.filter
			}
			out, err := kittest.Child(t, row.name, filter)
			assert.Equal(t, row.fails, err != nil, "%v", err)
			for _, text := range row.says {
				require.Contains(t, out, text)
			}
		})
	}
}
