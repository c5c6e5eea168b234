package embedded_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/disktest"
	"github.com/resultpool/resultpool/pool"
)

// smallDisk is set in the environment of the program that onSmallDisk has started.
const smallDisk = "EMBEDDED_TEST_SMALL_DISK"

// onSmallDisk returns the root of a tmpfs of 64 MiB. It is mounted in a program of its own,
// where the test runs again: no mount is left behind, and no root is needed where users may
// have namespaces. In this program it returns "".
func onSmallDisk(t *testing.T) (dir string) {
	t.Helper()
	if os.Getenv(smallDisk) != "" {
		dir := t.TempDir()
		require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"))
		t.Cleanup(func() { assert.NoError(t, syscall.Unmount(dir, 0)) })
		return dir
	}
	cmd := child(t, smallDisk, "1")
	cmd.Args = append(cmd.Args, "-test.v", "-test.run=^"+t.Name()+"$")
	disktest.RunUnshared(t, "full", cmd)
	return ""
}

// TestFullDisk fills the disk with results. The server stores nothing then, and says so. When
// there is room again, the pool goes on by itself, and nothing that was accepted is lost.
func TestFullDisk(t *testing.T) {
	disk := onSmallDisk(t)
	if disk == "" {
		return
	}
	const (
		ballast = 24 << 20
		size    = 300 << 10
		n       = 160
	)
	dir := filepath.Join(disk, "folder")
	eng := openOn(t, dir, serverOptions{})
	joined := openFolder(t, dir, "x")
	require.NoError(t, os.WriteFile(filepath.Join(disk, "ballast"), make([]byte, ballast), 0o600))
	result := func(n int) string { return strings.Repeat(string(rune('a'+n%26)), size) }
	p, err := pool.Join(t.Context(), func(_ context.Context, n int) (string, error) { return result(n), nil },
		eng, &pool.Options{Workers: 2})
	require.NoError(t, err)
	in := make([]int, n)
	for i := range in {
		in[i] = i
	}
	ids, err := p.SubmitAll(t.Context(), in)
	require.NoError(t, err)

	var refused error
	id := uint64(1 << 60)
	eventually(t, func() error { // until it knows that it is full
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		id++
		refused = eng.Save(ctx, []engine.Record{{ID: id, Data: []byte("x")}})
		if !errors.Is(refused, context.DeadlineExceeded) || !strings.Contains(refused.Error(), "no space left on device") {
			return errors.Join(errors.New("it is not full"), refused)
		}
		return nil
	})
	t.Log(refused)
	assert.ErrorContains(t, refused, dir)
	assert.True(t, eng.Retryable(refused))
	require.Less(t, p.Stats().Succeeded, uint64(n))
	v, err := p.Get(t.Context(), ids[0])
	require.NoError(t, err, "what is stored can be read")
	assert.Equal(t, result(0), v)

	require.NoError(t, os.Remove(filepath.Join(disk, "ballast")))
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	require.NoError(t, p.Stop(ctx))
	t.Logf("all is stored %v after there was room", time.Since(began))
	var reader *pool.Pool[int, string]
	eventually(t, func() error { // the client of the other process has to reconnect
		reader, err = pool.Join[int, string](t.Context(), nil, joined, nil)
		return err
	})
	for i, id := range ids {
		v, err := reader.Get(ctx, id)
		require.NoError(t, err)
		require.Equal(t, result(i), v)
	}
	require.NoError(t, reader.Stop(ctx))
}

// TestDiskIsTheLimit fills a disk with tasks. The server takes them until the disk is full, not
// only to three quarters, and the error says why it takes no more.
func TestDiskIsTheLimit(t *testing.T) {
	disk := onSmallDisk(t)
	if disk == "" {
		return
	}
	eng := openOn(t, filepath.Join(disk, "folder"), serverOptions{})
	var err error
	task := make([]byte, 300<<10)
	for i := 0; err == nil; i++ {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err = eng.Push(ctx, strconv.Itoa(i), [][]byte{task})
		cancel()
	}
	t.Log(err)
	assert.ErrorContains(t, err, "no space left on device")
	var s syscall.Statfs_t
	require.NoError(t, syscall.Statfs(disk, &s))
	assert.Less(t, s.Bavail, s.Blocks*15/100)
}
