package enginetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/kit"
)

// starts adds n to the starts of a task, and wants so many in all.
func (h *handle) starts(id uint64, n, want int) {
	starts, err := h.MarkStart(h.ctx, id, n)
	if err != nil || starts != want {
		kit.Failf("MarkStart(%d, %d) returned %d and error %v, want %d", id, n, starts, err, want)
	}
}

// startsCount counts starts, which deliveries are not, and takes some back. They survive Close.
func startsCount(s *subject) {
	h, other := s.two()
	ids := h.push(2)
	for n := range 3 {
		h.nack(h.pull(2))
		ds := h.pull(2)
		h.starts(ids[0], 1, n+1)
		h.starts(ids[0], 1, n+2)
		h.starts(ids[0], -1, n+1)
		other.starts(ids[1], 1, 1)
		h.starts(ids[1], -1, 0)
		h.nack(ds)
	}
	other.starts(ids[1], 1, 1)
	ds := h.pull(2)
	h.close()
	h = s.open()
	h.starts(ids[0], 1, 4)
	s.freed(ds)
	h.pull(2)
	h.starts(ids[0], 1, 5)
	h.starts(ids[1], 1, 2)
}

func startsAtOnce(s *subject) {
	const n = 40
	h, other := s.two()
	handles := []*handle{h, other}
	id := h.push(1)[0]
	var counted [n + 1]atomic.Int32
	kit.Parallel(n, func(i int) {
		starts, err := handles[i%2].MarkStart(s.ctx, id, 1)
		if err != nil || starts < 1 || starts > n || counted[starts].Add(1) > 1 {
			kit.Failf("MarkStart, one of %d at once, returned %d and error %v, want each from 1 to %d once", n, starts, err, n)
		}
	})
}

// nackAfter gives tasks back for later.
func (h *handle) nackAfter(ds []engine.Delivery, d time.Duration) {
	h.s.freed(ds)
	wantNil("NackAfter", h.NackAfter(h.ctx, ds, d))
}

// ran wants that so many runs of each task have ended.
func ran(ds []engine.Delivery, want int) {
	for _, d := range ds {
		if d.Runs != want {
			kit.Failf("task %d was delivered with %d Runs and Attempt %d, want %d Runs", d.ID, d.Runs, d.Attempt, want)
		}
	}
}

// comesLater has tasks come again before and after a lease would have ended, and others at once. Who has given
// them back has no say any more.
func comesLater(s *subject) {
	h, other := s.two()
	for _, d := range []time.Duration{h.Lease() / 2, h.Lease() * 3 / 2} {
		h.push(6)
		ds := h.pull(6)
		begun := time.Now()
		h.nackAfter(ds[:2], d)
		h.nackAfter(ds[2:3], 0)
		h.nackAfter(ds[3:4], -time.Hour)
		atOnce := other.pull(2)
		sameIDs("what was delivered at once, as NackAfter of no time said", idsOf(atOnce), idsOf(ds[2:4]))
		other.ack(atOnce)
		h.ack(ds[4:])
		_ = h.Extend(h.ctx, ds[:2])
		_ = h.Nack(h.ctx, ds[:2])
		_ = h.NackAfter(h.ctx, ds[:2], 0)
		if h.Sizer != nil {
			h.sizeIs(2, "with two tasks that come later")
		}
		late := other.pull(2)
		if took := time.Since(begun); took < d*9/10 {
			kit.Failf("after a NackAfter of %v tasks were delivered within %v", d, took)
		} else if took > d+soon {
			kit.Failf("after a NackAfter of %v tasks were delivered after %v", d, took)
		}
		sameIDs("what was delivered later", idsOf(late), idsOf(ds[:2]))
		ran(late, 1)
		other.ack(late)
	}
}

