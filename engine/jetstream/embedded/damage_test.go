package embedded_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

var (
	damages    = flag.Int("damages", 12, "how many random damages of each kind of folder are tried")
	damageSeed = flag.Uint64("damages.seed", 0, "which damages these are, 0 for others each time")
)

// A damagedPool is what was acknowledged by a pool before its folder was damaged.
type damagedPool struct {
	Tasks   map[uint64][]byte
	Results map[uint64][]byte // of some of Tasks; the others are in the queue
}

// A kind of folder is how a pool was left.
type folderKind struct {
	Killed bool // its server was not closed
	Size   int  // of a task, in bytes
}

func (k folderKind) String() string {
	end := "closed"
	if k.Killed {
		end = "killed"
	}
	return fmt.Sprintf("%s,size=%d", end, k.Size)
}

const (
	poolTasks = 300
	poolDone  = 200 // of these the last 10 are not acknowledged
	poolHeld  = 20
)

func resultOf(task []byte) []byte { return append([]byte("result of "), task...) }

// fillFolder is a process that fills a folder with a pool and closes it, or waits to be killed.
func fillFolder(dir string) error {
	var kind folderKind
	if err := json.Unmarshal([]byte(os.Getenv("EMBEDDED_TEST_KIND")), &kind); err != nil {
		return err
	}
	ctx := context.Background()
	e, err := embedded.Open(ctx, filepath.Join(dir, "folder"), "x", &embedded.Options{Lease: time.Second})
	if err != nil {
		return err
	}
	if _, err := e.Describe(ctx, "numbers"); err != nil {
		return err
	}
	pool := damagedPool{Tasks: make(map[uint64][]byte), Results: make(map[uint64][]byte)}
	random := rand.NewChaCha8([32]byte{})
	for batch := range 3 {
		tasks := make([][]byte, poolTasks/3)
		for i := range tasks {
			tasks[i] = make([]byte, kind.Size)
			_, _ = random.Read(tasks[i])
		}
		ids, err := e.Push(ctx, fmt.Sprint("batch", batch), tasks)
		if err != nil {
			return err
		}
		for i, id := range ids {
			pool.Tasks[id] = tasks[i]
		}
	}
	var held []engine.Delivery
	for len(held) < poolDone+poolHeld {
		ds, err := e.Pull(ctx, poolDone+poolHeld-len(held))
		if err != nil {
			return err
		}
		held = append(held, ds...)
	}
	slices.SortFunc(held, func(a, b engine.Delivery) int { return bytes.Compare(a.Task, b.Task) })
	for ds := range slices.Chunk(held[:poolDone], 10) {
		var recs []engine.Record
		for _, d := range ds {
			recs = append(recs, engine.Record{ID: d.ID, Data: resultOf(d.Task)})
			pool.Results[d.ID] = resultOf(d.Task)
		}
		if err := e.Save(ctx, recs); err != nil {
			return err
		}
		if len(pool.Results) <= poolDone-10 {
			if err := e.Ack(ctx, ds); err != nil {
				return err
			}
		}
		if _, err := e.MarkStart(ctx, ds[0].ID, 2); err != nil {
			return err
		}
	}
	want := uint64(poolTasks - poolDone + 10)
	for size := uint64(0); size != want; {
		if size, err = e.Size(ctx); err != nil {
			return err
		}
	}
	text, err := json.Marshal(pool)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "pool"), text, 0o600)
	}
	if err != nil {
		return err
	}
	if !kind.Killed {
		return e.Close()
	}
	time.Sleep(3 * time.Second) // what is stored in the last second before a kill is not marked
	fmt.Println("ready")
	select {}
}

// checkFolder is a process that opens a folder and says what it finds there.
func checkFolder(dir string) error {
	text, err := os.ReadFile(os.Getenv("EMBEDDED_TEST_POOL"))
	if err != nil {
		return err
	}
	var pool damagedPool
	if err := json.Unmarshal(text, &pool); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	for range 2 { // the second time with what the first has left
		e, err := embedded.Open(ctx, dir, "x", nil)
		if err != nil {
			return refused{err}
		}
		if err := pool.verify(ctx, e); err != nil {
			return err
		}
		if err := e.Close(); err != nil {
			return err
		}
	}
	return nil
}

type refused struct{ error }

