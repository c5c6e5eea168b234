package oracle

import (
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/pool"
)

// TestOrderModel: histories written by hand, of a pool with one worker and room for
// one task.
func TestOrderModel(t *testing.T) {
	tasks := []*Task{{}, {}}
	tasks[0].id.Store(1)
	tasks[1].id.Store(2)
	type ops = []porcupine.Operation
	at := func(call, ret int64, e event) porcupine.Operation {
		return porcupine.Operation{Input: e, Call: call, Return: ret}
	}
	of := func(kind eventKind, id int, call, ret int64) porcupine.Operation {
		return at(call, ret, event{kind: kind, id: tasks[id-1].ID()})
	}
	stats := func(s pool.Stats) porcupine.Operation {
		s.Workers = 1
		return at(20, 21, event{kind: looked, stats: s})
	}
	one := func(rest ...porcupine.Operation) ops {
		return append(ops{of(accepted, 1, 1, 2), of(started, 1, 1, 3), of(put, 1, 5, 6), of(succeeded, 1, 6, 99)}, rest...)
	}
	for _, c := range []struct {
		name string
		ok   bool
		ops  ops
	}{
		{"one task", true, one(of(found, 1, 7, 8), of(deleted, 1, 9, 10), of(missing, 1, 11, 12))},
		{"it is found before it is stored", false, one(of(found, 1, 3, 4))},
		{"it is not found after it was stored", false, one(of(missing, 1, 7, 8))},
		{"it is found after it was deleted", false, one(of(deleted, 1, 7, 8), of(found, 1, 9, 10))},
		{"it is stored twice", false, one(of(put, 1, 7, 8))},
		{"it is counted late", true, one(stats(pool.Stats{Submitted: 1, Running: 1}))},
		{"it is counted twice", false, one(stats(pool.Stats{Submitted: 1, Running: 1, Succeeded: 1}))},
		{"it is not counted", false, one(stats(pool.Stats{}))},
		{"it is queued after it has started", false, one(stats(pool.Stats{Submitted: 1, Queued: 1}))},
		{"Wait waits", true, one(at(3, 7, event{kind: quiet}))},
		{"Wait does not wait", false, one(at(3, 4, event{kind: quiet}))},
		{"a second starts before the first is over", false, one(of(accepted, 2, 3, 4), of(started, 2, 3, 4))},
		{"a second has no room", false, ops{of(accepted, 1, 1, 2), of(accepted, 2, 3, 4), of(started, 1, 5, 6)}},
		{"no workers for no reason", false, one(at(3, 4, event{kind: noWorkers}))},
		{"no workers", true, one(at(7, 8, event{kind: resized}), at(9, 10, event{kind: noWorkers}))},
		{"accepted after Stop", false, ops{at(1, 2, event{kind: closing}), of(accepted, 1, 3, 4)}},
		{"closed before Stop", false, ops{at(1, 2, event{kind: tooLate}), at(3, 4, event{kind: closing})}},
	} {
		assert.Equal(t, c.ok, porcupine.CheckOperations(orderModel(tasks, 1, 1), c.ops), c.name)
	}
}
