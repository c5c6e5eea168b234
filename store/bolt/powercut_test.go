//go:build linux

package bolt_test

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
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
	"github.com/resultpool/resultpool/store/codec"
)

// How the power is cut. The store is in a file on an ext4, the room, whose disk is a file
// on another file system, the cabinet, with a cache before it:
//
//	results.db → ext4 "room" → loop device, the disk's cache → loop device → disk.img → ext4 "cabinet"
//
// What is in disk.img is what survives. All else is lost with the power: the page cache of
// the room, and what the disk was sent and not asked to flush. To cut the power, the
// cabinet is frozen, so that no write reaches disk.img any more, also none of the kernel's
// own, in the middle of whatever was under way. Then the writer is stopped, disk.img is
// copied, the writer is killed, and a room is made of the copy: its mount replays ext4's
// journal, as after a power cut.

// A way is how the writer writes, and on what.
type way struct {
	files  bool // many files with a result each, not one file with many
	reads  bool // one result after the other, each acknowledged as soon as somebody can read it
	noSync bool // Options.NoSync
	lies   bool // the disk is not asked to flush, or only says that it has
}

// Environment of a writer, TestPowerCutWriter.
const (
	cutEnvDir    = "RESULTPOOL_POWERCUT_DIR"    // its folder
	cutEnvFiles  = "RESULTPOOL_POWERCUT_FILES"  // if not empty, way.files
	cutEnvReads  = "RESULTPOOL_POWERCUT_READS"  // if not empty, way.reads
	cutEnvNoSync = "RESULTPOOL_POWERCUT_NOSYNC" // if not empty, way.noSync
)

// TestPowerCut: no result is lost whose Put, or the pool's Get, has returned, none is
// wrong, none comes back that was deleted, and no ID is given out again. The power is
// cut six times, and each time the writer goes on with what is left.
func TestPowerCut(t *testing.T) {
	cuts := newCuts(t)
	for range 3 {
		// First when hardly anything has been written.
		for _, most := range []time.Duration{2 * time.Millisecond, 1500 * time.Millisecond} {
			found := cuts.cut(way{}, 0, most)
			require.Empty(t, found.problems)
		}
	}
	assert.NotZero(t, cuts.acked, "nothing was acknowledged")
}

// TestPowerCutNewFile: once Open has returned, a new file is there also after a power cut,
// and its results are.
func TestPowerCutNewFile(t *testing.T) { keeps(t, way{files: true}, 3, 400*time.Millisecond) }

// TestPowerCutReader: nobody reads a result that the power cut then takes back, also not
// while its Put has not returned. (bbolt shows what it has written before it is on the
// disk.)
func TestPowerCutReader(t *testing.T) { keeps(t, way{reads: true}, 8, 100*time.Millisecond) }

// keeps fails if anything is wrong after one of some power cuts, each of them on a new disk.
func keeps(t *testing.T, w way, times int, most time.Duration) {
	t.Helper()
	acked := 0
	for range times {
		cuts := newCuts(t)
		found := cuts.cut(w, 0, most)
		require.Empty(t, found.problems)
		acked += cuts.acked
	}
	require.NotZero(t, acked, "nothing was acknowledged")
}

// These show that the tests above can fail: they do without syncing, and on a disk that
// does not keep its promises.

func TestPowerCutWithoutSync(t *testing.T)        { loses(t, way{noSync: true}) }
func TestPowerCutLyingDisk(t *testing.T)          { loses(t, way{lies: true}) }
func TestPowerCutNewFileWithoutSync(t *testing.T) { loses(t, way{files: true, noSync: true}) }
func TestPowerCutNewFileLyingDisk(t *testing.T)   { loses(t, way{files: true, lies: true}) }

// loses fails unless acknowledged results are lost in one of a few power cuts.
func loses(t *testing.T, w way) {
	t.Helper()
	const tries = 5
	for range tries {
		found := newCuts(t).cut(w, 200*time.Millisecond, 700*time.Millisecond)
		if found.lost > 0 {
			return
		}
	}
	t.Errorf("nothing that was acknowledged was lost, in %d power cuts", tries)
}

// ---- what is written ----------------------------------------------------------

// A cutValue is made from N alone: what is wrong shows.
type cutValue struct {
	N    uint64
	Text string
}

var errFifth = errors.New("every fifth task fails")

func makeCutValue(n uint64) (cutValue, error) {
	v := cutValue{n, strings.Repeat(fmt.Sprintf("%016x", n*0x9e3779b97f4a7c15), 6)}
	if n%5 == 0 {
		return v, errFifth
	}
	return v, nil
}

// cutName is the file of a writer that writes one.
const cutName = "results.db"

func openCut(path string, noSync bool) (*bolt.Store[cutValue], error) {
	return bolt.Open[cutValue](path, cutOptions(noSync))
}

