package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/storetest"
)

// failing is a task that fails now and then. In the measurements nothing fails, for
// making an error would be most of the work.
func failing(_ context.Context, in int) (int, error) {
	if in%7 == 0 {
		return in, taskError(in)
	}
	return in, nil
}

// Every rival keeps all results, each with its error. Otherwise its figures
// would say nothing.
func TestAllResultsAreKept(t *testing.T) {
	const n = 5000
	for _, r := range slices.Concat(rivals, readers, mappers) {
		for _, submitters := range []int{1, 8} {
			t.Run(fmt.Sprintf("%s/submitters=%d", r.Label, submitters), func(t *testing.T) {
				kept, err := r.run(t.Context(), job{in: inputs(n), fn: failing, workers: 3, submitters: submitters})
				require.NoError(t, err)
				seen, failed := make(map[int]bool), make(map[int]bool)
				for v, err := range kept {
					for _, part := range parts(err) {
						var one taskError
						require.ErrorAs(t, part, &one)
						assert.False(t, failed[int(one)], "the error of %d twice", one)
						failed[int(one)] = true
						assert.True(t, v == int(one) || v < 0, "%d has the error of %d", v, one)
					}
					assert.False(t, seen[v], "got %d twice", v)
					seen[v] = true
				}
				for v := range n {
					assert.True(t, seen[v], "no %d", v)
					assert.Equal(t, v%7 == 0, failed[v], "task %d", v)
				}
			})
		}
	}
}

// Every client gets the value and the error of its own task.
func TestServersAnswer(t *testing.T) {
	for _, s := range servers {
		t.Run(s.Label, func(t *testing.T) {
			ask, stop, err := s.open(t.Context(), job{fn: failing, workers: 3})
			require.NoError(t, err)
			var crew sync.WaitGroup
			for in := range 100 {
				crew.Go(func() {
					got, err := ask(t.Context(), in)
					if in%7 == 0 {
						assert.Equal(t, taskError(in), err)
					} else {
						assert.NoError(t, err)
						assert.Equal(t, in, got)
					}
				})
			}
			crew.Wait()
			require.NoError(t, stop())
		})
	}
}

// parts takes an error apart that joins several. Those of conc are joined one by
// one, each with all before it.
func parts(err error) (all []error) {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, part := range joined.Unwrap() {
			all = append(all, parts(part)...)
		}
	} else if err != nil {
		all = append(all, err)
	}
	return all
}

func TestXSyncV4IsAStore(t *testing.T) {
	storetest.Run(t, func(testing.TB) store.ResultStore[int] { return newXSyncV4() })
}

func TestCheck(t *testing.T) {
	in := inputs(3)
	assert.NoError(t, check(in, outcomes{{value: 2}, {value: 0}, {value: 1}}.all))
	assert.ErrorContains(t, check(in, outcomes{{value: 2}, {value: 0}}.all), "got 2 results, want 3")
	assert.ErrorContains(t, check(in, outcomes{{value: 2}, {value: 2}}.all), "twice")
	assert.ErrorContains(t, check(in, outcomes{{value: 3}}.all), "got result 3")
	assert.ErrorContains(t, check(in, outcomes{{value: 1, err: taskError(1)}}.all), "task 1 failed")
}
