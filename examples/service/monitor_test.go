package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/examples/internal/process"
)

// Operators have a page, metrics and profiles, at an address of their own.
func TestOperator(t *testing.T) {
	p := start(t, "-workers", "1")
	found := regexp.MustCompile(`for operators: (http://\S+/)\n`).FindStringSubmatch(p.Said)
	require.NotNil(t, found, p.Said)
	get := func(path string) (text string) {
		status, _, text := p.Do(t, http.MethodGet, found[1]+path, "")
		assert.Equal(t, http.StatusOK, status, path)
		return text
	}
	p.AwaitGet(t, p.Post(t, "gone.test"), "422 .*\n")
	p.Post(t, "slow.test")
	p.Await(t, process.Opening+`"slow"`)
	p.Post(t, "ok.test")
	assert.Contains(t, get(""), "<!doctype html>")
	for _, want := range []string{`finished_total{pool="lookups",outcome="Failed"} 1`, `queued{pool="lookups"} 1`} {
		assert.Eventually(t, func() bool { // the monitor looks once a second
			return strings.Contains(get("metrics"), "resultpool_tasks_"+want+"\n")
		}, 10*time.Second, 100*time.Millisecond, want)
	}
	stats := get("stats")
	assert.Contains(t, stats, "*net.DNSError")
	assert.NotContains(t, stats, ".test", "no input is shown")
	assert.Contains(t, get("debug/pprof/goroutine?debug=1"), `"pool":"lookups"`)
	status, _, _ := p.Do(t, http.MethodGet, p.URL+"/metrics", "")
	assert.Equal(t, http.StatusNotFound, status, "clients have no page")
}
