package monitor

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

const (
	longest    = 10  // how many of the running tasks are shown
	mostPast   = 300 // looks that are kept for the lines, one a second at most
	manyMarks  = 512 // when they are thinned
	rateOver   = 10 * time.Second
	ranOver    = time.Minute
	runCosts   = time.Millisecond // how long each task that runs puts off the next question
	sizeEvery  = 5 * time.Second
	sizeWithin = 10 * time.Second
	longText   = 500 // runes that are shown of the text of a store's error
)

// watched is a pool that is looked at, and what looks have found. Times are since Monitor.start. The fields below
// running are changed by the one who has the Monitor's turn.
type watched struct {
	key    int // names it in URLs; never used twice
	name   string
	source Source
	record *record
	size   atomic.Pointer[size] // of the shared queue; nil until it is known
	asking atomic.Bool          // Size runs

	running []run         // in order of ID
	seen    time.Duration // when they were asked for
	looked  bool          // whether they were
	spare   []run         // the memory of the one before
	marks   []mark
	past    []sample // is appended to, and replaced: snapshots have parts of it
	asked   time.Duration

	ran, ranBefore tally // at the last two minutes that began
	ranSince       time.Duration
}

// run is a task that runs.
type run struct {
	id    store.ID
	since time.Duration // when it was first seen
	told  bool          // OnStuck was told
}

// mark says that tasks up to the submitted-th, and those up to the ID highest, had been submitted at a time.
type mark struct {
	at        time.Duration
	submitted uint64
	highest   store.ID
}

// sample is a point of the lines.
type sample struct {
	at              time.Duration
	ended, failed   uint64
	queued, running uint64
}

// size is what a SharedQueue has answered.
type size struct {
	tasks uint64
	err   string
}

// shot is what one look has found of one pool. It does not change.
type shot struct {
	*watched // its fields that do not change

	stats   pool.Stats
	failing string // the text of the error; empty if there is none
	trouble string // why the source cannot be looked at

	at           time.Duration
	seen         time.Duration // when the source was asked what runs
	longest      []run
	stuck        int
	waits        bool
	oldest       time.Duration // since when the oldest task has waited
	rates        bool          // whether these are known
	rate, failed float64       // a second
	ran          *spread
	past         []sample
}

// look asks the source, whose methods may panic. Of many tasks it asks less often what runs: of 10,000 once in ten
// seconds, since the answer takes a pool a tenth of a microsecond for each.
//
// What it finds was so at some time between two looks at the clock. Ages are from the later one of the first look to the
// earlier one of the last, so that none is too high.
func (w *watched) look(clock func() time.Duration, stuck time.Duration) *shot {
	now := clock()
	s := &shot{watched: w, at: now}
	var ids []store.ID
	asks := false
	if err := guard.Call(func() error {
		s.stats = w.source.Stats()
		asks = !w.looked || now-w.seen >= time.Duration(min(s.stats.Running, 1e6))*runCosts
		if asks {
			ids = w.source.Running()
		}
		if err := s.stats.Failing.Err; err != nil {
			s.failing = shorten(text.Of(err), longText)
		}
		return nil
	}); err != nil {
		s.trouble = shorten(text.Of(err), longText)
		return s
	}
	after := clock()
	if asks {
		if !slices.IsSorted(ids) {
			ids = slices.Sorted(slices.Values(ids))
		}
		w.seeRunning(now, after, ids)
	}
	s.seen = w.seen
	s.longest, s.stuck = w.longest(stuck)
	s.oldest, s.waits = w.seeWaiting(after, s.stats)
	s.rate, s.failed, s.rates = w.seeCounts(now, s.stats)
	s.ran = w.seeDurations(now)
	s.past = w.past
	return s
}

// waited returns for how long the oldest task has waited, and ranFor a task that runs.
func (s *shot) waited() time.Duration      { return max(0, s.at-s.oldest) }
func (s *shot) ranFor(r run) time.Duration { return max(0, s.seen-r.since) }

// seeRunning notes which tasks run. It walks along both lists: a map of 10,000 tasks takes ten times as long.
func (w *watched) seeRunning(now, after time.Duration, ids []store.ID) {
	before, runs := w.running, w.spare[:0]
	for _, id := range ids {
		for len(before) > 0 && before[0].id < id {
			before = before[1:]
		}
		if len(before) > 0 && before[0].id == id {
			runs = append(runs, before[0])
		} else {
			runs = append(runs, run{id: id, since: after})
		}
	}
	w.running, w.spare = runs, w.running
	w.seen, w.looked = now, true
}

