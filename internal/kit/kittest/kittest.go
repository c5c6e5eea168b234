// Package kittest has what the tests of the conformance kits share.
package kittest

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/resultpool/resultpool/internal/kit"
)

// Contract compares what of quotes with what the Go file says: the numbered clauses of its
// interface, and each offer with the comments on the methods that methods names for it. An
// offer of which it names none is a sentence of the interface's own comment.
func Contract(t *testing.T, of *kit.Contract, file string, methods map[string][]string) {
	t.Helper()
	docs := comments(t, file)
	item := regexp.MustCompile(`(?m)^ +\d+\. ((?:.+\n)(?: {4,}.+\n)*)`)
	var clauses []string
	for _, item := range item.FindAllStringSubmatch(docs[of.Interface], -1) {
		clauses = append(clauses, plain(item[1]))
	}
	if want := of.Clauses[1:]; !slices.Equal(clauses, want) {
		t.Errorf("%s.%s has the clauses\n%q\nand the kit quotes\n%q", of.Package, of.Interface, clauses, want)
	}
	for offer, quoted := range of.Offers {
		var said string
		for _, name := range methods[offer] {
			said += docs[name]
		}
		if methods[offer] == nil && strings.Contains(plain(docs[of.Interface]), quoted) {
			continue
		}
		if plain(said) != quoted {
			t.Errorf("of %s, %s says\n%q\nand the kit quotes\n%q", offer, file, plain(said), quoted)
		}
	}
}

// comments returns those of file by the name of a type, or of an interface's method.
func comments(t *testing.T, file string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	docs := make(map[string]string)
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			if ts, ok := n.Specs[0].(*ast.TypeSpec); ok {
				docs[ts.Name.Name] = n.Doc.Text()
			}
		case *ast.Field:
			if len(n.Names) == 1 {
				docs[n.Names[0].Name] = n.Doc.Text()
			}
		}
		return true
	})
	return docs
}

// plain returns a comment's text on one line and without links.
func plain(doc string) string {
	link := regexp.MustCompile(`\B\[([\w.]+)\]`)
	return strings.Join(strings.Fields(link.ReplaceAllString(doc, "$1")), " ")
}

// Names wants each check to have a name of its own, and each clause and each offer of the
// contract to have a check.
func Names[S any](t *testing.T, of *kit.Contract, checks []kit.Check[S]) {
	t.Helper()
	seen := make(map[string]bool)
	tried := make(map[int]bool)
	offers := make(map[string]bool)
	for _, c := range checks {
		if seen[c.FullName()] {
			t.Errorf("two checks are called %s", c.FullName())
		}
		seen[c.FullName()] = true
		for _, n := range c.Clauses {
			tried[n] = true
		}
		if c.Clauses == nil {
			offers[c.Offer] = true
			if of.Offers[c.Offer] == "" {
				t.Errorf("%s is about nothing that is offered", c.FullName())
			}
		}
		if !slices.IsSorted(c.Clauses) {
			t.Errorf("%s has clauses %v, want them in order", c.FullName(), c.Clauses)
		}
	}
	for n := 1; n < len(of.Clauses); n++ {
		if !tried[n] {
			t.Errorf("no check tries clause %d", n)
		}
	}
	for offer := range of.Offers {
		if !offers[offer] {
			t.Errorf("no check tries %s", offer)
		}
	}
}

const childEnv = "RESULTPOOL_KIT_CHILD"

// Child runs those tests of this binary that filter matches in a process of its own, where
// subtests can fail. There [ChildName] returns name.
func Child(t *testing.T, name, filter string) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+filter, "-test.v")
	if dir := flag.Lookup("test.gocoverdir").Value.String(); dir != "" { // what it reaches counts, too
		cmd.Args = append(cmd.Args, "-test.gocoverdir="+dir)
	}
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// ChildName skips the test unless it runs in the process of a [Child].
func ChildName(t *testing.T) string {
	t.Helper()
	name := os.Getenv(childEnv)
	if name == "" {
		t.Skip("run by other tests, in a process of its own")
	}
	return name
}
