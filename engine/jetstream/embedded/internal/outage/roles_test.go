//go:build unix

package outage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// What a process does in each of its roles.

// serveEmbedded is the server of package embedded, in a program that has no pool.
func (p part) serveEmbedded(ctx context.Context) {
	s, err := embedded.Start(ctx, p.Dir, &embedded.ServerOptions{Addr: p.Listen, LosesOnPowerCut: p.NoSync, User: "outage", Password: "outage"})
	must(err)
	say("ready")
	<-ctx.Done()
	s.Close()
}

// serveNode is one of three servers: the NATS server as its own program starts it, without
// the choices of package embedded. It syncs only now and then: a process that is killed
// loses nothing by that, and after a power cut the other nodes have what this one lost.
func (p part) serveNode(ctx context.Context) {
	opts := &server.Options{NoSigs: true}
	must(opts.ProcessConfigString(fmt.Sprintf(`
		server_name: %s, listen: %q
		jetstream { store_dir: %q }
		cluster { name: outage, listen: %q, routes: [ "nats-route://%s" ] }
	`, p.Name, p.Listen, p.Dir, p.Route, strings.Join(p.Routes, `", "nats-route://`))))
	s, err := server.NewServer(opts)
	must(err)
	s.ConfigureLogger() // to standard error; the test shows the end of it if it fails
	s.Start()
	if !s.ReadyForConnections(patience) {
		must(errors.New("the server does not get ready"))
	}
	say("ready")
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
}

// ---- the tasks ----------------------------------------------------------------

// A job is a task. N is used once in a test.
type job struct {
	N      uint64
	Cost   time.Duration // how long it takes
	Poison bool          // kills its process
}

// A proof is a value that proves itself.
type proof struct {
	N   uint64
	Sum string // of N
	By  string // the run of the task that it is from: the first run whose result was saved
}

// errSeventh is the error of every seventh task.
var errSeventh = errors.New("every seventh task fails")

func prove(n uint64) (proof, error) {
	sum := sha256.Sum256(fmt.Append(nil, n))
	p := proof{N: n, Sum: hex.EncodeToString(sum[:])}
	if n%7 == 0 {
		return p, errSeventh
	}
	return p, nil
}

// isRight reports whether res is the result of task n.
func isRight(res store.Result[proof], n uint64) bool {
	want, err := prove(n)
	want.By = res.Value.By
	return want.By != "" && res.Value == want && (err == nil && res.Err == nil || err != nil && errors.Is(res.Err, err))
}

// ---- the clients --------------------------------------------------------------

// poolName is the pool of all clients.
const poolName = "outage"

// askAgain is the pause before a server is asked again about what it does not report.
const askAgain = 50 * time.Millisecond

// join opens the engine and joins it, with fn or nil. A program may be started while there is
// no server, or while three servers have not agreed on a leader. Then Open and Join return
// an error, and the supervisor of the program starts it again; join is that supervisor.
func (p part) join(ctx context.Context, fn func(context.Context, job) (proof, error)) (pl *pool.Pool[job, proof], drv *jetstream.Engine, err error) {
	opts := &pool.Options{
		Workers: p.Workers,
		Codec:   &codec.Options{Errors: map[string]error{"outage.seventh": errSeventh}},
	}
	for end := time.Now().Add(patience); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(askAgain) {
		if drv, err = p.open(ctx); err != nil {
			continue
		}
		if pl, err = pool.Join(context.WithoutCancel(ctx), fn, drv, opts); err == nil {
			return pl, drv, nil
		}
		_ = drv.Close()
	}
	return nil, nil, cmp.Or(err, ctx.Err())
}

func (p part) open(ctx context.Context) (*jetstream.Engine, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return jetstream.Open(ctx, p.URL, poolName, &jetstream.Options{
		Run:   p.Run,
		Lease: p.Lease, Replicas: p.Replicas,
		NATS: []nats.Option{nats.ReconnectWait(50 * time.Millisecond)},
	})
}

// work joins, runs tasks, and stops at SIGTERM.
func (p part) work(ctx context.Context) {
	var runs atomic.Uint64
	pl, drv, err := p.join(ctx, func(_ context.Context, j job) (proof, error) {
		say("run %d", j.N)
		if j.Poison {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		time.Sleep(j.Cost)
		value, err := prove(j.N)
		value.By = fmt.Sprintf("%d-%d", os.Getpid(), runs.Add(1))
		return value, err
	})
	if ctx.Err() != nil && err != nil {
		return // it was asked to stop before it could begin
	}
	must(err)
	say("ready")
	<-ctx.Done()
	must(pl.Stop(context.Background()))
	must(drv.Close())
}

// submit joins without a function, and submits its tasks. It gets an ID for every task in the
// end, whatever happens to the servers. After SIGTERM it submits no more.
func (p part) submit(ctx context.Context) {
	pl, drv, err := p.join(ctx, nil)
	if ctx.Err() != nil && err != nil {
		say("done") // it was asked to stop before it could begin
		return
	}
	must(err)
	say("ready")
	ids := make(chan store.ID, 16)
	reading, stop := context.WithCancel(context.Background())
	var reader, callers sync.WaitGroup
	reader.Go(func() { read(reading, pl, ids) })
	batch := max(1, p.Batch)
	var next atomic.Uint64
	for range max(1, p.Callers) {
		callers.Go(func() {
			for ctx.Err() == nil {
				end := next.Add(uint64(batch))
				first := end - uint64(batch)
				if first >= p.Count {
					return
				}
				p.submitSome(pl, p.First+first, p.First+min(end, p.Count), ids)
				time.Sleep(p.Pause) // the pace of this submitter; nobody waits for it
			}
		})
	}
	callers.Wait()
	say("done")
	stop()
	close(ids)
	reader.Wait()
	must(pl.Stop(context.Background()))
	must(drv.Close())
}

// submitSome submits the tasks from first to before end.
func (p part) submitSome(pl *pool.Pool[job, proof], first, end uint64, read chan<- store.ID) {
	var in []job
	var lines []string
	for n := first; n < end; n++ {
		j := job{N: n, Cost: p.Cost, Poison: n == p.PoisonAt && n > 0}
		verb := "try"
		if j.Poison {
			verb = "poison"
		}
		lines = append(lines, fmt.Sprintf("%s %d", verb, n))
		in = append(in, j)
	}
	say("%s", strings.Join(lines, "\n"))
	ids := make([]store.ID, 1)
	var err error
	if len(in) == 1 {
		ids[0], err = pl.Submit(context.Background(), in[0])
	} else {
		ids, err = pl.SubmitAll(context.Background(), in)
	}
	must(err)
	lines = nil
	for i, id := range ids {
		lines = append(lines, fmt.Sprintf("sure %d %d", in[i].N, id))
	}
	say("%s", strings.Join(lines, "\n"))
	select {
	case read <- ids[0]:
	default: // the reader has enough to read
	}
}

// read waits for the results of some tasks, and reports which run of the task they are from.
func read(ctx context.Context, pl *pool.Pool[job, proof], ids <-chan store.ID) {
	for id := range ids {
		value, err := pl.Get(ctx, id)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, pool.ErrPoisoned):
		case err != nil && !errors.Is(err, errSeventh):
			must(fmt.Errorf("reading result %d: %w", id, err))
		default:
			say("got %d %s", value.N, value.By)
		}
	}
}
