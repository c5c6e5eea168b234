package monitor_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/monitor"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

func TestPaths(t *testing.T) {
	m := newMonitor(t, nil)
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/debug/pools/": "text/html; charset=utf-8",
		"/stats": "application/json", "/a/b/stats": "application/json",
		"/metrics": "text/plain; version=0.0.4; charset=utf-8", "/debug/pools/metrics": "text/plain; version=0.0.4; charset=utf-8",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w := httptest.NewRecorder()
			m.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			assert.Equal(t, 200, w.Code, path)
			assert.Equal(t, kind, w.Header().Get("Content-Type"), path)
			assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			assert.Equal(t, method == http.MethodGet, w.Body.Len() > 0, path)
		}
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/events", nil))
	assert.Equal(t, "text/event-stream", w.Header().Get("Content-Type"))
	assert.Equal(t, 400, get(m, "/events?pool=x").Code)
	for _, path := range []string{"/favicon.ico", "/stats/x", "/debug"} {
		assert.Equal(t, 404, get(m, path).Code, path)
	}
	for _, method := range []string{http.MethodPost, http.MethodDelete, http.MethodOptions} {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest(method, "/stats", nil))
		assert.Equal(t, 405, w.Code)
	}
}

// Wherever the Monitor is mounted, its page is below a slash, and nobody is sent to another site.
func TestPrefix(t *testing.T) {
	m := newMonitor(t, nil)
	mux := http.NewServeMux()
	mux.Handle("/debug/pools/", m)
	mux.Handle("/stripped/", http.StripPrefix("/stripped", m))
	mux.Handle("/bare", http.StripPrefix("/bare", m))
	for path, want := range map[string]string{"/debug/pools": "/debug/pools/", "/bare": "./bare/", "/bare?x=//y": "./bare/", "/stripped": "/stripped/"} {
		assert.Equal(t, want, get(mux, path).Header().Get("Location"), path)
	}
	for _, path := range []string{"/debug/pools/", "/stripped/"} {
		assert.Contains(t, get(mux, path).Body.String(), "<h1>Pools</h1>")
		assert.Equal(t, 200, get(mux, path+"stats").Code)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.URL.Path, r.RequestURI = "", "//evil.example/x"
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	assert.Equal(t, "./x/", w.Header().Get("Location"))
}

// A browser runs the page's own script, and loads nothing but events from the same place.
func TestPolicy(t *testing.T) {
	m := newMonitor(t, nil)
	w := get(m, "/")
	policy := w.Header().Get("Content-Security-Policy")
	html := w.Body.String()
	for _, tag := range []string{"script", "style"} {
		parts := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(html, -1)
		require.Len(t, parts, 1)
		assert.Equal(t, 1, strings.Count(html, "<"+tag))
		sum := sha256.Sum256([]byte(parts[0][1]))
		assert.Contains(t, policy, tag+"-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	for _, rule := range []string{"default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
		assert.Contains(t, policy, rule)
	}
	assert.NotContains(t, policy, "unsafe")
	assert.NotRegexp(t, `innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(| style=| on\w+="`, html)
	for _, link := range regexp.MustCompile(`https?:[^"\s]*|(?:src|href)="[^"]*"`).FindAllString(html, -1) {
		assert.Contains(t, []string{"http://www.w3.org/2000/svg", `href="data:,"`, `href="metrics"`, `href="stats"`}, link)
	}
	info, err := os.Stat("page.js")
	require.NoError(t, err)
	assert.Less(t, info.Size(), int64(16<<10), "the page is small")
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		f := &fake{running: []store.ID{4}}
		f.stats = pool.Stats{
			Submitted: 12345678901234567, Succeeded: 10, Failed: 3, Panicked: 2, NotRun: 1, Queued: 5, Running: 6, Unsaved: 7,
			Workers: 8, Capacity: 9, Refused: 11, Oldest: 5,
		}
		m.Add("one", f)
		get(m, "/metrics")
		time.Sleep(1500 * time.Millisecond)
		want := `
resultpool_tasks_submitted_total{pool="one"} 12345678901234568
resultpool_tasks_finished_total{pool="one",outcome="Succeeded"} 10
resultpool_tasks_finished_total{pool="one",outcome="Failed"} 3
resultpool_tasks_finished_total{pool="one",outcome="Panicked"} 2
resultpool_tasks_finished_total{pool="one",outcome="NotRun"} 1
resultpool_tasks_queued{pool="one"} 5
resultpool_queue_capacity{pool="one"} 9
resultpool_tasks_running{pool="one"} 6
resultpool_workers{pool="one"} 8
resultpool_results_unsaved{pool="one"} 7
resultpool_submissions_refused_total{pool="one"} 11
resultpool_queue_wait_seconds{pool="one"} 1.5
resultpool_oldest_running_seconds{pool="one"} 1.5
`
		got := "\n"
		for line := range strings.Lines(get(m, "/metrics").Body.String()) {
			if !strings.HasPrefix(line, "#") {
				got += line
			}
		}
		assert.Equal(t, want, got)
	})
}

