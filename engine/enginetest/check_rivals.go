package enginetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// allAtOnce has three goroutines push and five pull, save and acknowledge, or give back,
// on two handles. Nothing is lost, and nothing is delivered that should not be, which is
// seen by pulled. The queue may be full at times.
func allAtOnce(s *subject) {
	const pushers, workers, rounds = 3, 5, 4
	batch := s.QueueBound / 8
	h, other := s.two()
	handles := []*handle{h, other}

	ctx, finish := context.WithTimeout(s.ctx, 4*soon)
	defer finish()
	var mu sync.Mutex // guards ids and done
	var ids []uint64
	done := make(map[uint64]bool)
	countLocked := func() {
		if len(ids) == pushers*rounds*batch && len(done) == len(ids) {
			finish()
		}
	}
	push := func(ctx context.Context, i int) {
		for range rounds {
			pushed := handles[i%2].with(ctx).pushWhenThereIsRoom(batch)
			mu.Lock()
			ids = append(ids, pushed...)
			countLocked()
			mu.Unlock()
		}
	}
	work := func(ctx context.Context, i int) {
		h := handles[i%2].with(ctx)
		rng := rand.New(rand.NewPCG(uint64(i), 6))
		for {
			ds, err := h.Pull(ctx, 16)
			if refused(ctx, err) {
				return
			}
			wantNil("Pull", err)
			h.pulled(ds, 16)
			h.pause(time.Duration(rng.IntN(2000)) * time.Microsecond)
			back := ds[:rng.IntN(len(ds)+1)/3]
			ds = ds[len(back):]
			if len(back) > 0 {
				h.nack(back)
			}
			var recs []engine.Record
			for _, d := range ds {
				recs = append(recs, engine.Record{ID: d.ID, Data: fmt.Appendf(nil, "%s, done", d.Task)})
			}
			h.save(recs...)
			h.ack(ds)
			mu.Lock()
			for _, d := range ds {
				done[d.ID] = true
			}
			countLocked()
			mu.Unlock()
		}
	}
	together(ctx, append(times(pushers, push), times(workers, work)...)...)
	if len(done) != len(ids) {
		kit.Failf("%d of %d tasks were done after %v", len(done), len(ids), 4*soon)
	}

	all := other.all()
	for _, id := range ids {
		if want := s.tasks[id].task + ", done"; string(all[id]) != want {
			kit.Failf("All yielded %s for task %d, want %q", brief(all[id]), id, want)
		}
	}
	if len(all) != len(ids) {
		kit.Failf("All yielded %d records, want %d", len(all), len(ids))
	}
	h.quiet("all tasks were acknowledged")
}
