package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the tests' program be its own child, as peers is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "measure" {
		main()
	}
	quietRounds = 1
	os.Exit(m.Run())
}

// execute is a call of peers.
func execute(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(stdin), &out, &err)
	return status, out.String(), err.String()
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"help"}, {"run", "-h"}, {"report", "-help"}, {"stores", "-h"}} {
		status, stdout, stderr := execute(t, "", args...)
		assert.Equal(t, exitOK, status)
		assert.Equal(t, usage, stdout)
		assert.Empty(t, stderr)
	}
}

func TestWrongCalls(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"nothing to do", nil},
		{`unknown command "bench"`, []string{"bench"}},
		{"not defined: -fast", []string{"run", "-fast"}},
		{`"now" is not a flag`, []string{"run", "now"}},
		{"-count is 0", []string{"run", "-count", "0"}},
		{"-workers is -1", []string{"run", "-workers", "-1"}},
		{"need -out DIR", []string{"run", "-quick"}},
		{"need -out DIR", []string{"run", "-only", "Map"}},
		{"-only: error parsing regexp", []string{"run", "-only", "(", "-out", dir}},
		{"-only nothing matches none of", []string{"run", "-only", "nothing", "-out", dir}},
		{"got 0 files", []string{"report"}},
		{"got 2 files", []string{"report", "a", "b"}},
		{"not defined: -x", []string{"report", "-x", "a"}},
		{"got 2 files", []string{"stores", "a", "b"}},
		{"no measurement", []string{"measure", "Nothing"}},
	} {
		status, stdout, stderr := execute(t, "", tt.args...)
		assert.Equal(t, exitUsage, status, "%q", tt.args)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, tt.want)
		assert.Contains(t, stderr, "see peers -h")
	}
	assertEmpty(t, dir)
}

func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	empty := put(t, dir, "empty", "PASS\n")
	torn := put(t, dir, "torn", "BenchmarkTasks/work=trivial 1 many ns/op\n")
	other := put(t, dir, "other", "BenchmarkOther 1 2 ns/op\n")
	inTheWay := put(t, dir, "in-the-way", "")
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"no such file", []string{"report", "-out", out, filepath.Join(dir, "none")}},
		{"no line is a benchmark", []string{"report", "-out", out, empty}},
		{torn + ":1", []string{"report", "-out", out, torn}},
		{"nothing in it was measured by peers", []string{"report", "-out", out, other}},
		{"cannot make the directory", []string{"report", "-out", inTheWay, "testdata/raw.txt"}},
		{"cannot make the directory", []string{"run", "-quick", "-out", inTheWay}},
		{"no such file", []string{"stores", "-o", out, filepath.Join(dir, "none")}},
		{"no line is a benchmark", []string{"stores", "-o", out}}, // standard input is empty
		{"want the output of go test -bench Store", []string{"stores", "-o", out, other}},
		{"cannot make the directory", []string{"stores", "-o", filepath.Join(inTheWay, "x.svg"), "testdata/stores.txt"}},
	} {
		status, _, stderr := execute(t, "", tt.args...)
		assert.Equal(t, exitFailed, status, "%q", tt.args)
		assert.Contains(t, stderr, tt.want)
		assert.NoDirExists(t, out)
		assert.NoFileExists(t, out)
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	status := run(ctx, []string{"run", "-quick", "-out", dir}, strings.NewReader(""), &stdout, &stderr)
	assert.Equal(t, exitInterrupted, status)
	assert.Contains(t, stderr.String(), "interrupted: nothing was written")
	assertEmpty(t, dir)
}

func put(t *testing.T, dir, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	return path
}

func assertEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries, "something was written")
}
