package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

// operators returns all there are. Those of concurrency come first: where two make
// the same mutant, it counts for the first.
func operators() []operator {
	return []operator{
		{"lock", "drop a lock and its unlocks, or lock only just before the unlock", dropLock},
		{"unlock", "drop one unlock", dropUnlock},
		{"signal", "drop a Signal, Broadcast, close, cancel, Done, Stop, or a wake-up", dropSignal},
		{"broadcast", "Broadcast to Signal", broadcast},
		{"defer", "drop a defer, or call at once", deferred},
		{"go", "go f() to f(), and the other way", spawn},
		{"select", "drop a case of a select", dropSelectCase},
		{"context", "take a context for one that is not done", contextCheck},
		{"cas", "CompareAndSwap to a store, to true, to false", compareAndSwap},
		{"atomic", "drop an atomic operation", dropAtomic},
		{"swap", "swap two statements", swap},
		{"negate", "negate a condition", negate},
		{"cond", "a condition, or half of one, to true or false", condition},
		{"logic", "&& to || and the other way", logic},
		{"relation", "< to <=, == to != and so on", relation},
		{"constant", "a number plus or minus one", constant},
		{"arithmetic", "+ to - and so on", arithmetic},
		{"minmax", "min to max and the other way", minmax},
		{"bool", "true to false and the other way", boolean},
		{"assign", "drop an assignment, an increment, a field of a literal", dropAssign},
		{"call", "drop a call", dropCall},
		{"branch", "drop a return, break or continue, or a case; break to continue", branch},
		{"error", "return nil in place of an error", returnNil},
	}
}

// stmtCall returns the call that a statement of a list is, or nil.
func stmtCall(g *generator, n ast.Node) (*ast.ExprStmt, *ast.CallExpr) {
	s, ok := n.(*ast.ExprStmt)
	if !ok || !g.inList() {
		return nil, nil
	}
	call, _ := s.X.(*ast.CallExpr)
	return s, call
}

func isUnlock(name string) bool { return name == "Unlock" || name == "RUnlock" || name == "unlock" }

func isSignal(name string) bool {
	switch name {
	case "Signal", "Broadcast", "close", "cancel", "shut", "Done", "Stop", "Release", "expire", "stop",
		"tellLocked", "wakeLocked", "refillLocked":
		return true
	}
	return false
}

// dropLock is for a Lock that is a statement. An unlock that is more than the
// mutex's own is not dropped; it is given the lock just before it.
func dropLock(g *generator, n ast.Node) {
	s, call := stmtCall(g, n)
	if call == nil {
		return
	}
	recv, name := g.method(call)
	if name != "Lock" && name != "RLock" {
		return
	}
	owner, _, _ := strings.Cut(recv, ".")
	without, late := []edit{g.edit(s, "")}, []edit{g.edit(s, "")}
	own := true // all unlocks are the mutex's own
	unlocks := 0
	ast.Inspect(g.decl.Body, func(n ast.Node) bool {
		var c *ast.CallExpr
		switch x := n.(type) {
		case *ast.ExprStmt:
			c, _ = x.X.(*ast.CallExpr)
		case *ast.DeferStmt:
			c = x.Call
		}
		if c == nil {
			return true
		}
		r, f := g.method(c)
		switch {
		case n.Pos() <= s.Pos() && (f == "Lock" || f == "RLock" || isUnlock(f)):
			return true
		case r == recv && f == name && n != s:
			without = append(without, g.edit(n, ""))
			return true
		case !isUnlock(f) || r != recv && (f != "unlock" || r != owner):
			return true
		}
		unlocks++
		own = own && r == recv
		without = append(without, g.edit(n, ""))
		lock := recv + "." + name + "(); "
		if _, ok := n.(*ast.DeferStmt); ok {
			late = append(late, g.edit(n, "defer func() { "+lock+g.textOf(c)+" }()"))
		} else {
			late = append(late, g.edit(n, lock+g.textOf(n)))
		}
		return true
	})
	if unlocks == 0 {
		return
	}
	if own {
		g.add("lock", s, g.textOf(s), "no lock", without...)
	}
	g.add("lock", s, g.textOf(s), "lock just before the unlock", late...)
}