// longest returns the tasks that have run for longest, and how many are stuck.
func (w *watched) longest(stuck time.Duration) (top []run, n int) {
	for _, r := range w.running {
		if stuck >= 0 && w.seen-r.since >= stuck {
			n++
		}
		if len(top) == longest && r.since >= top[longest-1].since {
			continue
		}
		i := len(top)
		for i > 0 && top[i-1].since > r.since {
			i--
		}
		top = slices.Insert(top[:min(len(top), longest-1)], i, r)
	}
	return top, n
}

// seeWaiting returns since when the oldest task that waits has waited.
//
// Queued tasks wait, so the oldest of them was the (Submitted-Queued+1)-th to be submitted, or came before that;
// and tasks are submitted in the order of their IDs. So each of the two finds looks at which it had been
// submitted for certain. The first is too late where tasks overtake others, and the second where no task
// with a higher ID was seen. A mark that is of no use to the oldest is dropped: a task that
// waits to run again counts from its first wait at most while others have waited since then.
func (w *watched) seeWaiting(after time.Duration, s pool.Stats) (since time.Duration, waits bool) {
	if s.Queued == 0 {
		w.marks = w.marks[:0]
		return 0, false
	}
	highest := s.Oldest
	if len(w.running) > 0 {
		highest = max(highest, w.running[len(w.running)-1].id)
	}
	nth := s.Submitted - min(s.Queued, s.Submitted) + 1
	old := 0
	for _, m := range w.marks {
		if m.submitted >= nth || s.Oldest > 0 && m.highest >= s.Oldest {
			break
		}
		old++
	}
	w.marks = append(slices.Delete(w.marks, 0, old), mark{after, s.Submitted, highest})
	since = w.marks[0].at
	if len(w.marks) >= manyMarks {
		w.marks = thin(w.marks, after)
	}
	return since, true
}

// thin drops marks that are closer to each other than an eighth of their age. So an hour of waiting is found as well as
// a minute, within a ninth, and the marks of a year are some hundred.
func thin(marks []mark, now time.Duration) []mark {
	kept := marks[:1]
	for i := 1; i < len(marks); i++ {
		last := i == len(marks)-1
		if last || marks[i+1].at-kept[len(kept)-1].at > (now-marks[i+1].at)/8 {
			kept = append(kept, marks[i])
		}
	}
	return kept
}

// seeCounts notes a point of the lines, and returns how many tasks have run to their end in a second, and how
// many of these failed. That is over ten seconds, or two looks if these are longer apart.
func (w *watched) seeCounts(now time.Duration, s pool.Stats) (rate, failed float64, known bool) {
	point := sample{
		at:      now,
		ended:   s.Succeeded + s.Failed + s.Panicked,
		failed:  s.Failed + s.Panicked,
		queued:  s.Queued,
		running: s.Running,
	}
	var base sample
	for _, p := range slices.Backward(w.past) {
		base, known = p, now > p.at
		if p.at <= now-rateOver {
			break
		}
	}
	if len(w.past) == 0 || now-w.past[len(w.past)-1].at >= time.Second-leastEvery {
		if len(w.past) == cap(w.past) { // what snapshots have stays as it is
			w.past = append(make([]sample, 0, min(2*len(w.past)+16, 2*mostPast)), w.past...)
		}
		w.past = append(w.past, point)
		w.past = w.past[max(0, len(w.past)-mostPast):]
	}
	if !known {
		return 0, 0, false
	}
	seconds := (now - base.at).Seconds()
	return per(point.ended, base.ended, seconds), per(point.failed, base.failed, seconds), true
}

func per(now, before uint64, seconds float64) float64 {
	if now < before { // it is another pool by now, or a source that is none
		return 0
	}
	return float64(now-before) / seconds
}

// seeDurations returns how long tasks ran in the last one or two minutes, or since the last look if that was before.
func (w *watched) seeDurations(now time.Duration) *spread {
	current := w.record.ran.now()
	s := current.since(w.ranBefore)
	if now-w.ranSince >= ranOver {
		w.ranBefore, w.ran, w.ranSince = w.ran, current, now
	}
	return s
}

// askSize has the size of a shared queue asked for, unless that was done lately.
func (m *Monitor) askSize(w *watched, now time.Duration) {
	shared, ok := w.source.(SharedQueue)
	if !ok || w.asked > 0 && now-w.asked < sizeEvery || !w.asking.CompareAndSwap(false, true) {
		return
	}
	w.asked = max(now, 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return
	}
	m.own.Go(func() {
		defer w.asking.Store(false)
		ctx, cancel := context.WithTimeout(m.ctx, sizeWithin)
		defer cancel()
		var answer size
		if err := guard.Call(func() (err error) {
			answer.tasks, err = shared.Size(ctx)
			return err
		}); err != nil {
			answer.err = shorten(text.Of(err), longText)
		}
		w.size.Store(&answer)
	})
}
