package queue_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/queue"
)

// A range that repeats the last ID of the one before is refused, as often as it comes.
func TestRangeOverlapsByOne(t *testing.T) {
	d := &queue.IDs{}
	assert.NoError(t, d.Add(10, 100))
	for range 2 {
		assert.ErrorContains(t, d.Add(109, 100), "want a range above 109")
		assert.EqualValues(t, 100, d.End())
		assert.Equal(t, 1, d.Len())
	}
	assert.NoError(t, d.Add(110, 100))
	assert.NoError(t, d.Add(300, 100))
	assert.Equal(t, 2, d.Len(), "ranges that follow each other are one")
	for ticket, id := range map[uint64]uint64{0: 10, 99: 109, 100: 110, 199: 209, 200: 300, 299: 399} {
		r := d.Advance(ticket)
		assert.Equal(t, id, ticket+r.Offset)
		for _, ticketOf := range []func(uint64) (uint64, bool){d.Ticket, r.Ticket} {
			got, ok := ticketOf(id)
			assert.True(t, ok)
			assert.Equal(t, ticket, got)
		}
	}
	for _, id := range []uint64{0, 9, 210, 299, 400} {
		for _, ticketOf := range []func(uint64) (uint64, bool){d.Ticket, d.Advance(250).Ticket} {
			_, ok := ticketOf(id)
			assert.False(t, ok, "ID %d", id)
		}
	}
	assert.EqualValues(t, 200, d.Advance(199).End)
	assert.EqualValues(t, 300, d.Advance(200).End)
	assert.EqualValues(t, 300, d.Next().End)
}

// A range whose numbers run out is refused, and so is one that begins at 0.
func TestRangeWraps(t *testing.T) {
	d := &queue.IDs{}
	assert.Error(t, d.Add(1<<64-10, 11))
	assert.Error(t, d.Add(0, 5), "0 is no ID")
	assert.NoError(t, d.Add(1<<64-10, 10))
	assert.Error(t, d.Add(1, 1))
}

// Blocks of old tickets are forgotten, and the others are not.
func TestForget(t *testing.T) {
	d := &queue.IDs{}
	for _, first := range []uint64{10, 200, 300} {
		assert.NoError(t, d.Add(first, 50))
	}
	d.Forget(99)
	assert.Equal(t, 2, d.Len())
	_, ok := d.Ticket(10)
	assert.False(t, ok, "forgotten")
	ticket, ok := d.Ticket(200)
	assert.True(t, ok)
	assert.EqualValues(t, 50, ticket)

	// Those who ask for the past find it.
	d.Forget(100)
	assert.Equal(t, 1, d.Len())
	for ticket, id := range map[uint64]uint64{0: 10, 49: 59, 50: 200, 99: 249, 100: 300, 149: 349} {
		assert.Equal(t, id, d.ID(ticket))
		got, ok := d.Past(id)
		assert.True(t, ok)
		assert.Equal(t, ticket, got, "of ID %d", id)
	}
	for _, id := range []uint64{0, 9, 60, 199, 250, 299, 350} {
		_, ok := d.Past(id)
		assert.False(t, ok, "ID %d", id)
	}
}
