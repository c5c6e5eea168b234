package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oddNames are names that other systems may not allow.
var oddNames = []string{
	"plain", ".hidden", "with space", " leading", "trailing ", "-", "-dash", "--check", "*star", "#",
	"tab\there", `"double" 'single'`, "$(dollar)", "ünïcødé 世界", "\xff\xfe is not UTF-8", "\x1b[31m",
	"new\nline", "\n", "carriage\rreturn", `back\slash`, `\`, `\n`, "all\\\n\r",
	strings.Repeat("long", 63),
}

// TestAgainstSHA256Sum checks the sentence of the documentation that says what
// is printed.
func TestAgainstSHA256Sum(t *testing.T) {
	names := oddNames
	requireSHA256Sum(t)
	if !escapesReturns(t) {
		t.Log("SKIPPED: carriage returns, which this version of sha256sum does not escape")
		names = nil
		for _, name := range oddNames {
			if !strings.Contains(name, "\r") {
				names = append(names, name)
			}
		}
	}
	var paths []string
	for _, name := range names {
		paths = append(paths, name, "dir/"+name+"/"+name, "dir0/"+name)
	}
	for i, path := range paths {
		if dir, name := filepath.Split(path); dir == "" {
			paths[i] = "top/" + name
		}
	}
	makeTree(t, paths...)
	require.NoError(t, os.Symlink("dir", "link"))
	require.NoError(t, os.Symlink("../top", "dir/link"))
	require.NoError(t, os.Symlink("../top/plain", "dir/link-to-file"))

	for _, args := range [][]string{
		{"."}, {"./"}, {".//"}, {"dir"}, {"dir/"}, {"./dir"}, {"dir/../dir0"}, {"link"}, {"link/"},
		{"dir", "dir0", "top"}, {"top", "dir", "dir/", ".", "dir/plain"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			find := exec.Command("sh", append([]string{"-c",
				`find -H "$@" -type f -print0 | sort -zu | xargs -0 sha256sum`, "sh"}, args...)...)
			find.Env = append(os.Environ(), "LC_ALL=C")
			want, err := find.Output()
			require.NoError(t, err)

			stdout, _, status := execute(t, args...)
			assert.Equal(t, string(want), stdout)
			assert.Equal(t, exitOK, status)

			check := exec.Command("sha256sum", "--check", "--quiet")
			check.Stdin = strings.NewReader(stdout)
			out, err := check.CombinedOutput()
			assert.NoError(t, err)
			assert.Empty(t, string(out))
		})
	}
}

func requireSHA256Sum(t *testing.T) {
	t.Helper()
	version, err := exec.Command("sha256sum", "--version").Output()
	if err != nil || !strings.Contains(string(version), "GNU coreutils") {
		t.Skip("SKIPPED: there is no sha256sum of GNU coreutils to compare with")
	}
}

// escapesReturns reports whether sha256sum escapes carriage returns, as it does
// since coreutils 9.
func escapesReturns(t *testing.T) bool {
	t.Helper()
	file := filepath.Join(t.TempDir(), "\r")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	out, err := exec.Command("sha256sum", file).Output()
	require.NoError(t, err)
	return strings.HasPrefix(string(out), `\`)
}
