package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every rival keeps all results, each with its error. Otherwise its figures
// would say nothing.
func TestAllResultsAreKept(t *testing.T) {
	const n = 5000
	for _, group := range []struct {
		name   string
		rivals []rival
	}{{"tasks", rivals}, {"map", mappers}} {
		for _, r := range group.rivals {
			for _, submitters := range []int{1, 8} {
				t.Run(fmt.Sprintf("%s/pool=%s/submitters=%d", group.name, r.name, submitters), func(t *testing.T) {
					kept, err := r.run(t.Context(), job{in: inputs(n), fn: failing, workers: 3, submitters: submitters})
					require.NoError(t, err)

					seen := make(map[int]bool)
					for v, err := range kept {
						assert.False(t, seen[v], "got %d twice", v)
						seen[v] = true
						var failed taskError
						if errors.As(err, &failed) {
							assert.Equal(t, v, int(failed))
						}
						assert.Equal(t, v%7 == 0, err != nil, "task %d: %v", v, err)
					}
					assert.Len(t, seen, n)
				})
			}
		}
	}
}

func TestNoTasks(t *testing.T) {
	for _, r := range append(rivals, mappers...) {
		kept, err := r.run(t.Context(), job{fn: trivial, workers: 2, submitters: 1})
		require.NoError(t, err, r.name)
		for range kept {
			t.Errorf("%s: a result of no task", r.name)
		}
	}
}

func TestCheck(t *testing.T) {
	in := inputs(3)
	assert.NoError(t, check(in, outcomes{{value: 2}, {value: 0}, {value: 1}}.all))
	assert.ErrorContains(t, check(in, outcomes{{value: 2}, {value: 0}}.all), "got 2 results, want 3")
	assert.ErrorContains(t, check(in, outcomes{{value: 2}, {value: 2}}.all), "twice")
	assert.ErrorContains(t, check(in, outcomes{{value: 3}}.all), "got result 3")
	assert.ErrorContains(t, check(in, outcomes{{value: 1, err: taskError(1)}}.all), "task 1 failed")
}