func cutOptions(noSync bool) *bolt.Options {
	return &bolt.Options{
		NoSync: noSync,
		Codec:  &codec.Options{Errors: map[string]error{"fifth": errFifth}},
	}
}

// checkCut has Open read all of a file.
func checkCut(path string) error {
	opts := cutOptions(false)
	opts.Check = true
	st, err := bolt.Open[cutValue](path, opts)
	if err != nil {
		return err
	}
	return st.Close()
}

func isRight(res store.Result[cutValue]) bool {
	v, err := makeCutValue(res.Value.N)
	return res.Value == v && (err == nil && res.Err == nil || err != nil && errors.Is(res.Err, err))
}

// TestPowerCutWriter is the program that is killed, when TestPowerCut has started it: it
// writes, and reports on file descriptor 3 what it has done, until it is killed.
//
//	s ID N   the ID was given out, for the result of N
//	a ID     the result is stored, or can be read
//	x ID     it is about to be deleted
//	d ID     it is deleted
func TestPowerCutWriter(t *testing.T) {
	dir := os.Getenv(cutEnvDir)
	if dir == "" {
		t.Skip("it is started by TestPowerCut")
	}
	w := &cutWriter{t: t, noSync: os.Getenv(cutEnvNoSync) != "", to: os.NewFile(3, "report")}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the test that has started this
		os.Exit(1)
	}()
	switch {
	case os.Getenv(cutEnvFiles) != "":
		w.files(dir)
	case os.Getenv(cutEnvReads) != "":
		w.reads(filepath.Join(dir, cutName))
	default:
		w.results(filepath.Join(dir, cutName))
	}
}

type cutWriter struct {
	t      *testing.T
	noSync bool
	to     *os.File
}

// report writes a line, at once: a line is in the pipe before the next call of the store.
func (w *cutWriter) report(format string, args ...any) {
	if _, err := fmt.Fprintf(w.to, format+"\n", args...); err != nil {
		os.Exit(1)
	}
}

func (w *cutWriter) fail(err error) {
	w.report("! %v", err)
	os.Exit(1)
}

// results writes through a pool and beside it.
func (w *cutWriter) results(path string) {
	ctx := w.t.Context()
	st, err := openCut(path, w.noSync)
	if err != nil {
		w.fail(err)
	}
	p, err := pool.New(ctx, func(_ context.Context, n uint64) (cutValue, error) { return makeCutValue(n) },
		st, &pool.Options{Workers: 8})
	if err != nil {
		w.fail(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				w.throughPool(ctx, p, st)
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for {
				w.alone(ctx, st)
			}
		})
	}
	wg.Wait()
}

// throughPool submits some tasks, waits for all of them, and deletes the last result.
func (w *cutWriter) throughPool(ctx context.Context, p *pool.Pool[uint64, cutValue], st *bolt.Store[cutValue]) {
	in := make([]uint64, 32)
	for i := range in {
		in[i] = rand.Uint64()
	}
	ids, err := p.SubmitAll(ctx, in)
	if err != nil {
		w.fail(err)
	}
	for i, id := range ids {
		w.report("s %d %d", id, in[i])
	}
	for _, id := range ids {
		if _, err := p.Get(ctx, id); err != nil && !errors.Is(err, errFifth) {
			w.fail(err)
		}
		w.report("a %d", id)
	}
	last := ids[len(ids)-1]
	w.report("x %d", last)
	if err := st.Delete(ctx, last); err != nil {
		w.fail(err)
	}
	w.report("d %d", last)
}

// alone puts a result that no pool knows of.
func (w *cutWriter) alone(ctx context.Context, st *bolt.Store[cutValue]) {
	id, err := st.ReserveIDs(ctx, 1)
	if err != nil {
		w.fail(err)
	}
	n := rand.Uint64()
	w.report("s %d %d", id, n)
	v, taskErr := makeCutValue(n)
	if err := st.Put(ctx, store.Result[cutValue]{ID: id, Value: v, Err: taskErr}); err != nil {
		w.fail(err)
	}
	w.report("a %d", id)
}

// reads puts one result after the other, and reports what has been read before Put has
// returned, if that is possible.
func (w *cutWriter) reads(path string) {
	ctx := w.t.Context()
	st, err := openCut(path, w.noSync)
	if err != nil {
		w.fail(err)
	}
	first, err := st.ReserveIDs(ctx, 1<<20)
	if err != nil {
		w.fail(err)
	}
	for id := first; ; id++ {
		w.report("s %d %d", id, id)
		var reader sync.WaitGroup
		reader.Go(func() {
			_, err := st.Get(ctx, id)
			for errors.Is(err, store.ErrNotFound) {
				_, err = st.Get(ctx, id)
			}
			if err != nil {
				w.fail(err)
			}
			w.report("a %d", id)
		})
		v, taskErr := makeCutValue(uint64(id))
		if err := st.Put(ctx, store.Result[cutValue]{ID: id, Value: v, Err: taskErr}); err != nil {
			w.fail(err)
		}
		reader.Wait()
	}
}

