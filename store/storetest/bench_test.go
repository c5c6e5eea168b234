package storetest

import (
	"context"
	"flag"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// TestRunBenchmarks has each benchmark make a few operations, and sees those fail
// that are run on a store which does.
func TestRunBenchmarks(t *testing.T) {
	benchtime := flag.Lookup("test.benchtime").Value
	before := benchtime.String()
	require.NoError(t, benchtime.Set("5000x"))
	defer func() { assert.NoError(t, benchtime.Set(before)) }()

	plain := func() store.ResultStore[int] { return struct{ store.ResultStore[int] }{newReference()} }
	noLarge := func(ctx context.Context, ids []store.ID, do func(context.Context) error) error {
		if len(ids) == poolBatch {
			return io.EOF
		}
		return do(ctx)
	}
	for name, row := range map[string]struct {
		st    func() store.ResultStore[int]
		fails bool
	}{
		"good":                 {func() store.ResultStore[int] { return newReference() }, false},
		"no PutBatch":          {plain, false},
		"Put fails":            {func() store.ResultStore[int] { return WithFaults(plain(), Faults{Put: Fail(io.EOF)}) }, true},
		"PutBatch fails":       {func() store.ResultStore[int] { return WithFaults(newReference(), Faults{PutBatch: Fail(io.EOF)}) }, true},
		"a pool's batch fails": {func() store.ResultStore[int] { return WithFaults(newReference(), Faults{PutBatch: noLarge}) }, true},
		"Get fails":            {func() store.ResultStore[int] { return WithFaults(newReference(), Faults{Get: Fail(io.EOF)}) }, true},
		"All fails":            {func() store.ResultStore[int] { return WithFaults(newReference(), Faults{All: Fail(io.EOF)}) }, true},
		"All ends early":       {func() store.ResultStore[int] { return WithFaults(newReference(), Faults{All: Fail(nil)}) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			made, failed := 0, false
			testing.Benchmark(func(b *testing.B) {
				runBenchmarks(b, func(testing.TB) store.ResultStore[int] { made++; return row.st() }, 2000)
				failed = b.Failed()
			})
			assert.Equal(t, row.fails, failed)
			assert.GreaterOrEqual(t, made, 9, "one store for each benchmark at least")
		})
	}
}
