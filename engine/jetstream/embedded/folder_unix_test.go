//go:build unix

package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// permissions of a file or a directory.
func permissions(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}

// TestFolderIsTheOwners looks at the permissions of everything in a folder.
func TestFolderIsTheOwners(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := newDir(t)
	e := openOn(t, dir, serverOptions{})
	ids := push(t, e, "a", 3)
	require.NoError(t, e.Save(t.Context(), record(ids[0])))
	require.NoError(t, e.Ack(t.Context(), pull(t, e, 1)))
	require.NoError(t, e.Close())
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		assert.Equal(t, want, permissions(t, path), path)
		files++
		return nil
	}))
	assert.Greater(t, files, 20)
}

// TestFolderOfOthers is about folders that are refused, with the reason.
func TestFolderOfOthers(t *testing.T) {
	refused := func(dir string, want ...string) {
		t.Helper()
		_, started := embedded.Start(t.Context(), dir, &fast)
		_, joined := jetstream.OpenFolder(t.Context(), dir, "x", nil)
		for _, want := range want {
			assert.ErrorContains(t, started, want)
			assert.ErrorContains(t, joined, want)
		}
	}
	for _, mode := range []fs.FileMode{0o777, 0o770, 0o720, 0o702, 0o1777} {
		dir := newDir(t)
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.Chmod(dir, mode&fs.ModePerm))
		refused(dir, "others may write to "+dir, "chmod go-w")
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: a folder that another user owns: only root can make one")
	}
	dir := newDir(t)
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chown(dir, nobody, nobody))
	refused(dir, dir+" belongs to the user with ID 65534")
}

// TestReadableFolder is about a folder that others may look into. They may not look into what
// is in it, and credentials that they could read are replaced.
func TestReadableFolder(t *testing.T) {
	dir := newDir(t)
	startOn(t, dir, fast).Close()
	before := notes(t, dir)
	store, file := filepath.Join(dir, "jetstream"), filepath.Join(dir, "server.json")
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.Chmod(store, 0o755))
	require.NoError(t, os.Chmod(file, 0o644))
	_, err := jetstream.OpenFolder(t.Context(), dir, "x", nil)
	assert.ErrorContains(t, err, "others may read "+file)

	startOn(t, dir, fast)
	assert.Equal(t, fs.FileMode(0o700), permissions(t, store))
	assert.Equal(t, fs.FileMode(0o600), permissions(t, file))
	assert.NotEqual(t, before["password"], notes(t, dir)["password"])
	openFolder(t, dir, "x")
}

const nobody = 65534

func init() { programs["EMBEDDED_TEST_INTRUDE"] = intrude }

// intrude is another user of the machine, who knows the address and the folder.
func intrude(where string) {
	url, dir, _ := strings.Cut(where, " ")
	must(errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)))
	_, err := jetstream.OpenFolder(context.Background(), dir, "x", nil)
	_, read := os.ReadFile(filepath.Join(dir, "server.json"))
	_, list := os.ReadDir(filepath.Join(dir, "jetstream"))
	_, started := embedded.Start(context.Background(), dir, nil)
	_, connected := nats.Connect(url)
	fmt.Println(err != nil, errors.Is(read, fs.ErrPermission), errors.Is(list, fs.ErrPermission),
		started != nil, errors.Is(connected, nats.ErrAuthorization))
	fmt.Println(err)
}

// TestAnotherUser of the machine is refused, and sees nothing.
func TestAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: another user of the machine: only root can be one")
	}
	for _, mode := range []fs.FileMode{0o700, 0o755} {
		public, err := os.MkdirTemp("", "another-user") // others cannot enter t.TempDir
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, os.RemoveAll(public)) })
		require.NoError(t, os.Chmod(public, 0o755))
		dir := filepath.Join(public, "folder")
		require.NoError(t, os.Mkdir(dir, mode))
		e := openOn(t, dir, serverOptions{})
		out, err := child(t, "EMBEDDED_TEST_INTRUDE", e.URL()+" "+dir).Output()
		require.NoError(t, err)
		assert.Equal(t, "true true true true true\njetstream: folder "+dir+": "+dir+" belongs to the user with ID 0, "+
			"and this process is 65534's: want a folder of its own user\nright\n", string(out))
	}
}
