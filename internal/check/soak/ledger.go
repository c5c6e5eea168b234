package soak

import (
	"errors"
	"fmt"
	"sync"

	"github.com/resultpool/resultpool/store"
)

// What can be wrong.
var (
	errTask       = errors.New("a task did not have exactly one result of its own")
	errIDs        = errors.New("the IDs are not those that follow")
	errStats      = errors.New("the numbers of Stats do not add up")
	errAnswer     = errors.New("an answer that the pool must not give")
	errLeft       = errors.New("the store is not empty")
	errGoroutines = errors.New("goroutines are left")
	errHeap       = errors.New("the live heap grows")
	errLimit      = errors.New("more memory than the limit")
)

// perCycle is how many tasks there are in a cycle at most. The last few are for
// roundOff.
const (
	perCycle = 1 << 16
	reserve  = 1 << 10
)

// A ledger has an entry for each task of the present cycle. It can have them in an
// array, since IDs leave no gaps: ID base+1+i is at i.
type ledger struct {
	mu      sync.Mutex
	base    store.ID // the last ID of the cycle before
	used    int      // entries that are in use, at most
	planned int      // tasks for which there is an entry, accepted or not
	entries []entry
	fault   error // the first thing that was wrong
}

// An entry counts what has happened to a task.
type entry struct {
	job                   job
	out                   outcome
	accepted, puts, reads uint8
}

func newLedger() *ledger { return &ledger{entries: make([]entry, perCycle)} }

// blame notes that something is wrong. Only the first time counts.
func (l *ledger) blame(what error, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blameLocked(what, format, args...)
}

func (l *ledger) blameLocked(what error, format string, args ...any) {
	if l.fault == nil {
		l.fault = fmt.Errorf("%w: %s", what, fmt.Sprintf(format, args...))
	}
}

// err returns what is wrong.
func (l *ledger) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault
}

// plan asks for room for n tasks. It says no when the cycle has enough, or when
// something is wrong already.
func (l *ledger) plan(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fault != nil || l.planned+n > len(l.entries)-reserve {
		return false
	}
	l.planned += n
	return true
}

// planRest is plan for roundOff.
func (l *ledger) planRest(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.planned += n
}

// highest returns the highest ID that was given out.
func (l *ledger) highest() store.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.base + store.ID(l.used)
}

// unplan takes back what plan gave, for tasks that were not accepted.
func (l *ledger) unplan(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.planned -= n
}

// entryLocked returns the entry of an ID.
func (l *ledger) entryLocked(id store.ID) *entry {
	i := uint64(id - l.base - 1)
	if i >= uint64(len(l.entries)) {
		l.blameLocked(errIDs, "%d after a cycle that ended with %d", id, l.base)
		return new(entry)
	}
	l.used = max(l.used, int(i)+1)
	return &l.entries[i]
}

// accept notes the ID that a job was given.
func (l *ledger) accept(id store.ID, j job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entryLocked(id)
	e.job = j
	if e.accepted++; e.accepted > 1 {
		l.blameLocked(errIDs, "%d was given out twice", id)
	}
}

// put notes that the store has taken a result.
func (l *ledger) put(id store.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entryLocked(id)
	if e.puts++; e.puts > 1 {
		l.blameLocked(errTask, "two results were put for task %d", id)
	}
}

// read notes that somebody has read a result, and is going to delete it.
func (l *ledger) read(id store.ID, out outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entryLocked(id)
	e.out = out
	if e.reads++; e.reads > 1 {
		l.blameLocked(errTask, "the result of task %d is still there after it was read and deleted", id)
	}
}

// settle closes the cycle, of which nothing is under way any more, and returns how
// many tasks it had.
func (l *ledger) settle(cancelled bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.used
	for i := range l.entries[:n] {
		e, id := &l.entries[i], l.base+1+store.ID(i)
		switch {
		case e.accepted == 0 && e.puts == 0:
			l.blameLocked(errIDs, "%d was not given out, but a higher one was", id)
		case e.accepted == 0:
			l.blameLocked(errTask, "a result was put for task %d, which was not accepted", id)
		case e.puts == 0:
			l.blameLocked(errTask, "no result was put for task %d", id)
		case e.reads == 0:
			l.blameLocked(errTask, "the result of task %d was put and is gone", id)
		case !e.job.explains(e.out, cancelled):
			l.blameLocked(errTask, "task %d was %+v and had outcome %+v", id, e.job, e.out)
		}
	}
	if l.planned != n {
		l.blameLocked(errIDs, "%d tasks were accepted, but there were %d IDs", l.planned, n)
	}
	clear(l.entries[:n])
	l.base += store.ID(n)
	l.used, l.planned = 0, 0
	return n
}
