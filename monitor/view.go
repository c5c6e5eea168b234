package monitor

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// row is what the page's table shows of a pool, as JSON. Durations are in seconds, and null if they are not known.
type row struct {
	Key       int      `json:"key"`
	Name      string   `json:"name"`
	Trouble   string   `json:"trouble,omitempty"` // why the rest is not known
	Submitted uint64   `json:"submitted"`
	Succeeded uint64   `json:"succeeded"`
	Failed    uint64   `json:"failed"`
	Panicked  uint64   `json:"panicked"`
	NotRun    uint64   `json:"notRun"`
	Queued    uint64   `json:"queued"`
	Capacity  int      `json:"capacity"`
	Running   uint64   `json:"running"`
	Workers   int      `json:"workers"`
	Unsaved   uint64   `json:"unsaved"`
	Refused   uint64   `json:"refused"`
	Stuck     int      `json:"stuck"`
	PerSecond *float64 `json:"perSecond"`         // tasks that ran to their end
	Failures  *float64 `json:"failuresPerSecond"` // and these failed or panicked
	Drain     *float64 `json:"drainSeconds"`      // until the queue is empty, at this pace
	Oldest    string   `json:"oldest"`            // ID of the oldest task that waits
	OldestFor *float64 `json:"oldestSeconds"`
	Longest   *float64 `json:"longestRunningSeconds"`
	Failing   *failing `json:"failing"` // the store, or the engine; null if it works
	Shared    *shared  `json:"shared"`  // null if there is none
}

// failing says since when a store or an engine fails, and what it last refused with.
type failing struct {
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error"`
}

// shared is the queue of an engine.
type shared struct {
	Tasks *uint64 `json:"tasks"` // null if it is not known, or not yet
	Error string  `json:"error,omitempty"`
}

// details is what is shown of one pool only.
type details struct {
	row
	Running []longRun   `json:"longestRunning"`
	Errors  []errorKind `json:"errors"` // null without Hooks
	Ran     *spread     `json:"ran"`
	Past    [][5]any    `json:"past,omitempty"` // seconds, ended, failed, queued, running
}

type longRun struct {
	ID      string  `json:"id"`
	Seconds float64 `json:"seconds"`
	Stuck   bool    `json:"stuck"`
}

type errorKind struct {
	Kind   string  `json:"kind"`
	Count  uint64  `json:"count"`
	ID     string  `json:"lastID"`
	Before float64 `json:"lastSeconds"` // ago
}

func ptr(f float64) *float64 { return &f }

// view returns the pool's row.
func (s *shot) view() row {
	st := &s.stats
	r := row{
		Key: s.key, Name: s.name, Trouble: s.trouble,
		Submitted: st.Submitted, Succeeded: st.Succeeded, Failed: st.Failed, Panicked: st.Panicked, NotRun: st.NotRun,
		Queued: st.Queued, Capacity: st.Capacity, Running: st.Running, Workers: st.Workers,
		Unsaved: st.Unsaved, Refused: st.Refused, Stuck: s.stuck,
	}
	if s.rates {
		r.PerSecond, r.Failures = ptr(s.rate), ptr(s.failed)
		if st.Queued == 0 {
			r.Drain = ptr(0)
		} else if s.rate > 0 {
			r.Drain = ptr(float64(st.Queued) / s.rate)
		}
	}
	if s.waits {
		r.OldestFor = ptr(s.waited().Seconds())
		if st.Oldest > 0 {
			r.Oldest = st.Oldest.String()
		}
	}
	if len(s.longest) > 0 {
		r.Longest = ptr(s.ranFor(s.longest[0]).Seconds())
	}
	if since := st.Failing.Since; !since.IsZero() {
		r.Failing = &failing{max(0, time.Since(since).Seconds()), s.failing}
	}
	if _, ok := s.source.(SharedQueue); ok {
		r.Shared = &shared{}
		if size := s.size.Load(); size != nil {
			if r.Shared.Error = size.err; size.err == "" {
				r.Shared.Tasks = &size.tasks
			}
		}
	}
	return r
}

// details returns what is shown of the pool alone, with the lines of the last minutes or without.
func (m *Monitor) details(s *shot, now time.Duration, past bool) details {
	d := details{row: s.view(), Running: []longRun{}, Ran: s.ran}
	for _, r := range s.longest {
		ran := s.ranFor(r)
		d.Running = append(d.Running, longRun{r.id.String(), ran.Seconds(), m.opts.Stuck >= 0 && ran >= m.opts.Stuck})
	}
	if m.hasHooks(s.record) {
		d.Errors = []errorKind{}
		for _, k := range s.record.errors() {
			d.Errors = append(d.Errors, errorKind{k.name, k.count, k.id.String(), max(0, (now - k.last).Seconds())})
		}
	}
	if past {
		for _, p := range s.past {
			d.Past = append(d.Past, [5]any{p.at.Seconds(), p.ended, p.failed, p.queued, p.running})
		}
	}
	return d
}

func (m *Monitor) hasHooks(r *record) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return r.given > 0
}

// encodeRows returns the rows of all pools.
func (m *Monitor) encodeRows(snap *snapshot) []byte {
	rows := []row{}
	for _, s := range snap.pools {
		rows = append(rows, s.view())
	}
	return encode(rows)
}

// head is what each answer begins with.
type head struct {
	At            float64 `json:"at"` // seconds since New
	Every         float64 `json:"everySeconds"`
	OnStuckPanics uint64  `json:"onStuckPanics"`
}

func (m *Monitor) head(snap *snapshot) head {
	return head{snap.at.Seconds(), m.opts.Every.Seconds(), m.panics.Load()}
}

// stats is the answer to /stats.
func (m *Monitor) stats(snap *snapshot) []byte {
	all := struct {
		head
		Pools []details `json:"pools"`
	}{head: m.head(snap), Pools: []details{}}
	for _, s := range snap.pools {
		all.Pools = append(all.Pools, m.details(s, snap.at, false))
	}
	return append(encode(all), '\n')
}

// event returns one of /events, in parts: the rows of all pools, and one pool in detail, or null if it is not there. The rows
// are the same bytes for all clients. JSON has no line breaks, which would end an event.
func (m *Monitor) event(snap *snapshot, key int, past bool) [][]byte {
	begin := bytes.TrimSuffix(encode(m.head(snap)), []byte("}"))
	one := []byte("null")
	for _, s := range snap.pools {
		if s.key == key || key == 0 {
			one = encode(m.details(s, snap.at, past))
			break
		}
	}
	return [][]byte{
		slices.Concat([]byte("event: look\ndata: "), begin, []byte(`,"pools":`)),
		snap.rows(),
		slices.Concat([]byte(`,"pool":`), one, []byte("}\n\n")),
	}
}

// encode returns v, which has only fields that can be encoded, in one line.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // a NaN: see per
	}
	return data
}
