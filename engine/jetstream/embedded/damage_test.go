package embedded_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
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

	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

var (
	damages    = flag.Int("damages", 10, "how many random damages of each kind of folder are tried")
	damageSeed = flag.Uint64("damages.seed", 0, "which damages these are, 0 for others each time")
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
	switch d.do {
	case flipBit:
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
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "EMBEDDED_TEST_CHECK="+folder, "EMBEDDED_TEST_POOL="+pool)
	out, err := cmd.CombinedOutput()
	said := strings.TrimSpace(string(out))
	first, _, _ := strings.Cut(said, ":")
	switch code := cmd.ProcessState.ExitCode(); {
	case err == nil:
		return outcome{"right", said}
	case ctx.Err() != nil:
		return outcome{"hang", said}
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
			if testing.Short() && kind.Size > 1000 {
				t.Skip("it takes long")
			}
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

// TestMessagesMissing damages each file of messages of a pool that has several.
func TestMessagesMissing(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long")
	}
	for _, kind := range []folderKind{{false, 64 << 10}, {true, 64 << 10}} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			folder, _ := fill(t, kind)
			tried := 0
			for path, size := range files(t, folder) {
				// The starts of tasks are not worth a refusal.
				if filepath.Ext(path) != ".blk" || strings.Contains(path, "_starts") || strings.Contains(path, "_kind") {
					continue
				}
				tried++
				path = filepath.Join(folder, path)
				right, err := os.ReadFile(path)
				require.NoError(t, err)
				for _, do := range []func() error{
					func() error { return os.Remove(path) },
					func() error { return os.Truncate(path, 0) },
					func() error { return os.Truncate(path, size/2) },
				} {
					require.NoError(t, do())
					before := contents(t, folder)
					_, err = embedded.Start(t.Context(), folder, nil)
					assert.ErrorContains(t, err, filepath.Dir(path))
					assert.Equal(t, before, contents(t, folder))
					require.NoError(t, os.WriteFile(path, right, 0o600))
				}
			}
			require.Greater(t, tried, 4)
			s, err := embedded.Start(t.Context(), folder, nil)
			require.NoError(t, err)
			s.Close()
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
	return damage{path, flipBit, random.Int64N(8 * sizes[path])}
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
