package otelpool

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// looks is what is kept from one collection to the next, to say how long tasks have waited, and run, without
// a clock on the way of a task. All that it says is a lower bound: with the time before a look it reckons what
// it says, and with the time after it what it keeps.
type looks struct {
	mu      sync.Mutex // readers may collect at the same time
	queue   []look     // oldest first, last strictly increasing
	running map[store.ID]time.Time
}

// A look says that the tasks up to last had been submitted at that time.
type look struct {
	at   time.Time
	last store.ID
}

// mostLooks bounds the memory for a queue that stands still, whose looks are then kept the closer together the later
// they were: what is said is too little by no more than a tenth, for weeks of looks once a second, or by the time between two collections.
const mostLooks = 256

// waited returns how long the oldest task that waits has done so at least, by a look at the queue.
//
// As the queue has s.Queued tasks, whose IDs differ and are not below s.Oldest, one of them has
// the ID last or a higher one. So all up to last have been submitted, as IDs increase.
func (l *looks) waited(s pool.Stats, before, after time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.Oldest == 0 || s.Queued == 0 {
		return 0
	}
	last := s.Oldest + store.ID(s.Queued-1)
	if n := len(l.queue); n == 0 || l.queue[n-1].last < last {
		if n == mostLooks {
			l.thinLocked(after)
		}
		l.queue = append(l.queue, look{after, last})
	}
	for len(l.queue) > 1 && l.queue[0].last < s.Oldest {
		l.queue = l.queue[1:]
	}
	return max(0, before.Sub(l.queue[0].at))
}

// thinLocked forgets the look without which the gap is the smallest, as a share of its age. mu must be held.
func (l *looks) thinLocked(now time.Time) {
	which, least := 0, math.Inf(1)
	for i := 1; i < len(l.queue)-1; i++ {
		before := l.queue[i-1].at
		if share := float64(l.queue[i+1].at.Sub(before)) / float64(now.Sub(before)); share < least {
			which, least = i, share
		}
	}
	l.queue = slices.Delete(l.queue, which, which+1)
}

// ran returns how long the longest of the tasks that run has done so at least.
func (l *looks) ran(ids []store.ID, before, after time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	running, longest := make(map[store.ID]time.Time, len(ids)), time.Duration(0)
	for _, id := range ids {
		since, ok := l.running[id]
		if !ok {
			since = after
		}
		running[id] = since
		longest = max(longest, before.Sub(since))
	}
	l.running = running
	return longest
}
