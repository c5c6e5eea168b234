package api

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

// Variables returns the package-level variables of a package that are not error
// sentinels, sorted. A sentinel has the type error and is made by errors.New, or
// by fmt.Errorf of constants and other sentinels.
//
// The sentinels apart, a package has no need of variables: state belongs to a
// pool or a store.
func Variables(p *Package) []string {
	var found []string
	p.each(func(spec *ast.ValueSpec) {
		for i, name := range spec.Names {
			obj := p.Info.Defs[name]
			if name.Name == "_" || len(spec.Values) == len(spec.Names) && p.isSentinel(obj, spec.Values[i]) {
				continue
			}
			found = append(found, name.Name)
		}
	})
	slices.Sort(found)
	return found
}

// each calls f for each specification of package-level variables.
func (p *Package) each(f func(*ast.ValueSpec)) {
	for _, file := range p.Files {
		for _, decl := range file.Decls {
			if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.VAR {
				for _, spec := range gen.Specs {
					f(spec.(*ast.ValueSpec))
				}
			}
		}
	}
}

func (p *Package) isSentinel(obj types.Object, value ast.Expr) bool {
	if obj == nil || !types.Identical(obj.Type(), types.Universe.Lookup("error").Type()) {
		return false
	}
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := p.callee(call).(*types.Func)
	if !ok || f.FullName() != "errors.New" && f.FullName() != "fmt.Errorf" {
		return false
	}
	for _, arg := range call.Args {
		if p.Info.Types[arg].Value != nil { // a constant
			continue
		}
		name, ok := arg.(*ast.Ident)
		if !ok || !isPackageLevel(p.Info.Uses[name]) {
			return false
		}
	}
	return true
}

func (p *Package) callee(call *ast.CallExpr) types.Object {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return p.Info.Uses[f]
	case *ast.SelectorExpr:
		return p.Info.Uses[f.Sel]
	default:
		return nil
	}
}

func isPackageLevel(obj types.Object) bool {
	v, ok := obj.(*types.Var)
	return ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope()
}

// Writes returns the places where a function of the package may change a
// package-level variable, its own or another package's: it assigns to it or to a
// part of it, or takes its address.
func Writes(p *Package) []string {
	var found []string
	note := func(e ast.Expr) {
		if name := p.root(e); name != nil && isPackageLevel(p.Info.Uses[name]) {
			found = append(found, fmt.Sprintf("%s: %s", p.Fset.Position(name.Pos()), name.Name))
		}
	}
	for _, file := range p.Files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, lhs := range n.Lhs {
					note(lhs)
				}
			case *ast.IncDecStmt:
				note(n.X)
			case *ast.RangeStmt:
				if n.Tok == token.ASSIGN {
					note(n.Key)
					note(n.Value)
				}
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					note(n.X)
				}
			case *ast.SelectorExpr: // a method with a pointer receiver takes the address
				if s := p.Info.Selections[n]; s != nil && s.Kind() == types.MethodVal && takesAddress(s) {
					note(n.X)
				}
			}
			return true
		})
	}
	return found
}

func takesAddress(s *types.Selection) bool {
	_, pointer := s.Obj().(*types.Func).Signature().Recv().Type().(*types.Pointer)
	_, is := types.Unalias(s.Recv()).(*types.Pointer)
	return pointer && !is
}

// root returns the variable that an expression is a part of, if it is one.
func (p *Package) root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SelectorExpr:
			if pkg, ok := x.X.(*ast.Ident); ok {
				if _, ok := p.Info.Uses[pkg].(*types.PkgName); ok {
					return x.Sel
				}
			}
			e = x.X
		default:
			return nil
		}
	}
}

// Inits returns the places where an import of the package runs code of its own: a
// function init, or a function literal or a go statement in the value of a
// variable that is not in the list.
func Inits(p *Package, but ...string) []string {
	var found []string
	for _, file := range p.Files {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				found = append(found, fmt.Sprintf("%s: init", p.Fset.Position(f.Pos())))
			}
		}
	}
	p.each(func(spec *ast.ValueSpec) {
		for _, name := range spec.Names {
			if slices.Contains(but, name.Name) {
				return
			}
		}
		for _, value := range spec.Values {
			ast.Inspect(value, func(n ast.Node) bool {
				if f, ok := n.(*ast.FuncLit); ok {
					found = append(found, fmt.Sprintf("%s: a function", p.Fset.Position(f.Pos())))
				}
				return true
			})
		}
	})
	return found
}
