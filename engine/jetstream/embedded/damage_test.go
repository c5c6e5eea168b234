package embedded_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

var (
	damages    = flag.Int("damages", 10, "how many random damages of each kind of folder are tried")
	damageSeed = flag.Uint64("damages.seed", 0, "which damages these are, 0 for others each time")
	kills      = flag.Int("kills", 3, "how often a process that works on a folder is killed")
)

// A damage is one thing that is done to a file.
type damage struct {
	path string // in the folder
	do   string
	at   int64 // byte or bit
}

func (d damage) String() string { return fmt.Sprintf("%s %s %d", d.do, d.path, d.at) }

const (
	flipBit  = "flip"
	truncate = "truncate"
	remove   = "remove"
)

func (d damage) apply(t *testing.T, folder string) {
	t.Helper()
	path := filepath.Join(folder, d.path)
	var err error
	switch d.do {
	case flipBit:
		var buf []byte
		buf, err = os.ReadFile(path)
		require.NoError(t, err)
		buf[d.at/8] ^= 1 << (d.at % 8)
		err = os.WriteFile(path, buf, 0o600)
	case truncate:
		err = os.Truncate(path, d.at)
	case remove:
		err = os.Remove(path)
	}
	require.NoError(t, err)
}

// draw draws a file, and what is done to it. Half of the time each file is as likely as
// another, and else each byte.
func draw(random *mrand.Rand, files map[string]content) damage {
	var paths []string
	total := int64(0)
	for path, file := range files {
		if file.size > 0 {
			paths = append(paths, path)
			total += file.size
		}
	}
	slices.Sort(paths)
	path := paths[random.IntN(len(paths))]
	if random.IntN(2) == 0 {
		at := random.Int64N(total)
		for _, path = range paths {
			if at -= files[path].size; at < 0 {
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
		return damage{path, truncate, random.Int64N(files[path].size)}
	}
	return damage{path, flipBit, random.Int64N(8 * files[path].size)}
}

type content struct {
	size int64
	sum  [32]byte
}

// files are the files in a folder, by their paths in it.
func files(t *testing.T, folder string) map[string]content {
	t.Helper()
	all := make(map[string]content)
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "lock" {
			return err
		}
		buf, err := os.ReadFile(path)
		rel, _ := filepath.Rel(folder, path)
		all[rel] = content{int64(len(buf)), sha256.Sum256(buf)}
		return err
	}))
	return all
}

// refuses damages a file in several ways, one after another. Each time Start returns an error
// that says where, and changes nothing. Then the file is as before.
func refuses(t *testing.T, folder, path string, opts serverOptions, ways ...damage) {
	t.Helper()
	full := filepath.Join(folder, path)
	right, err := os.ReadFile(full)
	require.NoError(t, err)
	for _, d := range ways {
		d.path = path
		d.apply(t, folder)
		before := files(t, folder)
		_, err = embedded.Start(t.Context(), folder, &opts)
		require.ErrorContains(t, err, filepath.Dir(full), "%v", d)
		assert.ErrorContains(t, err, "from a backup", "%v", d)
		assert.Equal(t, before, files(t, folder), "%v: something was changed", d)
		require.NoError(t, os.WriteFile(full, right, 0o600))
	}
}

// ---- random damages -----------------------------------------------------------

// try tries a damage on a copy of a folder. It returns what a process finds there: "error", "right",
// or how it fails; and what it says.
func try(t *testing.T, folder, pool string, d damage) (found, said string) {
	t.Helper()
	tried := filepath.Join(t.TempDir(), "folder")
	defer func() { _ = os.RemoveAll(tried) }()
	require.NoError(t, os.CopyFS(tried, os.DirFS(folder)))
	d.apply(t, tried)
	before := files(t, tried)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := child(t, "EMBEDDED_TEST_CHECK", tried, "EMBEDDED_TEST_POOL="+pool)
	context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	out, err := cmd.CombinedOutput()
	said = strings.TrimSpace(string(out))
	switch {
	case err == nil:
		return "right", said
	case cmd.ProcessState.ExitCode() == refusedCode:
		assert.Equal(t, before, files(t, tried), "%v: something was changed", d)
		return "error", said
	}
	return err.Error(), said
}

