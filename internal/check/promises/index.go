package promises

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An Index is what a document may name.
type Index struct {
	tests   map[string][]string        // folders, by the name of the function
	texts   map[string]map[string]bool // string literals of the test files in a folder, as subtests' names
	kit     map[string]bool            // checks of storetest: "clause=2/put-held-id"
	steps   []string                   // of .ci/run
	scripts []string                   // in .ci
}

// kitDir is the folder of the conformance kit. A test that calls its Run has the
// kit's checks for subtests.
const kitDir = "store/storetest"

// NewIndex reads all test files below root, also those of nested modules, the
// checks of the kit, and .ci.
func NewIndex(root fs.FS) (*Index, error) {
	x := &Index{
		tests: make(map[string][]string),
		texts: make(map[string]map[string]bool),
		kit:   make(map[string]bool),
	}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case strings.HasSuffix(name, "_test.go"):
			return x.addTests(root, name)
		case path.Dir(name) == kitDir && strings.HasSuffix(name, ".go"):
			return x.addChecks(root, name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := x.addSteps(root); err != nil {
		return nil, err
	}
	if len(x.tests) == 0 || len(x.kit) == 0 || len(x.steps) == 0 {
		return nil, fmt.Errorf("promises: %d tests, %d checks of the kit and %d steps found, want some of each",
			len(x.tests), len(x.kit), len(x.steps))
	}
	return x, nil
}

func parse(root fs.FS, name string) (*ast.File, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	return parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
}

func (x *Index) addTests(root fs.FS, name string) error {
	file, err := parse(root, name)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	if x.texts[dir] == nil {
		x.texts[dir] = make(map[string]bool)
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !isTest.MatchString(f.Name.Name) {
			continue
		}
		if strings.HasPrefix(f.Name.Name, "Example") && !hasOutput(file, f) {
			continue // it is compiled, and never run
		}
		x.tests[f.Name.Name] = append(x.tests[f.Name.Name], dir)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if text, ok := literal(n); ok {
			x.texts[dir][subtest(text)] = true
		}
		return true
	})
	return nil
}

var isTest = regexp.MustCompile(`^((Test|Fuzz|Benchmark)([^a-z].*)?|Example([^a-z].*)?)$`)

func hasOutput(file *ast.File, f *ast.FuncDecl) bool {
	for _, c := range file.Comments {
		text := strings.ToLower(c.Text())
		if f.Pos() < c.Pos() && c.End() < f.End() &&
			(strings.HasPrefix(text, "output:") || strings.HasPrefix(text, "unordered output:")) {
			return true
		}
	}
	return false
}

func literal(n ast.Node) (string, bool) {
	lit, ok := n.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// subtest is the name that package testing makes of a text.
func subtest(text string) string { return strings.ReplaceAll(text, " ", "_") }

// addChecks adds what is in the kit's tables: composite literals with a name and
// either the numbers of clauses or the interface that is offered.
func (x *Index) addChecks(root fs.FS, name string) error {
	file, err := parse(root, name)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.CompositeLit); ok {
			if name, ok := checkName(lit); ok {
				x.kit[name] = true
			}
		}
		return true
	})
	return nil
}

// checkName is the kit's own fullName, of a check in its source.
func checkName(lit *ast.CompositeLit) (string, bool) {
	var name, of string
	for _, e := range lit.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, _ := kv.Key.(*ast.Ident)
		switch {
		case key == nil:
		case key.Name == "name":
			name, _ = literal(kv.Value)
		case key.Name == "offer":
			of, _ = literal(kv.Value)
		case key.Name == "clauses":
			if list, ok := kv.Value.(*ast.CompositeLit); ok && len(list.Elts) > 0 {
				first, ok1 := list.Elts[0].(*ast.BasicLit)
				last, ok2 := list.Elts[len(list.Elts)-1].(*ast.BasicLit)
				if ok1 && ok2 {
					of = "clause=" + first.Value
					if first != last {
						of += "-" + last.Value
					}
				}
			}
		}
	}
	return of + "/" + name, of != "" && name != ""
}

var stepsList = regexp.MustCompile(`(?s)\nsteps='\n(.*?)\n'\n`)

func (x *Index) addSteps(root fs.FS) error {
	entries, err := fs.ReadDir(root, ".ci")
	if err != nil {
		return err
	}
	for _, e := range entries {
		x.scripts = append(x.scripts, e.Name())
	}
	text, err := fs.ReadFile(root, ".ci/run")
	if err != nil {
		return err
	}
	list := stepsList.FindStringSubmatch(strings.ReplaceAll(string(text), "\r\n", "\n"))
	if list == nil {
		return errors.New("promises: .ci/run has no list of steps")
	}
	for line := range strings.Lines(list[1]) {
		if f := strings.Fields(line); len(f) > 0 {
			x.steps = append(x.steps, f[0])
		}
	}
	return nil
}

// has returns an error unless there is such a test: in the folder dir, or in any
// if dir is empty, and with that subtest, unless sub is empty.
func (x *Index) has(dir, name, sub string) error {
	dirs := x.tests[name]
	if dir != "" {
		dirs = slices.DeleteFunc(slices.Clone(dirs), func(d string) bool { return d != dir && path.Base(d) != dir })
	}
	if len(dirs) == 0 {
		if dir != "" {
			return fmt.Errorf("there is no %s in %s", name, dir)
		}
		return fmt.Errorf("there is no %s", name)
	}
	if sub == "" || x.kit[sub] && name == "TestConformance" {
		return nil
	}
	for _, d := range dirs {
		if x.texts[d][sub] {
			return nil
		}
	}
	return fmt.Errorf("no file beside %s has the name %q", name, sub)
}

// Open returns the folder, as NewIndex and Check want it.
func Open(root string) fs.FS { return os.DirFS(filepath.FromSlash(root)) }
