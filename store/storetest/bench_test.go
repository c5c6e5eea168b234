package storetest

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
)

func BenchmarkReference(b *testing.B) {
	RunBenchmarks(b, func(testing.TB) store.ResultStore[int] { return newReference() })
}

func TestWorkersTakeDenseIDsAndPickTakenOnes(t *testing.T) {
	const held = 100
	last := new(atomic.Uint64)
	last.Store(held)
	a := worker{last: last, held: held, rng: rand.NewPCG(1, 0)}
	b := worker{last: last, held: held, rng: rand.NewPCG(2, 0)}

	taken := make(map[store.ID]bool)
	for id := range store.ID(held) {
		taken[id+1] = true
	}
	own := make(map[store.ID]bool)
	for range 5 * blockSize {
		for _, w := range []*worker{&a, &b} {
			id := w.take()
			assert.False(t, taken[id], "ID %d was taken twice", id)
			taken[id] = true
			if w == &a {
				own[id] = true
			}
		}
		id := a.pick()
		assert.True(t, own[id] || 1 <= id && id <= held, "ID %d was not put by this worker", id)
	}
	for i := range len(taken) {
		assert.True(t, taken[store.ID(i+1)], "ID %d was left out", i+1)
	}
}