// verify runs what is in the queue, and compares.
func (pool *damagedPool) verify(ctx context.Context, e *embedded.Engine) error {
	for id, want := range pool.Results {
		got, err := e.Load(ctx, id)
		switch {
		case errors.Is(err, engine.ErrNotFound):
			return fmt.Errorf("missing: the result of task %d", id)
		case err != nil:
			return fmt.Errorf("wrong: the result of task %d: %w", id, err)
		case !bytes.Equal(got, want):
			return fmt.Errorf("wrong: the result of task %d", id)
		}
	}
	ids, err := e.Push(ctx, fmt.Sprint("new", len(pool.Tasks)), [][]byte{[]byte("new")})
	if err != nil {
		return err
	}
	for id := range pool.Tasks {
		if ids[0] <= id {
			return fmt.Errorf("wrong: a new task has the ID %d, and task %d was before it", ids[0], id)
		}
	}
	pool.Tasks[ids[0]] = []byte("new")
	patience := 200 * time.Millisecond
	for {
		size, err := e.Size(ctx)
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
		pull, cancel := context.WithTimeout(ctx, patience)
		ds, err := e.Pull(pull, 100)
		cancel()
		if err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("hang: %d tasks are in the queue, and not delivered: %w", size, err)
			}
			patience = min(2*patience, 8*time.Second) // an idle Pull removes acknowledged tasks after 5 s
			continue
		}
		var recs []engine.Record
		for _, d := range ds {
			task, ok := pool.Tasks[d.ID]
			if !ok || !bytes.Equal(task, d.Task) {
				return fmt.Errorf("wrong: the task %d", d.ID)
			}
			recs = append(recs, engine.Record{ID: d.ID, Data: resultOf(d.Task)})
		}
		if err := errors.Join(e.Save(ctx, recs), e.Ack(ctx, ds)); err != nil {
			return err
		}
	}
	n := 0
	for rec, err := range e.All(ctx) {
		switch {
		case err != nil:
			return fmt.Errorf("wrong: a result: %w", err)
		case !bytes.Equal(rec.Data, resultOf(pool.Tasks[rec.ID])):
			return fmt.Errorf("wrong: the result of task %d", rec.ID)
		}
		n++
	}
	for id, task := range pool.Tasks {
		got, err := e.Load(ctx, id)
		switch {
		case errors.Is(err, engine.ErrNotFound):
			return fmt.Errorf("missing: task %d and its result", id)
		case err != nil:
			return fmt.Errorf("wrong: the result of task %d: %w", id, err)
		case !bytes.Equal(got, resultOf(task)):
			return fmt.Errorf("wrong: the result of task %d", id)
		}
		pool.Results[id] = got
	}
	if n != len(pool.Tasks) {
		return fmt.Errorf("wrong: All yields %d results of %d", n, len(pool.Tasks))
	}
	return nil
}

// inProcess is what a test process does instead of tests.
func inProcess() {
	if dir := os.Getenv("EMBEDDED_TEST_FILL"); dir != "" {
		exit(fillFolder(dir))
	}
	if dir := os.Getenv("EMBEDDED_TEST_CHECK"); dir != "" {
		exit(checkFolder(dir))
	}
	if dir := os.Getenv("EMBEDDED_TEST_WORK"); dir != "" {
		exit(work(dir))
	}
}

const refusedCode = 17

func exit(err error) {
	if err == nil {
		fmt.Println("right")
		os.Exit(0)
	}
	fmt.Println(err)
	if errors.As(err, new(refused)) {
		os.Exit(refusedCode)
	}
	os.Exit(1)
}

// fill returns a folder of a kind, and what is in it.
func fill(t *testing.T, kind folderKind) (folder, pool string) {
	t.Helper()
	dir := t.TempDir()
	text, err := json.Marshal(kind)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "EMBEDDED_TEST_FILL="+dir, "EMBEDDED_TEST_KIND="+string(text))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said := make([]byte, 1000)
	n, _ := out.Read(said)
	if kind.Killed {
		_ = cmd.Process.Kill()
	}
	_ = cmd.Wait()
	require.Contains(t, []string{"right\n", "ready\n"}, string(said[:n]))
	return filepath.Join(dir, "folder"), filepath.Join(dir, "pool")
}

// A damage is one thing that is done to a file.
type damage struct {
	path string // in the folder
	do   string
	at   int64 // byte or bit
}

func (d damage) String() string { return fmt.Sprintf("%s %s %d", d.do, d.path, d.at) }

const (
	flip     = "flip"
	truncate = "truncate"
	remove   = "remove"
)

func (d damage) apply(t *testing.T, folder string) {
	t.Helper()
	path := filepath.Join(folder, d.path)
	switch d.do {
	case flip:
		buf, err := os.ReadFile(path)
		require.NoError(t, err)
		buf[d.at/8] ^= 1 << (d.at % 8)
		require.NoError(t, os.WriteFile(path, buf, 0o600))
	case truncate:
		require.NoError(t, os.Truncate(path, d.at))
	case remove:
		require.NoError(t, os.Remove(path))
	}
}

