package api

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files instead of comparing with them")

// root is the root module's folder.
const root = "../../.."

func load(t *testing.T) []*Package {
	t.Helper()
	packages, err := Load(root)
	require.NoError(t, err)
	return packages
}

// golden compares lines with those of a file, which it writes first with -update.
// It says what they mean and what to do where they differ.
func golden(t *testing.T, file string, got []string, meaning string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(got, "\n")+"\n"), 0o644))
	}
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	text := strings.ReplaceAll(string(content), "\r\n", "\n")
	want := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if changes := diff(want, got); len(changes) > 0 {
		t.Errorf("%s is not what there is (- in the file, + in the code):\n\n%s\n\n%s\n"+
			"If that is what you want: go test ./internal/check/api -count=1 -update, and say it in CHANGELOG.md.",
			strings.TrimPrefix(file, root+"/"), strings.Join(changes, "\n"), meaning)
	}
}

// diff returns the lines of want that are not in got, with a minus, and the other
// way round with a plus, or that they are in another order.
func diff(want, got []string) []string {
	var changes []string
	for _, line := range want {
		if !slices.Contains(got, line) {
			changes = append(changes, "- "+line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			changes = append(changes, "+ "+line)
		}
	}
	if len(changes) == 0 && !slices.Equal(want, got) {
		return []string{"the same lines in another order, or twice"}
	}
	return changes
}

func TestDiff(t *testing.T) {
	require.Empty(t, diff([]string{"a", "b"}, []string{"a", "b"}))
	require.Equal(t, []string{"- b", "+ c"}, diff([]string{"a", "b"}, []string{"a", "c"}))
	require.NotEmpty(t, diff([]string{"a", "b"}, []string{"b", "a"}))
	require.NotEmpty(t, diff([]string{"a"}, []string{"a", "a"}))
}

// TestAPI compares the exported API of every package that users can import with
// docs/api.txt.
func TestAPI(t *testing.T) {
	var lines []string
	listed := make(map[string]bool)
	for _, p := range load(t) {
		if p.IsExported() {
			listed[p.Dir] = true
			lines = append(lines, Lines(p.Types)...)
		}
	}
	for _, dir := range []string{"engine", "engine/enginetest", "pool", "store", "store/codec", "store/dense", "store/rwmutex", "store/storetest", "store/syncmap", "store/xsync"} {
		require.True(t, listed[dir], "package %s was not looked at", dir)
	}
	golden(t, root+"/docs/api.txt", lines,
		"A line that is gone breaks programs; a line that is new is promised from the next release on.")
}
