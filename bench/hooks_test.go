package bench_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// BenchmarkHooks measures what hooks cost a task that does nothing. They do nothing either, so it is the two looks
// at the clock of each, and the calls.
func BenchmarkHooks(b *testing.B) {
	started := func(context.Context, store.ID, time.Duration) {}
	ended := func(store.ID, pool.Outcome, error, time.Duration) {}
	for _, c := range []struct {
		name  string
		hooks *pool.Hooks
	}{
		{"none", nil},
		{"started", &pool.Hooks{Started: started}},
		{"ended", &pool.Hooks{Ended: ended}},
		{"both", &pool.Hooks{Started: started, Ended: ended}},
	} {
		b.Run("hooks="+c.name, func(b *testing.B) {
			e := &errand{st: dense.New[int](), tasks: make([]int, b.N), ids: make([]store.ID, 0, b.N), hooks: c.hooks}
			runtime.GC()
			b.ReportAllocs()
			b.ResetTimer()
			if err := e.run(b.Context(), false, false); err != nil {
				b.Error(err)
			}
		})
	}
}
