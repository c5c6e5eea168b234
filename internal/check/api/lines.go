package api

import (
	"fmt"
	"go/types"
	"slices"
	"strings"
)

// Lines returns the exported API of a package, sorted, one line for each thing
// that a user's program can name: constants with their values, variables,
// functions, types, methods, and the fields and methods of structs and interfaces.
//
// The form is that of the files in Go's own folder api, but for type parameters,
// which keep their names, since a reader will want them. Names of parameters are
// left out: no program depends on them.
func Lines(pkg *types.Package) []string {
	l := &lister{pkg: pkg}
	for _, name := range pkg.Scope().Names() {
		if obj := pkg.Scope().Lookup(name); obj.Exported() {
			l.object(obj)
		}
	}
	slices.Sort(l.lines)
	return slices.Compact(l.lines)
}

type lister struct {
	pkg   *types.Package
	lines []string
}

func (l *lister) add(format string, args ...any) {
	dir := strings.TrimPrefix(strings.TrimPrefix(l.pkg.Path(), Module), "/")
	l.lines = append(l.lines, "pkg "+dir+", "+fmt.Sprintf(format, args...))
}

// text is a type as the package's own files write it.
func (l *lister) text(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == l.pkg {
			return ""
		}
		return p.Name()
	})
}

// signature is a function's parameters and results, without their names.
func (l *lister) signature(s *types.Signature) string {
	return strings.TrimPrefix(l.text(nameless(s)), "func")
}

func (l *lister) object(obj types.Object) {
	switch obj := obj.(type) {
	case *types.Const:
		l.add("const %s %s = %s", obj.Name(), l.text(obj.Type()), obj.Val().ExactString())
	case *types.Var:
		l.add("var %s %s", obj.Name(), l.text(nameless(obj.Type())))
	case *types.Func:
		s := obj.Signature()
		l.add("func %s%s%s", obj.Name(), l.typeParams(s.TypeParams()), l.signature(s))
	case *types.TypeName:
		l.typeName(obj)
	}
}

func (l *lister) typeParams(params *types.TypeParamList) string {
	if params.Len() == 0 {
		return ""
	}
	var all []string
	for p := range params.TypeParams() {
		all = append(all, p.Obj().Name()+" "+l.text(p.Constraint()))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func (l *lister) typeName(obj *types.TypeName) {
	if alias, ok := obj.Type().(*types.Alias); ok {
		l.add("type %s%s = %s", obj.Name(), l.typeParams(alias.TypeParams()), l.text(nameless(alias.Rhs())))
		return
	}
	named := obj.Type().(*types.Named)
	name := obj.Name() + l.typeParams(named.TypeParams())
	switch u := named.Underlying().(type) {
	case *types.Struct:
		l.add("type %s struct", name)
		l.fields(name, u, make(map[*types.Struct]bool))
	case *types.Interface:
		l.interfaceType(name, u)
		return // its methods are said
	default:
		l.add("type %s %s", name, l.text(nameless(u)))
	}
	l.methods(named)
}

// fields lists the fields that a program can name, also those that come from an
// embedded struct whose own name it cannot.
func (l *lister) fields(name string, s *types.Struct, seen map[*types.Struct]bool) {
	if seen[s] {
		return
	}
	seen[s] = true
	for f := range s.Fields() {
		switch {
		case f.Exported() && f.Embedded():
			l.add("type %s struct, embedded %s", name, l.text(f.Type()))
		case f.Exported():
			l.add("type %s struct, %s %s", name, f.Name(), l.text(nameless(f.Type())))
		default: // a literal without keys does not compile, so further fields do no harm
			l.add("type %s struct, unexported fields", name)
			if inner, ok := deref(f.Type()).Underlying().(*types.Struct); ok && f.Embedded() {
				l.fields(name, inner, seen)
			}
		}
	}
}

func deref(t types.Type) types.Type {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		return p.Elem()
	}
	return t
}

func (l *lister) interfaceType(name string, i *types.Interface) {
	var names []string
	sealed := false
	for m := range i.Methods() {
		if !m.Exported() {
			sealed = true
			continue
		}
		names = append(names, m.Name())
		l.add("type %s interface, %s%s", name, m.Name(), l.signature(m.Signature()))
	}
	for t := range i.EmbeddedTypes() {
		if _, ok := t.Underlying().(*types.Interface); !ok { // a union of types
			names = append(names, l.text(t))
		}
	}
	if sealed {
		names = append(names, "unexported methods")
	}
	l.add("type %s interface { %s }", name, strings.Join(names, ", "))
}

// methods lists the method set of a pointer to the type, and says of each method
// whether the type itself has it, too. Promoted ones are in it.
func (l *lister) methods(named *types.Named) {
	values := types.NewMethodSet(named)
	for sel := range types.NewMethodSet(types.NewPointer(named)).Methods() {
		m := sel.Obj()
		if !m.Exported() {
			continue
		}
		star := "*"
		if values.Lookup(m.Pkg(), m.Name()) != nil {
			star = ""
		}
		l.add("method (%s%s) %s%s", star, receiver(named), m.Name(), l.signature(sel.Type().(*types.Signature)))
	}
}

// receiver is the type as a method's receiver names it.
func receiver(named *types.Named) string {
	var params []string
	for p := range named.TypeParams().TypeParams() {
		params = append(params, p.Obj().Name())
	}
	if params == nil {
		return named.Obj().Name()
	}
	return named.Obj().Name() + "[" + strings.Join(params, ", ") + "]"
}

// nameless returns t without the names of its parameters and results.
func nameless(t types.Type) types.Type {
	switch t := t.(type) {
	case *types.Signature:
		return types.NewSignatureType(nil, nil, nil, namelessTuple(t.Params()), namelessTuple(t.Results()), t.Variadic())
	case *types.Pointer:
		return types.NewPointer(nameless(t.Elem()))
	case *types.Slice:
		return types.NewSlice(nameless(t.Elem()))
	case *types.Array:
		return types.NewArray(nameless(t.Elem()), t.Len())
	case *types.Map:
		return types.NewMap(nameless(t.Key()), nameless(t.Elem()))
	case *types.Chan:
		return types.NewChan(t.Dir(), nameless(t.Elem()))
	default:
		return t
	}
}

func namelessTuple(t *types.Tuple) *types.Tuple {
	var vars []*types.Var
	for v := range t.Variables() {
		vars = append(vars, types.NewParam(v.Pos(), v.Pkg(), "", nameless(v.Type())))
	}
	return types.NewTuple(vars...)
}
