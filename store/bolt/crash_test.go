package bolt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// TestKill kills the writer, twenty times, which goes on with what is left each time. No
// result is lost whose Put, PutBatch, or the pool's Get, has returned, none is wrong, none
// comes back that was deleted, and no ID is given out again. (asynq #55, #286, #525, river #1258: a crash between the end
// of a task and its record)
func TestKill(t *testing.T) {
	t.Parallel()
	lives := 20
	if testing.Short() {
		lives = 5
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	path := newPath(t)
	l := newLedger()
	for n := range lives {
		after := time.Duration(rnd.Int64N(int64(300 * time.Millisecond)))
		w := l.start(t, "results", path, false)
		if n%4 == 0 { // while it opens the file, and the first while it makes it
			w.wait(t, after/3)
		} else {
			<-w.begun
			w.wait(t, after)
		}
		w.kill(t)
		found := l.look(t.Context(), path)
		require.Empty(t, found.problems, "life %d", n)
	}
	t.Logf("%d results were acknowledged", l.acked)
	assert.Greater(t, l.acked, 10*lives)
}

// ---- what is written ----------------------------------------------------------

// A crashValue is made from N alone: what is wrong shows.
type crashValue struct {
	N    uint64
	Text string
}

var errFifth = errors.New("every fifth task fails")

func makeCrashValue(_ context.Context, n uint64) (crashValue, error) {
	v := crashValue{n, strings.Repeat(fmt.Sprintf("%016x", n*0x9e3779b97f4a7c15), 6)}
	if n%5 == 0 {
		return v, errFifth
	}
	return v, nil
}

func crashResult(id store.ID, n uint64) store.Result[crashValue] {
	v, err := makeCrashValue(context.Background(), n)
	return store.Result[crashValue]{ID: id, Value: v, Err: err}
}

func isRight(v crashValue, err error) bool {
	want := crashResult(0, v.N)
	return v == want.Value && errors.Is(err, want.Err)
}

func openCrash(path string, opts Options) (*Store[crashValue], error) {
	opts.Codec = &codec.Options{Errors: map[string]error{"fifth": errFifth}}
	return Open[crashValue](path, &opts)
}

func poolOver(ctx context.Context, st *Store[crashValue]) (*pool.Pool[uint64, crashValue], error) {
	return pool.New(ctx, makeCrashValue, st, &pool.Options{Workers: 8})
}

// A writer is the program that is killed. It writes, and reports on its standard output what
// it has done:
//
//	s ID N   the ID was given out, for the result of N
//	a ID     the result is stored, or can be read
//	x ID     it is about to be deleted
//	d ID     it is deleted
type writer struct {
	path   string // of a file, or of a folder for files
	noSync bool
}

// runWriter has the name of what is written, the path, and Options.NoSync.
func runWriter(args []string) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the test that has started this
		os.Exit(1)
	}()
	w := &writer{args[1], args[2] == "true"}
	map[string]func(context.Context){"results": w.results, "reads": w.reads, "files": w.files}[args[0]](context.Background())
	select {}
}

// report writes a line, at once: it is in the pipe before the next call of the store.
func (w *writer) report(format string, args ...any) {
	if _, err := fmt.Fprintf(os.Stdout, format+"\n", args...); err != nil {
		os.Exit(1)
	}
}

func (w *writer) must(err error) {
	if err != nil {
		w.report("! %v", err)
		os.Exit(1)
	}
}

func (w *writer) open(path string) *Store[crashValue] {
	st, err := openCrash(path, Options{NoSync: w.noSync})
	w.must(err)
	return st
}

// results writes through a pool and beside it.
func (w *writer) results(ctx context.Context) {
	st := w.open(w.path)
	p, err := poolOver(ctx, st)
	w.must(err)
	for i := range 6 {
		go func() {
			for {
				switch i {
				case 0, 1, 2:
					w.throughPool(ctx, p, st)
				case 3, 4:
					w.batch(ctx, st, 1)
				case 5:
					w.batch(ctx, st, 2+rand.Uint64N(50))
				}
			}
		}()
	}
}

