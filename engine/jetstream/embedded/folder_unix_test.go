//go:build unix

package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/engine/jetstream"
	"github.com/resultpool/resultpool/engine/jetstream/embedded"
)

// TestFolderIsTheOwners looks at the permissions of all that is in a folder.
func TestFolderIsTheOwners(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := newDir(t)
	e, err := embedded.Open(t.Context(), dir, "x", nil)
	require.NoError(t, err)
	ids := push(t, e, "a", 3)
	require.NoError(t, e.Save(t.Context(), []engine.Record{{ID: ids[0], Data: []byte("r")}}))
	require.NoError(t, e.Ack(t.Context(), pull(t, e, 1)))
	require.NoError(t, e.Close())
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		assert.Equal(t, want, info.Mode().Perm(), path)
		files++
		return nil
	}))
	assert.Greater(t, files, 20)
}

// TestFolderOfOthers is refused, with the reason.
func TestFolderOfOthers(t *testing.T) {
	for _, mode := range []fs.FileMode{0o777, 0o770, 0o720, 0o702, 0o1777} {
		dir := newDir(t)
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.Chmod(dir, mode&fs.ModePerm))
		_, err := embedded.Start(t.Context(), dir, fast)
		assert.ErrorContains(t, err, "others may write to "+dir)
		assert.ErrorContains(t, err, "chmod go-w")
		_, err = jetstream.OpenFolder(t.Context(), dir, "x", nil)
		assert.ErrorContains(t, err, "others may write to "+dir)
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: a folder that another user owns: only root can make one")
	}
	dir := newDir(t)
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chown(dir, nobody, nobody))
	_, err := embedded.Start(t.Context(), dir, fast)
	assert.ErrorContains(t, err, dir+" belongs to the user with ID 65534")
	_, err = jetstream.OpenFolder(t.Context(), dir, "x", nil)
	assert.ErrorContains(t, err, dir+" belongs to the user with ID 65534")
}

// TestReadableFolder is one that others may look into: what is in it they may not, and
// credentials that they could read are replaced.
func TestReadableFolder(t *testing.T) {
	dir := newDir(t)
	s, err := embedded.Start(t.Context(), dir, fast)
	require.NoError(t, err)
	s.Close()
	before := notes(t, dir)
	for _, path := range []string{dir, filepath.Join(dir, "jetstream")} {
		require.NoError(t, os.Chmod(path, 0o755))
	}
	require.NoError(t, os.Chmod(filepath.Join(dir, "server.json"), 0o644))
	_, err = jetstream.OpenFolder(t.Context(), dir, "x", nil)
	assert.ErrorContains(t, err, "others may read "+filepath.Join(dir, "server.json"))

	s, err = embedded.Start(t.Context(), dir, fast)
	require.NoError(t, err)
	defer s.Close()
	info, err := os.Stat(filepath.Join(dir, "jetstream"))
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
	info, err = os.Stat(filepath.Join(dir, "server.json"))
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	assert.NotEqual(t, before["password"], notes(t, dir)["password"])
	openFolder(t, dir, "x")
}

const nobody = 65534

func init() { programs["EMBEDDED_TEST_INTRUDE"] = joinAsAnother }

// joinAsAnother is another user of the machine, who knows the address and the folder.
func joinAsAnother(where string) {
	url, dir, _ := strings.Cut(where, " ")
	for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)} {
		if err != nil {
			fmt.Println(err)
			return
		}
	}
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
		public, err := os.MkdirTemp("", "another-user") // t.TempDir is nobody's but ours
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, os.RemoveAll(public)) })
		require.NoError(t, os.Chmod(public, 0o755))
		dir := filepath.Join(public, "folder")
		require.NoError(t, os.Mkdir(dir, mode))
		e, err := embedded.Open(t.Context(), dir, "x", nil)
		require.NoError(t, err)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "EMBEDDED_TEST_INTRUDE="+e.URL()+" "+dir)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err)
		assert.Equal(t, "true true true true true\njetstream: folder "+dir+": "+dir+" belongs to the user with ID 0, "+
			"and this process is 65534's: want a folder of its own user\n", string(out))
		require.NoError(t, e.Close())
	}
}
