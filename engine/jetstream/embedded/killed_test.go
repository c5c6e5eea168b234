package embedded_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

var kills = flag.Int("kills", 3, "how often a process that works on a folder is killed")

// work is a process that pushes, runs and deletes until it is killed, and says what is saved.
func work(dir string) error {
	ctx := context.Background()
	e, err := embedded.Open(ctx, dir, "x", &embedded.Options{Lease: time.Second, Retention: 5 * time.Second})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	size := 100 << mrand.IntN(11) // up to 200 KiB
	go func() {
		for {
			tasks := make([][]byte, 50)
			for i := range tasks {
				tasks[i] = make([]byte, size/2+mrand.IntN(size))
			}
			if _, err := e.Push(ctx, rand.Text(), tasks); err != nil {
				exit(err)
			}
			if n, _ := e.Size(ctx); n > 1000 {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	for {
		ds, err := e.Pull(ctx, 1+mrand.IntN(100))
		if err != nil {
			return err
		}
		var recs []engine.Record
		for _, d := range ds {
			recs = append(recs, engine.Record{ID: d.ID, Data: d.Task})
		}
		if err := e.Save(ctx, recs); err != nil {
			return err
		}
		fmt.Println("saved", ds[0].ID)
		mrand.Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
		if err := e.Ack(ctx, ds[:len(ds)-mrand.IntN(2)]); err != nil {
			return err
		}
		if mrand.IntN(3) == 0 && len(ds) > 1 {
			if err := e.Delete(ctx, []uint64{recs[1].ID}); err != nil {
				return err
			}
		}
	}
}

// TestKilledAtWork kills a process at any moment, again and again: what it leaves is not
// taken for damage.
func TestKilledAtWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range *kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "EMBEDDED_TEST_WORK="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		require.True(t, lines.Scan())
		if !assert.Equal(t, "ready", lines.Text(), "round %d", round) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			return
		}
		end := time.AfterFunc(time.Duration(mrand.Int64N(int64(2*time.Second))), func() { _ = cmd.Process.Kill() })
		var last string
		for lines.Scan() {
			last = lines.Text()
		}
		end.Stop()
		_ = cmd.Wait()
		if id, ok := strings.CutPrefix(last, "saved "); ok && round%2 == 0 {
			saved, err := strconv.ParseUint(id, 10, 64)
			require.NoError(t, err)
			e, err := embedded.Open(t.Context(), dir, "x", nil)
			require.NoError(t, err, "round %d", round)
			_, err = e.Load(t.Context(), saved)
			assert.NoError(t, err)
			require.NoError(t, e.Close())
		}
	}
}

// TestKilledWhenNew kills a process that makes a folder and a pool in it.
func TestKilledWhenNew(t *testing.T) {
	t.Parallel()
	for round := range *kills {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "EMBEDDED_TEST_WORK="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		// Any moment will do: it takes about so long until the pool is made.
		end := time.AfterFunc(time.Duration(mrand.Int64N(int64(150*time.Millisecond))), func() { _ = cmd.Process.Kill() })
		for lines := bufio.NewScanner(out); lines.Scan(); {
		}
		end.Stop()
		_ = cmd.Wait()
		for range 2 {
			e, err := embedded.Open(t.Context(), dir, "x", nil)
			require.NoError(t, err, "round %d", round)
			_, err = e.Describe(t.Context(), "numbers")
			require.NoError(t, err)
			push(t, e, rand.Text(), 1)
			require.NoError(t, e.Close())
		}
	}
}
