package linear

import (
	"io"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
)

// TestStoreModel: histories written by hand, with the verdict that they must get.
func TestStoreModel(t *testing.T) {
	type op = operation[storeCall, storeReply]
	stored := func(version int, call, ret int64) op {
		return op{storeCall{put, 7, version}, storeReply{verdict: done}, call, ret}
	}
	refused := func(version int, call, ret int64) op {
		return op{storeCall{put, 7, version}, storeReply{verdict: exists}, call, ret}
	}
	gets := func(version int, call, ret int64) op {
		return op{storeCall{kind: get, id: 7}, storeReply{found, version}, call, ret}
	}
	misses := func(call, ret int64) op {
		return op{storeCall{kind: get, id: 7}, storeReply{verdict: missing}, call, ret}
	}
	yields := func(version int, call, ret int64) op {
		return op{storeCall{kind: loop, id: 7}, storeReply{found, version}, call, ret}
	}
	skips := func(call, ret int64) op {
		return op{storeCall{kind: loop, id: 7}, storeReply{verdict: missing}, call, ret}
	}
	deletes := func(call, ret int64) op {
		return op{storeCall{kind: del, id: 7}, storeReply{verdict: done}, call, ret}
	}
	for _, c := range []struct {
		name string
		ok   bool
		ops  []op
	}{
		{"a Get finds what was put", true, []op{stored(1, 1, 2), gets(1, 3, 4)}},
		{"a Get misses what was put", false, []op{stored(1, 1, 2), misses(3, 4)}},
		{"a Get misses what is being put", true, []op{stored(1, 1, 4), misses(2, 3)}},
		{"a Get finds it, and a later one does not", false, []op{stored(1, 1, 9), gets(1, 2, 3), misses(4, 5)}},
		{"two Puts succeed", false, []op{stored(1, 1, 4), stored(2, 2, 3)}},
		{"two Puts succeed with a Delete between", true, []op{stored(1, 1, 9), stored(2, 2, 8), deletes(3, 4)}},
		{"a Put is refused by nothing", false, []op{refused(1, 1, 2)}},
		{"a Put is refused by one that follows", false, []op{refused(1, 1, 2), stored(2, 3, 4)}},
		{"what was refused is found", false, []op{stored(1, 1, 2), refused(2, 3, 4), gets(2, 5, 6)}},
		{"a Get finds what was deleted", false, []op{stored(1, 1, 2), deletes(3, 4), gets(1, 5, 6)}},
		{"a deleted result comes back", false,
			[]op{stored(1, 1, 2), deletes(3, 4), misses(5, 6), gets(1, 7, 8)}},
		{"an answer that none may give", false, []op{{storeCall{kind: get, id: 7}, storeReply{verdict: wrong}, 1, 2}}},
		{"a loop yields what was deleted after it began", true,
			[]op{stored(1, 1, 2), deletes(4, 5), yields(1, 3, 9)}},
		{"a loop yields what was deleted before it began", false,
			[]op{stored(1, 1, 2), deletes(3, 4), yields(1, 5, 9)}},
		{"a loop leaves out what was held throughout", false, []op{stored(1, 1, 2), skips(3, 9)}},
		{"a loop leaves out what was put meanwhile", true, []op{stored(1, 4, 5), skips(3, 9)}},
		{"a loop leaves out what was deleted and put again", true,
			[]op{stored(1, 1, 2), deletes(4, 5), stored(2, 6, 7), skips(3, 9)}},
	} {
		l := newLog[storeCall, storeReply](0, counter(), 0)
		l.ops = c.ops
		assert.Equal(t, c.ok, porcupine.CheckOperations(storeModel(), history(l)), c.name)
	}
}

func TestReadKnowsVersions(t *testing.T) {
	for version := 1; version <= 8; version++ {
		assert.Equal(t, storeReply{found, version}, read(7, result(7, version)))
		assert.Equal(t, wrong, read(8, result(7, version)).verdict, "another ID")
	}
	assert.Equal(t, wrong, read(7, store.Result[int]{ID: 7, Value: 1}).verdict, "the error is missing")
	assert.Equal(t, wrong, read(7, store.Result[int]{ID: 7, Value: 2, Err: io.EOF}).verdict, "an error too many")
	assert.Equal(t, wrong, read(7, store.Result[int]{ID: 7, Value: 3, Err: io.EOF}).verdict, "another's error")
}
