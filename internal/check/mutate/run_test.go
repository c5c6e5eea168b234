package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fixture is a project of which it is known what its tests notice. The mutants of note
// survive, and those that make a loop endless time out.
func fixture() project {
	return project{
		dir:     "testdata/fixture",
		module:  "fixture",
		targets: []target{{dir: "counter", tests: []string{"counter"}}},
	}
}

// attackFixture runs the tool on the fixture with a list of equivalent mutants.
func attackFixture(t *testing.T, o options, list string) (out string, err error) {
	t.Helper()
	t.Setenv("GOWORK", "off")
	o.equivalent = filepath.Join(t.TempDir(), "equivalent.txt")
	require.NoError(t, os.WriteFile(o.equivalent, []byte(list), 0o600))
	o.workers, o.batch, o.limit = 2, 100, 2*time.Second
	return run(fixture(), o)
}

// TestFixture finds the mutants of the fixture that its tests do not notice, and then
// is given lists that say why, and wrong ones.
func TestFixture(t *testing.T) {
	if _, err := command("testdata/fixture", []string{"GOWORK=off"}, "go", "test", "-race", "-run=^$", "./..."); err != nil {
		t.Skip("go test -race does not work here: ", err)
	}
	o := options{state: filepath.Join(t.TempDir(), "state.json")}
	out, err := attackFixture(t, o, "")
	assert.ErrorContains(t, err, "survived")
	survivor := regexp.MustCompile(`(?m)^SURVIVED: ([0-9a-f]{8}) (.*)$`)
	var list strings.Builder
	found := survivor.FindAllStringSubmatch(out, -1)
	for _, m := range found {
		list.WriteString(m[1] + " " + m[2] + "\n")
		assert.Regexp(t, `c\.note\(\)`, m[2], "the tests notice the others")
	}
	assert.NotEmpty(t, found)
	list.WriteString("\tNote does nothing.\n")
	assert.Regexp(t, `lock +2 +2 +0 +0 +0 +0 `, out, "the race detector notices them")
	assert.Regexp(t, `arithmetic +\d+ +\d+ +[1-9]\d* +0 +0 +0 `, out, "n++ for n-- never ends")

	// The dead are not tried again, so what follows is quick.
	all, err := attackFixture(t, options{list: true}, "")
	require.NoError(t, err)
	killed := regexp.MustCompile(`(?m)^([0-9a-f]{8}) .*c\.n >= limit -> c\.n > limit$`).FindStringSubmatch(all)
	require.NotNil(t, killed, all)

	out, err = attackFixture(t, o, list.String())
	assert.NoError(t, err, out)
	assert.Contains(t, out, "100.0%")

	out, err = attackFixture(t, o, list.String()+killed[1]+" it\n\tIs said to be equivalent.\nffffffff it\n\tIs not there any more.\n")
	assert.ErrorContains(t, err, "2 mutants")
	assert.Contains(t, out, "STALE: "+killed[1])
	assert.Contains(t, out, "there is no mutant ffffffff")
}

func TestSampleIsRepeatable(t *testing.T) {
	sample := func(seed uint64) string {
		out, err := attackFixture(t, options{sample: 5, seed: seed, list: true}, "")
		require.NoError(t, err)
		return out
	}
	one := sample(1)
	assert.Equal(t, one, sample(1))
	assert.NotEqual(t, one, sample(2))
	assert.Equal(t, 5, strings.Count(sample(3), " counter/counter.go "))
}

func TestReadReasons(t *testing.T) {
	got, err := readReasons([]byte("# list\n\naaaaaaaa f.go f: call\nbbbbbbbb f.go g: call\n\tThey do\n\tnothing.\ncccccccc f.go h\n\tNor that.\n"))
	assert.NoError(t, err)
	assert.Equal(t, []reason{
		{"aaaaaaaa", "f.go f: call", "They do nothing.", 3},
		{"bbbbbbbb", "f.go g: call", "They do nothing.", 4},
		{"cccccccc", "f.go h", "Nor that.", 7},
	}, got)
	for _, bad := range []string{"aaaaaaaa f\n", "\tA reason.\n", "aaaaaaaa f\n\tA.\naaaaaaaa f\n\tB.\n"} {
		_, err := readReasons([]byte(bad))
		assert.Error(t, err, "%q", bad)
	}
}

func TestReadDiff(t *testing.T) {
	diff := "diff --git a/f.go b/f.go\n--- a/f.go\n+++ b/f.go\n@@ -1,2 +3 @@ x\n+a\n@@ -9,0 +10,2 @@\n+b\n+c\n@@ -20,2 +22,0 @@\n"
	assert.Equal(t, map[string]map[int]bool{"f.go": {3: true, 10: true, 11: true}}, readDiff([]byte(diff)))
}

func TestYieldingReplacesAtomicsAndMutexes(t *testing.T) {
	text := "package p\n\nimport (\n\t\"sync\"\n\t\"sync/atomic\"\n)\n\ntype t struct {\n\tmu sync.Mutex\n\tn  atomic.Int32\n}\n"
	got, err := yielding([]byte(text), "m/yielding")
	assert.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("package p; import yielding %[1]q\n\nimport (\n\t\"sync\"\n\tatomic %[1]q\n)\n\n"+
		"type t struct {\n\tmu yielding.Mutex\n\tn  atomic.Int32\n}\n\ntype _ = sync.Mutex // so that the import is used\n", "m/yielding"), string(got))
}