// files are the sizes of the files in a folder.
func files(t *testing.T, folder string) map[string]int64 {
	t.Helper()
	sizes := make(map[string]int64)
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(path) == "lock" {
			return err
		}
		info, err := d.Info()
		if err == nil {
			rel, _ := filepath.Rel(folder, path)
			sizes[rel] = info.Size()
		}
		return err
	}))
	return sizes
}

// contents tells whether anything in a folder has changed.
func contents(t *testing.T, folder string) map[string][32]byte {
	t.Helper()
	sums := make(map[string][32]byte)
	for path := range files(t, folder) {
		buf, err := os.ReadFile(filepath.Join(folder, path))
		require.NoError(t, err)
		sums[path] = sha256.Sum256(buf)
	}
	return sums
}

// An outcome is what a process says of a folder.
type outcome struct {
	kind string // "error", "right", "missing", "wrong", "crash" or "hang"
	said string
}

func try(t *testing.T, folder, pool string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "EMBEDDED_TEST_CHECK="+folder, "EMBEDDED_TEST_POOL="+pool)
	out, err := cmd.CombinedOutput()
	said := strings.TrimSpace(string(out))
	first, _, _ := strings.Cut(said, ":")
	switch code := cmd.ProcessState.ExitCode(); {
	case ctx.Err() != nil:
		return outcome{"hang", said}
	case err == nil:
		return outcome{"right", said}
	case code == refusedCode:
		return outcome{"error", said}
	case code == 1 && slices.Contains([]string{"missing", "wrong", "hang"}, first):
		return outcome{first, said}
	case code == 1:
		return outcome{"other", said}
	}
	return outcome{"crash", said}
}

// TestDamage damages one thing in the folder of a pool, many times. Whoever opens it is
// told what is damaged, and nothing in it is changed; or all is there.
func TestDamage(t *testing.T) {
	seed := *damageSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-damages %d -damages.seed %d", *damages, seed)
	for i, kind := range []folderKind{{false, 100}, {true, 100}, {false, 64 << 10}, {true, 64 << 10}} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			var source [32]byte
			binary.LittleEndian.PutUint64(source[:], seed)
			source[8] = byte(i)
			random := rand.New(rand.NewChaCha8(source))
			folder, pool := fill(t, kind)
			before := files(t, folder)
			require.Equal(t, "right", tryCopy(t, folder, pool, damage{}).kind)
			n := *damages
			if kind.Size > 1000 {
				n = (n + 3) / 4
			}
			todo := make(chan damage, n)
			for range n {
				todo <- draw(random, before)
			}
			close(todo)
			var mu sync.Mutex
			counts := make(map[string]int)
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for d := range todo {
						o := tryCopy(t, folder, pool, d)
						mu.Lock()
						counts[o.kind]++
						mu.Unlock()
						if o.kind != "error" && o.kind != "right" {
							t.Errorf("%v: %s: %s", d, o.kind, o.said)
						}
						if o.kind == "error" && !strings.Contains(o.said, filepath.Dir(d.path)) {
							t.Errorf("%v: the error does not say where: %s", d, o.said)
						}
					}
				})
			}
			wg.Wait()
			t.Logf("%d damages: %v", n, counts)
		})
	}
}

// draw draws a file, and what is done to it: half of the time each file is as likely as
// another, and else each byte.
func draw(random *rand.Rand, sizes map[string]int64) damage {
	var paths []string
	total := int64(0)
	for path, size := range sizes {
		if size > 0 {
			paths = append(paths, path)
			total += size
		}
	}
	slices.Sort(paths)
	path := paths[random.IntN(len(paths))]
	if random.IntN(2) == 0 {
		at := random.Int64N(total)
		for _, path = range paths {
			if at -= sizes[path]; at < 0 {
				break
			}
		}
	}
	switch random.IntN(10) {
	case 0:
		return damage{path, remove, 0}
	case 1:
		return damage{path, truncate, 0}
	case 2, 3:
		return damage{path, truncate, random.Int64N(sizes[path])}
	}
	return damage{path, flip, random.Int64N(8 * sizes[path])}
}

// tryCopy tries a damage on a copy of a folder.
func tryCopy(t *testing.T, folder, pool string, d damage) outcome {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer func() { _ = os.RemoveAll(dir) }()
	folderCopy := filepath.Join(dir, "folder")
	require.NoError(t, os.CopyFS(folderCopy, os.DirFS(folder)))
	if d.do != "" {
		d.apply(t, folderCopy)
	}
	before := contents(t, folderCopy)
	o := try(t, folderCopy, pool)
	if o.kind == "error" {
		assert.Equal(t, before, contents(t, folderCopy), "%v: something was changed", d)
	}
	return o
}
