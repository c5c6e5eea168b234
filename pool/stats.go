package pool

import "time"

// Stats is what a pool has done and is doing, at one moment. In every Stats
//
//	Submitted = Succeeded + Failed + Panicked + NotRun + Queued + Running
//
// Of a pool that has joined an engine, they are those of the tasks that this pool has
// taken over from it, whoever submitted them: Submitted is how many it has taken over, and
// NotRun how many it has given back.
type Stats struct {
	Submitted uint64 // tasks accepted since New

	// Tasks that are over: their results are stored, or among those that Stop
	// will hand back. The first three have run.
	Succeeded uint64 // the function returned a nil error
	Failed    uint64 // the function returned an error or called runtime.Goexit
	Panicked  uint64 // the function panicked
	NotRun    uint64 // the function was never called; see ErrNotRun

	Queued uint64 // tasks that wait for a worker

	// Running is how many tasks run, or have run and their results are not stored
	// yet. Over a [store.BatchPutter] it may be up to twice Workers and 2,048 more.
	Running uint64

	// Unsaved is how many results the store was asked to take and has not: those
	// that wait for another try, whose tasks are not over, and those that were
	// given up. Anything but 0 means trouble with the store.
	Unsaved uint64

	Workers int // how many tasks may run at once; see Resize

	// Failing says since when the store or the engine has failed, and with what. Since is
	// when the oldest of those attempts failed that have been repeated without success until
	// now; it is zero if there are none. Err is the latest refusal of it, and matches what
	// the store or the engine has returned. After a failure for good, which ends the pool,
	// both stay. A queue that is full is no failure.
	Failing struct {
		Since time.Time
		Err   error
	} `json:",omitzero"`
}

// Stats returns the numbers of this moment. It does not block.
func (p *Pool[T, R]) Stats() Stats {
	p.mu.Lock()
	defer p.unlock()
	p.queue.ShutHead(true) // so that both ends of the queue are seen at one moment
	popped, pushed := p.queue.Popped(), p.queue.Pushed()
	s := Stats{
		Submitted: pushed,
		Failed:    p.others[failed],
		Panicked:  p.others[panicked],
		NotRun:    p.others[notRun],
		Queued:    pushed - popped,
		Running:   uint64(p.running),
		Unsaved:   p.saver.waiting(),
		Workers:   p.target,
		Failing:   p.troubles.now(),
	}
	s.Succeeded = popped - s.Failed - s.Panicked - s.NotRun - s.Running
	return s
}
