package deal_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/deal"
)

// Each number is dealt once, whatever there is of them and of workers.
func TestEachNumberOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 63, 1000, 1 << 16} {
		for _, workers := range []int{1, 2, 7} {
			d := deal.New(n, workers)
			taken := make([]atomic.Int32, n)
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					var own deal.Hand
					for h := range d.Hands(&own) {
						for i, ok := d.Take(h); ok; i, ok = d.Take(h) {
							taken[i].Add(1)
						}
					}
				})
			}
			wg.Wait()
			for i := range taken {
				assert.EqualValues(t, 1, taken[i].Load(), "number %d of %d, %d workers", i, n, workers)
			}
		}
	}
}

// Numbers are dealt in order, in blocks of up to 1,024.
func TestBlocks(t *testing.T) {
	const n = 100_000
	d := deal.New(n, 2)
	var a, b deal.Hand
	for range d.Hands(&a) {
		break // it is dealt the first block, and takes nothing
	}
	for h := range d.Hands(&b) {
		i, ok := d.Take(h)
		assert.True(t, ok)
		assert.Equal(t, 1024, i, "the second block")
		break
	}
}

// A worker that has nothing left takes what is left in the hand of another, which is in the middle
// of a number that takes long.
func TestNoNumberWaits(t *testing.T) {
	d := deal.New(100, 2)
	var slow, quick deal.Hand
	for h := range d.Hands(&slow) {
		i, _ := d.Take(h)
		assert.Zero(t, i)
		break // and is busy with it
	}
	got := 0
	for h := range d.Hands(&quick) {
		for _, ok := d.Take(h); ok; _, ok = d.Take(h) {
			got++
		}
	}
	assert.Equal(t, 99, got)
	for h := range d.Hands(&slow) {
		_, ok := d.Take(h)
		assert.False(t, ok)
	}
}

// A loop that a panic has ended goes on with what is left of the hand.
func TestLoopAfterPanic(t *testing.T) {
	d := deal.New(50, 1)
	var own deal.Hand
	seen := 0
	loop := func() {
		defer func() { _ = recover() }()
		for h := range d.Hands(&own) {
			for i, ok := d.Take(h); ok; i, ok = d.Take(h) {
				seen++
				if i%7 == 3 {
					panic(i)
				}
			}
		}
	}
	for range 9 {
		loop()
	}
	assert.Equal(t, 50, seen)
}
