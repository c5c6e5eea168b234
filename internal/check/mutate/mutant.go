package main

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// A mutant is one small fault in one function, or in one constant.
type mutant struct {
	pkg    string // the folder of its package, below the module's
	file   string // likewise, with the file's name
	fn     string // the function, with its receiver's type; "" if it is not in one
	line   int
	column int
	op     string
	from   string // what it replaces, on one line
	to     string // what by
	text   string // the line that it begins on, without white space around it

	edits []edit
	decl  *ast.FuncDecl
	start int // offset of the mutated node
	spare int // offset at which uses of unused variables may be put, or -1

	id string // see identify
}

// An edit replaces the bytes from off to end.
type edit struct {
	off, end int
	text     string
}

// apply returns src after edits, none of which overlap.
func apply(src []byte, edits []edit) []byte {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.off, b.off) })
	var out []byte
	at := 0
	for _, e := range edits {
		out = append(out, src[at:e.off]...)
		out = append(out, e.text...)
		at = e.end
	}
	return append(out, src[at:]...)
}

// identify gives each of ms an ID that stays the same when lines move: it is made
// of the file, the function, the operator and the text, and, where all of these
// are the same, of the place among the same.
func identify(ms []*mutant) {
	seen := make(map[string]int)
	for _, m := range ms {
		key := strings.Join([]string{m.file, m.fn, m.op, m.text, m.from, m.to}, "\x00")
		seen[key]++
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", key, seen[key]))
		m.id = fmt.Sprintf("%x", sum[:4])
	}
}

// String says where m is and what it does.
func (m *mutant) String() string {
	return fmt.Sprintf("%s %s:%d:%d %s %s", m.id, m.file, m.line, m.column, m.fn, m.change())
}

// change is what m does.
func (m *mutant) change() string {
	to := m.to
	if to == "" {
		to = "nothing"
	}
	return fmt.Sprintf("%s: %s -> %s", m.op, m.from, to)
}

// shorten puts a text on one line.
func shorten(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 90 {
		return string(r[:87]) + "..."
	}
	return s
}
