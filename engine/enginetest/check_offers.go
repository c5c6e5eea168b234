package enginetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
)

var starterChecks = []check{
	{offer: "StartMarker", name: "counts", try: startsCount},
	{offer: "StartMarker", name: "taken-back", try: startsTakenBack},
	{offer: "StartMarker", name: "survives", try: startsSurvive, waits: true},
	{offer: "StartMarker", name: "at-once", try: startsAtOnce},
}

// markStart marks one start.
func (h *handle) markStart(id uint64, want int) { h.markStarts(id, 1, want) }

func (h *handle) markStarts(id uint64, n, want int) {
	starts, err := optional[engine.StartMarker](h, "StartMarker").MarkStart(h.ctx, id, n)
	if err != nil || starts != want {
		fail("MarkStart(%d, %d) returned %d and error %v, want %d", id, n, starts, err, want)
	}
}

// startsCount counts starts, which deliveries are not.
func startsCount(s *subject) {
	h, other := s.open(), s.open()
	ids := h.push(2)
	for want := 1; want < 4; want++ {
		h.nack(h.pull(2))
		ds := h.pull(2)
		h.markStart(ids[0], 2*want-1)
		other.markStart(ids[0], 2*want)
		h.nack(ds)
	}
	other.markStart(ids[1], 1)
	h.close()
	if n, err := h.Engine.(engine.StartMarker).MarkStart(s.ctx, ids[0], 1); !errors.Is(err, engine.ErrClosed) {
		fail("MarkStart returned %d and error %v after Close, want an error matching engine.ErrClosed", n, err)
	}
}

// startsTakenBack takes back starts, one as soon as it is marked and one later.
func startsTakenBack(s *subject) {
	h, other := s.open(), s.open()
	ids := h.push(2)
	h.pull(2)
	h.markStarts(ids[0], 1, 1)
	h.markStarts(ids[0], -1, 0)
	h.markStarts(ids[0], 1, 1)
	other.markStarts(ids[0], 1, 2)
	h.markStarts(ids[1], 1, 1)
	other.markStarts(ids[0], -1, 1)
	h.markStarts(ids[0], 1, 2)
	h.markStarts(ids[1], -1, 0)
}

func startsSurvive(s *subject) {
	h := s.open()
	ids := h.push(2)
	ds := h.pull(2)
	h.markStart(ids[0], 1)
	h.markStart(ids[0], 2)
	h.markStart(ids[1], 1)
	h.close()
	h = s.open()
	h.markStart(ids[0], 3)
	s.freed(ds)
	h.pull(2)
	h.markStart(ids[0], 4)
	h.markStart(ids[1], 2)
}

func startsAtOnce(s *subject) {
	const n, each = 8, 5
	handles := []*handle{s.open(), s.open()}
	optional[engine.StartMarker](handles[0], "StartMarker")
	id := handles[0].push(1)[0]
	handles[0].pull(1)
	var mu sync.Mutex
	var got []int
	together(s.ctx, times(n, func(ctx context.Context, i int) {
		for range each {
			starts, err := handles[i%2].Engine.(engine.StartMarker).MarkStart(ctx, id, 1)
			if err != nil {
				fail("MarkStart returned error %q, want none", err)
			}
			mu.Lock()
			got = append(got, starts)
			mu.Unlock()
		}
	})...)
	slices.Sort(got)
	for i, starts := range got {
		if starts != i+1 {
			fail("MarkStart, called %d times at once, returned %v, want each from 1 to %d once", n*each, got, n*each)
		}
	}
}

var sizerChecks = []check{
	{offer: "Sizer", name: "counts", try: sizeCounts},
	{offer: "Sizer", name: "never-too-small", try: sizeNeverTooSmall},
}

// size wants Size to be that, soon: tasks may be gone a moment after Ack only. It must
// not be less at any time.
func (h *handle) size(want uint64, when string) {
	sizer := optional[engine.Sizer](h, "Sizer")
	var last uint64
	for start := time.Now(); ; h.pause(2 * time.Millisecond) {
		n, err := sizer.Size(h.ctx)
		switch {
		case err != nil:
			fail("Size returned error %q, want none", err)
		case n == want:
			return
		case n < want, time.Since(start) > soon:
			fail("Size returned %d %s, want %d", n, when, want)
		case last != 0 && n > last:
			fail("Size returned %d and then %d %s, want %d", last, n, when, want)
		}
		last = n
	}
}

