package embedded_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// ---- embedded servers ---------------------------------------------------------

// fast is a server that does not sync, for tests that have nothing to do with disks.
var fast = embedded.ServerOptions{LosesOnPowerCut: true}

// A running is an embedded server with a password, which is in url.
type running struct {
	*embedded.Server
	url string
}

func start(tb testing.TB, opts embedded.ServerOptions) *running {
	tb.Helper()
	opts.User, opts.Password = "me", "secret"
	s := startOn(tb, newDir(tb), opts)
	return &running{s, strings.Replace(s.URL(), "://", "://me:secret@", 1)}
}

func startOn(tb testing.TB, dir string, opts embedded.ServerOptions) *embedded.Server {
	tb.Helper()
	s, err := embedded.Start(tb.Context(), dir, &opts)
	require.NoError(tb, err)
	tb.Cleanup(s.Close)
	return s
}

// openOn opens the pool x in an embedded server on dir.
func openOn(tb testing.TB, dir string, opts embedded.ServerOptions) *embedded.Engine {
	tb.Helper()
	e, err := embedded.Open(tb.Context(), dir, "x", &embedded.Options{ServerOptions: opts})
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, e.Close()) })
	return e
}

// newDir is a folder that does not exist: the server makes it, for its owner alone.
func newDir(tb testing.TB) string {
	tb.Helper()
	dir, err := filepath.EvalSymlinks(tb.TempDir())
	require.NoError(tb, err)
	return filepath.Join(dir, "folder")
}

// streamDir is the directory of a stream of the pool x in the folder of a server.
func streamDir(dir, part string) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", filepath.FromSlash("resultpool_x_"+part))
}

// ---- engines ------------------------------------------------------------------

func open(tb testing.TB, url, name string, opts *jetstream.Options) *jetstream.Engine {
	tb.Helper()
	e, err := jetstream.Open(tb.Context(), url, name, opts)
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, e.Close()) })
	return e
}

func openFolder(tb testing.TB, dir, name string, opts ...nats.Option) *jetstream.Engine {
	tb.Helper()
	e, err := jetstream.OpenFolder(tb.Context(), dir, name, &jetstream.Options{NATS: opts})
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, e.Close()) })
	return e
}

// withNATS is the options with those of the client.
func withNATS(opts ...nats.Option) *jetstream.Options { return &jetstream.Options{NATS: opts} }

// A testPool is an engine with a pool of its own, and a client of NATS alone to look at what
// the engine has made.
type testPool struct {
	*jetstream.Engine
	tb        testing.TB
	url, name string
	nc        *nats.Conn
	js        natsjs.JetStream
}

func newPool(tb testing.TB, url string, opts *jetstream.Options) *testPool {
	tb.Helper()
	p := &testPool{tb: tb, url: url, name: newName()}
	p.Engine = open(tb, url, p.name, opts)
	p.nc, p.js = client(tb, url)
	return p
}

var pools atomic.Int64

// newName is the name of a pool that does not exist.
func newName() string { return "pool-" + strconv.FormatInt(pools.Add(1), 10) }

func client(tb testing.TB, url string, opts ...nats.Option) (*nats.Conn, natsjs.JetStream) {
	tb.Helper()
	nc, err := nats.Connect(url, opts...)
	require.NoError(tb, err)
	tb.Cleanup(nc.Close)
	js, err := natsjs.New(nc)
	require.NoError(tb, err)
	return nc, js
}

// other opens the pool once more.
func (p *testPool) other(opts *jetstream.Options) *jetstream.Engine {
	p.tb.Helper()
	return open(p.tb, p.url, p.name, opts)
}

func (p *testPool) stream(part string) string { return "resultpool_" + p.name + "_" + part }

// deleteStreams deletes streams of the pool as somebody with the command nats does.
func (p *testPool) deleteStreams(parts ...string) {
	p.tb.Helper()
	for _, part := range parts {
		require.NoError(p.tb, p.js.DeleteStream(p.tb.Context(), p.stream(part)))
	}
}

func (p *testPool) deleteConsumer() {
	p.tb.Helper()
	require.NoError(p.tb, p.js.DeleteConsumer(p.tb.Context(), p.stream("tasks"), "workers"))
}

// consumer returns what the server knows of the consumer, when that is ok.
func (p *testPool) consumer(ok func(has *natsjs.ConsumerInfo) bool) (has *natsjs.ConsumerInfo) {
	p.tb.Helper()
	eventually(p.tb, func() error {
		c, err := p.js.Consumer(p.tb.Context(), p.stream("tasks"), "workers")
		if err != nil {
			return err
		}
		if has = c.CachedInfo(); !ok(has) {
			return fmt.Errorf("the consumer is %+v", has)
		}
		return nil
	})
	return has
}

