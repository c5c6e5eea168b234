package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A verdict is what a run of tests says of a mutant.
type verdict int

const (
	survived verdict = iota
	killed           // a test failed or the program crashed
	timedOut         // the tests did not end, or took all memory
)

func (v verdict) String() string { return [...]string{"survived", "killed", "timed out"}[v] }

// A trial is one run of a test binary.
type trial struct {
	binary string
	dir    string // the package's
	number int    // of the mutant, or 0
	run    string // the tests, or ""
	args   []string
	env    []string
	limit  time.Duration
}

// memoryLimit is how much memory tests may take, in bytes.
const memoryLimit int64 = 2 << 30

// do runs the tests and says what came of it, by what, and how much of a processor's
// time it took.
func (t trial) do() (v verdict, by string, out []byte, used time.Duration) {
	args := []string{"-test.failfast", "-test.timeout=" + t.limit.String()}
	if t.run != "" {
		args = append(args, "-test.run="+t.run)
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.limit+10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.binary, append(args, t.args...)...)
	cmd.Dir = t.dir
	cmd.Env = append(append(os.Environ(), fmt.Sprint(variable, "=", t.number)), t.env...)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	cmd.WaitDelay = time.Second
	var greedy atomic.Bool
	err := cmd.Start()
	if err == nil {
		ended := make(chan struct{})
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for {
				select {
				case <-ended:
					return
				case <-time.After(100 * time.Millisecond):
				}
				if memoryOf(cmd.Process.Pid) > memoryLimit {
					greedy.Store(true)
					cancel()
					return
				}
			}
		}()
		err = cmd.Wait()
		close(ended)
		<-watched
	}
	out = b.Bytes()
	if s := cmd.ProcessState; s != nil {
		used = s.UserTime() + s.SystemTime()
	}
	switch {
	case err == nil:
		return survived, "", out, used
	case greedy.Load():
		return timedOut, "memory", out, used
	case ctx.Err() != nil:
		return timedOut, "killed", out, used
	case bytes.Contains(out, []byte("panic: test timed out after")):
		return timedOut, runningTest(out), out, used
	default:
		return killed, failedTest(out), out, used
	}
}

// memoryOf returns what a process has in memory, where the system tells that in
// /proc, and else 0.
func memoryOf(pid int) int64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

var (
	failed   = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	running  = regexp.MustCompile(`(?m)^\s+((?:Test|Example)\S+) \(`)
	testFunc = regexp.MustCompile(`_test\.((?:Test|Example)[A-Za-z0-9_]+)`)
	crash    = regexp.MustCompile(`(?m)^(?:panic|fatal error): .*`)
)

func failedTest(out []byte) string {
	if m := failed.FindSubmatch(out); m != nil {
		return string(m[1])
	}
	by := ""
	if m := testFunc.FindSubmatch(out); m != nil {
		by = string(m[1]) + ": "
	}
	if bytes.Contains(out, []byte("WARNING: DATA RACE")) {
		return by + "data race"
	}
	return by + shorten(string(crash.Find(out)))
}

func runningTest(out []byte) string {
	if _, after, ok := bytes.Cut(out, []byte("running tests:")); ok {
		if m := running.FindSubmatch(after); m != nil {
			return string(m[1])
		}
	}
	return ""
}
