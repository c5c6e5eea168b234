package pool

import (
	"slices"

	"github.com/resultpool/resultpool/store"
)

// Running returns the IDs, in increasing order, of the tasks that Stats counts as Running, at one moment: so a task
// is among them until its result is stored. It returns nil if there are none, and does not block.
//
// In a pool that has joined an engine they are the tasks that run in this process.
func (p *Pool[T, R]) Running() []store.ID {
	if p.isZero() {
		return nil
	}
	p.mu.Lock()
	defer p.wakeAndUnlock()
	p.queue.Freeze()
	defer p.queue.Thaw()
	var ids []store.ID
	for _, ticket := range p.queue.Running() {
		id := p.idLocked(ticket)
		if !p.handover.handed[id].unrun && p.offs.tasks[id] == nil && p.park.tasks[id] == nil {
			ids = append(ids, id)
		}
	}
	for id, off := range p.offs.tasks {
		if !off.saved {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// oldestLocked returns the lowest ID of the tasks that wait, or 0. The queue is frozen, which has counted those that were
// pushed: more may have been since.
func (p *Pool[T, R]) oldestLocked(pushed uint64) (oldest store.ID) {
	ticket, found := p.queue.FirstWaiting(pushed, func(t uint64) bool {
		return len(p.offs.tasks) > 0 && p.offs.tasks[p.idLocked(t)] != nil
	})
	if found {
		oldest = p.idLocked(ticket)
	}
	for id := range p.park.tasks {
		if oldest == 0 || id < oldest {
			oldest = id
		}
	}
	if p.handover.unrun > 0 {
		for id, h := range p.handover.handed {
			if h.unrun && (oldest == 0 || id < oldest) {
				oldest = id
			}
		}
	}
	return oldest
}

// idLocked returns the ID of a task that has not ended.
func (p *Pool[T, R]) idLocked(ticket uint64) store.ID {
	if p.share != nil {
		return store.ID(p.queue.IDAt(ticket))
	}
	return store.ID(p.ids.ID(ticket))
}
