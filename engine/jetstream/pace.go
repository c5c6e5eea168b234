package jetstream

import (
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// ahead is for how long a process works at one message, at most: longer, and other machines would wait for
// this one. (Package remote takes over as much.)
const ahead = 50 * time.Millisecond

// A pace is how many tasks one process ends in the time ahead. Those that save results measure theirs, and tell
// all that have opened the pool, by messages that nobody stores. What was last heard is how many tasks a
// message has, and 1 if that was long ago.
type pace struct {
	mu sync.Mutex // guards all that follows

	since  time.Time // the time that is measured has begun, without the time that it had no tasks
	idle   time.Time // since when it has none; zero: it has
	tasks  int       // that have ended since
	told   int       // what others were last told
	toldAt time.Time

	isListening bool
	heard       int
	heardAt     time.Time
}

const (
	paceAge  = 2 * time.Second
	minPaced = 5 * time.Millisecond // what is less is not measured
)

// began says that this process has got tasks.
func (p *pace) began() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch {
	case p.since.IsZero():
		p.since = now
	case !p.idle.IsZero():
		p.since = p.since.Add(now.Sub(p.idle))
	}
	p.idle = time.Time{}
}

// ended says that this process has none left.
func (p *pace) ended() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle.IsZero() {
		p.idle = time.Now()
	}
}

// saved says that tasks have ended.
func (p *pace) saved(e *Engine, tasks int) {
	p.mu.Lock()
	now := time.Now()
	if p.since.IsZero() {
		p.since = now
	}
	p.tasks += tasks
	passed := now.Sub(p.since)
	if e.run == 1 || passed < minPaced || now.Sub(p.toldAt) < minPaced {
		p.mu.Unlock()
		return
	}
	pace := int(float64(p.tasks) * float64(ahead) / float64(passed))
	if passed >= ahead {
		p.since, p.tasks = now, 0
	}
	capped := min(pace, 2*maxRun) // what is above makes no difference
	if now.Sub(p.toldAt) < paceAge/4 && capped > p.told*3/4 && capped <= p.told*5/4 {
		p.mu.Unlock()
		return
	}
	p.told, p.toldAt = capped, now
	p.mu.Unlock()
	_ = e.nc.Publish(e.names.pace, strconv.AppendInt(nil, int64(capped), 10)) // who does not hear it sends smaller messages
}

// hear is called for each message about a pace.
func (p *pace) hear(m *nats.Msg) {
	n, err := strconv.Atoi(string(m.Data))
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard, p.heardAt = n, time.Now()
}

// runLimit is how many tasks a message may have now.
func (e *Engine) runLimit() int {
	if e.run > 0 {
		return e.run
	}
	p := &e.pace
	p.mu.Lock()
	wasListening := p.isListening
	p.isListening = true
	p.mu.Unlock()
	if !wasListening { // who may not has each task in a message of its own
		_, _ = e.nc.Subscribe(e.names.pace, p.hear)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.heardAt) > paceAge {
		return 1
	}
	return min(max(1, p.heard), maxRun)
}
