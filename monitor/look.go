package monitor

import (
	"context"
	"sync"
	"time"

	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/store"
)

// snapshot is what one look has found. It does not change.
type snapshot struct {
	at    time.Duration
	pools []*shot
	rows  func() []byte // the pools as JSON, made once for all who look
}

// look returns what is known of all pools, and looks at them if that is older than Every. It fails if a context ends.
func (m *Monitor) look(ctx context.Context) (*snapshot, error) {
	if m.ctx.Err() != nil {
		return nil, m.ctx.Err()
	}
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-m.ctx.Done():
		return nil, m.ctx.Err()
	}
	defer func() { <-m.turn }()

	m.mu.Lock()
	latest, pools := m.latest, m.pools
	m.mu.Unlock()
	now := m.now()
	if latest != nil && now-latest.at < m.opts.Every {
		return latest, nil
	}
	snap := &snapshot{at: now}
	for _, w := range pools {
		snap.pools = append(snap.pools, w.look(m.now, m.opts.Stuck))
		m.askSize(w, now)
	}
	snap.rows = sync.OnceValue(func() []byte { return m.encodeRows(snap) })

	m.mu.Lock()
	defer m.mu.Unlock()
	if len(pools) == len(m.pools) && (len(pools) == 0 || &pools[0] == &m.pools[0]) {
		m.latest = snap
	}
	close(m.news)
	m.news = make(chan struct{})
	return snap, nil
}

// now is the time of the monitor.
func (m *Monitor) now() time.Duration { return time.Since(m.start) }

// sampleLocked starts the sampler if it is wanted. mu must be held.
func (m *Monitor) sampleLocked() {
	if m.sampling || !m.wantedLocked() {
		return
	}
	m.sampling = true
	m.own.Add(1)
	s := &sampler{Monitor: m}
	guard.Persist(s.run)
}

// wantedLocked reports whether there has to be a sampler. mu must be held.
func (m *Monitor) wantedLocked() bool {
	tell := m.opts.OnStuck != nil && m.opts.Stuck >= 0 && len(m.pools) > 0
	return m.ctx.Err() == nil && (m.viewers > 0 || tell)
}

func (m *Monitor) wakeSampler() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// A sampler looks once in Every, for as long as it is wanted. There is one at a time: it ends with mu held.
type sampler struct {
	*Monitor
	next   time.Time // when to look
	untold []stuck
}

// run may be ended by a Goexit of a Source or of OnStuck, and is called again then. So what is to come is written
// down before they are called.
func (s *sampler) run() {
	for s.wanted() {
		if pause := time.Until(s.next); pause > 0 {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-s.wake:
			case <-s.ctx.Done():
			}
			timer.Stop()
			continue
		}
		s.next = time.Now().Add(s.opts.Every)
		if snap, err := s.look(s.ctx); err == nil {
			s.next = s.start.Add(snap.at + s.opts.Every) // it may be one that a request has made
			s.tellStuck()
		}
	}
}

func (s *sampler) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wantedLocked() {
		return true
	}
	s.sampling = false
	s.own.Done()
	return false
}

// stuck is a call of OnStuck.
type stuck struct {
	pool    string
	id      store.ID
	atLeast time.Duration
}

// tellStuck calls OnStuck for each task that is stuck and was not told of.
func (s *sampler) tellStuck() {
	if s.opts.OnStuck == nil || s.opts.Stuck < 0 {
		return
	}
	s.gatherStuck()
	for len(s.untold) > 0 {
		one := s.untold[0]
		s.untold = s.untold[1:]
		if err := guard.Call(func() error {
			s.opts.OnStuck(one.pool, one.id, one.atLeast)
			return nil
		}); err != nil {
			s.panics.Add(1)
		}
	}
}

// gatherStuck notes all calls before the first: OnStuck runs without the turn.
func (s *sampler) gatherStuck() {
	select {
	case s.turn <- struct{}{}:
	case <-s.ctx.Done():
		return
	}
	defer func() { <-s.turn }()
	s.mu.Lock()
	pools := s.pools
	s.mu.Unlock()
	for _, w := range pools {
		for i := range w.running {
			if r := &w.running[i]; !r.told && w.seen-r.since >= s.opts.Stuck {
				r.told = true
				s.untold = append(s.untold, stuck{w.name, r.id, w.seen - r.since})
			}
		}
	}
}
