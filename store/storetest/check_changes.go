package storetest

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

// A ledger knows what was done to each ID from 1 to n, while several goroutines change what
// a store holds and one loops over it. So it knows what a loop has to yield, may yield and
// must not. Each ID is put once at most, and then deleted once at most.
type ledger struct {
	*script
	entries []entry // by ID

	writers atomic.Int64 // goroutines that still change something
	steps   atomic.Int64 // how many changes there were
	upTo    atomic.Int64 // how many changes the loops have waited for
	left    atomic.Bool  // there will be no more loops
}

// An entry is about one ID. What is true of it stays true.
type entry struct{ putting, put, deleting, deleted atomic.Bool }

// ahead is how many changes there may be beyond those that a loop has waited for. Else all
// might be over before the first loop has begun.
const ahead = 100

func (s *subject) openLedger(n int) *ledger {
	return &ledger{script: s.open(), entries: make([]entry, n+1)}
}

func (l *ledger) enter(id store.ID) {
	e := &l.entries[id]
	e.putting.Store(true)
	l.put(result(id, 0))
	e.put.Store(true)
}

func (l *ledger) strike(id store.ID) {
	e := &l.entries[id]
	e.deleting.Store(true)
	l.remove(id)
	e.deleted.Store(true)
}

// step counts a change, and waits if the loops have not come far enough.
func (l *ledger) step() {
	for n := l.steps.Add(1); n > l.upTo.Load()+ahead && !l.left.Load(); {
		runtime.Gosched()
	}
}

// meanwhile waits, in a loop, until others have made n more changes or are done.
func (l *ledger) meanwhile(n int64) {
	for upTo := l.upTo.Add(n); l.steps.Load() < upTo && l.writers.Load() > 0; {
		runtime.Gosched()
	}
}

// loop calls body for each ID that a loop over All yields.
func (l *ledger) loop(body func(store.ID)) {
	var sure []store.ID // held when the loop begins, and throughout unless they are struck
	seen := make([]bool, len(l.entries))
	gone := make([]bool, len(l.entries))
	for id := range l.entries {
		e := &l.entries[id]
		gone[id] = e.deleted.Load()
		if e.put.Load() && !e.deleting.Load() {
			sure = append(sure, store.ID(id))
		}
	}
	l.each(func(res store.Result[int]) {
		id := res.ID
		switch {
		case id >= store.ID(len(l.entries)) || !l.entries[id].putting.Load():
			kit.Failf("All yielded ID %d, which was never put", id)
		case !same(res, result(id, 0)):
			kit.Failf("All yielded %+v, want %+v", res, result(id, 0))
		case seen[id]:
			kit.Failf("All yielded ID %d twice, which was put only once, while others were put and deleted", id)
		case gone[id]:
			kit.Failf("All yielded ID %d, which was deleted before the loop", id)
		}
		seen[id] = true
		body(id)
	})
	for _, id := range sure {
		if !seen[id] && !l.entries[id].deleting.Load() {
			kit.Failf("All did not yield ID %d, which was held throughout, while others were put and deleted", id)
		}
	}
	l.upTo.Add(ahead / 4) // an empty loop must not stop the others
}

// whileLooping has goroutines write while another loops again and again.
func (l *ledger) whileLooping(writers int, write func(), body func(store.ID)) {
	l.writers.Store(int64(writers))
	kit.Parallel(writers+1, func(i int) {
		if i < writers {
			defer l.writers.Add(-1)
			write()
			return
		}
		defer l.left.Store(true)
		for more := true; more; runtime.Gosched() {
			more = l.writers.Load() > 0 // one loop more when nothing changes
			l.loop(body)
		}
	})
}

// concurrentChanges loops again and again while a goroutine puts and deletes bursts of new
// IDs, here and there, among those that stay, which are one in eight.
func concurrentChanges(s *subject) {
	const burst = 150
	l := s.openLedger(s.size(8000, 2))
	var ids []store.ID
	for id := store.ID(1); id < store.ID(len(l.entries)); id++ {
		if id%8 == 1 {
			l.enter(id)
		} else {
			ids = append(ids, id)
		}
	}
	rng := rand.New(rand.NewPCG(1, 3))
	rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	read := 0
	l.whileLooping(1, func() {
		for ids := range slices.Chunk(ids, burst) {
			for _, id := range ids {
				l.enter(id)
				l.step()
			}
			for _, id := range ids {
				l.strike(id)
				l.step()
			}
		}
	}, func(store.ID) {
		if read++; read%100 == 0 {
			l.meanwhile(32)
		}
	})
}

// sweepWhilePutting deletes results as it reads them, loop after loop, as package
// store advises, while others put new ones. Loops must yield each exactly once.
func sweepWhilePutting(s *subject) {
	l := s.openLedger(s.size(6000, 2))
	var last atomic.Int64
	put := func() {
		for id := last.Add(1); id < int64(len(l.entries)); id = last.Add(1) {
			l.enter(store.ID(id))
			l.step()
		}
	}
	l.whileLooping(3, put, func(id store.ID) {
		l.has(result(id, 0))
		l.strike(id)
		l.meanwhile(1)
	})
	l.holdsOnly(nil)
}
