package pool_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/pool"
)

func TestMapPanicNil(t *testing.T) {
	panickingNil(t, func(t *testing.T) {
		values, err := pool.Map(t.Context(), []task{value(1), panicsNil, value(3)}, pool.Call[int], nil)
		assert.Equal(t, []int{1, 0, 3}, values)
		var panicked *pool.PanicError
		assert.ErrorAs(t, err, &panicked)
		assert.ErrorContains(t, err, "input 1: ")
	})
}
