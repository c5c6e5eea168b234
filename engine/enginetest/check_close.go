package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// reopened closes with tasks in the queue, held and not, and with records.
func reopened(s *subject) {
	h := s.open()
	lease := h.Lease()
	recs := records(1, 20)
	h.save(recs...)
	ids := h.push(6)
	held := h.pull(2)
	h.close()

	h = s.open()
	if h.Lease() != lease {
		kit.Failf("Lease is %v after a new Open, want %v as before", h.Lease(), lease)
	}
	h.hasOnly(recs...)
	h.has(recs[7])
	s.freed(held)
	ds := h.pull(4)
	h.ack(ds)
	more := h.pull(2) // two were held, and come when those four would, too
	h.ack(more)
	sameIDs("what was delivered after Close and a new Open", append(idsOf(ds), idsOf(more)...), ids)
	h.close()

	h = s.open()
	h.hasOnly(recs...)
	h.quiet("all tasks were acknowledged before Close")
	h.save(engine.Record{ID: 1, Data: []byte("later")})
	h.has(recs[0])
}

// closed calls every method after Close, those of the optional interfaces too. Another
// handle stays open.
func closed(s *subject) {
	h, other := s.two()
	h.push(3)
	ds := h.pull(2)
	stored := []engine.Record{record(1), record(ds[0].ID)}
	h.save(stored...)
	before := wholeOf(sequence{h.Engine, h.All(h.ctx)})
	h.close()
	h.close()
	for _, eng := range []whole{h.whole, before} {
		for _, c := range eng.calls(h.ctx, ds) {
			if err := c.try(eng); !errors.Is(err, engine.ErrClosed) {
				kit.Failf("%s returned %v after Close, want an error matching engine.ErrClosed", c.method, err)
			}
			if c.method == "Push" && (len(c.ids) > 0 || !errors.Is(c.err, engine.ErrRefused)) {
				kit.Failf("Push returned IDs %v and %v after Close, want none and an error matching engine.ErrRefused", c.ids, c.err)
			}
		}
	}
	h.close()
	other.hasOnly(stored...)
	other.del(1)
	s.freed(ds)
	other.push(1)
	other.ack(other.pull(2))
}

// closedWhileWaiting closes while calls wait, and while a loop is in its body.
func closedWhileWaiting(s *subject) {
	prompt(3, soon, "Pull, waiting when the engine was closed,", func() time.Duration {
		h := s.open()
		h.save(records(1, 100)...)
		ctx, cancel := context.WithTimeout(s.ctx, 2*soon)
		defer cancel()
		return h.woken("Pull", func() {
			ds, err := h.Pull(ctx, 1)
			if !errors.Is(err, engine.ErrClosed) || len(ds) > 0 {
				kit.Failf("Pull, waiting when the engine was closed, returned %d tasks and %v, want an error matching engine.ErrClosed", len(ds), err)
			}
		}, func() {
			for _, err := range h.All(h.ctx) {
				if err != nil && !errors.Is(err, engine.ErrClosed) {
					kit.Failf("All, closed in the body, yielded error %q, want none or one matching engine.ErrClosed", err)
				}
				h.close()
			}
		})
	})
}

// noGoroutines opens, uses and closes an engine. What it starts inherits the label of
// the goroutine that starts it, and so is told from all others in this process.
func noGoroutines(s *subject) {
	value := fmt.Sprintf("%x", rand.Uint64())
	pprof.Do(s.ctx, pprof.Labels("enginetest", value), func(ctx context.Context) {
		for range 3 {
			h := s.open()
			h.push(3)
			ds, err := h.Pull(ctx, 2)
			wantNil("Pull", err)
			ended, cancel := context.WithTimeout(ctx, while/3)
			for _, c := range h.calls(ended, ds) {
				_ = c.try(h.whole)
			}
			for range 4 { // of which one waits, at least
				_, _ = h.Pull(ended, 1)
			}
			cancel()
			h.close()
		}
	})
	h := &handle{ctx: s.ctx}
	left := labelled(value)
	for start := time.Now(); left != "" && time.Since(start) < soon; left = labelled(value) {
		h.pause(5 * time.Millisecond)
	}
	if left != "" {
		kit.Failf("goroutines are left %v after Close:\n\n%s", soon, left)
	}
}

// labelled returns the stacks of goroutines with that label.
func labelled(value string) string {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1)
	var found []string
	for stack := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(stack, fmt.Sprintf(`"enginetest":%q`, value)) {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}
