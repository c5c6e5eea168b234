package promises

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Document is a file in Markdown.
type Document struct {
	Name, Text string

	// OnlyPromises says that each of its tables has a column for tests, but for
	// those that say what is not promised.
	OnlyPromises bool
}

// Check returns what is wrong with a document, each with the number of its line.
func (x *Index) Check(doc Document) []string {
	c := &checker{index: x, doc: doc}
	for _, line := range strings.Split(strings.ReplaceAll(doc.Text, "\r\n", "\n"), "\n") {
		c.line++
		c.references(line)
		c.table(line)
	}
	c.endTable()
	if doc.OnlyPromises && c.promises == 0 {
		c.problem("no promise found: no table with a last column called %s", strings.Join(testColumns, " or "))
	}
	return c.problems
}

// testColumns are the headings under which tests are named.
var testColumns = []string{"test", "tests", "fails without it", "caught now by"}

// notPromised is the first heading of a table that needs none.
const notPromised = "not promised"

type checker struct {
	index    *Index
	doc      Document
	line     int
	problems []string
	promises int // rows that name a test

	cells int  // of the table's header; 0: not in a table
	rows  int  // below its rule
	tests bool // its last column is for tests
}

func (c *checker) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf("%s:%d: ", c.doc.Name, c.line)+fmt.Sprintf(format, args...))
}

var (
	// A folder and a dot may come before a test, subtests behind it.
	testRef = regexp.MustCompile(`(?:([a-z][a-z0-9_/]*)\.)?\b((?:Test|Fuzz|Benchmark|Example)[A-Z_]\w*)((?:/[^\s/|,;)\x60*]+)*)`)
	kitRef  = regexp.MustCompile("`((?:clause=[0-9-]+|BatchPutter|IDReserver)/[a-z0-9-]+)`")
	stepRef = regexp.MustCompile(`\.ci/run ([a-z0-9]+)`)
	fileRef = regexp.MustCompile(`\.ci/([a-z0-9]+)`)

	// Labels of links look like tests and are none.
	label = regexp.MustCompile(`\]\[[^\]]*\]|^\[[^\]]*\]:.*`)
)

// references looks at every name in a line and returns how many there are.
func (c *checker) references(line string) int {
	line = label.ReplaceAllString(line, "]")
	n := 0
	for _, m := range testRef.FindAllStringSubmatch(line, -1) {
		n++
		if err := c.index.has(m[1], m[2], strings.TrimRight(strings.TrimPrefix(m[3], "/"), ".:")); err != nil {
			c.problem("%v", err)
		}
	}
	for _, m := range kitRef.FindAllStringSubmatch(line, -1) {
		n++
		if !c.index.kit[m[1]] {
			c.problem("package storetest has no check %s", m[1])
		}
	}
	for _, m := range stepRef.FindAllStringSubmatch(line, -1) {
		n++
		if !slices.Contains(c.index.steps, m[1]) {
			c.problem(".ci/run has no step %s", m[1])
		}
	}
	for _, m := range fileRef.FindAllStringSubmatch(line, -1) {
		if m[1] != "run" {
			n++
		}
		if !slices.Contains(c.index.scripts, m[1]) {
			c.problem("there is no .ci/%s", m[1])
		}
	}
	return n
}

// row returns the cells of a line of a table, or nil.
func row(line string) []string {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") || !strings.HasSuffix(line, "|") || len(line) < 2 {
		return nil
	}
	line = strings.ReplaceAll(line[1:len(line)-1], `\|`, "\x00")
	cells := strings.Split(line, "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "\x00", "|"))
	}
	return cells
}

var rule = regexp.MustCompile(`^:?-+:?$`)

func (c *checker) table(line string) {
	cells := row(line)
	switch {
	case cells == nil:
		c.endTable()
	case c.cells == 0:
		first, last := strings.ToLower(cells[0]), strings.ToLower(cells[len(cells)-1])
		c.cells, c.rows = len(cells), 0
		c.tests = slices.Contains(testColumns, last)
		if c.doc.OnlyPromises && !c.tests && first != notPromised {
			c.problem("a table without a column for tests; its last one is %q", last)
		}
	case rule.MatchString(cells[0]):
	default:
		c.rows++
		c.row(cells)
	}
}

func (c *checker) row(cells []string) {
	if len(cells) != c.cells {
		c.problem("a row of %d cells in a table of %d", len(cells), c.cells)
		return
	}
	if !c.tests {
		return
	}
	c.promises++
	quiet := &checker{index: c.index} // the line has been looked at
	if quiet.references(cells[len(cells)-1]) == 0 {
		c.problem("no test for: %s", cells[0])
	}
}

func (c *checker) endTable() {
	if c.cells > 0 && c.tests && c.rows == 0 {
		c.problem("a table without rows")
	}
	c.cells = 0
}
