package enginetest

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// noWaitingForMore pulls more than there is.
func noWaitingForMore(s *subject) {
	h := s.open()
	prompt(5, 250*time.Millisecond, "Pull of at most 10, with 2 tasks in the queue,", func() time.Duration {
		h.push(2)
		start := time.Now()
		ds, err := h.Pull(h.ctx, 10)
		took := time.Since(start)
		wantNil("Pull", err)
		h.pulled(ds, 10)
		h.ack(ds)
		if len(ds) == 1 {
			h.ack(h.pull(1))
		}
		return took
	})
}

// waitsForOne has a Pull wait that a Push by another handle wakes.
func waitsForOne(s *subject) {
	h, other := s.two()
	prompt(3, time.Second, "Pull, waiting when a task was pushed,", func() time.Duration {
		return h.woken("Pull", func() { h.ack(h.pull(1)) }, func() { other.push(1) })
	})
}

// aboutInOrder allows for some disorder, as of an engine on several machines.
func aboutInOrder(s *subject) {
	h := s.open()
	var ids []uint64
	for range 10 {
		ids = append(ids, h.push(10)...)
	}
	slices.Sort(ids)
	var ds []engine.Delivery
	for _, limit := range []int{1, 3, 1, 7, 88} { // each of which is a limit, too
		ds = append(ds, h.pull(limit)...)
	}
	for i, d := range ds[:25] {
		if at, _ := slices.BinarySearch(ids, d.ID); at >= 75 {
			kit.Failf("Pull returned the task with the %dth of 100 IDs as number %d, want about the order of the IDs", at+1, i+1)
		}
	}
}

// pullsThatEnd pulls with contexts that end at any moment. What such a Pull may have taken
// over is delivered to a later one. That no task comes a second time is seen by pulled.
func pullsThatEnd(s *subject) {
	const n = 100
	h, other := s.two()
	rng := rand.New(rand.NewPCG(1, 2))
	var over atomic.Bool
	atOnce(func() {
		defer over.Store(true)
		for range n {
			other.push(1)
			h.pause(time.Millisecond)
		}
	}, func() {
		for got, end := 0, time.Now().Add(h.afterLease()+soon); got < n; {
			limit := time.Duration(rng.IntN(4000)) * time.Microsecond
			if over.Load() { // let the last ones come
				limit = time.Second
			}
			ctx, cancel := context.WithTimeout(s.ctx, limit)
			ds, err := h.Pull(ctx, 3)
			switch {
			case err == nil:
				h.pulled(ds, 3)
				h.ack(ds)
				got += len(ds)
			case len(ds) > 0:
				kit.Failf("Pull returned %d tasks and error %q, want one or the other", len(ds), err)
			case !kit.Refused(ctx, err):
				kit.Failf("Pull returned error %q, want one matching the context's", err)
			case time.Now().After(end):
				kit.Failf("Pull has returned %d of %d tasks, also after calls that had ended with their contexts", got, n)
			}
			cancel()
		}
	})
}