func pullWaits(has *natsjs.ConsumerInfo) bool { return has.NumWaiting > 0 }

func tasks(n int) [][]byte {
	tasks := make([][]byte, n)
	for i := range tasks {
		tasks[i] = []byte("task " + strconv.Itoa(i))
	}
	return tasks
}

// large is n of the largest tasks that there can be.
func large(n int) [][]byte { return slices.Repeat([][]byte{make([]byte, tooLarge-1)}, n) }

func push(tb testing.TB, e engine.Engine, key string, n int) []uint64 {
	tb.Helper()
	ids, err := e.Push(tb.Context(), key, tasks(n))
	require.NoError(tb, err)
	return ids
}

// eventuallyPush pushes a task as soon as the server takes it.
func eventuallyPush(tb testing.TB, e engine.Engine, key string) {
	tb.Helper()
	eventually(tb, func() error {
		_, err := e.Push(tb.Context(), key, tasks(1))
		return err
	})
}

// describe returns what the tasks of a pool are, and says so if nobody has.
func describe(tb testing.TB, e engine.Describer, given string) string {
	tb.Helper()
	kind, err := e.Describe(tb.Context(), given)
	require.NoError(tb, err)
	return kind
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

func idsOf(ds []engine.Delivery) (ids []uint64) {
	for _, d := range ds {
		ids = append(ids, d.ID)
	}
	return ids
}

// record is the result "r" of a task.
func record(id uint64) []engine.Record { return []engine.Record{{ID: id, Data: []byte("r")}} }

func load(tb testing.TB, e engine.Engine, id uint64) string {
	tb.Helper()
	data, err := e.Load(tb.Context(), id)
	require.NoError(tb, err)
	return string(data)
}

func size(tb testing.TB, e engine.Sizer) int {
	tb.Helper()
	n, err := e.Size(tb.Context())
	require.NoError(tb, err)
	return int(n)
}

func awaitSize(tb testing.TB, e engine.Sizer, want int) {
	tb.Helper()
	eventually(tb, func() error {
		if n := size(tb, e); n != want {
			return fmt.Errorf("there are %d tasks in the queue, want %d", n, want)
		}
		return nil
	})
}

// all is what All yields, each ID once.
func all(tb testing.TB, e engine.Engine) map[uint64]string {
	tb.Helper()
	got := make(map[uint64]string)
	for rec, err := range e.All(tb.Context()) {
		require.NoError(tb, err)
		require.NotContains(tb, got, rec.ID)
		got[rec.ID] = string(rec.Data)
	}
	return got
}

// An outcome is what a call has returned.
type outcome[T any] struct {
	value T
	err   error
}

// begin calls f on another goroutine.
func begin[T any](f func() (T, error)) <-chan outcome[T] {
	done := make(chan outcome[T], 1)
	go func() {
		value, err := f()
		done <- outcome[T]{value, err}
	}()
	return done
}

func beginPull(tb testing.TB, e engine.Engine, most int) <-chan outcome[[]engine.Delivery] {
	return begin(func() ([]engine.Delivery, error) { return e.Pull(tb.Context(), most) })
}

// eventually calls f until it returns no error.
func eventually(tb testing.TB, f func() error) {
	tb.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	require.NoError(tb, err)
}

// calls are all methods that ask the servers, about a task with this ID that is not done; Delete is of another, in the same
// message.
func calls(ctx context.Context, e *jetstream.Engine, id uint64) map[string]func() error {
	return map[string]func() error{
		"Push":      func() error { _, err := e.Push(ctx, "k", tasks(2)); return err },
		"Pull":      func() error { _, err := e.Pull(ctx, 1); return err },
		"Size":      func() error { _, err := e.Size(ctx); return err },
		"Wait":      func() error { _, err := e.Wait(ctx, id); return err },
		"Save":      func() error { return e.Save(ctx, record(id)) },
		"Load":      func() error { _, err := e.Load(ctx, id); return err },
		"Delete":    func() error { return e.Delete(ctx, []uint64{id | 1023}) },
		"MarkStart": func() error { _, err := e.MarkStart(ctx, id, 1); return err },
		"All": func() error {
			for _, err := range e.All(ctx) {
				return err
			}
			return nil
		},
	}
}

// ---- programs -----------------------------------------------------------------

// programs are what this binary is when a test starts it with one of these variables.
var programs = map[string]func(value string){
	"EMBEDDED_TEST_JOIN":  join,
	"EMBEDDED_TEST_CHECK": checkFolder,
	"EMBEDDED_TEST_WORK":  work,
}

func TestMain(m *testing.M) {
	for name, program := range programs {
		if value := os.Getenv(name); value != "" {
			program(value)
			fmt.Println("right")
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// child is this binary as one of its programs.
func child(tb testing.TB, program, value string, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(tb.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), program+"="+value), env...)
	return cmd
}

// must ends a program that cannot go on.
func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func get[T any](value T, err error) T {
	must(err)
	return value
}

// refusedCode is the exit status of a program whose folder was refused.
const refusedCode = 17

// ---- servers as their own program starts them ---------------------------------

// A standalone is nats-server as its own program starts it, on a directory and a port that stay.
type standalone struct {
	url, dir string
	lines    []string       // of its configuration, whatever else is in it
	srv      *server.Server // nil while it does not run
}

// startStandalone starts a server that syncs, with more lines for its configuration.
func startStandalone(tb testing.TB, more ...string) *standalone {
	tb.Helper()
	s := newStandalone(tb, "sync_interval: always")
	s.restart(tb, more...)
	return s
}

// newStandalone is a server that does not run. settings are those of JetStream.
func newStandalone(tb testing.TB, settings string) *standalone {
	tb.Helper()
	addr, dir := freeAddr(tb), tb.TempDir()
	s := &standalone{url: "nats://" + addr, dir: dir, lines: []string{
		"listen: " + strconv.Quote(addr),
		"jetstream { store_dir: " + strconv.Quote(filepath.ToSlash(dir)) + ", " + settings + " }",
	}}
	tb.Cleanup(s.stop)
	return s
}

// freeAddr is an address where nobody listens.
func freeAddr(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	require.NoError(tb, listener.Close())
	return listener.Addr().String()
}

// restart stops the server, starts it with more lines for its configuration, and waits until it answers.
func (s *standalone) restart(tb testing.TB, more ...string) {
	tb.Helper()
	s.stop()
	opts := &server.Options{NoLog: true, NoSigs: true}
	require.NoError(tb, opts.ProcessConfigString(strings.Join(append(s.lines, more...), "\n")))
	var err error
	s.srv, err = server.NewServer(opts)
	require.NoError(tb, err)
	s.srv.Start()
	require.True(tb, s.srv.ReadyForConnections(20*time.Second))
}

func (s *standalone) stop() {
	if s.srv != nil {
		s.srv.Shutdown()
		s.srv.WaitForShutdown()
		s.srv = nil
	}
}

// during runs the server while f uses the pool x.
func (s *standalone) during(t *testing.T, opts *jetstream.Options, f func(e *jetstream.Engine)) {
	t.Helper()
	s.restart(t)
	defer s.stop()
	e, err := jetstream.Open(t.Context(), s.url, "x", opts)
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	f(e)
}

// as is the address for one of its users.
func (s *standalone) as(user string) string {
	return strings.Replace(s.url, "://", "://"+user+":p@", 1)
}

// withUser is a server where the user "all" may do everything, and "other" what permissions
// say, and an engine of each on one pool.
func withUser(t *testing.T, permissions string) (all *testPool, other *jetstream.Engine) {
	t.Helper()
	s := startStandalone(t, `authorization { users: [
		{ user: all, password: p },
		{ user: other, password: p, permissions: {`+permissions+`} },
	] }`)
	all = newPool(t, s.as("all"), nil)
	return all, open(t, s.as("other"), all.name, nil)
}

// toNobody has a server pass on what is published to some subjects to a client that does not
// answer. It is a line of the configuration.
func toNobody(subjects ...string) string {
	var text strings.Builder
	for _, subject := range subjects {
		fmt.Fprintf(&text, "%q: nobody\n", subject)
	}
	return "mappings {\n" + text.String() + "}"
}

// beNobody is the client of toNobody.
func beNobody(tb testing.TB, url string) *nats.Subscription {
	tb.Helper()
	nc, _ := client(tb, url)
	sub, err := nc.SubscribeSync("nobody")
	require.NoError(tb, err)
	require.NoError(tb, nc.Flush())
	return sub
}

// ---- links --------------------------------------------------------------------

// A link is the way of a client to a server. While somebody holds the gate it is silent: what comes
// from the server waits.
type link struct{ gate sync.Mutex }

// Dial makes a link a nats.CustomDialer.
func (l *link) Dial(network, addr string) (net.Conn, error) {
	conn, err := net.Dial(network, addr)
	return &linked{conn, l}, err
}

type linked struct {
	net.Conn
	link *link
}

func (c *linked) Read(buf []byte) (int, error) {
	n, err := c.Conn.Read(buf)
	c.link.gate.Lock()
	defer c.link.gate.Unlock()
	return n, err
}