// Names may be anything, and taken: each pool has one of its own, in one line, not too long, and in UTF-8.
func TestNames(t *testing.T) {
	m := newMonitor(t, nil)
	hostile := []string{`a"b\c` + "\nd", "<script>alert(1)</script>", "", "", "\xff", strings.Repeat("ü", 10_000), strings.Repeat("ü", 10_001), "x", "x", "x (2)", "x"}
	shown := []string{`a"b\c` + "\nd", "<script>alert(1)</script>", "unnamed", "unnamed (2)", "\uFFFD", strings.Repeat("ü", 200) + "…", strings.Repeat("ü", 200) + "… (2)", "x", "x (2)", "x (2) (2)", "x (3)"}
	for _, name := range hostile {
		m.Add(name, &fake{})
	}
	body := get(m, "/stats").Body.String()
	assert.NotContains(t, body, "<script")
	var names []string
	for _, p := range decode(t, body).Pools {
		names = append(names, p.Name)
	}
	assert.Equal(t, shown, names)
	text := get(m, "/metrics").Body.String()
	assert.Contains(t, text, `resultpool_workers{pool="a\"b\\c\nd"} 0`+"\n")
	line := regexp.MustCompile(`^(# (HELP|TYPE) \w+ .*|\w+\{pool="([^"\\\n]|\\["\\n])*"(,outcome="\w+")?\} [0-9.]+)$`)
	for _, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		assert.Regexp(t, line, l)
	}
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		f := &fake{}
		m.Add("first", f)
		remove := m.Add("second", &fake{running: []store.ID{1<<53 + 1}})
		for range 10 { // what /metrics has seen is there when somebody looks
			get(m, "/metrics")
			time.Sleep(15 * time.Second)
		}
		first := view(m, "/events", true)
		second := view(m, "/events?pool=2", true)
		none := view(m, "/events?pool=99", true)
		time.Sleep(2500 * time.Millisecond)
		remove()
		time.Sleep(time.Second)
		first.leave()
		second.leave()
		none.leave()

		for i, data := range first.got(t) {
			a := decode(t, data)
			require.NotNil(t, a.Pool)
			assert.Equal(t, "first", a.Pool.Name)
			assert.InDelta(t, 150+i, a.At, 1e-9)
			if i == 0 {
				require.Len(t, a.Pools, 2)
				assert.Len(t, a.Pool.Past, 11)
				assert.Equal(t, []float64{15, 0, 0, 0, 0}, a.Pool.Past[1])
			} else {
				assert.Empty(t, a.Pool.Past, "only at the beginning")
			}
		}
		events := second.got(t)
		require.Len(t, events, 4)
		assert.Equal(t, "9007199254740993", decode(t, events[0]).Pool.LongestRunning[0].ID)
		last := decode(t, events[3])
		assert.Nil(t, last.Pool, "it was removed")
		assert.Len(t, last.Pools, 1)
		assert.Nil(t, decode(t, none.got(t)[0]).Pool)
	})
}

// A client that never reads holds up nobody but itself, for ten seconds; Close ends it at once.
func TestClientThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		m.Add("p", &fake{})
		deaf, good := view(m, "/events", false), view(m, "/events", true)
		time.Sleep(9500 * time.Millisecond)
		synctest.Wait()
		assert.Len(t, good.got(t), 10)
		select {
		case <-deaf.ended:
			t.Error("it has not had its ten seconds")
		default:
		}
		time.Sleep(time.Second)
		<-deaf.ended

		deaf = view(m, "/events", false)
		synctest.Wait()
		start := time.Now()
		require.NoError(t, m.Close())
		<-deaf.ended
		<-good.ended
		assert.Zero(t, time.Since(start))
	})
}

