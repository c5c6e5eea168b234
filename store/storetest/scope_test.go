package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestScopeCleansUpLastAddedFirst(t *testing.T) {
	sc := newScope(t)
	var order []int
	for i := range 3 {
		sc.Cleanup(func() {
			assert.ErrorIs(t, sc.Context().Err(), context.Canceled)
			order = append(order, i)
		})
	}
	assert.NoError(t, sc.Context().Err())
	sc.end()
	assert.Equal(t, []int{2, 1, 0}, order)
}

func TestScopeCleansUpAfterPanic(t *testing.T) {
	sc := newScope(t)
	var cleaned []string
	sc.Cleanup(func() {
		sc.Cleanup(func() { cleaned = append(cleaned, "added late") })
		cleaned = append(cleaned, "first added")
	})
	sc.Cleanup(func() { panic("cannot close") })
	err := watch(t.Context(), time.Minute, func(context.Context) error { sc.end(); return nil })
	assert.ErrorContains(t, err, "panic: cannot close")
	assert.Equal(t, []string{"first added", "added late"}, cleaned)
}