func dropUnlock(g *generator, n ast.Node) {
	if s, call := stmtCall(g, n); call != nil {
		if _, name := g.method(call); isUnlock(name) {
			g.drop("unlock", s)
		}
	}
	if s, ok := n.(*ast.DeferStmt); ok {
		if _, name := g.method(s.Call); isUnlock(name) {
			g.drop("unlock", s)
		}
	}
}

func dropSignal(g *generator, n ast.Node) {
	if s, call := stmtCall(g, n); call != nil {
		if _, name := g.method(call); isSignal(name) {
			g.drop("signal", s)
		}
	}
}

func broadcast(g *generator, n ast.Node) {
	if call, ok := n.(*ast.CallExpr); ok {
		if recv, name := g.method(call); name == "Broadcast" {
			g.replace("broadcast", call, recv+".Signal()")
		}
	}
}

func deferred(g *generator, n ast.Node) {
	if s, ok := n.(*ast.DeferStmt); ok && g.inList() {
		g.drop("defer", s)
		g.replace("defer", s, g.textOf(s.Call))
	}
}

// spawn makes goroutines only of calls of methods: of what is the project's own.
func spawn(g *generator, n ast.Node) {
	if s, ok := n.(*ast.GoStmt); ok {
		g.drop("go", s)
		g.replace("go", s, g.textOf(s.Call))
		return
	}
	s, call := stmtCall(g, n)
	if call == nil || g.isAtomic(call) {
		return
	}
	recv, name := g.method(call)
	if recv == "" && name != "close" || isUnlock(name) || strings.HasSuffix(name, "Lock") || name == "Wait" {
		return
	}
	g.replace("go", s, "go "+g.textOf(s))
}

func dropSelectCase(g *generator, n ast.Node) {
	if c, ok := n.(*ast.CommClause); ok {
		m := g.replace("select", c, "")
		m.from = "case " + shorten(g.textOf(c))
	}
}

// contextCheck is for a context's Err, and for functions that return its cause, by
// their names.
func contextCheck(g *generator, n ast.Node) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	if sel.Sel.Name == "Err" && g.typeOf(sel.X) == "context.Context" || sel.Sel.Name == "cancelCause" {
		g.replace("context", call, "error(nil)")
	}
}

func compareAndSwap(g *generator, n ast.Node) {
	call, ok := n.(*ast.CallExpr)
	if !ok || !g.isAtomic(call) {
		return
	}
	recv, name := g.method(call)
	if name != "CompareAndSwap" {
		return
	}
	g.replace("cas", call, fmt.Sprintf("func() bool { %s.Store(%s); return true }()", recv, g.textOf(call.Args[1])))
	if _, ok := g.parent().(*ast.ExprStmt); !ok {
		g.replace("cas", call, "true")
		g.replace("cas", call, "false")
	}
}

func dropAtomic(g *generator, n ast.Node) {
	if s, call := stmtCall(g, n); call != nil && g.isAtomic(call) {
		g.drop("atomic", s)
	}
}

// swap is for neighbours in a list. Left out are two that plainly do not concern each
// other, both without a call, and a deferred unlock with its lock or with an
// assignment, neither of which panics.
func swap(g *generator, n ast.Node) {
	var list []ast.Stmt
	switch b := n.(type) {
	case *ast.BlockStmt:
		list = b.List
	case *ast.CaseClause:
		list = b.Body
	case *ast.CommClause:
		list = b.Body
	}
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		if isClause(a) || g.independent(a, b) || g.onlyPanicsTell(a, b) || g.onlyPanicsTell(b, a) {
			continue
		}
		ta, tb := g.textOf(a), g.textOf(b)
		g.add("swap", a, ta, tb, g.edit(a, tb), g.edit(b, ta))
	}
}

func isClause(s ast.Stmt) bool {
	switch s.(type) {
	case *ast.CaseClause, *ast.CommClause:
		return true
	}
	return false
}

// onlyPanicsTell reports whether a is a deferred unlock and b nothing that could
// return or is likely to panic.
func (g *generator) onlyPanicsTell(a, b ast.Stmt) bool {
	d, ok := a.(*ast.DeferStmt)
	if !ok {
		return false
	}
	if _, name := g.method(d.Call); !isUnlock(name) {
		return false
	}
	switch s := b.(type) {
	case *ast.AssignStmt, *ast.IncDecStmt:
		return true
	case *ast.ExprStmt:
		call, ok := s.X.(*ast.CallExpr)
		if !ok {
			return false
		}
		_, name := g.method(call)
		return name == "Lock" || name == "RLock" || g.isBuiltin(call, "delete")
	}
	return false
}