// throughPool submits some tasks, waits for all of them, and deletes the last result.
func (w *writer) throughPool(ctx context.Context, p *pool.Pool[uint64, crashValue], st *Store[crashValue]) {
	in := make([]uint64, 32)
	for i := range in {
		in[i] = rand.Uint64()
	}
	ids, err := p.SubmitAll(ctx, in)
	w.must(err)
	for i, id := range ids {
		w.report("s %d %d", id, in[i])
	}
	for _, id := range ids {
		if _, err := p.Get(ctx, id); !errors.Is(err, errFifth) {
			w.must(err)
		}
		w.report("a %d", id)
	}
	w.delete(ctx, st, ids[len(ids)-1])
}

// batch puts results that no pool knows of, and deletes the last one now and then.
func (w *writer) batch(ctx context.Context, st *Store[crashValue], n uint64) {
	first, err := st.ReserveIDs(ctx, n)
	w.must(err)
	var batch []store.Result[crashValue]
	for id := first; id < first+store.ID(n); id++ {
		batch = append(batch, crashResult(id, rand.Uint64()))
		w.report("s %d %d", id, batch[id-first].Value.N)
	}
	w.must(st.PutBatch(ctx, batch))
	for _, res := range batch {
		w.report("a %d", res.ID)
	}
	if first%4 == 0 {
		w.delete(ctx, st, first+store.ID(n)-1)
	}
}

func (w *writer) delete(ctx context.Context, st *Store[crashValue], id store.ID) {
	w.report("x %d", id)
	w.must(st.Delete(ctx, id))
	w.report("d %d", id)
}

// reads puts one result after the other, and reports what has been read before Put has
// returned, if that is possible.
func (w *writer) reads(ctx context.Context) {
	st := w.open(w.path)
	first, err := st.ReserveIDs(ctx, 1<<20)
	w.must(err)
	for id := first; ; id++ {
		w.report("s %d %d", id, id)
		var reader sync.WaitGroup
		reader.Go(func() {
			_, err := st.Get(ctx, id)
			for errors.Is(err, store.ErrNotFound) {
				_, err = st.Get(ctx, id)
			}
			w.must(err)
			w.report("a %d", id)
		})
		w.must(st.Put(ctx, crashResult(id, uint64(id))))
		reader.Wait()
	}
}

// files opens one new file after the other, named by an ID, and puts a result into each.
func (w *writer) files(ctx context.Context) {
	for id := store.ID(1); id <= 1000; id++ {
		st := w.open(crashFile(w.path, id))
		w.report("s %d %d", id, id)
		w.must(st.Put(ctx, crashResult(id, uint64(id))))
		w.report("a %d", id)
		w.must(st.Close())
	}
}

func crashFile(dir string, id store.ID) string { return filepath.Join(dir, fmt.Sprintf("%d.db", id)) }

// ---- what is reported ---------------------------------------------------------

// A ledger is what the writers of a file have reported.
type ledger struct {
	known   map[store.ID]*reported
	acked   int      // reports of a result that is stored
	highest store.ID // of those given out
	floor   store.ID // highest, before the last writer began
}

// reported is what is known of a result.
type reported struct {
	n                      uint64
	acked, doomed, deleted bool
}

func newLedger() *ledger { return &ledger{known: make(map[store.ID]*reported)} }

// A running writer reports to a ledger, which is left alone until it has ended.
type running struct {
	cmd   *exec.Cmd
	begun chan struct{} // closed with the first report, or the end
	ended chan error    // has one when there are no more reports
}

func (l *ledger) start(t *testing.T, what, path string, noSync bool) *running {
	t.Helper()
	l.floor = l.highest
	r := &running{child("writer", what, path, fmt.Sprint(noSync)), make(chan struct{}), make(chan error, 1)}
	_, err := r.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.cmd.Start())
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	go func() {
		var err error
		in := bufio.NewReader(out)
		for n := 0; err == nil; n++ {
			line, ended := in.ReadString('\n')
			if n == 0 {
				close(r.begun)
			}
			if ended != nil { // a line that is torn has not been said
				break
			}
			err = l.note(line)
		}
		r.ended <- err
	}()
	return r
}

// wait waits for a while. Any moment will do.
func (r *running) wait(t *testing.T, after time.Duration) {
	t.Helper()
	select {
	case <-time.After(after):
	case err := <-r.ended:
		require.Fail(t, "the writer has ended", "%v", err)
	}
}