func sizeCounts(s *subject) {
	h, other := s.open(), s.open()
	h.size(0, "of an empty queue")
	ids := h.push(3)
	h.size(3, "after a Push of 3")
	h.push(20)
	other.size(23, "after another Push, of 20")
	ds := h.pull(23)
	h.size(23, "with all tasks held")
	h.nack(ds[:3])
	h.size(23, "after a Nack")
	h.save(records(ids[0], 1)...)
	h.size(23, "after a Save")
	h.ack(ds[3:10])
	h.size(16, "of 23, after an Ack of 7")
	_ = h.Ack(h.ctx, ds[3:10])
	h.size(16, "of 23, after the same Ack again")
	h.ack(ds[10:])
	h.ack(h.pull(3))
	other.size(0, "after an Ack of all")
	h.close()
	if n, err := h.Engine.(engine.Sizer).Size(s.ctx); !errors.Is(err, engine.ErrClosed) {
		fail("Size returned %d and error %v after Close, want an error matching engine.ErrClosed", n, err)
	}
	s.open().size(0, "after Close and a new Open")
}

// sizeNeverTooSmall asks again and again: who waits for a Size of 0 waits for all that
// was pushed before.
func sizeNeverTooSmall(s *subject) {
	h, other := s.open(), s.open()
	sizer := optional[engine.Sizer](other, "Sizer")
	for i := range 30 {
		h.push(3)
		n, err := sizer.Size(s.ctx)
		if want := uint64(i + 3); err != nil || n < want {
			fail("Size returned %d and error %v right after a Push, with %d tasks in the queue", n, err, want)
		}
		ds := h.pull(3)
		h.nack(ds[:2])
		n, err = sizer.Size(s.ctx)
		if want := uint64(i + 3); err != nil || n < want {
			fail("Size returned %d and error %v right after a Nack, with %d tasks in the queue", n, err, want)
		}
		ds = append(h.pull(2), ds[2:]...)
		h.ack(ds[:2])
	}
}

var describerChecks = []check{
	{offer: "Describer", name: "first-wins", try: describeFirst},
	{offer: "Describer", name: "at-once", try: describeAtOnce},
}

func (h *handle) describe(kind, want string) {
	got, err := optional[engine.Describer](h, "Describer").Describe(h.ctx, kind)
	if err != nil || got != want {
		fail("Describe(%q) returned %q and error %v, want %q", kind, got, err, want)
	}
}

func describeFirst(s *subject) {
	const first = "map[string]main.Task → *main.Result, json\n\"2\""
	h, other := s.open(), s.open()
	h.describe(first, first)
	h.describe(first, first)
	h.describe("other", first)
	other.describe("yet another", first)
	h.push(1)
	h.ack(h.pull(1))
	h.close()
	other.close()
	h = s.open()
	h.describe("later", first)
	h.close()
	if got, err := h.Engine.(engine.Describer).Describe(s.ctx, "x"); !errors.Is(err, engine.ErrClosed) {
		fail("Describe returned %q and error %v after Close, want an error matching engine.ErrClosed", got, err)
	}
}

func describeAtOnce(s *subject) {
	handles := []*handle{s.open(), s.open()}
	var stored [8]string
	together(s.ctx, times(len(stored), func(ctx context.Context, i int) {
		d := optional[engine.Describer](handles[i%2], "Describer")
		got, err := d.Describe(ctx, fmt.Sprintf("kind %d", i))
		if err != nil {
			fail("Describe returned error %q, want none", err)
		}
		stored[i] = got
	})...)
	for _, got := range stored {
		if got != stored[0] {
			fail("Describe, called several times at once, returned %q and %q", stored[0], got)
		}
	}
	handles[0].describe("later", stored[0])
}

var retryablerChecks = []check{
	{offer: "Retryabler", name: "of-this-package", try: retryable},
}

// retryable asks about errors that the engine itself has returned, if it can be had to.
func retryable(s *subject) {
	h := s.open()
	r := optional[engine.Retryabler](h, "Retryabler")
	want := func(err error, can bool) {
		if got := r.Retryable(err); got != can {
			fail("Retryable(%q) returned %v, want %v", err, got, can)
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
