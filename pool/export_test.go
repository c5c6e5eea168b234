package pool

// CallsWorkers reports whether workers are called to the pool's lock on their way to
// the next task.
func (p *Pool[T, R]) CallsWorkers() bool { return p.gates.callAt.Load() != nobody }
