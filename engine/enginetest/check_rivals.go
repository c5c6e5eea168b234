package enginetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// allAtOnce has three goroutines push and five pull, save and acknowledge, or give back,
// on two handles. Nothing is lost, and nothing is delivered that was not to be, which is
// seen by pull. The queue may be full at times.
func allAtOnce(s *subject) {
	const pushers, workers = 3, 5
	batch := s.QueueBound / 8
	handles := []*handle{s.open(), s.open()}

	ctx, finish := context.WithCancel(s.ctx)
	defer finish()
	var mu sync.Mutex
	done := make(map[uint64]string) // the data of each result
	var ids []uint64
	count := func() {
		if len(ids) == pushers*4*batch && len(done) == len(ids) {
			finish()
		}
	}

	push := func(ctx context.Context, i int) {
		h := handles[i%2].with(ctx)
		for range 4 {
			pushed := h.pushWhenThereIsRoom(batch)
			mu.Lock()
			ids = append(ids, pushed...)
			count()
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
			if err != nil {
				fail("Pull returned error %q, want none", err)
			}
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
			for _, rec := range recs {
				done[rec.ID] = string(rec.Data)
			}
			count()
			mu.Unlock()
		}
	}
	fs := times(pushers, push)
	fs = append(fs, times(workers, work)...)
	limited, cancel := context.WithTimeout(ctx, 4*soon)
	defer cancel()
	together(limited, fs...)
	if len(ids) == 0 || len(done) != len(ids) || limited.Err() == nil || ctx.Err() == nil {
		fail("%d of %d tasks were done after %v", len(done), len(ids), 4*soon)
	}

	all := handles[1].all()
	for _, id := range ids {
		data, stored := all[id]
		switch task := s.tasks[id]; {
		case task == nil:
			fail("Push returned ID %d, which was not known", id)
		case !stored || string(data) != task.task+", done":
			fail("All yielded %s for task %d, %s (stored: %v)", brief(data), id, brief([]byte(task.task)), stored)
		}
	}
	if len(all) != len(ids) {
		fail("All yielded %d records, want %d", len(all), len(ids))
	}
	handles[0].quiet("all tasks were acknowledged")
}