// TestDamage damages one thing in the folder of a pool, many times. Open returns an error that
// says what is damaged, and changes nothing; or everything is there.
func TestDamage(t *testing.T) {
	seed := cmp.Or(*damageSeed, mrand.Uint64())
	t.Logf("-damages %d -damages.seed %d", *damages, seed)
	for _, size := range []int{100, 64 << 10} {
		n := *damages
		if size > 1000 {
			if testing.Short() {
				continue // it takes long
			}
			n = (n + 3) / 4
		}
		folders, pool := fill(t, size)
		for name, folder := range folders {
			t.Run(fmt.Sprintf("%s,size=%d", name, size), func(t *testing.T) {
				t.Parallel()
				random := mrand.New(mrand.NewPCG(seed, uint64(size)))
				before := files(t, folder)
				found, said := try(t, folder, pool, damage{})
				require.Equal(t, "right", found, said)
				counts := make(map[string]int)
				for range n {
					d := draw(random, before)
					found, said := try(t, folder, pool, d)
					counts[found]++
					if found != "error" && found != "right" {
						t.Errorf("%v: %s: %s", d, found, said)
					}
					if found == "error" && !strings.Contains(said, filepath.Dir(d.path)) {
						t.Errorf("%v: the error does not say where: %s", d, said)
					}
				}
				t.Logf("%d damages: %v", n, counts)
			})
		}
	}
}

// ---- damages of every file ----------------------------------------------------

// TestMessagesMissing damages each file of messages of a pool that has several.
func TestMessagesMissing(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long")
	}
	folders, _ := fill(t, 64<<10)
	for name, folder := range folders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tried := 0
			for path, file := range files(t, folder) {
				// Losing the starts of tasks is not worth a refusal.
				if filepath.Ext(path) != ".blk" || strings.Contains(path, "_starts") || strings.Contains(path, "_kind") {
					continue
				}
				tried++
				refuses(t, folder, path, serverOptions{}, damage{do: remove}, damage{do: truncate}, damage{do: truncate, at: file.size / 2})
			}
			require.Greater(t, tried, 4)
			startOn(t, folder, serverOptions{})
		})
	}
}

// parts are the directories of a pool that a server needs to read.
var parts = []string{"tasks", "results", "starts", "tasks/obs/workers"}

// TestDamagedMeta damages the files that a server needs to read a stream, or a consumer. After
// they were restored, everything is there. (A server on its own starts without the stream, and
// its messages are deleted when it is made anew.)
func TestDamagedMeta(t *testing.T) {
	dir := t.TempDir()
	e := openOn(t, dir, fast)
	describe(t, e, "numbers")
	ids := push(t, e, "a", 50)
	_, err := e.MarkStart(t.Context(), ids[0], 1)
	require.NoError(t, err)
	require.NoError(t, e.Save(t.Context(), record(ids[0])))
	pull(t, e, 1)
	require.NoError(t, e.Close())
	before := files(t, dir)
	for _, part := range parts {
		for _, file := range []string{"meta.inf", "meta.sum"} {
			path := filepath.Join(streamDir("", part), file)
			size := before[path].size
			refuses(t, dir, path, fast, damage{do: remove}, damage{do: truncate}, damage{do: truncate, at: size / 2},
				damage{do: flipBit}, damage{do: flipBit, at: size / 2 * 8}, damage{do: flipBit, at: (size - 1) * 8})
		}
	}
	e = openOn(t, dir, fast)
	assert.Equal(t, 50, size(t, e))
	assert.Equal(t, "r", load(t, e, ids[0]))
}

