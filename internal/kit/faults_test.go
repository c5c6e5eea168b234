package kit_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/internal/kit"
)

var (
	errFault = errors.New("a fault")
	errOwn   = errors.New("what the method itself returned")
)

// call makes a call through f, and reports whether it reached the method.
func call(ctx context.Context, f kit.Fault[int], ids ...int) (done bool, err error) {
	err = kit.Call(ctx, f, ids, func(context.Context) error { done = true; return errOwn })
	return done, err
}

func TestFailingAndLosing(t *testing.T) {
	done, err := call(t.Context(), kit.Failing[int](errFault))
	assert.False(t, done)
	assert.Equal(t, errFault, err)
	done, err = call(t.Context(), kit.Losing[int](errFault))
	assert.True(t, done)
	assert.Equal(t, errFault, err)
}

// TestFaultsForSomeCalls makes four calls, about the IDs 1, 2, 3 and 1.
func TestFaultsForSomeCalls(t *testing.T) {
	failing := kit.Failing[int](errFault)
	for name, row := range map[string]struct {
		fault kit.Fault[int]
		fails [4]bool
	}{
		"none":           {nil, [4]bool{}},
		"always":         {failing, [4]bool{true, true, true, true}},
		"first":          {kit.First(2, failing), [4]bool{true, true, false, false}},
		"after":          {kit.After(2, failing), [4]bool{false, false, true, true}},
		"only":           {kit.Only(failing, 9, 1), [4]bool{true, false, false, true}},
		"first of nil":   {kit.First(2, kit.Fault[int](nil)), [4]bool{}},
		"an empty chain": {kit.Chain[kit.Fault[int]](), [4]bool{}},
		"a chain":        {kit.Chain(nil, kit.After(2, failing), kit.Only(failing, 1)), [4]bool{true, false, true, true}},
		"in its order":   {kit.Chain(kit.First(2, failing), kit.After(1, failing)), [4]bool{true, true, false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			for i, id := range []int{1, 2, 3, 1} {
				done, err := call(t.Context(), row.fault, 7, id)
				assert.Equal(t, !row.fails[i], done, "call %d", i)
				assert.Equal(t, map[bool]error{true: errFault, false: errOwn}[row.fails[i]], err, "call %d", i)
			}
		})
	}
}
