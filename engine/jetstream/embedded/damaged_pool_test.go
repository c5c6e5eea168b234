package embedded_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
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
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
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
