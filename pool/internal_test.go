package pool

// What the tests look at that users cannot see.

// CallsWorkers reports whether workers are called to the pool's lock on their way to
// the next task.
func (p *Pool[T, R]) CallsWorkers() bool { return p.gates.CallsAny() }

// Waiting returns how many tasks wait for room in the queue.
func (p *Pool[T, R]) Waiting() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting
}

// IDBlocks returns how many ranges of IDs the pool remembers.
func (p *Pool[T, R]) IDBlocks() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ids.Len()
}

// Listens reports whether workers look for loops over Finished, or anything is kept for one.
func (p *Pool[T, R]) Listens() bool {
	p.finished.mu.Lock()
	defer p.finished.mu.Unlock()
	f := &p.finished
	return p.gates.Ended.Load() || f.loops > 0 || f.listed || f.ready != nil || f.tickets != nil || len(f.sleepers) > 0
}
