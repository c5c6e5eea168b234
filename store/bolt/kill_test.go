package bolt_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	"github.com/resultpool/resultpool/store/bolt"
)

// A proof is a value that proves itself.
type proof struct {
	In  uint64
	Sum string // of In
}

func prove(in uint64) proof {
	sum := sha256.Sum256(fmt.Append(nil, in))
	return proof{in, hex.EncodeToString(sum[:])}
}

// A life is what a process has reported before it was killed.
type life struct {
	given   map[store.ID]uint64 // IDs that were given out, and for which In
	stored  map[store.ID]bool   // Put or PutBatch has returned nil
	deleted map[store.ID]bool   // Delete has been called: it may have happened
	gone    map[store.ID]bool   // Delete has returned nil
}

// TestKill kills a process that writes to a store, twenty times. It does so through a pool,
// by Put, by PutBatch and by Delete, and reports what it has been told before it goes on.
// After each time all that it has been told is true, nothing is wrong, and no ID is
// given out a second time.
func TestKill(t *testing.T) {
	if path := os.Getenv("BOLT_KILL"); path != "" {
		killed(path)
		return
	}
	t.Parallel()
	lives := 20
	if testing.Short() {
		lives = 5
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "results.db")
	all := life{map[store.ID]uint64{}, map[store.ID]bool{}, map[store.ID]bool{}, map[store.ID]bool{}}
	for n := range lives {
		// Some are killed soon after the start, while they open the file, and one of
		// them while it makes the file.
		l := liveAndDie(t, path, n, time.Duration(rnd.Int64N(int64(300*time.Millisecond))), n%4 == 0)
		for id, in := range l.given {
			if other, used := all.given[id]; used {
				t.Fatalf("life %d: ID %d was given out again, for %d after %d", n, id, in, other)
			}
			all.given[id] = in
		}
		merge(all.stored, l.stored)
		merge(all.deleted, l.deleted)
		merge(all.gone, l.gone)
		examine(t, path, &all, l)
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d results were stored, %d deleted", len(all.stored), len(all.gone))
	assert.Greater(t, len(all.stored), 10*lives)
}

// give notes that id was given out for in, and for nothing else.
func (l *life) give(t *testing.T, id store.ID, in uint64) {
	if other, used := l.given[id]; used && other != in {
		t.Errorf("ID %d was given out again, for %d after %d", id, in, other)
	}
	l.given[id] = in
}

func merge(to, from map[store.ID]bool) {
	for id := range from {
		to[id] = true
	}
}

// liveAndDie starts a process and kills it, some time after its start or after its first
// word. It returns what it has said: a line that is torn has not been said.
func liveAndDie(t *testing.T, path string, n int, after time.Duration, early bool) life {
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "BOLT_KILL="+path, fmt.Sprintf("BOLT_LIFE=%d", n))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	kill := func() { _ = cmd.Process.Kill() }
	if early {
		time.AfterFunc(after/3, kill)
	}
	l := life{map[store.ID]uint64{}, map[store.ID]bool{}, map[store.ID]bool{}, map[store.ID]bool{}}
	in := bufio.NewReader(out)
	for first := true; ; first = false {
		line, err := in.ReadString('\n')
		if err != nil {
			assert.ErrorIs(t, err, io.EOF)
			break
		}
		if first && !early {
			time.AfterFunc(after, kill)
		}
		var what string
		var id store.ID
		var value uint64
		if _, err := fmt.Sscan(line, &what, &id, &value); !assert.NoError(t, err, line) {
			continue
		}
		switch what {
		case "given":
			l.give(t, id, value)
		case "stored": // may be heard of before Submit has returned
			l.give(t, id, value)
			l.stored[id] = true
		case "deleting":
			l.deleted[id] = true
		case "deleted":
			l.gone[id] = true
		default:
			t.Errorf("life %d: %s", n, line)
		}
	}
	assert.Error(t, cmd.Wait(), "life %d has ended before it was killed", n)
	return l
}

