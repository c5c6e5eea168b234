package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// A schema is a package with many mutants in it at once, so that one build serves
// all of them. Each mutant is a copy of its function, under a name of its own, and
// the function begins by calling the copy if the environment says so:
//
//	MUTANT=17 ./pool.test
//
// What is not in a function, a constant, is mutated in place, and is the only
// mutant of its schema.
type schema struct {
	src   *source
	ms    []*mutant // the number of a mutant is its index + 1
	texts map[string][]byte
}

// variable is the environment variable that chooses a mutant. 0 is the original.
const variable = "MUTANT"

// dispatch is the file that a schema's package has in addition.
const dispatch = `package %s

import mutantOS "os"

var mutantNumber = func() int {
	n := 0
	for _, c := range mutantOS.Getenv("` + variable + `") {
		n = 10*n + int(c-'0')
	}
	return n
}()
`

func newSchema(src *source, ms []*mutant) *schema {
	s := &schema{src: src, ms: ms, texts: make(map[string][]byte)}
	for _, name := range src.names {
		s.texts[name] = src.text[name]
	}
	if len(ms) == 1 && ms[0].decl == nil {
		s.texts[ms[0].file] = apply(src.text[ms[0].file], ms[0].edits)
		return s
	}
	edits := make(map[string][]edit)
	copies := make(map[string]*strings.Builder)
	for from := 0; from < len(ms); {
		to := from + 1
		for to < len(ms) && ms[to].decl == ms[from].decl {
			to++
		}
		d, file := ms[from].decl, ms[from].file
		if copies[file] == nil {
			copies[file] = new(strings.Builder)
		}
		edits[file] = append(edits[file], s.chooser(d, from+1, to)...)
		for i := from; i < to; i++ {
			copies[file].WriteString(s.copy(ms[i], i+1))
		}
		from = to
	}
	for file, b := range copies {
		s.texts[file] = append(apply(src.text[file], edits[file]), b.String()...)
	}
	pkg := src.files[src.names[0]].Name.Name
	s.texts[src.dir+"/mutant_number.go"] = fmt.Appendf(nil, dispatch, pkg)
	return s
}

func copyName(d *ast.FuncDecl, number int) string {
	return fmt.Sprintf("%sMutant%d", d.Name.Name, number)
}

// copy returns the text of mutant m's function.
func (s *schema) copy(m *mutant, number int) string {
	begin, end := s.src.offset(m.decl.Pos()), s.src.offset(m.decl.End())
	edits := []edit{{s.src.offset(m.decl.Name.Pos()) - begin, s.src.offset(m.decl.Name.End()) - begin, copyName(m.decl, number)}}
	for _, e := range m.edits {
		edits = append(edits, edit{e.off - begin, e.end - begin, e.text})
	}
	return "\n" + string(apply(s.src.text[m.file][begin:end], edits)) + "\n"
}

// chooser returns the edits of the original function that make it call the copies
// with the numbers from first to last. What has no name gets one.
func (s *schema) chooser(d *ast.FuncDecl, first, last int) (edits []edit) {
	callee := func(number int) string { return copyName(d, number) }
	if d.Recv != nil {
		names, e := s.named(d.Recv, "mutantRecv")
		edits = append(edits, e...)
		callee = func(number int) string { return names[0] + "." + copyName(d, number) }
	} else if d.Type.TypeParams != nil {
		names, _ := s.named(d.Type.TypeParams, "")
		callee = func(number int) string {
			return copyName(d, number) + "[" + strings.Join(names, ", ") + "]"
		}
	}
	args, e := s.named(d.Type.Params, "mutantArg")
	edits = append(edits, e...)
	list := strings.Join(args, ", ")
	if n := len(d.Type.Params.List); n > 0 {
		if _, variadic := d.Type.Params.List[n-1].Type.(*ast.Ellipsis); variadic {
			list += "..."
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, " if mutantNumber >= %d && mutantNumber <= %d { switch mutantNumber {", first, last)
	for number := first; number <= last; number++ {
		call := callee(number) + "(" + list + ")"
		if d.Type.Results == nil {
			fmt.Fprintf(&b, "\ncase %d: %s; return", number, call)
		} else {
			fmt.Fprintf(&b, "\ncase %d: return %s", number, call)
		}
	}
	b.WriteString("\n} }\n")
	at := s.src.offset(d.Body.Lbrace) + 1
	return append(edits, edit{at, at, b.String()})
}

// named returns the names of parameters, and the edits that give one to each that
// has none.
func (s *schema) named(list *ast.FieldList, prefix string) (names []string, edits []edit) {
	n := 0
	fresh := func() string {
		n++
		names = append(names, fmt.Sprintf("%s%d", prefix, n))
		return names[len(names)-1]
	}
	for _, f := range list.List {
		if len(f.Names) == 0 {
			at := s.src.offset(f.Type.Pos())
			edits = append(edits, edit{at, at, fresh() + " "})
		}
		for _, id := range f.Names {
			if id.Name != "_" {
				names = append(names, id.Name)
				continue
			}
			edits = append(edits, edit{s.src.offset(id.Pos()), s.src.offset(id.End()), fresh()})
		}
	}
	return names, edits
}

// yielding returns the text of a file with package yielding, at that import path, in
// the place of its atomics and mutexes.
func yielding(text []byte, path string) ([]byte, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "", text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	at := func(p token.Pos) int { return fset.Position(p).Offset }
	var edits []edit
	for _, i := range f.Imports {
		if i.Path.Value == `"sync/atomic"` {
			edits = append(edits, edit{at(i.Pos()), at(i.End()), fmt.Sprintf("atomic %q", path)})
		}
	}
	mutexes := false
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Mutex" {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "sync" {
				edits = append(edits, edit{at(sel.Pos()), at(sel.End()), "yielding.Mutex"})
				mutexes = true
			}
		}
		return true
	})
	if mutexes {
		end := at(f.Name.End())
		edits = append(edits, edit{end, end, fmt.Sprintf("; import yielding %q", path)},
			edit{len(text), len(text), "\ntype _ = sync.Mutex // so that the import is used\n"})
	}
	return apply(text, edits), nil
}
