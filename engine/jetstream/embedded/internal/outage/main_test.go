//go:build unix

package outage

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Flags for the tests that take long, need root or compare rates; .ci/cluster runs all of them.
var (
	outageFor      = flag.Duration("outage.for", 6*time.Second, "for how long a TestMix… goes on")
	outageRun      = flag.Int("outage.run", 0, "tasks in a message (0: the library chooses)")
	outageSeed     = flag.Uint64("outage.seed", 0, "seed of TestMix… (0: a random one)")
	outageNetns    = flag.Bool("outage.netns", false, "run the tests that cut off a process: needs root and network namespaces")
	outagePowerCut = flag.Bool("outage.powercut", false, "run the tests that cut the power: needs root and loop devices")
	outageRates    = flag.Bool("outage.rates", false, "run the test that compares rates")
)

// partEnv is the part that this process plays, as JSON. Without it, this is the test.
const partEnv = "RESULTPOOL_OUTAGE"

// A part is what the test tells a process that it starts.
type part struct {
	Role string // embedded, node, worker or submitter

	// Of servers.
	Dir    string   // where it keeps its files
	Name   string   // of a node
	Listen string   // HOST:PORT
	Route  string   // HOST:PORT where a node listens to the others
	Routes []string // of all nodes
	NoSync bool

	// Of clients.
	URL      string
	Lease    time.Duration
	Replicas int
	Run      int

	// Of workers.
	Workers int

	// Of submitters: Count tasks from First on.
	First, Count uint64
	Batch        int // tasks in one SubmitAll; 0 and 1 are a Submit each
	Callers      int // goroutines that submit
	Cost, Pause  time.Duration
	PoisonAt     uint64 // the task that is poison, if not 0
}

func TestMain(m *testing.M) {
	text := os.Getenv(partEnv)
	if text == "" {
		flag.Parse()
		// The processes do the work; the tests only wait for them, and for leases.
		if n, ok := flag.Lookup("test.parallel").Value.(flag.Getter).Get().(int); ok && n < 4 {
			_ = flag.Set("test.parallel", "4")
		}
		os.Exit(m.Run())
	}
	var p part
	must(json.Unmarshal([]byte(text), &p))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listen()
	switch p.Role {
	case "embedded":
		p.serveEmbedded(ctx)
	case "node":
		p.serveNode(ctx)
	case "worker":
		p.work(ctx)
	case "submitter":
		p.submit(ctx)
	}
}

// say reports lines in one system call, which the death of the process cannot undo.
func say(format string, args ...any) {
	if _, err := fmt.Fprintf(os.Stdout, format+"\n", args...); err != nil {
		os.Exit(1)
	}
}

// must ends a process that cannot go on. The test fails then.
func must(err error) {
	if err != nil {
		say("wrong %s", strings.ReplaceAll(err.Error(), "\n", "; "))
		os.Exit(1)
	}
}

// listen waits until the test tells this process to begin. When the test ends, in whatever way, so
// does this process.
func listen() {
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		os.Exit(1)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
}