// independent reports whether two statements are assignments without calls, and
// neither writes what the other reads or writes.
func (g *generator) independent(a, b ast.Stmt) bool {
	ra, wa, ok := g.touches(a)
	if !ok {
		return false
	}
	rb, wb, ok := g.touches(b)
	if !ok {
		return false
	}
	for w := range wa {
		if rb[w] || wb[w] {
			return false
		}
	}
	for w := range wb {
		if ra[w] {
			return false
		}
	}
	return true
}

// touches returns the names that a simple statement reads and writes.
func (g *generator) touches(s ast.Stmt) (reads, writes map[string]bool, ok bool) {
	reads, writes = make(map[string]bool), make(map[string]bool)
	var lhs []ast.Expr
	switch s := s.(type) {
	case *ast.AssignStmt:
		lhs = s.Lhs
	case *ast.IncDecStmt:
		lhs = []ast.Expr{s.X}
	case *ast.DeclStmt:
	default:
		return nil, nil, false
	}
	for _, e := range lhs {
		writes[g.textOf(e)] = true
	}
	ok = true
	ast.Inspect(s, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.CallExpr:
			ok = ok && (g.isBuiltin(x, "len") || g.isBuiltin(x, "append") || g.isBuiltin(x, "min") || g.isBuiltin(x, "max"))
		case *ast.FuncLit, *ast.UnaryExpr, *ast.IndexExpr, *ast.StarExpr:
			ok = false
		case *ast.SelectorExpr:
			reads[g.textOf(x)] = true
		case *ast.Ident:
			reads[x.Name] = true
		}
		return true
	})
	return reads, writes, ok
}

// condOf returns the condition of a statement or of a case of a switch without a
// tag.
func condOf(g *generator, n ast.Node) ast.Expr {
	switch s := n.(type) {
	case *ast.IfStmt:
		return s.Cond
	case *ast.ForStmt:
		return s.Cond
	case *ast.CaseClause:
		if len(s.List) == 1 && len(g.stack) >= 2 {
			if sw, ok := g.stack[len(g.stack)-2].(*ast.SwitchStmt); ok && sw.Tag == nil {
				return s.List[0]
			}
		}
	}
	return nil
}

func negate(g *generator, n ast.Node) {
	if c := condOf(g, n); c != nil {
		g.replace("negate", c, "!("+g.textOf(c)+")")
	}
}

func condition(g *generator, n ast.Node) {
	if c := condOf(g, n); c != nil {
		op := "cond"
		if strings.Contains(g.textOf(c), ".Err()") {
			op = "context"
		}
		g.replace(op, c, "false")
		if _, ok := n.(*ast.ForStmt); !ok {
			g.replace(op, c, "true")
		}
	}
	b, ok := n.(*ast.BinaryExpr)
	if !ok || b.Op != token.LAND && b.Op != token.LOR {
		return
	}
	for _, half := range []ast.Expr{b.X, b.Y} {
		g.replace("cond", half, strconv.FormatBool(b.Op == token.LAND))
	}
}

func logic(g *generator, n ast.Node) {
	b, ok := n.(*ast.BinaryExpr)
	if !ok || b.Op != token.LAND && b.Op != token.LOR {
		return
	}
	to := "||"
	if b.Op == token.LOR {
		to = "&&"
	}
	x, y := g.textOf(b.X), g.textOf(b.Y)
	g.replace("logic", b, "("+x+") "+to+" ("+y+")")
}

func binary(g *generator, op string, n ast.Node, to map[token.Token][]token.Token) {
	b, ok := n.(*ast.BinaryExpr)
	if !ok {
		return
	}
	at := g.offset(b.OpPos)
	for _, t := range to[b.Op] {
		g.add(op, b, g.textOf(b), g.textOf(b.X)+" "+t.String()+" "+g.textOf(b.Y),
			edit{at, at + len(b.Op.String()), t.String()})
	}
}

func relation(g *generator, n ast.Node) {
	binary(g, "relation", n, map[token.Token][]token.Token{
		token.LSS: {token.LEQ},
		token.LEQ: {token.LSS},
		token.GTR: {token.GEQ},
		token.GEQ: {token.GTR},
		token.EQL: {token.NEQ},
		token.NEQ: {token.EQL},
	})
}

