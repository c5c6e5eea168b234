package otelpool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// What is known of a queue is known to the very task.
func TestLooks(t *testing.T) {
	var l looks
	start := time.Now()
	for _, c := range []struct {
		at     time.Duration
		oldest store.ID
		queued uint64
		want   time.Duration
	}{
		{0, 11, 3, 0}, // 11, 12 and 13 wait
		{10, 11, 4, 10},
		{20, 13, 2, 20}, // 13 waited at 0
		{30, 14, 1, 20}, // 14 did not, but at 10
		{40, 0, 0, 0},
		{50, 15, 1, 0},
		{60, 11, 2, 10}, // 11 is to run again, and is older than all that is kept
	} {
		now := start.Add(c.at)
		assert.Equal(t, c.want, l.waited(pool.Stats{Oldest: c.oldest, Queued: c.queued}, now, now), "at %d", c.at)
	}
}

// A queue that stands still for eight hours: memory is bounded, and the age of each of its tasks is known to a tenth.
func TestLooksAreBounded(t *testing.T) {
	var l looks
	now := time.Now()
	for n := range uint64(28_800) {
		now = now.Add(time.Second)
		l.waited(pool.Stats{Oldest: 1, Queued: 1 + n}, now, now)
	}
	require.Len(t, l.queue, mostLooks)
	for i, one := range l.queue[1:] {
		age, gap := now.Sub(l.queue[i].at), one.at.Sub(l.queue[i].at)
		assert.LessOrEqual(t, gap, max(time.Second, age/10), "at an age of %v", age)
	}
}