// TestHalfMade has a process die while it made a stream or a consumer. Nothing was in it, and it
// is made anew, completely: it is there at the next start.
func TestHalfMade(t *testing.T) {
	for _, part := range parts {
		for _, file := range []string{"meta.sum", "meta.inf"} {
			t.Run(part+"/"+file, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				require.NoError(t, openOn(t, dir, fast).Close())
				path := streamDir(dir, part)
				require.NoError(t, os.Remove(filepath.Join(path, "meta.sum")))
				_ = os.Remove(filepath.Join(path, "o.dat"))
				if file == "meta.inf" {
					require.NoError(t, os.Remove(filepath.Join(path, file)))
				}
				if part == "tasks" { // no later stream was made
					require.NoError(t, os.RemoveAll(streamDir(dir, "results")))
					require.NoError(t, os.RemoveAll(streamDir(dir, "starts")))
				}
				e := openOn(t, dir, fast)
				ids := push(t, e, "a", 3)
				require.NoError(t, e.Close())
				assert.Equal(t, ids, idsOf(pull(t, openOn(t, dir, fast), 3)))
			})
		}
	}
}

// TestStreamMissing removes the directory of a stream, or of all streams.
func TestStreamMissing(t *testing.T) {
	dir := t.TempDir()
	opts := serverOptions{User: "me", Password: "secret"}
	e := openOn(t, dir, opts)
	ids := push(t, e, "a", 3)
	require.NoError(t, e.Close())
	for _, missing := range []string{filepath.Dir(streamDir(dir, "tasks")), streamDir(dir, "tasks"), streamDir(dir, "starts")} {
		away := filepath.Join(dir, "away")
		require.NoError(t, os.Rename(missing, away))
		before := files(t, dir)
		_, err := embedded.Start(t.Context(), dir, &opts)
		require.ErrorContains(t, err, missing)
		assert.Equal(t, before, files(t, dir))
		require.NoError(t, os.Rename(away, missing))
	}
	e = openOn(t, dir, opts)
	assert.Equal(t, ids, idsOf(pull(t, e, 3)))

	// Streams that were deleted are not missed.
	p := &testPool{tb: t, name: "x"}
	_, p.js = client(t, e.URL(), nats.UserInfo("me", "secret"))
	p.deleteStreams("tasks", "results", "starts")
	require.NoError(t, e.Close())
	assert.Greater(t, push(t, openOn(t, dir, opts), "b", 1)[0], ids[2])
}

// ---- kills --------------------------------------------------------------------

// killAtWork runs work on dir, and kills it within some time after it is ready, or after it was
// started. It returns the last line that the program has said.
func killAtWork(t *testing.T, dir string, whenReady bool, within time.Duration) (last string) {
	t.Helper()
	cmd := child(t, "EMBEDDED_TEST_WORK", dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	if whenReady {
		lines.Scan()
		require.Equal(t, "ready", lines.Text())
		_, err = embedded.Start(t.Context(), dir, nil)
		assert.ErrorIs(t, err, embedded.ErrInUse)
	}
	end := time.AfterFunc(mrand.N(within), func() { _ = cmd.Process.Kill() }) // any moment will do
	for lines.Scan() {
		last = lines.Text()
	}
	end.Stop()
	_ = cmd.Wait()
	return last
}

// TestKilledAtWork kills a process at any moment, several times. What it leaves is not taken for
// damage, and is not locked.
func TestKilledAtWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for round := range *kills {
		last := killAtWork(t, dir, true, 2*time.Second)
		if id, ok := strings.CutPrefix(last, "saved "); ok && round%2 == 0 {
			saved, err := strconv.ParseUint(id, 10, 64)
			require.NoError(t, err)
			e := openOn(t, dir, serverOptions{})
			load(t, e, saved)
			require.NoError(t, e.Close())
		}
	}
}

// TestKilledWhenNew kills a process that makes a folder and a pool in it, which takes about so
// long.
func TestKilledWhenNew(t *testing.T) {
	t.Parallel()
	for range *kills {
		dir := t.TempDir()
		killAtWork(t, dir, false, 150*time.Millisecond)
		for range 2 {
			e := openOn(t, dir, serverOptions{})
			describe(t, e, "numbers")
			push(t, e, rand.Text(), 1)
			require.NoError(t, e.Close())
		}
	}
}
