package storetest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestClauses compares what Run quotes with what package store says.
func TestClauses(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../store.go", nil, parser.ParseComments)
	require.NoError(t, err)
	docs := make(map[string]string) // by the name of a type, or of an interface's method
	ast.Inspect(file, func(n ast.Node) bool {
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

	items := regexp.MustCompile(`(?m)^ +(\d+)\. ((?:.+\n)(?: {4,}.+\n)*)`).FindAllStringSubmatch(docs["ResultStore"], -1)
	require.Len(t, items, len(clauses)-1)
	for i, item := range items {
		assert.Equal(t, strconv.Itoa(i+1), item[1])
		assert.Equal(t, plain(item[2]), clauses[i+1])
	}
	assert.Equal(t, plain(docs["PutBatch"]), offers["BatchPutter"])
	assert.Equal(t, plain(docs["Encode"]+docs["PutRecords"]), offers["RecordPutter"])
	assert.Equal(t, plain(docs["ReserveIDs"]), offers["IDReserver"])
}

// plain returns a doc comment's text on one line and without links.
func plain(doc string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(doc)), " ")
}

func TestCheckNames(t *testing.T) {
	seen := make(map[string]bool)
	covered := make(map[int]bool)
	for _, c := range checks {
		assert.False(t, seen[c.fullName()], "two checks are called %s", c.fullName())
		seen[c.fullName()] = true
		for i, n := range c.clauses {
			covered[n] = true
			assert.Equal(t, c.clauses[0]+i, n, "%s: clauses are not a range", c.name)
		}
		if c.clauses == nil {
			assert.Contains(t, offers, c.offer)
		}
	}
	for n := 1; n < len(clauses); n++ {
		assert.True(t, covered[n], "no check tries clause %d", n)
	}
}
