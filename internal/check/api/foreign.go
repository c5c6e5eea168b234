package api

import (
	"fmt"
	"go/types"
	"slices"
	"strings"
)

// Foreign returns what in the exported API of a package names a type that users
// should not need to know: one of another module, of a package of ours that they
// cannot import, or one that is not exported. The standard library is nobody's
// burden.
func Foreign(pkg *types.Package) []string {
	f := &foreigners{pkg: pkg, seen: make(map[types.Type]bool)}
	for _, name := range pkg.Scope().Names() {
		obj := pkg.Scope().Lookup(name)
		if !obj.Exported() {
			continue
		}
		f.where = obj.Name()
		f.visit(obj.Type())
		if named, ok := types.Unalias(obj.Type()).(*types.Named); ok && named.Obj() == obj {
			f.declaration(named)
		}
	}
	slices.Sort(f.found)
	return slices.Compact(f.found)
}

type foreigners struct {
	pkg   *types.Package
	where string
	seen  map[types.Type]bool
	found []string
}

// declaration visits what a program sees of an exported type.
func (f *foreigners) declaration(named *types.Named) {
	for p := range named.TypeParams().TypeParams() {
		f.visit(p.Constraint())
	}
	if s, ok := named.Underlying().(*types.Struct); ok {
		for field := range s.Fields() {
			if field.Exported() {
				f.where = named.Obj().Name() + "." + field.Name()
				f.visit(field.Type())
			}
		}
	} else {
		f.visit(named.Underlying())
	}
	for sel := range types.NewMethodSet(types.NewPointer(named)).Methods() {
		if sel.Obj().Exported() {
			f.where = named.Obj().Name() + "." + sel.Obj().Name()
			f.visit(sel.Type())
		}
	}
}

// visit looks at a type as it is written, not at what a name stands for.
func (f *foreigners) visit(t types.Type) {
	switch t := t.(type) {
	case *types.Alias:
		f.name(t.Obj())
		f.visit(t.Rhs())
	case *types.Named:
		f.name(t.Obj())
		for arg := range t.TypeArgs().Types() {
			f.visit(arg)
		}
	case *types.Pointer:
		f.visit(t.Elem())
	case *types.Slice:
		f.visit(t.Elem())
	case *types.Array:
		f.visit(t.Elem())
	case *types.Chan:
		f.visit(t.Elem())
	case *types.Map:
		f.visit(t.Key())
		f.visit(t.Elem())
	case *types.Tuple:
		for v := range t.Variables() {
			f.visit(v.Type())
		}
	case *types.Signature:
		for p := range t.TypeParams().TypeParams() {
			f.visit(p.Constraint())
		}
		f.visit(t.Params())
		f.visit(t.Results())
	case *types.Struct:
		for field := range t.Fields() {
			f.visit(field.Type())
		}
	case *types.Interface:
		if f.seen[t] {
			return
		}
		f.seen[t] = true
		for m := range t.Methods() {
			f.visit(m.Type())
		}
		for e := range t.EmbeddedTypes() {
			f.visit(e)
		}
	case *types.Union:
		for term := range t.Terms() {
			f.visit(term.Type())
		}
	}
}

func (f *foreigners) name(obj *types.TypeName) {
	pkg := obj.Pkg()
	switch {
	case pkg == nil: // error, any, comparable
		return
	case pkg == f.pkg && obj.Exported(), isStandard(pkg.Path()), isOurs(pkg.Path()) && pkg != f.pkg && obj.Exported():
		return
	}
	f.found = append(f.found, fmt.Sprintf("%s: %s.%s", f.where, pkg.Path(), obj.Name()))
}

// isStandard reports whether a package comes with Go: the first element of every
// other path is a domain, and has a dot.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// isOurs reports whether a package is one of the root module that users can import.
func isOurs(path string) bool {
	return strings.HasPrefix(path, Module+"/") && !slices.Contains(strings.Split(path, "/"), "internal")
}
