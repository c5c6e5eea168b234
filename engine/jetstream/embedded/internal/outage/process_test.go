//go:build unix

package outage

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/stretchr/testify/require"
)

// A process is this program in another role.
type process struct {
	s    *site
	what string // server, node1, worker, …
	name string // unique
	part part
	cmd  *exec.Cmd

	paused bool // used only by the test's own goroutine

	// What it has reported, guarded by the site's mu.
	ready bool
	done  bool     // a submitter has submitted everything
	began []uint64 // tasks that it has begun to run, in that order
	gone  bool     // it has ended, and everything that it has reported was heard
	err   error    // how it ended
}

// start starts a process, which is killed when the test ends.
func (s *site) start(name string, p part) *process {
	s.t.Helper()
	p.Run = *outageRun
	text, err := json.Marshal(p)
	require.NoError(s.t, err)
	s.processes++
	pr := &process{s: s, what: name, name: fmt.Sprintf("%s.%d", name, s.processes), part: p, cmd: exec.Command(os.Args[0])}
	pr.cmd.Env = append(os.Environ(), partEnv+"="+string(text))
	if s.net != nil {
		pr.cmd.SysProcAttr = s.net.attr()
	}
	said := filepath.Join(s.dir, pr.name+".stderr")
	stderr, err := os.Create(said)
	require.NoError(s.t, err)
	defer stderr.Close()
	pr.cmd.Stderr = stderr
	stdin, err := pr.cmd.StdinPipe() // cmd keeps it open
	require.NoError(s.t, err)
	stdout, err := pr.cmd.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, pr.cmd.Start())

	heard := make(chan struct{})
	go func() {
		defer close(heard)
		lines := bufio.NewReader(stdout)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break // a torn line was not said
			}
			s.note(func() { s.hear(pr, strings.TrimSuffix(line, "\n")) })
		}
		err := pr.cmd.Wait()
		s.note(func() { pr.gone, pr.err = true, err })
	}()
	s.t.Cleanup(func() {
		_ = pr.cmd.Process.Kill()
		<-heard
		if out, _ := os.ReadFile(said); s.t.Failed() && len(out) > 0 {
			s.t.Logf("%s, on standard error:\n%s", pr.name, out[max(0, len(out)-4000):])
		}
	})
	if s.net != nil {
		s.net.plug(pr)
	}
	_, err = stdin.Write([]byte{'\n'}) // now it begins: see listen
	require.NoError(s.t, err)
	if p.Role == "worker" {
		s.workers = append(s.workers, pr)
	}
	return pr
}

// again starts a process that has ended once more, with the same part.
func (s *site) again(pr *process) *process {
	s.t.Helper()
	s.log("%s is started again", pr.name)
	return s.start(pr.what, pr.part)
}

// signal sends a signal. A process that has died of poison does not get it.
func (pr *process) signal(sig syscall.Signal) {
	pr.s.t.Helper()
	if err := pr.cmd.Process.Signal(sig); !errors.Is(err, os.ErrProcessDone) {
		require.NoError(pr.s.t, err, "%v to %s", sig, pr.name)
	}
}

// kill is an outage.
func (pr *process) kill() {
	pr.s.t.Helper()
	pr.s.outage(pr, "is killed", true)
	pr.s.dismiss(pr)
	pr.signal(syscall.SIGKILL)
	pr.awaitGone()
}

// pause is an outage that ends with resume. The process does not know of it.
func (pr *process) pause() {
	pr.s.t.Helper()
	pr.s.outage(pr, "is paused", false)
	pr.paused = true
	pr.signal(syscall.SIGSTOP)
}

func (pr *process) resume() {
	pr.s.t.Helper()
	pr.s.log("%s goes on", pr.name)
	pr.paused = false
	pr.signal(syscall.SIGCONT)
}

// stop has a worker end well, once it listens for that.
func (pr *process) stop() {
	pr.s.t.Helper()
	pr.s.dismiss(pr)
	pr.s.await(pr.name+" is ready", func() bool { return pr.ready || pr.gone })
	pr.signal(syscall.SIGTERM)
	pr.awaitGone()
	pr.s.coroner(pr)
}

func (pr *process) awaitReady() {
	pr.s.t.Helper()
	pr.s.await(pr.name+" is ready", func() bool { return pr.ready })
}

// awaitDone waits until a submitter has submitted everything.
func (pr *process) awaitDone() {
	pr.s.t.Helper()
	pr.s.await(pr.name+" has submitted everything", func() bool { return pr.done })
}

func (pr *process) awaitGone() {
	pr.s.t.Helper()
	pr.s.await(pr.name+" is gone", func() bool { return pr.gone })
}