// files opens one new file after the other, named by an ID, and puts a result into each.
func (w *cutWriter) files(dir string) {
	for id := store.ID(1); id <= 1000; id++ {
		st, err := openCut(cutFile(dir, id), w.noSync)
		if err != nil {
			w.fail(err)
		}
		w.report("s %d %d", id, id)
		v, taskErr := makeCutValue(uint64(id))
		if err := st.Put(w.t.Context(), store.Result[cutValue]{ID: id, Value: v, Err: taskErr}); err != nil {
			w.fail(err)
		}
		w.report("a %d", id)
		if err := st.Close(); err != nil {
			w.fail(err)
		}
	}
	select {}
}

func cutFile(dir string, id store.ID) string { return filepath.Join(dir, fmt.Sprintf("%d.db", id)) }

// ---- the cut ------------------------------------------------------------------

// cuts is a disk whose power is cut, and what has been reported of what is on it.
type cuts struct {
	t       *testing.T
	rand    *rand.Rand
	dir     string // for copies
	cabinet string
	disks   int
	known   map[store.ID]*reported
	acked   int      // reports of a result that is stored
	highest store.ID // of those given out
	floor   store.ID // highest, before the writer began
}

// reported is what is known of a result.
type reported struct {
	n                      uint64
	acked, doomed, deleted bool
}

func newCuts(t *testing.T) *cuts {
	t.Helper()
	if !*diskPowerCut {
		t.Skip("without -disk.powercut")
	}
	needLoop(t)
	seed := *diskSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-disk.seed=%d", seed)
	c := &cuts{
		t: t, rand: rand.New(rand.NewPCG(seed, 0)),
		dir: tempDir(t), known: make(map[store.ID]*reported),
	}
	image := filepath.Join(c.dir, "cabinet.img")
	makeDisk(t, image, 2048, "-O", "^has_journal")
	c.cabinet, _ = mountDisk(t, image, "noatime")
	makeDisk(t, c.disk(), 512)
	return c
}

// disk is the file that is the disk now.
func (c *cuts) disk() string { return filepath.Join(c.cabinet, fmt.Sprintf("disk%d.img", c.disks)) }

// cut has a writer write for a while, between least and most, from its first report on,
// cuts the power, and looks at what is left. The next cut goes on with that.
func (c *cuts) cut(w way, least, most time.Duration) *findings {
	t := c.t
	t.Helper()
	after := least + time.Duration(c.rand.Int64N(int64(most-least)))
	// Nothing is written behind the writer's back for minutes: what it does not
	// sync, it loses.
	options := "commit=300,noatime"
	if w.lies {
		options += ",nobarrier"
	}
	room, unmount := mountCached(t, c.disk(), options)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestPowerCutWriter$")
	cmd.Env = append(os.Environ(), cutEnvDir+"="+room)
	if w.files {
		cmd.Env = append(cmd.Env, cutEnvFiles+"=1")
	}
	if w.reads {
		cmd.Env = append(cmd.Env, cutEnvReads+"=1")
	}
	if w.noSync {
		cmd.Env = append(cmd.Env, cutEnvNoSync+"=1")
	}
	cmd.ExtraFiles = []*os.File{write}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	require.NoError(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	require.NoError(t, write.Close())

	c.floor = c.highest
	begun, reports, ended := make(chan struct{}), 0, make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(read)
		for lines.Scan() {
			if reports++; reports == 1 {
				close(begun)
			}
			if err := c.note(lines.Text()); err != nil {
				ended <- err
				return
			}
		}
		ended <- lines.Err()
	}()
	select {
	case <-begun:
	case err := <-ended:
		require.NoError(t, err)
		require.Fail(t, "the writer has ended")
	}
	// What else is there to wait for? Any moment will do.
	select {
	case <-time.After(after):
	case err := <-ended:
		require.NoError(t, err)
		require.Fail(t, "the writer has ended")
	}

	thaw := freeze(t, c.cabinet)
	defer thaw() // before the writer is waited for, which may be in the midst of writing
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	copied := filepath.Join(c.dir, "copy.img")
	command(t, "cp", "--sparse=always", c.disk(), copied)
	// The writer does not see the thaw: stopped and killed, it makes no step in
	// user mode any more. So whatever it has reported, it has from before the cut.
	require.NoError(t, cmd.Process.Kill())
	thaw()
	_ = cmd.Wait()
	require.NoError(t, <-ended)
	unmount()
	require.NoError(t, os.Remove(c.disk()))
	c.disks++
	command(t, "cp", "--sparse=always", copied, c.disk())

	room, unmount = mountDisk(t, c.disk(), "noatime")
	defer unmount()
	found := &findings{reports: reports}
	if w.files {
		c.lookAtFiles(found, room)
	} else {
		c.look(found, filepath.Join(room, cutName))
	}
	t.Logf("cut after %v and %d reports: %d results held, of %d acknowledged and not deleted; lost: %d, problems: %d",
		after, found.reports, found.held, found.acked, found.lost, len(found.problems))
	return found
}