// kill may be called of a writer that was killed, and is not waited for yet.
func (r *running) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Kill())
	require.NoError(t, <-r.ended)
	assert.Error(t, r.cmd.Wait(), "it has ended before it was killed")
}

// note takes a report down. While a writer runs, only one goroutine calls it.
func (l *ledger) note(line string) error {
	var verb string
	var id store.ID
	var n uint64
	if _, err := fmt.Sscan(line, &verb, &id); err != nil {
		return fmt.Errorf("the writer says %q", line)
	}
	r := l.known[id]
	switch {
	case verb != "s" && r == nil:
		return fmt.Errorf("the writer says %q of an ID that it was not given", line)
	case verb == "s" && (r != nil || id <= l.floor):
		return fmt.Errorf("ID %d was given out twice", id)
	}
	switch verb {
	case "s":
		if _, err := fmt.Sscan(line, &verb, &id, &n); err != nil {
			return err
		}
		l.known[id] = &reported{n: n}
		l.highest = max(l.highest, id)
	case "a":
		r.acked = true
		l.acked++
	case "x":
		r.doomed = true
	case "d":
		r.deleted = true
	}
	return nil
}

// ---- what is left -------------------------------------------------------------

// findings are what was wrong after a crash.
type findings struct {
	lost     int      // results that were acknowledged
	problems []string // the first of them
}

func (f *findings) problem(format string, args ...any) {
	if len(f.problems) < 20 {
		f.problems = append(f.problems, fmt.Sprintf(format, args...))
	}
}

// look compares a file with what was reported, and uses it as the next program would. What
// is not known to be stored or lost, is after this.
func (l *ledger) look(ctx context.Context, path string) *findings {
	f := new(findings)
	held := make(map[store.ID]bool)
	if st, err := openCrash(path, Options{Check: true}); err != nil {
		f.problem("opening the store: %v", err)
	} else {
		for res, err := range st.All(ctx) {
			if err != nil {
				f.problem("reading the store: %v", err)
				break
			}
			held[res.ID] = true
			l.lookAt(f, res)
		}
		if err := l.goOn(ctx, f, st, held); err != nil {
			f.problem("a pool over the store: %v", err)
		}
		if err := st.Close(); err != nil {
			f.problem("closing the store: %v", err)
		}
		for _, err := range checkPages(path) {
			f.problem("bbolt's check: %v", err)
		}
	}
	for id, r := range l.known {
		if r.acked && !r.doomed && !held[id] {
			f.lost++
			f.problem("result %d was acknowledged, and is lost", id)
		}
		if held[id] {
			*r = reported{n: r.n, acked: true}
		} else {
			delete(l.known, id)
		}
	}
	return f
}

func (l *ledger) lookAt(f *findings, res store.Result[crashValue]) {
	r := l.known[res.ID]
	switch {
	case !isRight(res.Value, res.Err):
		f.problem("result %d is wrong: %+v", res.ID, res)
	case r == nil: // it was not reported any more
		l.known[res.ID] = &reported{n: res.Value.N}
		l.highest = max(l.highest, res.ID)
	case r.n != res.Value.N:
		f.problem("result %d is that of %d, want that of %d", res.ID, res.Value.N, r.n)
	case r.deleted:
		f.problem("result %d was deleted, and is back", res.ID)
	}
}

// goOn gets what is held through a pool, and submits a task: its ID is new.
func (l *ledger) goOn(ctx context.Context, f *findings, st *Store[crashValue], held map[store.ID]bool) error {
	p, err := poolOver(ctx, st)
	if err != nil {
		return err
	}
	for id := range held {
		if v, err := p.Get(ctx, id); !isRight(v, err) {
			f.problem("Get of result %d: %+v, %v", id, v, err)
		}
	}
	id, err := p.Submit(ctx, 1)
	switch {
	case err != nil:
		return err
	case id <= l.highest:
		f.problem("the next ID is %d, and %d was given out", id, l.highest)
	}
	l.known[id] = &reported{n: 1, acked: true}
	l.highest = max(l.highest, id)
	held[id] = true
	return p.Stop(ctx)
}