// 1,000 pools and 100 clients: one look a second at each pool, and all clients see all pools.
func TestManyPoolsAndClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := newMonitor(t, nil), &fake{}
		for i := range 1000 {
			m.Add(fmt.Sprint("pool ", i), f)
		}
		var viewers []*viewer
		for i := range 100 {
			viewers = append(viewers, view(m, fmt.Sprint("/events?pool=", i+1), true))
		}
		time.Sleep(2500 * time.Millisecond)
		for i, v := range viewers {
			v.leave()
			events := v.got(t)
			require.Len(t, events, 3)
			assert.Less(t, len(events[2]), 1_000_000)
			if i%20 == 0 {
				a := decode(t, events[2])
				assert.Len(t, a.Pools, 1000)
				assert.Equal(t, fmt.Sprint("pool ", i), a.Pool.Name)
			}
		}
		assert.Equal(t, 3000, f.looked())
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := monitor.New(&monitor.Options{OnStuck: func(string, store.ID, time.Duration) {}})
		remove := m.Add("p", &fake{})
		v := view(m, "/events", true)
		synctest.Wait()
		require.NoError(t, m.Close())
		synctest.Wait()
		require.NoError(t, m.Close())
		<-v.ended
		for path, want := range map[string]int{"/": 200, "/events": 503, "/metrics": 503, "/stats": 503} {
			assert.Equal(t, want, get(m, path).Code, path)
		}
		f := &fake{}
		m.Add("q", f)()
		m.Hooks("q").Ended(1, pool.Failed, assert.AnError, 1)
		remove()
		time.Sleep(time.Hour)
		assert.Zero(t, f.looked())
		v.leave()
	})
}

// Everything at once, for the race detector.
func TestMonitorRaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, &monitor.Options{Every: 1, Stuck: 1, OnStuck: func(string, store.ID, time.Duration) {}})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 20 {
					name := fmt.Sprint(i % 3)
					remove := m.Add(name, &fake{running: []store.ID{1}})
					v := view(m, fmt.Sprint("/events?pool=", j), i%2 == 0)
					m.Hooks(name).Ended(1, pool.Failed, assert.AnError, 1)
					get(m, "/stats")
					get(m, "/metrics")
					time.Sleep(time.Duration(i*j) * 10 * time.Millisecond)
					remove()
					if i == 7 && j == 19 {
						assert.NoError(t, m.Close())
					}
					v.leave()
				}
			})
		}
		wg.Wait()
	})
}

// sharedFake is a monitor.SharedQueue.
type sharedFake struct {
	fake
	size func() (uint64, error)
}

func (f *sharedFake) Size(context.Context) (uint64, error) { return f.size() }

func TestSharedQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, nil)
		var asked atomic.Int32
		j := &sharedFake{size: func() (uint64, error) {
			switch asked.Add(1) {
			case 1:
				time.Sleep(time.Second)
				return 1 << 50, nil
			case 2:
				time.Sleep(time.Hour) // which ends neither with its context
				return 0, nil
			case 3:
				return 0, fmt.Errorf("no quorum")
			default:
				panic("it broke")
			}
		}}
		j.stats.Failing.Since, j.stats.Failing.Err = time.Now(), fmt.Errorf("maximum bytes exceeded")
		m.Add("p", j)
		p := stats(t, m)
		require.NotNil(t, p.Shared)
		assert.Nil(t, p.Shared.Tasks, "nobody waits for it")
		time.Sleep(4900 * time.Millisecond)
		p = stats(t, m)
		require.NotNil(t, p.Shared.Tasks)
		assert.Equal(t, uint64(1)<<50, *p.Shared.Tasks)
		assert.Equal(t, "maximum bytes exceeded", p.Failing.Error)
		assert.InDelta(t, 4.9, p.Failing.Seconds, 1e-9)
		assert.EqualValues(t, 1, asked.Load())
		for range 100 {
			time.Sleep(time.Second)
			get(m, "/stats")
		}
		assert.EqualValues(t, 2, asked.Load(), "one at a time")
		time.Sleep(time.Hour)
		for _, want := range []string{"no quorum", "it broke"} {
			time.Sleep(6 * time.Second)
			get(m, "/stats")
			time.Sleep(2 * time.Second)
			p = stats(t, m)
			assert.Contains(t, p.Shared.Error, want)
			assert.Nil(t, p.Shared.Tasks)
		}
	})
}
