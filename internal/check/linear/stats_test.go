package linear

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

func TestStatsAreLinearizable(t *testing.T) {
	repeat(t, func(k *checker, now clock, seed uint64) error {
		return runStats(k, newSound(), nil, now, seed)
	})
}

var brokenCounters = map[string]func(counted) counted{
	"Stats counts a queued task as running": func(p counted) counted { return &miscounts{counted: p} },
	"Stats is that of some time ago":        func(p counted) counted { return &stale{counted: p} },
	"Stats takes two looks":                 func(p counted) counted { return &twoLooks{p} },
	"TrySubmit sees no room":                func(p counted) counted { return &seesNoRoom{counted: p} },
	"TrySubmit says closed too early":       func(p counted) counted { return &seesClosed{counted: p} },
	"Resize does nothing":                   func(p counted) counted { return &immovable{p} },
	"Wait does not wait":                    func(p counted) counted { return &hasty{p} },
}

func TestStatsCheckerBites(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(brokenCounters)) {
		t.Run(name, func(t *testing.T) {
			k := &checker{dir: t.TempDir()}
			began := time.Now()
			for round := 0; time.Since(began) < time.Minute; round++ {
				if err := runStats(k, newSound(), brokenCounters[name], clockOf(round), uint64(round+1)); err != nil {
					require.ErrorIs(t, err, errRejected)
					t.Logf("rejected in round %d, after %d operations", round, k.operations)
					return
				}
			}
			t.Errorf("not rejected in a minute: %v", k)
		})
	}
}

type miscounts struct {
	counted
	now
}

func (p *miscounts) Stats() pool.Stats {
	s := p.counted.Stats()
	if s.Queued > 0 && p.andThen() {
		s.Queued--
		s.Running++
	}
	return s
}

type stale struct {
	counted
	mu   sync.Mutex
	last pool.Stats
}

func (p *stale) Stats() pool.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.counted.Stats()
	s, p.last = p.last, s
	return s
}

// twoLooks adds up as it should, but is not of one moment.
type twoLooks struct{ counted }

func (p *twoLooks) Stats() pool.Stats {
	first := p.counted.Stats()
	giveWay()
	s := p.counted.Stats()
	s.Queued += s.Running - min(s.Running, first.Running)
	s.Running = min(s.Running, first.Running)
	return s
}

type seesNoRoom struct {
	counted
	now
}

func (p *seesNoRoom) TrySubmit(in int) (store.ID, error) {
	if p.andThen() {
		return 0, pool.ErrQueueFull
	}
	return p.counted.TrySubmit(in)
}

type seesClosed struct {
	counted
	now
}

func (p *seesClosed) TrySubmit(in int) (store.ID, error) {
	if p.andThen() {
		return 0, pool.ErrClosed
	}
	return p.counted.TrySubmit(in)
}

type immovable struct{ counted }

func (p *immovable) Resize(int) error { return nil }

type hasty struct{ counted }

func (p *hasty) Wait(context.Context) error { return nil }

// TestCountModel: histories written by hand, of a pool with one worker and room for
// one task.
func TestCountModel(t *testing.T) {
	type op = operation[countCall, struct{}]
	at := func(kind countKind, id uint64, call, ret int64) op {
		return op{countCall{kind: kind, id: id}, struct{}{}, call, ret}
	}
	stats := func(s pool.Stats, call, ret int64) op {
		s.Workers = 1
		return op{countCall{kind: looked, stats: s}, struct{}{}, call, ret}
	}
	resize := func(n int, call, ret int64) op { return op{countCall{kind: resized, n: n}, struct{}{}, call, ret} }
	const end = 99
	one := []op{at(submitted, 1, 1, 2), at(started, 1, 1, 3), at(succeeded, 1, 5, end)}
	two := append(slices.Clone(one), at(submitted, 2, 4, 4), at(started, 2, 4, 7))
	for _, c := range []struct {
		name string
		ok   bool
		ops  []op
	}{
		{"one task", true, append(slices.Clone(one), stats(pool.Stats{Submitted: 1, Succeeded: 1}, 8, 9))},
		{"it is counted twice", false,
			append(slices.Clone(one), stats(pool.Stats{Submitted: 1, Running: 1, Succeeded: 1}, 8, 9))},
		{"it is not counted", false, append(slices.Clone(one), stats(pool.Stats{}, 8, 9))},
		{"it is queued after it has started", false,
			append(slices.Clone(one), stats(pool.Stats{Submitted: 1, Queued: 1}, 8, 9))},
		{"two tasks and one worker", true, two},
		{"the second starts before the first is over", false,
			[]op{at(submitted, 1, 1, 2), at(started, 1, 1, 3), at(submitted, 2, 4, 5), at(started, 2, 4, 6), at(succeeded, 1, 7, end)}},
		{"the second starts first", false,
			[]op{at(submitted, 1, 1, 2), at(submitted, 2, 3, 4), at(started, 2, 3, 5), at(started, 1, 7, 8)}},
		{"the same ID twice", false, []op{at(submitted, 1, 1, 2), at(started, 1, 1, 3), at(submitted, 1, 4, 5)}},
		{"three tasks in room for one", false,
			[]op{at(submitted, 1, 1, 2), at(submitted, 2, 3, 4), at(submitted, 3, 5, 6), at(started, 1, 1, 20)}},
		{"full with room", false, []op{at(refused, 0, 1, 2)}},
		{"full", true, []op{at(submitted, 1, 1, 2), at(refused, 0, 3, 4), at(started, 1, 1, 9)}},
		{"no workers", true, []op{resize(0, 1, 2), at(unmanned, 0, 3, 4)}},
		{"no workers for no reason", false, []op{at(unmanned, 0, 3, 4)}},
		{"accepted without workers", false, []op{resize(0, 1, 2), at(submitted, 1, 3, 4)}},
		{"accepted after Stop", false, []op{at(closed, 0, 1, 2), at(submitted, 1, 3, 4)}},
		{"closed before Stop", false, []op{at(tooLate, 0, 1, 2), at(closed, 0, 3, 4)}},
		{"Wait while one runs", false,
			[]op{at(submitted, 1, 1, 2), at(started, 1, 1, 3), at(waited, 0, 4, 5), at(succeeded, 1, 6, end)}},
	} {
		l := newLog[countCall, struct{}](0, counter(), 0)
		l.ops = c.ops
		assert.Equal(t, c.ok, porcupine.CheckOperations(countModel(1, 1), history(l)), c.name)
	}
}
