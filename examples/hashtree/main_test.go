package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/examples/internal/process"
)

// The mode of a process is the name of a file that it does not open before it is let.
func TestMain(m *testing.M) {
	held, isProcess := process.Mode()
	if !isProcess {
		os.Exit(m.Run())
	}
	h := &hashtree{opening: func(rel string) {
		process.Note(rel)
		if rel == held {
			process.Hold()
		}
	}}
	h.run()
	os.Exit(h.status)
}

// finish waits for the end of a process. It checks the exit status, -1 for a signal, and the
// numbers in the last line.
func finish(t *testing.T, p *process.Process, status, kept, done, failed, notRun int) *process.Process {
	t.Helper()
	assert.Equal(t, status, p.AwaitEnd(), p.Said)
	if status == 2 || status == -1 {
		assert.NotContains(t, p.Said, "not run")
		return p
	}
	assert.Regexp(t, fmt.Sprintf(`(^|\n)hashtree: %d files, \d+\.\d MB in \d+\.\ds: %d kept, %d done, %d failed, %d not run\n$`,
		kept+done+failed+notRun, kept, done, failed, notRun), p.Said)
	return p
}

// run runs hashtree on files that can all be read.
func run(t *testing.T, kept, done int, args ...string) *process.Process {
	t.Helper()
	return finish(t, process.New(t, "", args...).Begin(t), 0, kept, done, 0, 0)
}

// makeTree makes a directory with files that are an hour old, each with its own name for
// content, and makes it the current one.
func makeTree(t *testing.T, names ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range names {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o777))
		write(t, name, name)
	}
}

// write makes or changes a file, whose mtime is then an hour ago.
func write(t *testing.T, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(content), 0o666))
	age(t, name, time.Hour)
}

func age(t *testing.T, name string, old time.Duration) {
	t.Helper()
	mtime := time.Now().Add(-old)
	require.NoError(t, os.Chtimes(name, mtime, mtime))
}

// sums is the output for files with the given paths and contents, which need no escapes.
func sums(pathsAndContents ...string) string {
	var lines strings.Builder
	for pair := range slices.Chunk(pathsAndContents, 2) {
		fmt.Fprintf(&lines, "%x  %s\n", sha256.Sum256([]byte(pair[1])), pair[0])
	}
	return lines.String()
}

func TestTrees(t *testing.T) {
	makeTree(t, "d/b", "d/a", "d/c/x", "d/c/y", "d/c0", "e/-n", "e/with space")
	require.NoError(t, os.MkdirAll("empty/er", 0o777))
	large := strings.Repeat("0123456789", 100_000)
	require.NoError(t, os.Mkdir("sizes", 0o777))
	write(t, "sizes/0", "")
	write(t, "sizes/1", large)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"d"}, sums("d/a", "d/a", "d/b", "d/b", "d/c/x", "d/c/x", "d/c/y", "d/c/y", "d/c0", "d/c0")},
		{[]string{"-workers", "1", "d/c/"}, sums("d/c/x", "d/c/x", "d/c/y", "d/c/y")},
		{[]string{"-workers=100", "d//c//"}, sums("d//c//x", "d/c/x", "d//c//y", "d/c/y")},
		{[]string{"./d/c"}, sums("./d/c/x", "d/c/x", "./d/c/y", "d/c/y")},
		{[]string{"-store", "dense", "e"}, sums("e/-n", "e/-n", "e/with space", "e/with space")},
		{[]string{"empty"}, ""},
		{[]string{"sizes"}, sums("sizes/0", "", "sizes/1", large)},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			p := run(t, 0, strings.Count(tt.want, "\n"), tt.args...)
			assert.Equal(t, tt.want, p.Out.String())
			assert.Empty(t, regexp.MustCompile(`.*\n$`).ReplaceAllString(p.Said, ""), "more than the summary")
		})
	}
}

