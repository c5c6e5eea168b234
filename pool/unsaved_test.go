package pool_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// Results that are handed back are seen by a program that has their R wrong, or does not know it.
func TestUnsavedWithoutR(t *testing.T) {
	given := &pool.UnsavedError[string]{Results: []store.Result[string]{{ID: 7, Value: "a"}, {ID: 3}}, Err: errDown}
	err := errors.Join(errTask, fmt.Errorf("ended: %w", given))

	var wrong *pool.UnsavedError[int]
	assert.NotErrorAs(t, err, &wrong, "why there has to be another way")
	assert.ErrorIs(t, err, pool.ErrUnsaved)
	assert.ErrorIs(t, err, errDown)
	assert.NotErrorIs(t, given, errTask)
	assert.NotErrorIs(t, errors.Join(errTask, errDown), pool.ErrUnsaved)
	var unsaved interface{ IDs() []store.ID }
	if assert.ErrorAs(t, err, &unsaved) {
		ids := unsaved.IDs()
		assert.Equal(t, []store.ID{7, 3}, ids)
		ids[0] = 1
		assert.Equal(t, []store.ID{7, 3}, unsaved.IDs(), "a copy")
	}
}
