package machine

import (
	"maps"
	"slices"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// A model is what a pool should be when all its goroutines are blocked.
type model struct {
	target, room int // workers there may be, tasks that may wait
	mode         mode

	closed    bool
	aborted   error // why tasks that wait are not run: nil, the cancel or ErrNoWorkers
	cancelled bool  // the cancel has come, perhaps after the end
	ended     bool
	verdict   []error // that Stop returns, beside the results that are handed back

	last    store.ID // the last that was given out
	queued  []*job
	running []*job  // those that run, and those whose result the store does not take yet
	blocked []*call // submitters without room, in the order in which they came
	waiting []*call // of Get, Wait and Stop

	counts  pool.Stats // of the tasks that are over
	held    map[store.ID]*job
	unsaved map[store.ID]*job
	stuck   bool // the first of queued is being saved as not run, and the store does not take it
}

// mode is how the store behaves.
type mode int

const (
	works   mode = iota
	fails        // it may work later
	rejects      // the results of tasks, but not what is stored in their place
	refuses      // … that as well
)

func (m mode) String() string {
	return [...]string{"works", "fails", "rejects results", "refuses all"}[m]
}

// stage is how far a task is.
type stage int

const (
	queued stage = iota
	running
	saving
	over
)

// how is how a task ends.
type how int

const (
	value how = iota
	failure
	throw
	goexit
)

func (h how) String() string {
	return [...]string{"returns a value", "returns an error", "panics", "calls Goexit"}[h]
}

func (m *model) stats() pool.Stats {
	s := m.counts
	s.Submitted = uint64(m.last)
	s.Queued, s.Running = uint64(len(m.queued)), uint64(len(m.running))
	s.Unsaved = uint64(len(m.unsaved))
	s.Unsaved += s.Running - uint64(len(m.inFunction())) // and those of tasks that are being saved
	if m.stuck {
		s.Unsaved++
	}
	s.Workers, s.Capacity = m.target, m.room
	if len(m.queued) > 0 {
		s.Oldest = m.queued[0].id
	}
	return s
}

// free returns for how many tasks there is room in the queue.
func (m *model) free() int { return m.room - len(m.queued) }

// refusal returns the errors that a Submit is refused with whose context is done or not.
func (m *model) refusal(done bool) []error {
	switch {
	case m.cancelled:
		return []error{pool.ErrClosed, errCause}
	case m.closed:
		return []error{pool.ErrClosed}
	case m.target == 0:
		return []error{pool.ErrNoWorkers}
	case done:
		return []error{errGone}
	default:
		return nil
	}
}

// inFunction returns the jobs whose function is being called.
func (m *model) inFunction() (jobs []*job) {
	for _, j := range m.running {
		if j.stage == running {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// admit is a submit whose context is done or not. If there is no room, it waits or not.
func (m *model) admit(c *call, done, waits bool) {
	if err := m.refusal(done); err != nil {
		c.returns(err...)
		return
	}
	if len(m.blocked) == 0 { // it is accepted while there is room and workers make more
		for before := -1; len(c.rest) > 0 && len(m.queued) != before; {
			m.move(c)
			before = len(m.queued)
			m.settle()
		}
	}
	switch {
	case len(c.rest) == 0:
		c.returns()
	case waits:
		m.blocked = append(m.blocked, c)
	default:
		m.counts.Refused++
		c.returns(pool.ErrQueueFull)
	}
}

// refuse sends the submitters that wait away.
func (m *model) refuse() {
	for _, c := range m.blocked {
		c.returns(m.refusal(false)...)
	}
	m.blocked = nil
}

func (m *model) close() {
	m.closed = true
	m.refuse()
	if m.target == 0 && m.aborted == nil && len(m.queued) > 0 {
		m.abort(pool.ErrNoWorkers)
	}
}

func (m *model) cancel() {
	m.cancelled = true
	if m.ended {
		return
	}
	if m.aborted == nil {
		m.abort(errCause)
	}
	m.aborted = errCause
	m.close()
	m.again()
}

func (m *model) abort(why error) {
	m.aborted = why
	for _, j := range m.queued {
		j.notRun = why
	}
}

func (m *model) resize(n int) {
	m.target = n
	if n == 0 {
		m.refuse()
	}
	if m.closed {
		m.close()
	}
}

// save hands a result to the store. The task is over unless it has to be tried again.
func (m *model) save(j *job) {
	switch {
	case m.mode == works:
		m.held[j.id] = j
	case m.mode == rejects:
		j.rejected = true
		m.held[j.id] = j
	case m.mode == fails && !m.cancelled:
		if j.stage == queued {
			m.stuck = true
		} else {
			j.stage = saving
		}
		return
	default:
		m.unsaved[j.id] = j
	}
	switch {
	case j.notRun != nil:
		m.counts.NotRun++
		m.queued, m.stuck = m.queued[1:], false
	case j.how == value:
		m.counts.Succeeded++
	case j.how == throw:
		m.counts.Panicked++
	default:
		m.counts.Failed++
	}
	if j.notRun == nil {
		m.running = slices.DeleteFunc(m.running, func(other *job) bool { return other == j })
	}
	j.stage = over
}

// again has the store asked once more for what it has not taken.
func (m *model) again() {
	for _, j := range slices.Clone(m.running) {
		if j.stage == saving {
			m.save(j)
		}
	}
	if m.stuck {
		m.stuck = false
		m.save(m.queued[0])
	}
}

// settle does what follows by itself.
func (m *model) settle() {
	for again := true; again; {
		again = false
		for len(m.blocked) > 0 && m.free() > 0 {
			c := m.blocked[0]
			m.move(c)
			if len(c.rest) == 0 {
				m.blocked = m.blocked[1:]
				c.returns()
			}
			again = true
		}
		for m.aborted == nil && len(m.queued) > 0 && len(m.running) < m.target {
			j := m.queued[0]
			m.queued = m.queued[1:]
			j.stage = running
			m.running = append(m.running, j)
			again = true
		}
	}
	for m.aborted != nil && len(m.queued) > 0 && !m.stuck {
		m.save(m.queued[0])
	}
	if m.closed && !m.ended && len(m.queued)+len(m.running) == 0 {
		m.ended = true
		switch {
		case m.cancelled:
			m.verdict = []error{errCause}
		case m.aborted != nil:
			m.verdict = []error{pool.ErrNotRun, pool.ErrNoWorkers}
		}
	}
	rest := m.waiting
	m.waiting = nil
	for _, c := range rest {
		switch {
		case c.kind == get && c.job.stage == over:
			m.answer(c)
		case c.kind == wait && len(m.queued)+len(m.running) == 0:
			c.returns()
		case c.kind == stop && m.ended:
			c.returns(m.verdict...)
			c.wantUnsaved = slices.Collect(maps.Keys(m.unsaved))
		default:
			m.waiting = append(m.waiting, c)
		}
	}
}

// move accepts as many tasks of a submitter as there is room for.
func (m *model) move(c *call) {
	for len(c.rest) > 0 && m.free() > 0 {
		j := c.rest[0]
		m.last++
		j.id = m.last
		m.queued = append(m.queued, j)
		c.wantIDs = append(c.wantIDs, j.id)
		c.rest = c.rest[1:]
	}
}

// answer completes a Get of a task that is over.
func (m *model) answer(c *call) {
	j := c.job
	switch {
	case m.held[j.id] != nil:
		c.returned, c.wantResult = true, true
	case m.unsaved[j.id] != nil:
		c.returned, c.wantUnsaved = true, []store.ID{j.id}
	default:
		c.returns(store.ErrNotFound)
	}
}
