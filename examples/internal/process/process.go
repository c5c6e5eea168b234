// Package process lets a test run its own binary as the program that is tested.
package process

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"testing"
	"time"
)

// modeVar is set in the environment of a process that a test has started.
const modeVar = "RESULTPOOL_TEST_PROCESS"

// Mode returns what New was given, for TestMain to know what it is to do.
func Mode() (mode string, ok bool) { return os.LookupEnv(modeVar) }

// Opening is the beginning of what Note prints.
const Opening = "test: opening "

// Note says on standard error which file the program is about to open.
func Note(name string) { fmt.Fprintf(os.Stderr, "%s%q\n", Opening, name) }

// Hold waits for a byte of standard input, or for its end.
func Hold() { _, _ = os.Stdin.Read(make([]byte, 1)) }

// A Process is the program in a process of its own.
type Process struct {
	*exec.Cmd
	Out    bytes.Buffer   // standard output, unless the test sets Stdout
	Gate   io.WriteCloser // standard input
	Opened []string       // the files that it has noted, and
	Said   string         // what it has printed on standard error beside, as far as that was read
	stderr *bufio.Reader
}

// New returns a process that is not started. It is killed at the end of the test, or after a
// minute.
func New(t testing.TB, mode string, args ...string) *Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	p := &Process{Cmd: exec.CommandContext(ctx, self, args...)}
	p.Env = append(os.Environ(), modeVar+"="+mode)
	p.Stdout = &p.Out
	// If this process was started with SIGINT ignored, as background jobs are, the new one
	// would be too. A signal that is caught here is not ignored there.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt)
	t.Cleanup(func() { signal.Stop(caught) })
	return p
}

// Begin starts p.
func (p *Process) Begin(t testing.TB) *Process {
	t.Helper()
	stderr, err := p.StderrPipe()
	if err == nil {
		p.stderr = bufio.NewReader(stderr)
		p.Gate, err = p.StdinPipe()
	}
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Await reads what p says, up to a line that begins with prefix.
func (p *Process) Await(t testing.TB, prefix string) {
	t.Helper()
	for {
		line, err := p.read()
		if err != nil {
			t.Fatalf("waiting for %q, it has ended and said: %s", prefix, p.Said)
		}
		if strings.HasPrefix(line, prefix) {
			return
		}
	}
}

func (p *Process) read() (line string, err error) {
	line, err = p.stderr.ReadString('\n')
	if quoted, ok := strings.CutPrefix(line, Opening); ok {
		name, _ := strconv.Unquote(strings.TrimSpace(quoted)) // which Note has quoted
		p.Opened = append(p.Opened, name)
	} else {
		p.Said += line
	}
	return line, err
}

// AwaitEnd reads the rest of what p says, and returns its exit status: -1 if it was killed.
func (p *Process) AwaitEnd() (status int) {
	for err := error(nil); err == nil; {
		_, err = p.read()
	}
	_ = p.Wait() // an ExitError, which ProcessState has too
	return p.ProcessState.ExitCode()
}