// runsCount gives tasks back in each way: only what NackAfter gives back has run.
func runsCount(s *subject) {
	h, other := s.two()
	h.push(3)
	for n := range 5 {
		ds := h.pull(3)
		ran(ds, 2*n)
		h.nackAfter(ds, 0)
		ds = other.pull(3)
		ran(ds, 2*n+1)
		other.nack(ds)
		ds = other.pull(3)
		ran(ds, 2*n+1)
		other.nackAfter(ds, time.Millisecond)
	}
	ds := h.pull(3)
	s.freed(ds)
	h.close()
	h = s.open()
	ran(h.pull(3), 10)
}

// sizeIs wants Size to be that, or not 0 if tasks share messages, soon: tasks may be gone only a moment after Ack. It must
// not be less at any time.
func (h *handle) sizeIs(want uint64, when string) {
	for start := time.Now(); ; h.pause(2 * time.Millisecond) {
		n, err := h.Size(h.ctx)
		if err == nil && (n == want || h.s.Run > 1 && 0 < n && n < want) {
			return
		}
		if err != nil || n < want || time.Since(start) > soon {
			kit.Failf("Size returned %d and error %v %s, want %d", n, err, when, want)
		}
	}
}

// sizeCounts asks again and again: a caller that waits for a Size of 0 waits for all that was
// pushed before.
func sizeCounts(s *subject) {
	h, other := s.two()
	h.sizeIs(0, "of an empty queue")
	for range 5 {
		ids := h.push(3)
		h.sizeIs(3, "after a Push of 3")
		h.push(20)
		other.sizeIs(23, "after another Push, of 20")
		ds := h.pull(23)
		h.sizeIs(23, "with all tasks held")
		h.nack(ds[:3])
		other.sizeIs(23, "after a Nack")
		h.save(record(ids[0]))
		h.sizeIs(23, "after a Save")
		h.ack(ds[3:10])
		h.sizeIs(16, "of 23, after an Ack of 7")
		_ = h.Ack(h.ctx, ds[3:10])
		h.sizeIs(16, "of 23, after the same Ack again")
		h.ack(ds[10:])
		h.ack(h.pull(3))
		other.sizeIs(0, "after an Ack of all")
	}
	h.close()
	s.open().sizeIs(0, "after Close and a new Open")
}

// describeFirst has several calls at once describe the queue, and later ones.
func describeFirst(s *subject) {
	h, other := s.two()
	handles := []*handle{h, other}
	var stored [8]string
	describe := func(i int, kind string) {
		got, err := handles[i%2].Describe(s.ctx, kind)
		wantNil("Describe", err)
		stored[i] = got
	}
	kit.Parallel(len(stored), func(i int) { describe(i, fmt.Sprintf("map[string]main.Task → *main.Result, json\n\"%d\"", i)) })
	first := stored[0]
	describe(0, "later")
	describe(1, "yet another")
	h.push(1)
	h.ack(h.pull(1))
	h.close()
	handles[0] = s.open()
	describe(2, "after Close and a new Open")
	for i, got := range stored {
		if got != first || !strings.HasSuffix(got, "\"") {
			kit.Failf("Describe returned %q and, of another call, %q", first, stored[i])
		}
	}
}

// retryable asks about errors of this package, and those that the engine itself has returned.
func retryable(s *subject) {
	h := s.open()
	want := func(err error, can bool) {
		if got := h.Retryable(err); got != can {
			kit.Failf("Retryable(%q) returned %v, want %v", err, got, can)
		}
	}
	want(engine.ErrFull, true)
	want(context.DeadlineExceeded, true)
	want(engine.ErrTooLarge, false)
	want(engine.ErrClosed, false)
	want(fmt.Errorf("deleted: %w", engine.ErrGone), false)
	_, err := h.Push(s.ctx, s.key(), s.batch(2*s.QueueBound))
	want(err, true)
	ended, cancel := context.WithTimeout(s.ctx, 0)
	defer cancel()
	if _, err = h.Pull(ended, 1); err != nil {
		want(err, true)
	}
	if s.TooLarge > 0 {
		want(h.Save(s.ctx, []engine.Record{{ID: 1, Data: make([]byte, s.TooLarge)}}), false)
	}
	h.close()
	want(h.Save(s.ctx, records(2, 1)), false)
	_, err = h.Pull(s.ctx, 1)
	want(err, false)
}

