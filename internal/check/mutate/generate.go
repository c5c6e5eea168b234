package main

import (
	"go/ast"
	"go/parser"
	"go/types"
	"slices"
	"strings"
	"sync"
)

// A generator makes the mutants of one file.
type generator struct {
	*source
	name  string // the file's
	text  []byte
	decl  *ast.FuncDecl // the function that is being walked, or nil
	stack []ast.Node    // from the function to the node's parent
	ms    []*mutant
}

// An operator makes mutants of a node. Each node of a function is shown to each.
type operator struct {
	name string
	does string
	make func(g *generator, n ast.Node)
}

// mutants returns those of the package that compile, and those that do not. A
// mutant of which known knows whether it compiles is not compiled to find out.
func (s *source) mutants(ops []operator, known func(*mutant) (ok, known bool)) (ms, broken []*mutant) {
	for _, name := range s.names {
		g := &generator{source: s, name: name, text: s.text[name]}
		for _, d := range s.files[name].Decls {
			g.walk(d, ops)
		}
		ms = append(ms, g.ms...)
	}
	ms = s.unique(ms)
	identify(ms)

	// To check a package takes some ten milliseconds.
	var workers sync.WaitGroup
	next := make(chan *mutant)
	var mu sync.Mutex
	bad := make(map[*mutant]bool) // guarded by mu
	for range 2 {
		workers.Go(func() {
			for m := range next {
				if !s.compiles(m) {
					mu.Lock()
					bad[m] = true
					mu.Unlock()
				}
			}
		})
	}
	for _, m := range ms {
		if ok, known := known(m); !known {
			next <- m
		} else if !ok {
			mu.Lock()
			bad[m] = true
			mu.Unlock()
		}
	}
	close(next)
	workers.Wait()
	for _, m := range ms {
		if bad[m] {
			broken = append(broken, m)
		}
	}
	return slices.DeleteFunc(ms, func(m *mutant) bool { return bad[m] }), broken
}

// walk shows the nodes of a declaration to the operators. The texts of errors and
// their kin are left as they are: no promise is made of them.
func (g *generator) walk(d ast.Decl, ops []operator) {
	g.decl, _ = d.(*ast.FuncDecl)
	var root ast.Node = d
	if g.decl != nil {
		if name := g.decl.Name.Name; name == "Error" || name == "String" || g.decl.Body == nil {
			return
		}
		root = g.decl.Body
	}
	ast.Inspect(root, func(n ast.Node) bool {
		if n == nil {
			g.stack = g.stack[:len(g.stack)-1]
			return true
		}
		for _, op := range ops {
			if g.decl != nil || op.name == "constant" {
				op.make(g, n)
			}
		}
		g.stack = append(g.stack, n)
		return true
	})
}

// unique removes mutants that make the same text, or that of the original.
func (s *source) unique(ms []*mutant) []*mutant {
	seen := make(map[string]bool)
	return slices.DeleteFunc(ms, func(m *mutant) bool {
		text := string(apply(s.text[m.file], m.edits))
		key := m.file + "\x00" + strings.Join(strings.Fields(text), " ")
		was := seen[key] || text == string(s.text[m.file])
		seen[key] = true
		return was
	})
}

// compiles reports whether m does. If only that a variable is not used any more
// keeps it from that, it is used for nothing.
func (s *source) compiles(m *mutant) bool {
	errs := s.errorsOf(m)
	var unused []string
	for _, e := range errs {
		name, ok := strings.CutPrefix(e.Msg, "declared and not used: ")
		if !ok || m.spare < 0 {
			return false
		}
		unused = append(unused, "_ = "+name)
	}
	if len(unused) == 0 {
		return true
	}
	m.edits = slices.Insert(m.edits, 0, edit{m.spare, m.spare, strings.Join(unused, "; ") + "; "})
	return len(s.errorsOf(m)) == 0
}