func TestWrongCalls(t *testing.T) {
	makeTree(t, "dir/a", "text")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, `Usage: hashtree \[-store dense\|bolt:FILE\] \[-workers N\] DIR\n`},
		{[]string{"dir", "dir"}, `Usage: `},
		{[]string{"dir", "-workers", "2"}, `Usage: `},
		{[]string{"-store", "redis", "dir"}, `Usage: `},
		{[]string{"-workers", "-1", "dir"}, `invalid value "-1" for flag -workers: .*\nUsage: `},
		{[]string{"-jobs", "2", "dir"}, `flag provided but not defined: -jobs\nUsage: `},
		{[]string{""}, `hashtree: open`},
		{[]string{"-store", "bolt:x.db", "gone"}, `hashtree: open gone: \S`},
		{[]string{"text"}, `hashtree: open text: \S`},
		{[]string{"~/gone"}, `hashtree: .* ~/gone: .*: the shell has not expanded the ~, and hashtree does not\n`},
		{[]string{"-store", "bolt:~x.db", "dir"}, `hashtree: .* ~x.db: .*: the shell has not expanded the ~, and hashtree does not\n`},
		{[]string{"-store", "bolt:", "dir"}, `hashtree: .*open`},
		{[]string{"-store", "bolt:text", "dir"}, `hashtree: .*text.* no database`},
		{[]string{"-store", "bolt:dir", "dir"}, `hashtree: .*dir is a folder`},
		{[]string{"-store", "bolt:none/x.db", "dir"}, `hashtree: .*none/x.db`},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			p := finish(t, process.New(t, "", tt.args...).Begin(t), 2, 0, 0, 0, 0)
			assert.Empty(t, p.Out.String())
			assert.Regexp(t, `^`+tt.want, p.Said)
		})
	}
	for _, name := range []string{"x.db", "~x.db", "none"} {
		assert.NoFileExists(t, name, "a wrong call makes no FILE")
	}
	require.NoError(t, os.Mkdir("~", 0o777))
	run(t, 0, 0, "-store", "bolt:./~/x.db", "~") // this is no mistake
}

func TestHelp(t *testing.T) {
	p := process.New(t, "", "-h").Begin(t)
	assert.Zero(t, p.AwaitEnd())
	assert.Contains(t, p.Said, "Usage: hashtree [-store dense|bolt:FILE] [-workers N] DIR\n  -store dense\n")
}

// The first command of README.md is built from few modules.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "resultpool/store/bolt\n")
	assert.NotRegexp(t, `nats|engine/|net/http\n`, string(out))
}

func TestAgainstSHA256Sum(t *testing.T) {
	version, err := exec.Command("sha256sum", "--version").Output()
	if err != nil || !strings.Contains(string(version), "GNU coreutils") || runtime.GOOS != "linux" {
		t.Skip("SKIPPED: there is no sha256sum of GNU coreutils to compare with")
	}
	names := []string{"plain", ".hidden", "with space", " leading", "trailing ", "-", "-dash", "--check", "*star", "#",
		"tab\there", `"double" 'single'`, "$(dollar)", "ünïcødé 世界", "\xff\xfe is not UTF-8", "\x1b[31m",
		"new\nline", "\n", `back\slash`, `\`, `\n`, strings.Repeat("long", 63)}
	makeTree(t, "\r")
	out, err := exec.Command("sha256sum", "\r").Output()
	require.NoError(t, err)
	if strings.HasPrefix(string(out), `\`) { // as since coreutils 9
		names = append(names, "carriage\rreturn", "all\\\n\r")
	}
	var paths []string
	for _, name := range names {
		paths = append(paths, "top/"+name, "dir/"+name+"/"+name, "dir0/"+name)
	}
	makeTree(t, paths...)
	require.NoError(t, os.Symlink("dir", "link"))
	require.NoError(t, os.Symlink("../top", "dir/link"))
	require.NoError(t, os.Symlink("/dev/zero", "dir/link-to-zero"))

	for _, dir := range []string{".", "./", ".//", "dir", "dir/../dir0", "link", "link/"} {
		t.Run(dir, func(t *testing.T) {
			find := exec.Command("sh", "-c", `find -H "$1" -type f -print0 | sort -z | xargs -0 sha256sum`, "sh", dir)
			find.Env = append(os.Environ(), "LC_ALL=C")
			want, err := find.Output()
			require.NoError(t, err)
			assert.Equal(t, string(want), run(t, 0, strings.Count(string(want), "\n"), dir).Out.String())
		})
	}

	// With what hashtree prints in the tree, and FILE too.
	p := process.New(t, "", "-store", "bolt:top/kept.db", ".")
	sums, err := os.Create("dir/SUMS")
	require.NoError(t, err)
	log, err := os.Create("LOG")
	require.NoError(t, err)
	p.Stdout, p.Stderr = sums, log
	require.NoError(t, p.Run())
	require.NoError(t, sums.Close())
	require.NoError(t, log.Close())
	out, err = exec.Command("sha256sum", "--check", "--quiet", "dir/SUMS").CombinedOutput()
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile("dir/SUMS")
	require.NoError(t, err)
	assert.Equal(t, len(paths), bytes.Count(text, []byte("\n")))
}