// examine opens the file as the next process would, and then as a pool does.
func examine(t *testing.T, path string, all *life, last life) {
	ctx := t.Context()
	st, err := bolt.Open[proof](path, nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, st.Close()) }()

	held, err := store.Snapshot(ctx, st)
	require.NoError(t, err)
	for id, res := range held {
		in, given := all.given[id]
		if res.ID != id || res.Err != nil || res.Value != prove(res.Value.In) || given && in != res.Value.In {
			t.Errorf("result %d is %+v, want that of %d", id, res, in)
		}
		if all.gone[id] {
			t.Errorf("result %d is there again", id)
		}
	}
	for id := range all.stored {
		if _, ok := held[id]; !ok && !all.deleted[id] {
			t.Errorf("result %d is lost", id)
		}
	}

	p, err := pool.New(ctx, task, st, nil)
	require.NoError(t, err)
	for id := range last.stored {
		if !last.deleted[id] {
			value, err := p.Get(ctx, id)
			assert.NoError(t, err)
			assert.Equal(t, prove(last.given[id]), value)
		}
	}
	id, err := p.Submit(ctx, 1)
	assert.NoError(t, err)
	_, used := all.given[id]
	_, stored := held[id]
	assert.False(t, used || stored, "ID %d is given out again", id)
	all.given[id] = 1
	all.stored[id] = true
	assert.NoError(t, p.Stop(ctx))
}

func task(_ context.Context, in uint64) (proof, error) { return prove(in), nil }

// report says something in one system call, which the death of the process cannot undo.
func report(what string, id store.ID, in uint64) {
	_, _ = fmt.Fprintf(os.Stdout, "%s %d %d\n", what, id, in)
}

// A reporting store reports what it has stored.
type reporting struct{ *bolt.Store[proof] }

var (
	_ store.BatchPutter[proof] = reporting{}
	_ store.IDReserver         = reporting{}
)

func (r reporting) Put(ctx context.Context, res store.Result[proof]) error {
	err := r.Store.Put(ctx, res)
	if err == nil {
		report("stored", res.ID, res.Value.In)
	}
	return err
}

func (r reporting) PutBatch(ctx context.Context, res []store.Result[proof]) error {
	err := r.Store.PutBatch(ctx, res)
	if err == nil {
		for _, res := range res {
			report("stored", res.ID, res.Value.In)
		}
	}
	return err
}

// killed is the process that is going to be killed.
func killed(path string) {
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			fmt.Println(strings.ReplaceAll(err.Error(), "\n", "; "), 0, 0)
			os.Exit(1)
		}
	}
	inner, err := bolt.Open[proof](path, nil)
	must(err)
	st := reporting{inner}
	p, err := pool.New(ctx, task, st, &pool.Options{Workers: 8})
	must(err)

	var number uint64 // of this life, so that no In is used twice
	_, _ = fmt.Sscan(os.Getenv("BOLT_LIFE"), &number)
	number <<= 32
	var mu sync.Mutex
	next := func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		number++
		return number
	}

	forever := func(do func()) {
		go func() {
			for {
				do()
			}
		}()
	}
	forever(func() { // through the pool; what is stored reports itself
		in := next()
		id, err := p.Submit(ctx, in)
		must(err)
		report("given", id, in)
		if in%64 == 0 { // now and then it waits for one, or there would be too many
			_, err := p.Get(ctx, id)
			must(err)
			report("stored", id, in)
		}
	})
	for range 2 {
		forever(func() {
			in := next()
			id, err := st.ReserveIDs(ctx, 1)
			must(err)
			report("given", id, in)
			must(st.Put(ctx, store.Result[proof]{ID: id, Value: prove(in)}))
			if id%4 == 0 {
				report("deleting", id, 0)
				must(st.Delete(ctx, id))
				report("deleted", id, 0)
			}
		})
	}
	forever(func() {
		batch := make([]store.Result[proof], 1+rand.IntN(50))
		first, err := st.ReserveIDs(ctx, uint64(len(batch)))
		must(err)
		for i := range batch {
			batch[i] = store.Result[proof]{ID: first + store.ID(i), Value: prove(next())}
			report("given", batch[i].ID, batch[i].Value.In)
		}
		must(st.PutBatch(ctx, batch))
	})
	select {}
}
