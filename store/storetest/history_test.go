package storetest

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHistories(t *testing.T) {
	for name, row := range map[string]struct {
		h         history
		explained bool
	}{
		"a Get misses what was put before it": {history{
			{didPut, 1, 1, 2, 0}, {didMiss, 0, 3, 4, 1},
		}, false},
		"two Puts succeed": {history{
			{didPut, 1, 1, 3, 0}, {didPut, 2, 2, 4, 1},
		}, false},
		"a Put is refused, but nothing was there": {history{
			{didRefuse, 1, 1, 2, 0}, {didPut, 2, 3, 4, 1},
		}, false},
		"a Get finds what no Put succeeded with": {history{
			{didPut, 1, 1, 4, 0}, {didRefuse, 2, 2, 5, 1}, {didFind, 2, 3, 6, 2},
		}, false},
		"a Get finds what was deleted": {history{
			{didPut, 1, 1, 2, 0}, {didDelete, 0, 3, 4, 0}, {didFind, 1, 5, 6, 1},
		}, false},
		"one Get finds what a later one misses": {history{
			{didPut, 1, 1, 10, 0}, {didFind, 1, 2, 3, 1}, {didMiss, 0, 4, 5, 1},
		}, false},
		"a Get finds what a later Get finds replaced, and then again": {history{
			{didPut, 1, 1, 2, 0}, {didDelete, 0, 3, 20, 0}, {didPut, 2, 4, 20, 1},
			{didFind, 1, 5, 6, 2}, {didFind, 2, 7, 8, 2}, {didFind, 1, 9, 10, 2},
		}, false},
		"nothing happened": {history{}, true},
		"a Get at the time of a Put misses": {history{
			{didPut, 1, 1, 4, 0}, {didMiss, 0, 2, 3, 1},
		}, true},
		"a Get at the time of a Put finds": {history{
			{didPut, 1, 1, 4, 0}, {didFind, 1, 2, 3, 1},
		}, true},
		"two Puts succeed with a Delete between": {history{
			{didPut, 1, 1, 6, 0}, {didPut, 2, 2, 5, 1}, {didDelete, 0, 3, 4, 2},
		}, true},
		"a Get of what is being deleted": {history{
			{didPut, 1, 1, 2, 0}, {didDelete, 0, 3, 6, 0}, {didFind, 1, 4, 5, 1},
		}, true},
	} {
		err := row.h.explain(7)
		if row.explained {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorContains(t, err, "ID 7 was not held, and then no order of these calls", name)
			assert.ErrorContains(t, err, "\n\tfrom 1 to ", "shows the history")
		}
	}
}

// TestHistoriesOfAVariable makes histories of 64 events, as many as there may be, in which
// each call does happen at one moment between its beginning and its end, and has all of them
// explained. With one answer made wrong, most are not explained.
func TestHistoriesOfAVariable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 6))
	rejected := 0
	const tries = 500
	for range tries {
		h := make(history, 64)
		value := 0
		for i := range h {
			moment := int64(10 * i)
			e := event{kind(rng.IntN(5)), 0, moment - rng.Int64N(20), moment + rng.Int64N(20), i % 4}
			switch {
			case e.kind == didDelete:
				value = 0
			case e.kind == didPut && value == 0:
				value = i + 1
				e.value = value
			case value == 0:
				e.kind = didMiss
			case e.kind == didPut:
				e.kind = didRefuse
			case e.kind != didRefuse:
				e.kind, e.value = didFind, value
			}
			h[i] = e
		}
		if !assert.NoError(t, h.explain(7)) {
			return
		}
		e := &h[rng.IntN(len(h))]
		switch e.kind {
		case didPut:
			e.kind = didRefuse
		case didFind:
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
