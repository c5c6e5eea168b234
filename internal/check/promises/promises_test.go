package promises

import (
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const root = "../../.."

// TestDocuments: the documents name no test that does not exist, and no row of
// promises is without one.
func TestDocuments(t *testing.T) {
	dir := Open(root)
	index, err := NewIndex(dir)
	require.NoError(t, err)
	names, err := fs.Glob(dir, "docs/*.md")
	require.NoError(t, err)
	for _, name := range []string{"docs/design.md", "docs/guarantees.md", "docs/track-record.md"} {
		require.Contains(t, names, name)
	}
	for _, name := range append(names, "README.md", "CONTRIBUTING.md") {
		text, err := fs.ReadFile(dir, name)
		require.NoError(t, err)
		for _, problem := range index.Check(Document{
			Name:         name,
			Text:         string(text),
			OnlyPromises: name == "docs/guarantees.md" || name == "docs/track-record.md",
		}) {
			t.Error(problem)
		}
	}
}

// TestContractIsComplete: docs/guarantees.md leaves out no clause of the store
// contract and none of the optional interfaces.
func TestContractIsComplete(t *testing.T) {
	dir := Open(root)
	text, err := fs.ReadFile(dir, "docs/guarantees.md")
	require.NoError(t, err)
	contract, err := fs.ReadFile(dir, "store/store.go")
	require.NoError(t, err)
	clauses := regexp.MustCompile(`(?m)^//  ([0-9]+)\. `).FindAllStringSubmatch(string(contract), -1)
	require.GreaterOrEqual(t, len(clauses), 10)
	for _, m := range clauses {
		assert.Contains(t, string(text), fmt.Sprintf("`clause=%s/", m[1]), "clause %s of store.ResultStore has no row", m[1])
	}
	for _, offer := range []string{"BatchPutter", "IDReserver"} {
		assert.Contains(t, string(text), "`"+offer+"/", "%s has no row", offer)
	}
}

// A small repository, to see what is found wrong.
var files = fstest.MapFS{
	".ci/run":    {Data: []byte("#!/bin/sh\n\nsteps='\nlint     the linter\n32bit    a 32-bit program\n'\n")},
	".ci/arrows": {},
	"pool/pool_test.go": {Data: []byte(`package pool

func TestStop(t *testing.T) { t.Run("stop twice", nil) }
func (x) TestMethod(t *testing.T) {}
func Testing() {}
func TestMain(m *testing.M) {}
func FuzzPool(f *testing.F) {}
func ExamplePool() {
	// Output:
}
func ExampleNew() {}
`)},
	"pool/testdata/x_test.go": {Data: []byte("package x\n\nfunc TestOfData(t *testing.T) {}\n")},
	"store/dense/a_test.go":   {Data: []byte("package dense\n\nfunc TestConformance(t *testing.T) {}\n")},
	"store/storetest/check.go": {Data: []byte(`package storetest

var checks = []check{
	{clauses: []int{2}, name: "put-held-id"},
	{clauses: []int{1, 2, 3}, name: "random"},
	{offer: "BatchPutter", name: "all-or-none"},
}
`)},
}

func check(t *testing.T, text string, onlyPromises bool) []string {
	t.Helper()
	index, err := NewIndex(files)
	require.NoError(t, err)
	return index.Check(Document{Name: "d.md", Text: text, OnlyPromises: onlyPromises})
}

func TestGoodDocument(t *testing.T) {
	assert.Empty(t, check(t, strings.ReplaceAll(`
# Stop

It stops (TestStop, *TestStop*, 'TestStop'), see [the example][ExampleGone] and Example or Tests.
[ExampleGone]: https://example.com/TestGone

| promise | test |
|---|:--|
| it stops | TestStop |
| twice, also a \| b | TestStop/stop_twice, pool.TestStop. |
| it is fuzzed | FuzzPool and ExamplePool |
| a store does | TestConformance/clause=2/put-held-id, dense.TestConformance, store/dense.TestConformance |
| a kit does | 'clause=1-3/random', 'BatchPutter/all-or-none' |
| linted | '.ci/run lint', '.ci/run 32bit' |
| pointed | .ci/arrows |

| not promised | because |
|---|---|
| order | no |
`, "'", "`"), true))
}

func TestBadDocuments(t *testing.T) {
	table := "| promise | test |\n|---|---|\n"
	for _, c := range []struct {
		name, text, want string
		onlyPromises     bool
	}{
		{"no such test", "TestGone", "d.md:1: there is no TestGone", false},
		{"no such fuzz target", "FuzzGone", "there is no FuzzGone", false},
		{"no such benchmark", "BenchmarkGone", "there is no BenchmarkGone", false},
		{"an example that is not run", "ExampleNew", "there is no ExampleNew", false},
		{"a method", "TestMethod", "there is no TestMethod", false},
		{"a test in testdata", "TestOfData", "there is no TestOfData", false},
		{"in italics", "*TestStop, TestGone*", "there is no TestGone", false},
		{"in code", "\n```sh\ngo test -run TestGone\n```", "d.md:3: there is no TestGone", false},
		{"no such subtest", "TestStop/thrice", `no file beside TestStop has the name "thrice"`, false},
		{"a check of the kit elsewhere", "TestStop/clause=2/put-held-id", "no file beside TestStop", false},
		{"another package's", "dense.TestStop", "there is no TestStop in dense", false},
		{"no such check", "`clause=2/gone`", "package storetest has no check clause=2/gone", false},
		{"a check of another clause", "`clause=3/put-held-id`", "no check clause=3/put-held-id", false},
		{"no such step", "`.ci/run gone`", ".ci/run has no step gone", false},
		{"no such script", "`.ci/gone`", "there is no .ci/gone", false},
		{"a row without a test", table + "| it stops | yes |", "d.md:3: no test for: it stops", false},
		{"a row with an empty cell", table + "| it stops | |", "no test for: it stops", false},
		{"a test in another cell", table + "| TestStop | |", "no test for: TestStop", false},
		{"a link for a test", table + "| it stops | [x][TestStop] |", "no test for: it stops", false},
		{"a row too short", table + "| it stops, TestStop |", "a row of 1 cells in a table of 2", false},
		{"a table without rows", table + "\n", "a table without rows", false},
		{"a table without tests", "| promise | since |\n|---|---|\n| it stops | 1.0 |", "a table without a column for tests", true},
		{"no promises", "TestStop", "no promise found", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Contains(t, strings.Join(check(t, c.text, c.onlyPromises), "\n"), c.want)
		})
	}
}

func TestIndexOfNothing(t *testing.T) {
	for _, gone := range []string{".ci/run", "store/storetest/check.go"} {
		some := maps.Clone(files)
		delete(some, gone)
		_, err := NewIndex(some)
		assert.Error(t, err, "without %s", gone)
	}
}
