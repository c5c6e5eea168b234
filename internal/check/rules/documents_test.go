package rules

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sources is what documents may name.
type sources struct {
	tests map[string]string // the text of all test files, by folder
	kits  string            // the text of the conformance kits
	steps []string          // of .ci/run
}

func readSources(t *testing.T) sources {
	x := sources{tests: make(map[string]string)}
	require.NoError(t, fs.WalkDir(repository, ".", func(name string, _ fs.DirEntry, err error) error {
		kit := strings.HasPrefix(name, "store/storetest/") || strings.HasPrefix(name, "engine/enginetest/")
		if err != nil || path.Ext(name) != ".go" || !kit && !strings.HasSuffix(name, "_test.go") {
			return err
		}
		if kit {
			x.kits += read(t, name)
		}
		x.tests[path.Dir(name)] += read(t, name)
		return nil
	}))
	_, list, _ := strings.Cut(read(t, ".ci/run"), "\nsteps='\n")
	list, _, _ = strings.Cut(list, "\n'\n")
	for line := range strings.Lines(list) {
		x.steps = append(x.steps, strings.Fields(line)[0])
	}
	require.NotEmpty(t, x.kits)
	require.NotEmpty(t, x.steps)
	return x
}

func read(t *testing.T, name string) string {
	text, err := fs.ReadFile(repository, name)
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

var (
	// Labels of links look like tests.
	label = regexp.MustCompile(`\]\[[^\]]*\]|^\[[^\]]*\]:.*`)
	// A folder and a dot may come before a test, a subtest behind it.
	testRef = regexp.MustCompile(`(?:([a-z][a-z0-9_/]*)\.)?\b((?:Test|Fuzz|Benchmark|Example)[A-Z_]\w*)((?:/[^\s/|,;)\x60*]+)*)`)
	kitRef  = regexp.MustCompile(`\b(?:clause=[0-9-]+|BatchPutter|BatchDeleter|RecordPutter|IDReserver)/([a-z0-9-]+)`)
	stepRef = regexp.MustCompile(`\.ci/(\w+)(?: ([a-z0-9]+))?`)
	// The last cell of a row, and the headings under which it names tests.
	lastCell    = regexp.MustCompile(`^\|(?:.*[^\\])?\|([^|]*)\|\s*$`)
	testHeading = regexp.MustCompile(`^(?:tests?|fails without it)$`)
	// A row that can be read only after the one above it.
	continued = regexp.MustCompile(`^\|(?:.*\|)?\s*…`)
)

// check returns what is wrong with a document: names of tests, checks of the kits and steps that do not
// exist, rows under a heading for tests that name none, and rows that cannot be quoted alone.
func (x sources) check(text string) (problems []string) {
	heading := "" // of the last column of the table that the line is in
	for i, line := range strings.Split(text, "\n") {
		problem := func(what string) { problems = append(problems, fmt.Sprintf("line %d: %s", i+1, what)) }
		line = label.ReplaceAllString(line, "]")
		for _, m := range testRef.FindAllStringSubmatch(line, -1) {
			if !x.has(m[1], m[2], strings.TrimRight(strings.TrimPrefix(m[3], "/"), ".:")) {
				problem("there is no " + m[0])
			}
		}
		for _, m := range kitRef.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(x.kits, `"`+m[1]+`"`) {
				problem("no kit has a check " + m[0])
			}
		}
		for _, m := range stepRef.FindAllStringSubmatch(line, -1) {
			_, err := fs.Stat(repository, ".ci/"+m[1])
			if err != nil || m[1] == "run" && m[2] != "" && !slices.Contains(x.steps, m[2]) {
				problem("there is no " + m[0])
			}
		}
		if continued.MatchString(line) {
			problem("a row goes on with the one above it")
		}
		cell := lastCell.FindStringSubmatch(line)
		switch {
		case cell == nil:
			heading = ""
		case heading == "":
			heading = strings.TrimSpace(cell[1])
		case testHeading.MatchString(heading) && strings.Trim(cell[1], ":-") != "" &&
			!testRef.MatchString(cell[1]) && !kitRef.MatchString(cell[1]) && !stepRef.MatchString(cell[1]):
			problem("no test")
		}
	}
	return problems
}

// has tells whether a folder, or any if dir is "", has such a test.
func (x sources) has(dir, name, sub string) bool {
	for folder, text := range x.tests {
		if (dir == "" || folder == dir || path.Base(folder) == dir) && strings.Contains(text, "\nfunc "+name+"(") {
			if sub == "" || kitRef.MatchString(sub) || strings.Contains(text, `"`+strings.ReplaceAll(sub, "_", " ")+`"`) {
				return true
			}
		}
	}
	return false
}

// TestDocuments: the documents name no test that does not exist, and no row of promises is without one.
// That the test fails without the promise is for its author to try: no program can tell.
func TestDocuments(t *testing.T) {
	x := readSources(t)
	names, err := fs.Glob(repository, "docs/*.md")
	require.NoError(t, err)
	require.Contains(t, names, "docs/guarantees.md")
	for _, name := range append(names, "README.md", "CONTRIBUTING.md") {
		assert.Empty(t, x.check(read(t, name)), name)
	}
	for _, m := range regexp.MustCompile(`(?m)^//  ([0-9]+)\. `).FindAllStringSubmatch(read(t, "store/store.go"), -1) {
		assert.Contains(t, read(t, "docs/guarantees.md"), "`clause="+m[1]+"/", "clause %s of store.ResultStore has no row", m[1])
	}
}

func TestDocumentsBite(t *testing.T) {
	x := readSources(t)
	table := "| promise | test |\n|---|:--|\n"
	assert.Empty(t, x.check(table+"| it stops, a \\| b | pool.TestStop, `.ci/run lint` |\n| kept | `clause=2/put-held-id` |\n\n| not promised | why |\n|---|---|\n| order | no |"))
	for _, wrong := range []string{
		"TestGone", "FuzzGone", "store.TestStop", "TestStop/no_such_subtest", "`clause=2/gone`", "`.ci/run gone`", "`.ci/gone`",
		table + "| it stops | |", table + "| it stops | yes |", table + "| TestStop | [x][TestStop] |",
		table + "| … and stops | TestStop |", table + "| pool | … and stops | TestStop |",
	} {
		assert.Len(t, x.check(wrong), 1, wrong)
	}
}
