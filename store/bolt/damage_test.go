package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
)

const damageResults = 400

func damageValue(id store.ID) string { return fmt.Sprintf("the value of result %d, to be read", id) }

// makeSound writes a small database: branch and leaf pages, and some that are free.
func makeSound(t *testing.T, path string) {
	st, err := bolt.Open[string](path, &bolt.Options{NoSync: true})
	require.NoError(t, err)
	for id := store.ID(1); id <= damageResults; id++ {
		require.NoError(t, st.Put(t.Context(), store.Result[string]{ID: id, Value: damageValue(id)}))
	}
	require.NoError(t, st.Close())
}

// A damage is what became of a file with one bit changed.
type damage struct {
	at      int // which bit
	outcome string
}

// TestDamagedBit changes a bit of a file here and there. Nobody gets a wrong result, nor one
// that was never put: there is an error, or all is right, or results are missing, since
// nothing tells of a whole page that is not found. It is tried in a child process, which
// bbolt might end. BOLT_DAMAGES=10000 tries more of them than 200.
func TestDamagedBit(t *testing.T) {
	if os.Getenv("BOLT_DAMAGE") != "" {
		damageChild()
		return
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sound.db")
	makeSound(t, path)
	sound, err := os.ReadFile(path)
	require.NoError(t, err)

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	n := 200
	if more, err := strconv.Atoi(os.Getenv("BOLT_DAMAGES")); err == nil {
		n = more
	}
	at := make([]int, n)
	for i := range at {
		at[i] = rnd.IntN(8 * len(sound))
	}
	count := make(map[string]int)
	for len(at) > 0 {
		done := damageRun(t, path, at)
		for _, d := range done {
			kind, _, _ := strings.Cut(d.outcome, ":")
			count[kind]++
			if kind == "wrong" || kind == "died" {
				t.Logf("bit %d: %s", d.at, d.outcome)
			}
		}
		at = at[len(done):]
	}
	t.Logf("%v", count)
	assert.Zero(t, count["wrong"])
	assert.Greater(t, count["right"], n/2)
	assert.LessOrEqual(t, count["died"], n/50, "it has not died of one in thirty thousand")
}

// damageRun has a child try the bits, as far as it gets.
func damageRun(t *testing.T, path string, at []int) (done []damage) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestDamagedBit$")
	cmd.Env = append(os.Environ(), "BOLT_DAMAGE="+path)
	var list strings.Builder
	for _, i := range at {
		fmt.Fprintln(&list, i)
	}
	cmd.Stdin = strings.NewReader(list.String())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, outcome, ok := strings.Cut(lines.Text(), " ")
		i, err := strconv.Atoi(n)
		if !ok || err != nil {
			continue
		}
		done = append(done, damage{i, outcome})
	}
	err = cmd.Wait()
	if len(done) < len(at) {
		done = append(done, damage{at[len(done)], fmt.Sprintf("died: %v: %.3000s", err, stderr.String())})
	}
	return done
}

func damageChild() {
	path := os.Getenv("BOLT_DAMAGE")
	sound, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "damage")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	damaged := filepath.Join(dir, "damaged.db")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		i, _ := strconv.Atoi(in.Text())
		sound[i/8] ^= 1 << (i % 8)
		if err := os.WriteFile(damaged, sound, 0o600); err != nil {
			panic(err)
		}
		sound[i/8] ^= 1 << (i % 8)
		hung := time.AfterFunc(10*time.Second, func() { panic("hung") })
		fmt.Printf("%d %.300s\n", i, judge(damaged))
		hung.Stop()
	}
}

func judge(path string) string {
	ctx := context.Background()
	st, err := bolt.Open[string](path, &bolt.Options{NoSync: true})
	if err != nil {
		return "open: " + strings.ReplaceAll(err.Error(), "\n", "|")
	}
	defer st.Close()
	verdict := "right"
	for id := store.ID(0); id <= damageResults+1; id++ {
		res, err := st.Get(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			if id >= 1 && id <= damageResults {
				verdict = "missing"
			}
		case err != nil:
			verdict = "get: " + strings.ReplaceAll(err.Error(), "\n", "|")
		case res.ID != id || res.Err != nil || res.Value != damageValue(id):
			return fmt.Sprintf("wrong: Get(%d) returned %+v", id, res)
		}
	}
	for res, err := range st.All(ctx) {
		if err != nil {
			verdict = "all: " + strings.ReplaceAll(err.Error(), "\n", "|")
			break
		}
		if res.Err != nil || res.Value != damageValue(res.ID) {
			return fmt.Sprintf("wrong: All yielded %+v", res)
		}
	}
	return verdict
}
