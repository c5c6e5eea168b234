package embedded_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// fast is a server that does not sync: for tests of what has nothing to do with disks.
var fast = &embedded.ServerOptions{LosesOnPowerCut: true}

func start(tb testing.TB, opts *embedded.ServerOptions) *embedded.Server {
	tb.Helper()
	s, err := embedded.Start(tb.Context(), newDir(tb), opts)
	require.NoError(tb, err)
	tb.Cleanup(s.Close)
	letIn(s.URL(), s)
	return s
}

// newDir is a folder that is not there yet: the server makes it, for its owner alone.
func newDir(tb testing.TB) string {
	tb.Helper()
	dir, err := filepath.EvalSymlinks(tb.TempDir())
	require.NoError(tb, err)
	return filepath.Join(dir, "folder")
}

// admitted are the credentials of servers that this program has started, by their addresses.
var admitted sync.Map

// letIn has open and client be let in at an address of a server that has made credentials of
// its own.
func letIn(url string, s *embedded.Server) {
	var o nats.Options
	for _, opt := range s.ClientOptions() {
		_ = opt(&o)
	}
	if o.User != "" {
		admitted.Store(url, nats.UserInfo(o.User, o.Password))
	}
}

// credentials are the options with those for url, unless they have some.
func credentials(url string, opts []nats.Option) []nats.Option {
	if known, ok := admitted.Load(url); ok {
		return append([]nats.Option{known.(nats.Option)}, opts...)
	}
	return opts
}

// as is the options with the credentials for url.
func as(url string, opts *jetstream.Options) *jetstream.Options {
	if opts == nil {
		opts = &jetstream.Options{}
	}
	with := *opts
	with.NATS = credentials(url, opts.NATS)
	return &with
}

var pools atomic.Int64

// newName is the name of a pool that is not there yet.
func newName() string { return "pool-" + strconv.FormatInt(pools.Add(1), 10) }

func open(tb testing.TB, url, name string, opts *jetstream.Options) *jetstream.Engine {
	tb.Helper()
	e, err := jetstream.Open(tb.Context(), url, name, as(url, opts))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, e.Close()) })
	return e
}

func openFolder(tb testing.TB, dir, name string) *jetstream.Engine {
	tb.Helper()
	e, err := jetstream.OpenFolder(tb.Context(), dir, name, nil)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, e.Close()) })
	return e
}

func tasks(n int) [][]byte {
	tasks := make([][]byte, n)
	for i := range tasks {
		tasks[i] = []byte("task " + strconv.Itoa(i))
	}
	return tasks
}

func push(tb testing.TB, e engine.Engine, key string, n int) []uint64 {
	tb.Helper()
	ids, err := e.Push(tb.Context(), key, tasks(n))
	require.NoError(tb, err)
	return ids
}

// pull pulls n tasks.
func pull(tb testing.TB, e engine.Engine, n int) []engine.Delivery {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	var all []engine.Delivery
	for len(all) < n {
		ds, err := e.Pull(ctx, n-len(all))
		require.NoError(tb, err)
		all = append(all, ds...)
	}
	return all
}

// eventually calls f until it returns no error.
func eventually(tb testing.TB, f func() error) {
	tb.Helper()
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	require.NoError(tb, err)
}

// client is one of NATS alone, for looking at what the engine has made.
func client(tb testing.TB, url string, opts ...nats.Option) (*nats.Conn, natsjs.JetStream) {
	tb.Helper()
	nc, err := nats.Connect(url, credentials(url, opts)...)
	require.NoError(tb, err)
	tb.Cleanup(nc.Close)
	js, err := natsjs.New(nc)
	require.NoError(tb, err)
	return nc, js
}

// serverProgram is nats-server, built from the module that this one requires.
var serverProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nats-server")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "nats-server")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	out, err := exec.Command("go", "build", "-o", program, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
})

// programs are what this binary is when a test starts it with one of these variables.
var programs = map[string]func(value string){
	"EMBEDDED_TEST_HOLD": hold,
	"EMBEDDED_TEST_JOIN": join,

	"EMBEDDED_TEST_FILL":  func(dir string) { exit(fillFolder(dir)) },
	"EMBEDDED_TEST_CHECK": func(dir string) { exit(checkFolder(dir)) },
	"EMBEDDED_TEST_WORK":  func(dir string) { exit(work(dir)) },
}

func TestMain(m *testing.M) {
	for name, program := range programs {
		if value := os.Getenv(name); value != "" {
			program(value)
			os.Exit(0)
		}
	}
	code := m.Run()
	if builtServer.Load() {
		program, _ := serverProgram()
		_ = os.RemoveAll(filepath.Dir(program))
	}
	os.Exit(code)
}

var builtServer atomic.Bool

// A standalone is nats-server in a process of its own, on a directory and a port that stay.
type standalone struct {
	url, config string
	cmd         *exec.Cmd
}

// startStandalone starts nats-server, with more lines for its configuration.
func startStandalone(tb testing.TB, more ...string) *standalone {
	tb.Helper()
	_, err := serverProgram()
	if err != nil {
		tb.Skipf("SKIPPED: nats-server cannot be built: %v", err)
	}
	builtServer.Store(true)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	addr := listener.Addr().String()
	require.NoError(tb, listener.Close())
	dir := tb.TempDir()
	s := &standalone{url: "nats://" + addr, config: filepath.Join(dir, "server.conf")}
	s.configure(tb, append([]string{
		"listen: " + strconv.Quote(addr),
		"jetstream { store_dir: " + strconv.Quote(filepath.ToSlash(dir)) + ", sync_interval: always }",
	}, more...)...)
	s.start(tb)
	tb.Cleanup(s.kill)
	return s
}

func (s *standalone) configure(tb testing.TB, lines ...string) {
	tb.Helper()
	require.NoError(tb, os.WriteFile(s.config, []byte(strings.Join(lines, "\n")), 0o600))
}

// start starts the server and waits until it answers.
func (s *standalone) start(tb testing.TB) {
	tb.Helper()
	program, err := serverProgram()
	require.NoError(tb, err)
	s.cmd = exec.Command(program, "-c", s.config)
	s.cmd.Stderr = os.Stderr
	if !testing.Verbose() {
		s.cmd.Stderr = nil
	}
	require.NoError(tb, s.cmd.Start())
	eventually(tb, func() error {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "nats://"))
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

// kill is SIGKILL.
func (s *standalone) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}
