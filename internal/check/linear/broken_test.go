package linear

import (
	"context"
	"errors"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
)

// brokenStores are wrong in one way each. Most are right when one goroutine uses
// them, and wrong between two locks if there are more. They give way there: whether
// two processors are free at the moment says nothing about the checker.
var brokenStores = map[string]func(*sound) store.ResultStore[int]{
	"a cache of Get outlives Delete": func(s *sound) store.ResultStore[int] { return &cached{sound: s} },
	"Put looks, then stores":         func(s *sound) store.ResultStore[int] { return looksFirst{s} },
	"Put can be seen before it is refused": func(s *sound) store.ResultStore[int] {
		return rollsBack{s}
	},
	"Put returns before it has stored": func(s *sound) store.ResultStore[int] { return &buffered{sound: s} },
	"value and error come one by one":  func(s *sound) store.ResultStore[int] { return twoSteps{s} },
	"Delete undoes other changes":      func(s *sound) store.ResultStore[int] { return copies{s} },
	"Delete returns before it has deleted": func(s *sound) store.ResultStore[int] {
		return &lazyDelete{sound: s}
	},
	"Delete does not find the newest":   func(s *sound) store.ResultStore[int] { return &missesNewest{sound: s} },
	"Get misses what moves":             func(s *sound) store.ResultStore[int] { return &moves{sound: s} },
	"All yields what it yielded before": func(s *sound) store.ResultStore[int] { return &oldSnapshot{sound: s} },
	"All skips one in many":             func(s *sound) store.ResultStore[int] { return skips{s} },
	"All repeats one in many":           func(s *sound) store.ResultStore[int] { return repeats{s} },
	"All begins where the last loop ended": func(s *sound) store.ResultStore[int] {
		return &resumes{sound: s}
	},
}

// TestCheckerBites shows each broken store to the loads in turn, until one rejects
// it. All histories are small, and what is wrong may need a few hundred of them.
func TestCheckerBites(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(brokenStores)) {
		t.Run(name, func(t *testing.T) {
			k := &checker{dir: t.TempDir()}
			var loads []storeLoad
			for i, load := range storeLoads() {
				loads = append(loads, slices.Repeat([]storeLoad{load}, max(1, 16>>(3*(i/2))))...) // the quick ones more often
			}
			began := time.Now()
			for round := 0; time.Since(began) < time.Minute; round++ {
				load := loads[round%len(loads)]
				st := brokenStores[name](newSound())
				err := load.run(k, st, clockOf(round), uint64(round+1))
				if err == nil {
					continue
				}
				require.ErrorIs(t, err, errRejected)
				t.Logf("rejected by load %s in round %d, after %d operations", load.name, round, k.operations)
				return
			}
			t.Errorf("not rejected in a minute: %v", k)
		})
	}
}

// TestCheckerAcceptsSound: what the broken stores are made of is not broken.
func TestCheckerAcceptsSound(t *testing.T) {
	for _, load := range storeLoads() {
		t.Run(load.name, func(t *testing.T) {
			repeat(t, func(k *checker, now clock, seed uint64) error {
				return load.run(k, newSound(), now, seed)
			})
		})
	}
}

// TestRejectionIsShown: the error has the operations, and says where the picture is.
func TestRejectionIsShown(t *testing.T) {
	k := &checker{dir: t.TempDir()}
	l := newLog[storeCall, storeReply](0, counter(), 8)
	l.do(storeCall{put, 7, 1}, func() storeReply { return storeReply{verdict: done} })
	l.do(storeCall{kind: get, id: 8}, func() storeReply { return storeReply{verdict: missing} })
	l.do(storeCall{kind: get, id: 7}, func() storeReply { return storeReply{verdict: missing} })
	err := k.check(storeModel(), history(l))
	require.ErrorIs(t, err, errRejected)
	assert.Contains(t, err.Error(), "in 1 of 2 parts")
	assert.Contains(t, err.Error(), "Put(7, 1) -> nil")
	assert.Contains(t, err.Error(), "Get(7) -> not found")
	assert.NotContains(t, err.Error(), "Get(8)")

	pictures, globErr := filepath.Glob(filepath.Join(k.dir, "linear-*.html"))
	require.NoError(t, globErr)
	require.Len(t, pictures, 1)
	assert.Contains(t, err.Error(), "picture: "+pictures[0])
	html, readErr := os.ReadFile(pictures[0])
	require.NoError(t, readErr)
	assert.Contains(t, string(html), "Put(7, 1)")
}

// sound is a store that is right: a map under a mutex.
type sound struct {
	mu sync.Mutex
	m  map[store.ID]store.Result[int]
}

func newSound() *sound { return &sound{m: make(map[store.ID]store.Result[int])} }

func (s *sound) Put(_ context.Context, res store.Result[int]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, held := s.m[res.ID]; held {
		return store.ErrExists
	}
	s.m[res.ID] = res
	return nil
}

func (s *sound) Get(_ context.Context, id store.ID) (store.Result[int], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	res, held := s.m[id]
	if !held {
		return res, store.ErrNotFound
	}
	return res, nil
}

func (s *sound) Delete(_ context.Context, id store.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, id)
	return nil
}

func (s *sound) copy() map[store.ID]store.Result[int] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.m)
}

func (s *sound) All(context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		for _, res := range s.copy() {
			if !yield(res, nil) {
				return
			}
		}
	}
}

// giveWay lets another goroutine run, now and then.
func giveWay() {
	if rand.IntN(4) == 0 {
		runtime.Gosched()
	}
}