func arithmetic(g *generator, n ast.Node) {
	binary(g, "arithmetic", n, map[token.Token][]token.Token{
		token.ADD: {token.SUB}, token.SUB: {token.ADD},
		token.MUL: {token.QUO}, token.QUO: {token.MUL},
		token.SHL: {token.SHR}, token.SHR: {token.SHL},
		token.AND: {token.OR}, token.OR: {token.AND},
		token.AND_NOT: {token.AND}, token.REM: {token.QUO},
	})
	switch s := n.(type) {
	case *ast.IncDecStmt:
		to := "--"
		if s.Tok == token.DEC {
			to = "++"
		}
		g.replace("arithmetic", s, g.textOf(s.X)+to)
	case *ast.AssignStmt:
		to := map[token.Token]string{
			token.ADD_ASSIGN: "-=", token.SUB_ASSIGN: "+=", token.OR_ASSIGN: "&=",
		}[s.Tok]
		if to != "" {
			g.replace("arithmetic", s, g.textOf(s.Lhs[0])+" "+to+" "+g.textOf(s.Rhs[0]))
		}
	}
}

func constant(g *generator, n ast.Node) {
	l, ok := n.(*ast.BasicLit)
	if !ok || l.Kind != token.INT {
		return
	}
	if _, ok := g.parent().(*ast.ArrayType); ok { // the size of a cache line
		return
	}
	v, err := strconv.ParseUint(l.Value, 0, 64)
	if err != nil {
		return
	}
	g.replace("constant", l, strconv.FormatUint(v+1, 10))
	if v > 0 {
		g.replace("constant", l, strconv.FormatUint(v-1, 10))
	}
}

func minmax(g *generator, n ast.Node) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return
	}
	for from, to := range map[string]string{"min": "max", "max": "min"} {
		if g.isBuiltin(call, from) {
			g.add("minmax", call, g.textOf(call), to+strings.TrimPrefix(g.textOf(call), from), g.edit(call.Fun, to))
		}
	}
}

func boolean(g *generator, n ast.Node) {
	id, ok := n.(*ast.Ident)
	if !ok {
		return
	}
	for from, to := range map[string]string{"true": "false", "false": "true"} {
		if id.Name == from {
			g.replace("bool", id, to)
		}
	}
}

func dropAssign(g *generator, n ast.Node) {
	switch s := n.(type) {
	case *ast.IncDecStmt:
		if g.inList() {
			g.drop("assign", s)
		}
	case *ast.AssignStmt:
		if g.inList() && s.Tok != token.DEFINE {
			g.drop("assign", s)
		}
	case *ast.CompositeLit:
		for i, e := range s.Elts {
			kv, ok := e.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			to := edit{g.offset(kv.Pos()), g.offset(kv.End()), ""}
			switch {
			case i+1 < len(s.Elts):
				to.end = g.offset(s.Elts[i+1].Pos())
			case i > 0:
				to.off = g.offset(s.Elts[i-1].End())
				to.end = g.offset(s.Rbrace)
				if strings.Contains(string(g.text[g.offset(kv.End()):to.end]), "\n") {
					to.text = ",\n"
				}
			default:
				to.end = g.offset(s.Rbrace)
			}
			g.add("assign", kv, g.textOf(kv), "", to)
		}
	}
}

func dropCall(g *generator, n ast.Node) {
	if s, call := stmtCall(g, n); call != nil {
		g.drop("call", s)
	}
}

func branch(g *generator, n ast.Node) {
	switch s := n.(type) {
	case *ast.ReturnStmt:
		if g.inList() {
			g.drop("branch", s)
		}
	case *ast.BranchStmt:
		if s.Label != nil || !g.inList() {
			return
		}
		g.drop("branch", s)
		switch s.Tok {
		case token.BREAK:
			g.replace("branch", s, "continue")
		case token.CONTINUE:
			g.replace("branch", s, "break")
		}
	case *ast.CaseClause:
		m := g.replace("branch", s, "")
		m.from = shorten(g.textOf(s))
	}
}

func returnNil(g *generator, n ast.Node) {
	s, ok := n.(*ast.ReturnStmt)
	if !ok {
		return
	}
	for _, e := range s.Results {
		if t := g.typeOf(e); g.textOf(e) != "nil" && (t == "error" || strings.HasSuffix(t, "Error") && strings.HasPrefix(t, "*")) {
			g.replace("error", e, "nil")
		}
	}
}
