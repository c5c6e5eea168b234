package monitor_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/monitor"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// fake is a Source that says what it is told to.
type fake struct {
	mu      sync.Mutex
	stats   pool.Stats
	running []store.ID
	looks   int
	before  func() // is called by Stats
}

func (f *fake) Stats() pool.Stats {
	f.mu.Lock()
	before := f.before
	f.looks++
	f.mu.Unlock()
	if before != nil {
		before()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

func (f *fake) Running() []store.ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.running)
}

func (f *fake) set(change func(f *fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fake) looked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.looks
}

// newMonitor returns a Monitor that is closed when the test ends.
func newMonitor(t *testing.T, opts *monitor.Options) *monitor.Monitor {
	m := monitor.New(opts)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	return m
}

// get returns the answer to a request for a path.
func get(m http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// answer is what tests look at in JSON.
type answer struct {
	At            float64
	OnStuckPanics int
	Pools         []onePool
	Pool          *onePool
}

type onePool struct {
	Key                   int
	Name, Trouble         string
	Queued, Running       int
	PerSecond             *float64
	FailuresPerSecond     *float64
	DrainSeconds          *float64
	Oldest                string
	OldestSeconds         *float64
	LongestRunningSeconds *float64
	Stuck                 int
	Failing               *struct {
		Seconds float64
		Error   string
	}
	Shared *struct {
		Tasks *uint64
		Error string
	}
	LongestRunning []struct {
		ID      string
		Seconds float64
		Stuck   bool
	}
	Errors []struct {
		Kind   string
		Count  int
		LastID string
	}
	Ran  *struct{ HalfUnder, MostUnder float64 }
	Past [][]float64
}

func decode(t *testing.T, data string) (a answer) {
	require.NoError(t, json.Unmarshal([]byte(data), &a), data)
	return a
}

// stats returns the only pool of /stats.
func stats(t *testing.T, m http.Handler) onePool {
	a := decode(t, get(m, "/stats").Body.String())
	require.Len(t, a.Pools, 1)
	return a.Pools[0]
}

// viewer is a client of /events. What it is sent lies in a pipe until it is read: where nobody does, the
// handler blocks.
type viewer struct {
	net.Conn // the client's end
	reads    bool
	cancel   context.CancelFunc
	ended    chan struct{}

	mu     sync.Mutex
	events []string
}

type pipeWriter struct {
	net.Conn
	header http.Header
}

func (w *pipeWriter) Header() http.Header { return w.header }
func (w *pipeWriter) WriteHeader(int)     {}
func (w *pipeWriter) Flush()              {}

// view asks for a path of m, which is /events. The client reads what comes, or it does not.
func view(m http.Handler, path string, reads bool) *viewer {
	ctx, cancel := context.WithCancel(context.Background())
	client, server := net.Pipe()
	v := &viewer{Conn: client, reads: reads, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(v.ended)
		defer server.Close()
		m.ServeHTTP(&pipeWriter{server, make(http.Header)}, httptest.NewRequest(http.MethodGet, path, nil).WithContext(ctx))
	}()
	if reads {
		go func() {
			text, buf := "", make([]byte, 1<<20)
			for {
				n, err := client.Read(buf)
				text += string(buf[:n])
				for {
					event, rest, ok := strings.Cut(text, "\n\n")
					if !ok {
						break
					}
					text = rest
					v.mu.Lock()
					v.events = append(v.events, event)
					v.mu.Unlock()
				}
				if err != nil {
					return
				}
			}
		}()
	}
	return v
}

// got returns the data of the events so far.
func (v *viewer) got(t *testing.T) (data []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.events {
		d, ok := strings.CutPrefix(e, "event: look\ndata: ")
		assert.True(t, ok, e)
		data = append(data, d)
	}
	return data
}

// leave ends the request, and waits for that.
func (v *viewer) leave() {
	v.cancel()
	if !v.reads {
		_ = v.Close()
	}
	<-v.ended
	_ = v.Close()
}

func seconds(d time.Duration) float64 { return d.Seconds() }