// cached remembers what it has read.
type cached struct {
	*sound
	cache sync.Map
}

func (s *cached) Get(ctx context.Context, id store.ID) (store.Result[int], error) {
	if res, ok := s.cache.Load(id); ok {
		return res.(store.Result[int]), nil
	}
	res, err := s.sound.Get(ctx, id)
	if err == nil {
		s.cache.Store(id, res)
	}
	return res, err
}

// looksFirst lets go of the lock between looking and storing.
type looksFirst struct{ *sound }

func (s looksFirst) Put(ctx context.Context, res store.Result[int]) error {
	if _, err := s.Get(ctx, res.ID); err == nil {
		return store.ErrExists
	}
	giveWay()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[res.ID] = res
	return nil
}

// rollsBack stores first and then sees that it should not have.
type rollsBack struct{ *sound }

func (s rollsBack) Put(_ context.Context, res store.Result[int]) error {
	s.mu.Lock()
	before, held := s.m[res.ID]
	s.m[res.ID] = res
	s.mu.Unlock()
	if !held {
		return nil
	}
	giveWay()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[res.ID] = before
	return store.ErrExists
}

// buffered stores with the next call of Put what the one before was given.
type buffered struct {
	*sound
	last store.Result[int] // guarded by mu
}

func (s *buffered) Put(ctx context.Context, res store.Result[int]) error {
	if _, err := s.Get(ctx, res.ID); !errors.Is(err, store.ErrNotFound) {
		return store.ErrExists
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last.ID != 0 {
		s.m[s.last.ID] = s.last
	}
	s.last = res
	return nil
}

// twoSteps stores the value first and then the error.
type twoSteps struct{ *sound }

func (s twoSteps) Put(ctx context.Context, res store.Result[int]) error {
	if err := s.sound.Put(ctx, store.Result[int]{ID: res.ID, Value: res.Value}); err != nil {
		return err
	}
	giveWay()
	s.mu.Lock()
	defer s.mu.Unlock()
	if held := s.m[res.ID]; held.Value == res.Value {
		s.m[res.ID] = res
	}
	return nil
}

// copies replaces the map by a copy in which the ID is missing.
type copies struct{ *sound }

func (s copies) Delete(_ context.Context, id store.ID) error {
	without := s.copy()
	delete(without, id)
	giveWay()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m = without
	return nil
}

// lazyDelete deletes with the next Delete what it was to delete before.
type lazyDelete struct {
	*sound
	last store.ID // guarded by mu
}

func (s *lazyDelete) Delete(_ context.Context, id store.ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, s.last)
	s.last = id
	return nil
}

// missesNewest has what was put last in a place in which Delete does not look.
type missesNewest struct {
	*sound
	newest atomicID
}

func (s *missesNewest) Put(ctx context.Context, res store.Result[int]) error {
	err := s.sound.Put(ctx, res)
	if err == nil {
		s.newest.set(res.ID)
		giveWay()
		s.newest.set(0)
	}
	return err
}

func (s *missesNewest) Delete(ctx context.Context, id store.ID) error {
	if s.newest.get() == id {
		return nil
	}
	return s.sound.Delete(ctx, id)
}

type atomicID struct {
	mu sync.Mutex
	id store.ID
}

func (a *atomicID) set(id store.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.id = id
}

func (a *atomicID) get() store.ID {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.id
}

// moves grows by taking everything out and putting it in again, a lock at a time.
type moves struct {
	*sound
	grown int // guarded by mu
}

func (s *moves) Put(ctx context.Context, res store.Result[int]) error {
	if err := s.sound.Put(ctx, res); err != nil {
		return err
	}
	s.mu.Lock()
	grow := len(s.m) > 2*s.grown+2
	old := s.m
	if grow {
		s.grown = len(s.m)
		s.m = make(map[store.ID]store.Result[int])
	}
	s.mu.Unlock()
	if grow {
		for _, res := range old {
			giveWay()
			_ = s.sound.Put(ctx, res)
		}
	}
	return nil
}

// oldSnapshot yields the same in every second loop.
type oldSnapshot struct {
	*sound
	snapshot map[store.ID]store.Result[int] // guarded by mu
}

func (s *oldSnapshot) All(context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		s.mu.Lock()
		all := s.snapshot
		if s.snapshot = nil; all == nil {
			all = maps.Clone(s.m)
			s.snapshot = all
		}
		s.mu.Unlock()
		for _, res := range all {
			if !yield(res, nil) {
				return
			}
		}
	}
}

// skips leaves one in a thousand out.
type skips struct{ *sound }

func (s skips) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		for res, err := range s.sound.All(ctx) {
			if res.Value%1000 != 7 && !yield(res, err) {
				return
			}
		}
	}
}

// repeats yields one in a thousand once more.
type repeats struct{ *sound }

func (s repeats) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		for res, err := range s.sound.All(ctx) {
			if !yield(res, err) || res.Value%1000 == 7 && !yield(res, err) {
				return
			}
		}
	}
}

// resumes yields only what is above the ID that another loop has come to.
type resumes struct {
	*sound
	last store.ID // guarded by mu
}

func (s *resumes) All(context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		all := s.copy()
		for _, id := range slices.Sorted(maps.Keys(all)) {
			s.mu.Lock()
			skip := id < s.last
			s.last = id
			s.mu.Unlock()
			if !skip && !yield(all[id], nil) {
				return
			}
		}
	}
}
