package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDirectoryThatCannotBeRead(t *testing.T) {
	makeTree(t, "a", "locked/x", "torn/x", "torn/y", "z")
	r := newRun()
	r.readDir = func(path string) ([]os.DirEntry, error) {
		entries, err := os.ReadDir(path)
		switch filepath.Base(path) {
		case "locked":
			return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrPermission}
		case "torn": // after its first entry
			return entries[:1], &os.PathError{Op: "readdirent", Path: path, Err: errors.New("input/output error")}
		}
		return entries, err
	}
	status := r.run([]string{".", "./locked"}) // named once
	assert.Equal(t, sums("./a", "a", "./torn/x", "torn/x", "./z", "z"), r.out.String())
	assert.Regexp(t, `^hashtree: \./locked: permission denied\nhashtree: \./torn: input/output error\nhashtree: 3 files,`, r.err.String())
	assertCounts(t, r.err.String(), 3, 0, 0)
	assert.Equal(t, exitFailed, status)
}

// TestLockedDirectory is the same with a real one, which root can read.
func TestLockedDirectory(t *testing.T) {
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("SKIPPED: needs a user who cannot read everything")
	}
	makeTree(t, "a", "file", "locked/x")
	require.NoError(t, os.Chmod("locked", 0))
	require.NoError(t, os.Chmod("file", 0))
	t.Cleanup(func() { assert.NoError(t, os.Chmod("locked", 0o777)) }) // or it could not be removed

	stdout, stderr, status := execute(t, ".")
	assert.Equal(t, sums("./a", "a"), stdout)
	assert.Contains(t, stderr, "hashtree: ./locked: permission denied\nhashtree: ./file: permission denied\n")
	assertCounts(t, stderr, 1, 1, 0)
	assert.Equal(t, exitFailed, status)
}

func TestSymbolicLinks(t *testing.T) {
	makeTree(t, "dir/a", "dir/sub/b", "elsewhere/c")
	for link, target := range map[string]string{
		"to-dir":      "dir",
		"dir/to-a":    "a",
		"dir/to-dir":  "../elsewhere",
		"dir/to-none": "nothing",
		"dir/sub/up":  "..",
	} {
		if err := os.Symlink(target, link); err != nil {
			t.Skip("SKIPPED: no symbolic links here:", err)
		}
	}
	for _, tt := range []struct{ dir, want string }{
		{"dir", sums("dir/a", "dir/a", "dir/sub/b", "dir/sub/b")},
		{"to-dir", sums("to-dir/a", "dir/a", "to-dir/sub/b", "dir/sub/b")},
		{"to-dir/", sums("to-dir/a", "dir/a", "to-dir/sub/b", "dir/sub/b")},
	} {
		stdout, _, status := execute(t, tt.dir)
		assert.Equal(t, tt.want, stdout)
		assert.Equal(t, exitOK, status)
	}
}

func TestJoin(t *testing.T) {
	for _, tt := range []struct{ dir, name, want string }{
		{".", "a", "./a"},
		{"/", "a", "/a"},
		{"dir", "a", "dir/a"},
		{"dir/", "a", "dir/a"},
		{"dir//", "a", "dir//a"},
		{"../..", "a", "../../a"},
	} {
		assert.Equal(t, tt.want, join(tt.dir, tt.name))
	}
}
