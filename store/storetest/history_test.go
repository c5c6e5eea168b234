package storetest

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHistoriesThatNoOrderExplains(t *testing.T) {
	for name, h := range map[string]history{
		"a Get misses what was put before it": {
			{didPut, 1, 1, 2, 0}, {didMiss, 0, 3, 4, 1},
		},
		"two Puts succeed": {
			{didPut, 1, 1, 3, 0}, {didPut, 2, 2, 4, 1},
		},
		"a Put is refused, but nothing was there": {
			{didRefuse, 1, 1, 2, 0}, {didPut, 2, 3, 4, 1},
		},
		"a Get finds what no Put succeeded with": {
			{didPut, 1, 1, 4, 0}, {didRefuse, 2, 2, 5, 1}, {didFind, 2, 3, 6, 2},
		},
		"a Get finds what was deleted": {
			{didPut, 1, 1, 2, 0}, {didDelete, 0, 3, 4, 0}, {didFind, 1, 5, 6, 1},
		},
		"one Get finds what a later one misses": {
			{didPut, 1, 1, 10, 0}, {didFind, 1, 2, 3, 1}, {didMiss, 0, 4, 5, 1},
		},
		"a Get finds what a later Get finds replaced, and then again": {
			{didPut, 1, 1, 2, 0}, {didDelete, 0, 3, 20, 0}, {didPut, 2, 4, 20, 1},
			{didFind, 1, 5, 6, 2}, {didFind, 2, 7, 8, 2}, {didFind, 1, 9, 10, 2},
		},
		"All yields what was deleted before it": {
			{didPut, 1, 1, 2, 0}, {didDelete, 0, 3, 4, 0}, {didYield, 1, 5, 6, 1},
		},
		"All skips what is held throughout": {
			{didPut, 1, 1, 2, 0}, {didSkip, 0, 3, 4, 1}, {didDelete, 0, 5, 6, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := h.explain(7)
			assert.ErrorContains(t, err, "ID 7 was not held, and then no order of these calls")
			assert.ErrorContains(t, err, "\n\tfrom 1 to ", "shows the history")
		})
	}
}

func TestHistoriesThatAnOrderExplains(t *testing.T) {
	for name, h := range map[string]history{
		"nothing happened": {},
		"a Get at the time of a Put misses": {
			{didPut, 1, 1, 4, 0}, {didMiss, 0, 2, 3, 1},
		},
		"a Get at the time of a Put finds": {
			{didPut, 1, 1, 4, 0}, {didFind, 1, 2, 3, 1},
		},
		"two Puts succeed with a Delete between": {
			{didPut, 1, 1, 6, 0}, {didPut, 2, 2, 5, 1}, {didDelete, 0, 3, 4, 2},
		},
		"a Get of what is being deleted": {
			{didPut, 1, 1, 2, 0}, {didDelete, 0, 3, 6, 0}, {didFind, 1, 4, 5, 1},
		},
		"All yields both that were there in its time": {
			{didPut, 1, 1, 2, 0}, {didYield, 1, 3, 8, 1}, {didDelete, 0, 4, 5, 0},
			{didPut, 2, 6, 7, 0}, {didYield, 2, 3, 9, 1},
		},
		"All skips both, neither of which was there all the time": {
			{didPut, 1, 1, 2, 0}, {didSkip, 0, 3, 8, 1}, {didDelete, 0, 4, 5, 0}, {didPut, 2, 6, 7, 0},
		},
	} {
		t.Run(name, func(t *testing.T) { assert.NoError(t, h.explain(7)) })
	}
}

// TestHistoriesOfAVariable makes histories in which each call does happen at one
// moment between its beginning and its end, and has all of them explained. With
// one answer made wrong, most are not explained.
func TestHistoriesOfAVariable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 6))
	rejected := 0
	const tries = 500
	for range tries {
		h := randomHistory(rng)
		if !assert.NoError(t, h.explain(7)) {
			return
		}
		e := &h[rng.IntN(len(h))]
		switch e.kind {
		case didPut:
			e.kind = didRefuse
		case didFind, didYield:
			e.value++
		default:
			e.kind, e.value = didPut, -1
		}
		if h.explain(7) != nil {
			rejected++
		}
	}
	assert.Greater(t, rejected, tries/2)
}

// randomHistory returns 64 events, which is as many as there may be.
func randomHistory(rng *rand.Rand) history {
	h := make(history, 64)
	value := 0
	for i := range h {
		moment := int64(10 * i)
		e := event{kind(rng.IntN(3)), 0, moment - rng.Int64N(20), moment + rng.Int64N(20), i % 4}
		switch e.kind {
		case didPut:
			e.value = i + 1
			if value != 0 {
				e.kind = didRefuse
			} else {
				value = i + 1
			}
		case didRefuse:
			e.kind = didDelete
			value = 0
		default:
			if e.value = value; value == 0 {
				e.kind = didMiss
			}
		}
		h[i] = e
	}
	return h
}