// note takes a report down. While the writer runs, only one goroutine calls it.
func (c *cuts) note(line string) error {
	var verb string
	var id store.ID
	var n uint64
	if _, err := fmt.Sscan(line, &verb, &id); err != nil {
		return fmt.Errorf("the writer says %q", line)
	}
	if verb == "s" {
		if _, err := fmt.Sscan(line, &verb, &id, &n); err != nil {
			return err
		}
		if c.known[id] != nil || id <= c.floor {
			return fmt.Errorf("ID %d was given out twice", id)
		}
		c.known[id] = &reported{n: n}
		c.highest = max(c.highest, id)
		return nil
	}
	r := c.known[id]
	if r == nil {
		return fmt.Errorf("the writer says %q of an ID that it was not given", line)
	}
	switch verb {
	case "a":
		r.acked = true
		c.acked++
	case "x":
		r.doomed = true
	case "d":
		r.deleted = true
	}
	return nil
}

// ---- what is left -------------------------------------------------------------

// findings are what was wrong after a power cut.
type findings struct {
	reports, held, acked int
	lost                 int
	problems             []string // the first of them
}

func (f *findings) problem(format string, args ...any) {
	if len(f.problems) < 20 {
		f.problems = append(f.problems, fmt.Sprintf(format, args...))
	}
}

// look compares a file with what was reported. What is not known to be stored or lost, is
// after this.
func (c *cuts) look(f *findings, path string) {
	ctx := c.t.Context()
	held := make(map[store.ID]bool)
	if err := checkCut(path); err != nil {
		f.problem("checking the store: %v", err)
	}
	st, err := openCut(path, false)
	if err != nil {
		f.problem("opening the store: %v", err)
	} else {
		for res, err := range st.All(ctx) {
			if err != nil {
				f.problem("reading the store: %v", err)
				break
			}
			held[res.ID] = true
			c.lookAt(f, res)
		}
		first, err := st.ReserveIDs(ctx, 1)
		if err != nil || first <= c.highest {
			f.problem("the next ID is %d (%v), and %d was given out", first, err, c.highest)
		}
		if err := st.Close(); err != nil {
			f.problem("closing the store: %v", err)
		}
		checkPages(f, path)
	}
	f.held = len(held)
	for id, r := range c.known {
		if r.acked && !r.doomed {
			f.acked++
			if !held[id] {
				f.lost++
				f.problem("result %d was acknowledged, and is lost", id)
			}
		}
		if held[id] {
			*r = reported{n: r.n, acked: true}
		} else {
			delete(c.known, id)
		}
	}
}

func (c *cuts) lookAt(f *findings, res store.Result[cutValue]) {
	r := c.known[res.ID]
	switch {
	case !isRight(res):
		f.problem("result %d is wrong: %+v", res.ID, res)
	case r == nil: // it was not reported any more
		c.known[res.ID] = &reported{n: res.Value.N}
		c.highest = max(c.highest, res.ID)
	case r.n != res.Value.N:
		f.problem("result %d is that of %d, want that of %d", res.ID, res.Value.N, r.n)
	case r.deleted:
		f.problem("result %d was deleted, and is back", res.ID)
	}
}

// checkPages has bbolt check every page of a file.
func checkPages(f *findings, path string) {
	db, err := bbolt.Open(path, 0, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		f.problem("opening the file with bbolt: %v", err)
		return
	}
	_ = db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			f.problem("bbolt's check: %v", err)
		}
		return nil
	})
	if err := db.Close(); err != nil {
		f.problem("closing the file with bbolt: %v", err)
	}
}

// lookAtFiles looks at a folder of files that have one result each.
func (c *cuts) lookAtFiles(f *findings, dir string) {
	ctx := c.t.Context()
	for id, r := range c.known {
		f.acked++
		path := cutFile(dir, id)
		if _, err := os.Stat(path); err != nil {
			f.lost++
			f.problem("%v", err)
			continue
		}
		st, err := openCut(path, false)
		if err != nil {
			f.lost++
			f.problem("%v", err)
			continue
		}
		f.held++
		res, err := st.Get(ctx, id)
		switch {
		case err == nil && !isRight(res):
			f.problem("result %d is wrong: %+v", id, res)
		case err != nil && r.acked:
			f.lost++
			f.problem("result %d was acknowledged: %v", id, err)
		}
		if err := st.Close(); err != nil {
			f.problem("%v", err)
		}
	}
}
