package embedded_test

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// A pool to damage, a program that looks at what is left of it, and one that works until it is killed.

// A filledPool is what was acknowledged by a pool before its folder was damaged.
type filledPool struct {
	Tasks map[uint64][]byte
	Done  map[uint64]bool // those with a result; the others are in the queue
}

const (
	poolTasks = 300
	poolDone  = 200 // the last 10 of them are not acknowledged
	poolHeld  = 20
)

func resultOf(task []byte) []byte { return append([]byte("result of "), task...) }

// done are the records of tasks that were run.
func done(ds []engine.Delivery) []engine.Record {
	recs := make([]engine.Record, len(ds))
	for i, d := range ds {
		recs[i] = engine.Record{ID: d.ID, Data: resultOf(d.Task)}
	}
	return recs
}

// fill returns what there is of a pool with tasks of that size when its process is killed, and when it
// is closed: folders by name, and a file that says what is in them.
func fill(t *testing.T, size int) (folders map[string]string, file string) {
	t.Helper()
	dir := t.TempDir()
	closed, killed := filepath.Join(dir, "closed"), filepath.Join(dir, "killed")
	e, err := embedded.Open(t.Context(), closed, "x", &embedded.Options{Lease: time.Second})
	require.NoError(t, err)
	describe(t, e, "numbers")
	pool := filledPool{Tasks: make(map[uint64][]byte), Done: make(map[uint64]bool)}
	random := rand.NewChaCha8([32]byte{})
	for batch := range 3 {
		tasks := make([][]byte, poolTasks/3)
		for i := range tasks {
			tasks[i] = make([]byte, size)
			_, _ = random.Read(tasks[i])
		}
		ids, err := e.Push(t.Context(), fmt.Sprint("batch", batch), tasks)
		require.NoError(t, err)
		for i, id := range ids {
			pool.Tasks[id] = tasks[i]
		}
	}
	held := pull(t, e, poolDone+poolHeld)
	slices.SortFunc(held, func(a, b engine.Delivery) int { return bytes.Compare(a.Task, b.Task) })
	for ds := range slices.Chunk(held[:poolDone], 10) {
		require.NoError(t, e.Save(t.Context(), done(ds)))
		for _, d := range ds {
			pool.Done[d.ID] = true
		}
		if len(pool.Done) <= poolDone-10 {
			require.NoError(t, e.Ack(t.Context(), ds))
		}
		_, err := e.MarkStart(t.Context(), ds[0].ID, 2)
		require.NoError(t, err)
	}
	awaitSize(t, e, poolTasks-poolDone+10)
	text, err := json.Marshal(pool)
	require.NoError(t, err)
	file = filepath.Join(dir, "pool")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	time.Sleep(3 * time.Second)       // what is stored in the last second before a kill is not marked
	store := server.JetStreamStoreDir // and not the lock, which Windows lets nobody read
	require.NoError(t, os.CopyFS(filepath.Join(killed, store), os.DirFS(filepath.Join(closed, store))))
	marks, err := os.ReadFile(filepath.Join(closed, "marks"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(killed, "marks"), marks, 0o600))
	require.NoError(t, e.Close())
	return map[string]string{"closed": closed, "killed": killed}, file
}

// checkFolder is a program that opens a folder and reports what it finds there.
func checkFolder(dir string) {
	var pool filledPool
	must(json.Unmarshal(get(os.ReadFile(os.Getenv("EMBEDDED_TEST_POOL"))), &pool))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for range 2 { // the second time with what the first has left
		e, err := embedded.Open(ctx, dir, "x", nil)
		if err != nil {
			fmt.Println(err)
			os.Exit(refusedCode)
		}
		pool.verify(ctx, e)
		must(e.Close())
	}
}

// verify compares the folder with the pool, and runs what is in the queue.
func (pool *filledPool) verify(ctx context.Context, e *embedded.Engine) {
	for id := range pool.Done {
		if got, err := e.Load(ctx, id); err != nil || !bytes.Equal(got, resultOf(pool.Tasks[id])) {
			must(fmt.Errorf("wrong: the result of task %d: %v", id, err))
		}
	}
	added := get(e.Push(ctx, fmt.Sprint("new", len(pool.Tasks)), [][]byte{[]byte("new")}))[0]
	for id := range pool.Tasks {
		if added <= id {
			must(fmt.Errorf("wrong: a new task has the ID %d, and task %d was before it", added, id))
		}
	}
	pool.Tasks[added] = []byte("new")
	patience := 200 * time.Millisecond
	for size := get(e.Size(ctx)); size > 0; size = get(e.Size(ctx)) {
		pull, cancel := context.WithTimeout(ctx, patience)
		ds, err := e.Pull(pull, 100)
		cancel()
		if ctx.Err() != nil {
			must(fmt.Errorf("hang: %d tasks are in the queue, and not delivered: %w", size, err))
		}
		if err != nil {
			patience = min(2*patience, 8*time.Second) // an idle Pull removes acknowledged tasks after 5 s
			continue
		}
		for _, d := range ds {
			if task, ok := pool.Tasks[d.ID]; !ok || !bytes.Equal(task, d.Task) {
				must(fmt.Errorf("wrong: the task %d", d.ID))
			}
		}
		must(e.Save(ctx, done(ds)))
		must(e.Ack(ctx, ds))
	}
	n := 0
	for rec, err := range e.All(ctx) {
		if err != nil || !bytes.Equal(rec.Data, resultOf(pool.Tasks[rec.ID])) {
			must(fmt.Errorf("wrong: the result of task %d: %v", rec.ID, err))
		}
		pool.Done[rec.ID] = true
		n++
	}
	if n != len(pool.Tasks) {
		must(fmt.Errorf("wrong: All yields %d results of %d", n, len(pool.Tasks)))
	}
}

// work is a program that pushes, runs and deletes until it is killed, and reports what is saved.
func work(dir string) {
	ctx := context.Background()
	e := get(embedded.Open(ctx, dir, "x", &embedded.Options{Lease: time.Second, Retention: 20 * time.Second}))
	fmt.Println("ready")
	size := 100 << rand.IntN(11) // up to 200 KiB
	var first atomic.Uint64      // of this process's tasks
	go func() {
		for {
			tasks := make([][]byte, 50)
			for i := range tasks {
				tasks[i] = make([]byte, size/2+rand.IntN(size))
			}
			ids := get(e.Push(ctx, crand.Text(), tasks))
			first.CompareAndSwap(0, ids[0])
			if get(e.Size(ctx)) > 1000 {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	for {
		ds := get(e.Pull(ctx, 1+rand.IntN(100)))
		must(e.Save(ctx, done(ds)))
		// A task of a process before this one may have a result already, which will be gone soon.
		if id := ds[len(ds)-1].ID; first.Load() > 0 && id >= first.Load() {
			fmt.Println("saved", id)
		}
		other := ds[0].ID
		rand.Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
		must(e.Ack(ctx, ds[:len(ds)-rand.IntN(2)]))
		if rand.IntN(3) == 0 && len(ds) > 1 {
			must(e.Delete(ctx, []uint64{other}))
		}
	}
}
