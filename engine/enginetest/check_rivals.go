package enginetest

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// allAtOnce has three goroutines push and five pull, save and acknowledge, or give back,
// on two handles, while another loops over the records. Nothing is lost, and nothing is
// delivered that should not be, which is seen by pulled. The queue may be full at times.
func allAtOnce(s *subject) {
	const pushers, workers, rounds = 3, 5, 4
	batch := s.QueueBound / 8
	h, other := s.two()
	handles := []*handle{h, other}

	ctx, finish := context.WithTimeout(s.ctx, 4*soon)
	defer finish()
	var mu sync.Mutex // guards done
	done := make(map[uint64]bool)
	work := func(h *handle, rng *rand.Rand) {
		for {
			ds, err := h.Pull(ctx, 16)
			if kit.Refused(ctx, err) {
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
				recs = append(recs, record(d.ID))
			}
			h.save(recs...)
			h.ack(ds)
			mu.Lock()
			for _, d := range ds {
				done[d.ID] = true
			}
			if len(done) == pushers*rounds*batch {
				finish()
			}
			mu.Unlock()
		}
	}
	kit.Parallel(pushers+workers+1, func(i int) {
		switch {
		case i < pushers:
			for range rounds {
				handles[i%2].pushWhenThereIsRoom(batch)
			}
		case i < pushers+workers:
			work(handles[i%2], rand.New(rand.NewPCG(uint64(i), 6)))
		default:
			for range 100 {
				other.sees(nil, func(engine.Record) {})
				h.pause(time.Millisecond)
			}
		}
	})
	if want := pushers * rounds * batch; len(done) != want {
		kit.Failf("%d of %d tasks were done after %v", len(done), want, 4*soon)
	}
	var recs []engine.Record
	for id := range done {
		recs = append(recs, record(id))
	}
	other.hasOnly(recs...)
	h.quiet("all tasks were acknowledged")
}
