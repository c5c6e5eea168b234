package main

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/examples/internal/jobs"
	"github.com/resultpool/resultpool/examples/internal/process"
)

func TestMain(m *testing.M) { jobs.Main(m, main) }

// start starts the service, whose operators have a free port.
func start(t *testing.T, args ...string) *jobs.Program {
	t.Helper()
	return jobs.Start(t, append([]string{"-admin", "127.0.0.1:0"}, args...)...)
}

const (
	found   = "200 192.0.2.1\n"
	pending = "202 "
	unknown = "404 no such job\n"
)

func TestJobs(t *testing.T) {
	p := start(t)
	ok, gone, slow := p.Post(t, "ok.test"), p.Post(t, "gone.test"), p.Post(t, "slow.test")
	p.AwaitGet(t, ok, found)
	p.AwaitGet(t, gone, "422 lookup gone.test.*: no such host\n")
	status, header, _ := p.Do(t, http.MethodGet, p.URL+slow, "")
	assert.Equal(t, http.StatusAccepted, status)
	assert.Equal(t, "1", header.Get("Retry-After"))
	require.NoError(t, p.Gate.Close())
	p.AwaitGet(t, slow, found)
	assert.Equal(t, found, p.Get(t, ok), "a result can be had again")

	for _, id := range []string{"4", "0", "-1", "01", "x", "18446744073709551616"} {
		assert.Equal(t, unknown, p.Get(t, "/jobs/"+id), id)
	}
	status, _, _ = p.Do(t, http.MethodGet, p.URL+"/jobs", "")
	assert.Equal(t, http.StatusMethodNotAllowed, status)
	p.AwaitGet(t, p.Post(t, ""), "422 lookup : no such host\n")
}

func TestDelete(t *testing.T) {
	p := start(t, "-workers", "1")
	ended, running := p.Post(t, "ok.test"), p.Post(t, "slow.test")
	p.Await(t, process.Opening+`"slow"`)
	waiting := p.Post(t, "ok.test")
	for _, tt := range []struct{ job, want string }{
		{waiting, "410 pool: task not run: context canceled\n"},
		{running, "410 lookup slow.test.*: operation was canceled\n"},
		{ended, found},
		{"/jobs/4", unknown},
	} {
		status, _, _ := p.Do(t, http.MethodDelete, p.URL+tt.job, "")
		assert.Contains(t, []string{tt.want[:3], pending[:3]}, fmt.Sprint(status))
		p.AwaitGet(t, tt.job, tt.want)
	}
}

// Clients are told to come again, and not kept waiting.
func TestQueueIsFull(t *testing.T) {
	p := start(t, "-workers", "1", "-queue", "1")
	first := p.Post(t, "slow.test")
	p.Await(t, process.Opening+`"slow"`)
	second := p.Post(t, "ok.test")
	status, header, text := p.Do(t, http.MethodPost, p.URL+"/jobs", "host=ok.test")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "1", header.Get("Retry-After"))
	assert.Equal(t, "pool: queue is full\n", text)
	require.NoError(t, p.Gate.Close())
	p.AwaitGet(t, first, found)
	p.AwaitGet(t, second, found)
	p.AwaitGet(t, p.Post(t, "ok.test"), found)
}

func TestResultsExpire(t *testing.T) {
	p := start(t, "-keep", "100ms")
	p.AwaitGet(t, p.Post(t, "ok.test"), unknown)
}

func TestWrongCalls(t *testing.T) {
	used := start(t).URL[len("http://"):]
	for _, tt := range []struct {
		status int
		said   string
		args   []string
	}{
		{2, "flag provided but not defined: -port\nUsage of ", []string{"-port", "80"}},
		{2, `invalid value "x" for flag -keep: parse error`, []string{"-keep", "x"}},
		{1, `unexpected argument "80"` + "\n", []string{"80"}},
		{1, "pool: no workers: Workers is -1, want 0", []string{"-workers", "-1"}},
		{1, "pool: Queue is -1, want 0 (1024) or more\n", []string{"-queue", "-1"}},
		{1, "bounded: MaxAge is -1s", []string{"-keep", "-1s"}},
		{1, "listen tcp " + used, []string{"-addr", used}},
		{1, "listen tcp " + used, []string{"-admin", used}},
	} {
		p := process.New(t, "", append([]string{"-admin="}, tt.args...)...).Begin(t)
		assert.Equal(t, tt.status, p.AwaitEnd())
		assert.Equal(t, tt.said, p.Said[:min(len(p.Said), len(tt.said))])
	}
}
