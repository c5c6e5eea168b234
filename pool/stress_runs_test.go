package pool_test

import (
	"context"
	"fmt"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// What an account knows of runs: that of each key no more run at once than may, in which order the first ones
// begin, and how often a task was run that asks for it.

// keys is how many keys deeds have.
const keys = 3

// A keyed is what is known of a key.
type keyed struct {
	running int
	last    store.ID // that was started first
}

// A run is what is known of a task that has begun.
type run struct {
	times int
	id    store.ID  // 0 if its context was not asked
	runs  bool      // now
	due   time.Time // when it wants to be run again; zero if it does not
}

// begin notes that a deed begins, and says which task and which attempt it is. Two of three deeds of which
// nothing else is to be known leave their context alone.
func (a *account) begin(ctx context.Context, d deed) (id store.ID, attempt int) {
	asks := a.perKey > 0 || d.again > 0 || d.does == quits || d.number%3 == 0
	var task pool.Task
	if asks {
		task, _ = pool.TaskFromContext(ctx)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.runs[d.number]
	first := r.times == 0
	r = run{times: r.times + 1, id: task.ID, runs: true}
	a.runs[d.number] = r
	if a.running++; a.running > a.most {
		a.faults = append(a.faults, fmt.Sprintf("%d tasks run at once, and there were never more than %d workers", a.running, a.most))
	}
	if asks && (task.ID == 0 || task.Attempt != r.times) {
		a.faults = append(a.faults, fmt.Sprintf("run %d of %+v is %+v", r.times, d, task))
	}
	if a.perKey == 0 {
		return task.ID, r.times
	}
	k := &a.ofKey[d.key]
	if k.running++; k.running > a.perKey {
		a.faults = append(a.faults, fmt.Sprintf("%d tasks with the same key run at once, and %d may", k.running, a.perKey))
	}
	if first {
		if a.perKey == 1 && task.ID <= k.last {
			a.faults = append(a.faults, fmt.Sprintf("task %d was started after %d, which has the same key", task.ID, k.last))
		}
		k.last = task.ID
	}
	return task.ID, r.times
}

// leave notes that a deed returns, and whether it is to be run again.
func (a *account) leave(d deed, again bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running--
	if a.perKey > 0 {
		a.ofKey[d.key].running--
	}
	r := a.runs[d.number]
	if r.runs = false; again {
		r.due = time.Now().Add(d.pause)
	}
	a.runs[d.number] = r
}

// heldBackLocked returns how many tasks that wait may do so while workers sleep: for their time, or for
// their key. All that was accepted must be known if there are keys.
func (a *account) heldBackLocked() (n uint64) {
	now := time.Now()
	for _, r := range a.runs {
		if _, ended := a.stored[r.id]; !ended && now.Before(r.due) {
			n++
		}
	}
	if a.perKey == 0 {
		return n
	}
	var busy [keys]int
	var waiting [keys]uint64
	for id, d := range a.accepted {
		_, ended := a.stored[id]
		switch r := a.runs[d.number]; {
		case ended || a.calls.tookEffect[id] && !r.runs:
		case r.times == 0, !r.due.IsZero() && !now.Before(r.due):
			waiting[d.key]++
		case r.due.IsZero():
			busy[d.key]++
		}
	}
	for k := range keys {
		if busy[k] >= a.perKey {
			n += waiting[k]
		}
	}
	return n
}
