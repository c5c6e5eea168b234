package soak

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
)

// TestSoakBites plants a leak, or something else that is wrong, in a short soak.
func TestSoakBites(t *testing.T) {
	release := make(chan struct{}) // the goroutines that are leaked
	defer close(release)
	for _, c := range []struct {
		name  string
		wrap  func(results) results
		hook  func(number uint64)
		limit int64
		want  error
	}{
		{"nothing", nil, nil, memoryLimit, nil},
		{"the store keeps every other deleted result reachable",
			func(st results) results { return &keeper{results: st} }, nil, memoryLimit, errHeap},
		{"the store keeps 512 bytes for one result in four",
			func(st results) results { return &crumbs{results: st} }, nil, memoryLimit, errHeap},
		{"the store forgets one Delete in a thousand",
			func(st results) results { return forgets{st} }, nil, memoryLimit, errTask},
		{"the store loses one result in a thousand",
			func(st results) results { return loses{st} }, nil, memoryLimit, errTask},
		{"the store gives a result for another",
			func(st results) results { return &confuses{results: st} }, nil, memoryLimit, errTask},
		{"one task in a thousand leaves a goroutine", nil, func(number uint64) {
			if number%1000 == 0 {
				go func() { <-release }()
			}
		}, memoryLimit, errGoroutines},
		{"the limit is less than a soak takes", nil, nil, 1 << 20, errLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			rep, err := plan{
				newStore: func() results {
					if c.wrap == nil {
						return rwmutex.New[*payload]()
					}
					return c.wrap(rwmutex.New[*payload]())
				},
				length: 700 * time.Millisecond,
				limit:  c.limit,
				first:  1,
				seed:   1,
				hook:   c.hook,
			}.begin()
			assert.ErrorIs(t, err, c.want)
			t.Logf("%v\n%v", err, rep)
		})
	}
}

// keeper forgets to forget some of what it has deleted.
type keeper struct {
	results
	mu   sync.Mutex
	kept []store.Result[*payload]
}

type results = store.ResultStore[*payload]

func (s *keeper) Delete(ctx context.Context, id store.ID) error {
	if id%2 == 0 {
		if res, err := s.Get(ctx, id); err == nil {
			s.mu.Lock()
			s.kept = append(s.kept, res)
			s.mu.Unlock()
		}
	}
	return s.results.Delete(ctx, id)
}

// crumbs keeps no result, but something for each.
type crumbs struct {
	results
	mu   sync.Mutex
	kept [][]byte
}

func (s *crumbs) Delete(ctx context.Context, id store.ID) error {
	if id%4 == 0 {
		s.mu.Lock()
		s.kept = append(s.kept, make([]byte, 512))
		s.mu.Unlock()
	}
	return s.results.Delete(ctx, id)
}

type forgets struct{ results }

func (s forgets) Delete(ctx context.Context, id store.ID) error {
	if id%1000 == 1 {
		return nil
	}
	return s.results.Delete(ctx, id)
}

type loses struct{ results }

func (s loses) Put(ctx context.Context, res store.Result[*payload]) error {
	if res.ID%1000 == 1 {
		return nil
	}
	return s.results.Put(ctx, res)
}

// confuses puts the value of the result before.
type confuses struct {
	results
	mu   sync.Mutex
	last *payload
}

func (s *confuses) Put(ctx context.Context, res store.Result[*payload]) error {
	s.mu.Lock()
	last := s.last
	s.last = res.Value
	s.mu.Unlock()
	if res.ID%1000 == 2 && res.Value != nil && last != nil {
		res.Value = last
	}
	return s.results.Put(ctx, res)
}

// TestLedger: what a cycle must not be like, one fault at a time.
func TestLedger(t *testing.T) {
	ok := job{1, succeeds}
	good := outcome{success, 1}
	for _, c := range []struct {
		name      string
		cancelled bool
		play      func(*ledger)
		want      error
	}{
		{"all is well", false, func(l *ledger) { l.accept(11, ok); l.put(11); l.read(11, good) }, nil},
		{"the result is seen before Submit has returned", false,
			func(l *ledger) { l.put(11); l.read(11, good); l.accept(11, ok) }, nil},
		{"an ID twice", false, func(l *ledger) { l.accept(11, ok); l.accept(11, ok) }, errIDs},
		{"an ID of the cycle before", false, func(l *ledger) { l.accept(10, ok) }, errIDs},
		{"an ID is left out", false, func(l *ledger) { l.accept(12, ok); l.put(12); l.read(12, good) }, errIDs},
		{"no result", false, func(l *ledger) { l.accept(11, ok) }, errTask},
		{"two results", false, func(l *ledger) { l.accept(11, ok); l.put(11); l.put(11) }, errTask},
		{"a result of nothing", false, func(l *ledger) { l.put(11); l.read(11, good) }, errTask},
		{"read twice", false, func(l *ledger) { l.accept(11, ok); l.put(11); l.read(11, good); l.read(11, good) }, errTask},
		{"never read", false, func(l *ledger) { l.accept(11, ok); l.put(11) }, errTask},
		{"another's outcome", false, func(l *ledger) { l.accept(11, ok); l.put(11); l.read(11, outcome{success, 2}) }, errTask},
		{"not run for no reason", false,
			func(l *ledger) { l.accept(11, ok); l.put(11); l.read(11, outcome{kind: notRun}) }, errTask},
		{"not run after a cancel", true,
			func(l *ledger) { l.accept(11, ok); l.put(11); l.read(11, outcome{kind: notRun}) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger()
			l.base = 10
			assert.True(t, l.plan(1))
			c.play(l)
			l.settle(c.cancelled)
			assert.ErrorIs(t, l.err(), c.want)
		})
	}
}

func TestTrend(t *testing.T) {
	samples := func(f func(i int) sample) []sample {
		var all []sample
		for i := range 30 {
			all = append(all, f(i))
		}
		return all
	}
	flat := trendOf(samples(func(i int) sample { return sample{5<<20 + uint64(i%7)<<14, 1} }))
	assert.NoError(t, flat.rising())
	early := trendOf(samples(func(i int) sample { return sample{8<<20 - uint64(min(i, 4))<<20, 1} }))
	assert.NoError(t, early.rising(), "less is not more")
	slow := trendOf(samples(func(i int) sample { return sample{5<<20 + uint64(i)<<15, 1} }))
	assert.ErrorIs(t, slow.rising(), errHeap)
	goroutines := trendOf(samples(func(i int) sample { return sample{5 << 20, 1 + i/5} }))
	assert.ErrorIs(t, goroutines.rising(), errGoroutines)
}