// wait wants rec from a Wait.
func (h *handle) wait(rec engine.Record) {
	ctx, cancel := context.WithTimeout(h.ctx, soon+while)
	defer cancel()
	data, err := h.Wait(ctx, rec.ID)
	if err != nil || string(data) != string(rec.Data) {
		kit.Failf("Wait(%d) returned %s and error %v, want %s", rec.ID, brief(data), err, brief(rec.Data))
	}
}

// waitFails wants a Wait to find neither a task nor a record, and to report that at once.
func (h *handle) waitFails(id uint64, why string) {
	prompt(3, time.Second, "Wait for "+why, func() time.Duration {
		ctx, cancel := context.WithTimeout(h.ctx, soon)
		defer cancel()
		start := time.Now()
		if data, err := h.Wait(ctx, id); !errors.Is(err, engine.ErrNotFound) {
			kit.Failf("Wait(%d), for %s, returned %s and %v, want an error matching engine.ErrNotFound", id, why, brief(data), err)
		}
		return time.Since(start)
	})
}

// waitAtOnce waits for what is stored, and for what is not and never will be.
func waitAtOnce(s *subject) {
	h, other := s.two()
	h.waitFails(7, "an ID that was never given")
	ids := h.push(3)
	h.waitFails(ids[2]+1, "an ID that was not given yet")
	h.waitFails(ids[0]-1, "an ID below all")
	for _, rec := range []engine.Record{record(ids[0]), record(7)} {
		h.save(rec)
		h.wait(rec)
		other.wait(rec)
	}
	h.ack(h.pull(3))
	other.wait(record(ids[0]))
	h.del(ids[0])
	h.waitFails(ids[0], "a record that was deleted")
	other.waitFails(ids[0], "a record that was deleted")
	h.waitFails(ids[1], "a task that was acknowledged without a record")
}

// waitWoken has several calls wait for one record, while its task is not held and while it is.
func waitWoken(s *subject) {
	h, other := s.two()
	handles := []*handle{h, other}
	for _, held := range []bool{false, true} {
		prompt(3, time.Second, "Wait, waiting when the record was saved,", func() time.Duration {
			rec := record(h.push(1)[0])
			var ds []engine.Delivery
			if held {
				ds = h.pull(1)
			}
			took := h.woken("Wait", func() {
				kit.Parallel(4, func(i int) { handles[i%2].wait(rec) })
			}, func() { other.save(rec) })
			if !held {
				ds = h.pull(1)
			}
			h.ack(ds)
			return took
		})
	}
}

// waitRace waits and saves at the same moment, many times: no save goes unnoticed.
func waitRace(s *subject) {
	h, other := s.two()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		rec := record(h.push(1)[0])
		ds := other.pull(1)
		d := time.Duration(rng.IntN(1500)) * time.Microsecond
		atOnce(func() { h.wait(rec) }, func() {
			h.pause(d)
			other.save(rec)
			other.ack(ds)
		})
	}
}

// waitEnds has a context end, the task be acknowledged without a record, and the engine be
// closed, during a Wait.
func waitEnds(s *subject) {
	h := s.open()
	id := h.push(1)[0]
	ds := h.pull(1)
	h.endsWithItsContext("Wait", func(ctx context.Context) error {
		_, err := h.Wait(ctx, id)
		return err
	})
	done, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := h.Wait(done, id); !kit.Refused(done, err) {
		kit.Failf("Wait with a context that is done returned %v, want an error matching the context's", err)
	}
	ends := func(id uint64, want error, end func()) {
		h.woken("Wait", func() {
			ctx, cancel := context.WithTimeout(h.ctx, soon+while)
			defer cancel()
			if _, err := h.Wait(ctx, id); !errors.Is(err, want) {
				kit.Failf("Wait, waiting when the task was acknowledged, or the engine closed, returned %v, want an error matching %q", err, want)
			}
		}, end)
	}
	ends(id, engine.ErrNotFound, func() { h.ack(ds) })
	ends(h.push(1)[0], engine.ErrClosed, h.close)
}