func (s *source) errorsOf(m *mutant) []types.Error {
	f, err := parser.ParseFile(s.fset, m.file, apply(s.text[m.file], m.edits), parser.SkipObjectResolution)
	if err != nil {
		return []types.Error{{Msg: err.Error()}}
	}
	return slices.DeleteFunc(s.check(f, nil), func(e types.Error) bool {
		return strings.HasSuffix(e.Msg, " imported and not used") // the original function, which stays, uses it
	})
}

// ---- what operators use ------------------------------------------------------

// add adds a mutant of n.
func (g *generator) add(op string, n ast.Node, from, to string, edits ...edit) *mutant {
	pos := g.fset.Position(n.Pos())
	begin := strings.LastIndexByte(string(g.text[:pos.Offset]), '\n') + 1
	line, _, _ := strings.Cut(string(g.text[begin:]), "\n")
	m := &mutant{
		pkg: g.dir, file: g.name, fn: funcName(g.decl), line: pos.Line, column: pos.Column,
		op: op, from: shorten(from), to: shorten(to), text: strings.TrimSpace(line),
		edits: edits, decl: g.decl, start: pos.Offset, spare: -1,
	}
	g.ms = append(g.ms, m)
	return m
}

// replace adds a mutant that has text in the place of n.
func (g *generator) replace(op string, n ast.Node, text string) *mutant {
	return g.add(op, n, g.textOf(n), text, g.edit(n, text))
}

// drop adds a mutant without the statement n.
func (g *generator) drop(op string, n ast.Stmt) {
	m := g.replace(op, n, "")
	m.spare = m.start
}

func (g *generator) edit(n ast.Node, text string) edit {
	return edit{g.offset(n.Pos()), g.offset(n.End()), text}
}

func (g *generator) textOf(n ast.Node) string {
	return string(g.text[g.offset(n.Pos()):g.offset(n.End())])
}

// parent returns the node that n is directly in, or nil.
func (g *generator) parent() ast.Node {
	if len(g.stack) == 0 {
		return nil
	}
	return g.stack[len(g.stack)-1]
}

// inList reports whether the node is a statement of a list.
func (g *generator) inList() bool {
	switch g.parent().(type) {
	case *ast.BlockStmt, *ast.CaseClause, *ast.CommClause:
		return true
	}
	return false
}

// method returns the name of the method or function that a call calls, and the
// text of what is before the dot.
func (g *generator) method(call *ast.CallExpr) (recv, name string) {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		return g.textOf(f.X), f.Sel.Name
	case *ast.Ident:
		return "", f.Name
	}
	return "", ""
}

// isBuiltin reports whether a call is one of the language's function of that name.
func (g *generator) isBuiltin(call *ast.CallExpr, name string) bool {
	id, ok := call.Fun.(*ast.Ident)
	if !ok || id.Name != name {
		return false
	}
	_, ok = g.info.Uses[id].(*types.Builtin)
	return ok
}

// typeOf returns the name of an expression's type.
func (g *generator) typeOf(e ast.Expr) string {
	if t := g.info.TypeOf(e); t != nil {
		return t.String()
	}
	return ""
}

// isAtomic reports whether a call is a method of an atomic of sync/atomic.
func (g *generator) isAtomic(call *ast.CallExpr) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	f, ok := g.info.Uses[sel.Sel].(*types.Func)
	return ok && f.Pkg() != nil && f.Pkg().Path() == "sync/atomic"
}

// funcName returns a function's name, after its receiver's type.
func funcName(d *ast.FuncDecl) string {
	if d == nil {
		return ""
	}
	if d.Recv == nil {
		return d.Name.Name
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
			continue
		case *ast.IndexExpr:
			t = x.X
			continue
		case *ast.IndexListExpr:
			t = x.X
			continue
		case *ast.Ident:
			return x.Name + "." + d.Name.Name
		}
		return d.Name.Name
	}
}
