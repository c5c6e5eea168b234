package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/examples/internal/jobs"
	"github.com/resultpool/resultpool/examples/internal/process"
)

func TestMain(m *testing.M) { jobs.Main(m, main) }

const (
	found    = "200 192.0.2.1\n"
	notFound = "422 lookup .*: no such host\n"
	pending  = "202 "
)

// kill kills the program and waits for its end.
func kill(t *testing.T, p *jobs.Program) {
	t.Helper()
	require.NoError(t, p.Process.Process.Kill())
	require.NotZero(t, p.AwaitEnd(), p.Said)
}

// let has the program answer for slow hosts.
func let(t *testing.T, p *jobs.Program) { t.Helper(); require.NoError(t, p.Gate.Close()) }

func TestJobs(t *testing.T) {
	p := jobs.Start(t, "-dir", t.TempDir())
	ok, gone, slow := p.Post(t, "ok.test"), p.Post(t, "gone.test"), p.Post(t, "slow.test")
	p.AwaitGet(t, ok, found)
	p.AwaitGet(t, gone, notFound)
	assert.Equal(t, pending, p.Get(t, slow))
	let(t, p)
	p.AwaitGet(t, slow, found)
	for _, id := range []string{"0", "4", "x"} {
		assert.Equal(t, "404 no such job\n", p.Get(t, "/jobs/"+id))
	}
}

// What has ended is there after a kill, and is not run again. What waited or ran is run by the next program, and so
// on, and its first URL leads to the result.
func TestKilledOverAndOver(t *testing.T) {
	dir := t.TempDir()
	var slow []string
	var ok, gone string
	for round := range 4 {
		p := jobs.Start(t, "-dir", dir)
		if round == 0 {
			ok, gone = p.Post(t, "ok.test"), p.Post(t, "gone.test")
		}
		p.AwaitGet(t, ok, found)
		p.AwaitGet(t, gone, notFound)
		for range 10 { // the last of them wait
			slow = append(slow, p.Post(t, fmt.Sprintf("slow%d.test", len(slow))))
		}
		for _, job := range slow {
			assert.Equal(t, pending, p.Get(t, job))
		}
		kill(t, p)
		assert.Equal(t, round == 0, slices.Contains(p.Opened, "ok"))
	}
	for range 2 {
		p := jobs.Start(t, "-dir", dir)
		let(t, p)
		for _, job := range append(slow, ok) {
			p.AwaitGet(t, job, found)
		}
		p.AwaitGet(t, gone, notFound)
		time.Sleep(100 * time.Millisecond)
		kill(t, p)
	}
	p := jobs.Start(t, "-dir", dir)
	for _, job := range slow {
		assert.Equal(t, found, p.Get(t, job))
	}
	kill(t, p)
	assert.Empty(t, p.Opened, "all had ended")
}

// Whenever the program is killed, each job that it has accepted has its result in the end.
func TestKilledAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	var accepted []string
	for round := range 6 {
		p := jobs.Start(t, "-dir", dir)
		let(t, p)
		before := len(accepted)
		timer := time.AfterFunc(time.Duration(10+40*round)*time.Millisecond, func() { _ = p.Process.Process.Kill() })
		for {
			job, err := p.TryPost(t.Context(), fmt.Sprintf("ok%d.test", len(accepted)))
			if err != nil {
				break
			}
			accepted = append(accepted, job)
		}
		timer.Stop()
		require.NotZero(t, p.AwaitEnd(), p.Said)
		t.Log(len(accepted)-before, "jobs")
	}
	require.NotEmpty(t, accepted)
	p := jobs.Start(t, "-dir", dir)
	for _, job := range accepted {
		p.AwaitGet(t, job, found)
	}
	all := slices.Clone(accepted)
	slices.Sort(all)
	assert.Len(t, slices.Compact(all), len(accepted), "no URL is given out twice")
}

func TestWrongCalls(t *testing.T) {
	dir := t.TempDir()
	jobs.Start(t, "-dir", dir)
	none := filepath.Join(dir, "none")
	for _, tt := range []struct {
		status int
		said   string
		args   []string
	}{
		{2, "flag provided but not defined: -store\nUsage of ", []string{"-store", "x"}},
		{1, `bolt: .*none.jobs\.db`, []string{"-dir", none}},
		{1, `bolt: .*jobs\.db is in use`, []string{"-dir", dir}},
		{1, "listen tcp: ", []string{"-dir", t.TempDir(), "-addr", "x"}},
	} {
		p := process.New(t, "", tt.args...).Begin(t)
		assert.Equal(t, tt.status, p.AwaitEnd())
		assert.Regexp(t, "^"+tt.said, p.Said)
	}
	assert.NoDirExists(t, none)
}
