package api

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
)

// Undocumented returns the exported names of a package that no comment is about,
// sorted; the package itself is one of them.
//
// A comment is about a name if it stands above it or behind it, above the group of
// constants or variables that it is in, or, for a field or a method of an
// interface, above the type, and has the name in it.
func Undocumented(p *Package) []string {
	var found []string
	note := func(name string, comments ...*ast.CommentGroup) {
		for _, c := range comments {
			if c.Text() != "" {
				return
			}
		}
		found = append(found, name)
	}

	var of []*ast.CommentGroup
	for _, file := range p.Files {
		of = append(of, file.Doc)
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if name, ok := exportedFunc(d); ok {
					note(name, d.Doc)
				}
			case *ast.GenDecl:
				undocumented(d, note)
			}
		}
	}
	note("package "+p.Types.Name(), of...)
	slices.Sort(found)
	return found
}

func undocumented(d *ast.GenDecl, note func(string, ...*ast.CommentGroup)) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() {
					note(name.Name, s.Doc, s.Comment, d.Doc)
				}
			}
		case *ast.TypeSpec:
			if !s.Name.IsExported() {
				continue
			}
			doc := s.Doc
			if d.Tok == token.TYPE && !d.Lparen.IsValid() {
				doc = d.Doc
			}
			note(s.Name.Name, doc)
			for _, field := range members(s.Type) {
				for _, name := range field.Names {
					if name.IsExported() && !mentions(doc, name.Name) {
						note(s.Name.Name+"."+name.Name, field.Doc, field.Comment)
					}
				}
			}
		}
	}
}

// members returns the fields of a struct or the methods of an interface.
func members(t ast.Expr) []*ast.Field {
	switch t := t.(type) {
	case *ast.StructType:
		return t.Fields.List
	case *ast.InterfaceType:
		return t.Methods.List
	default:
		return nil
	}
}

func mentions(doc *ast.CommentGroup, name string) bool {
	return regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`).MatchString(doc.Text())
}

// exportedFunc returns the name of a function, or of a method of an exported type,
// if it is exported.
func exportedFunc(d *ast.FuncDecl) (name string, ok bool) {
	if !d.Name.IsExported() || d.Recv == nil {
		return d.Name.Name, d.Name.IsExported()
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + d.Name.Name, x.IsExported()
		default:
			return d.Name.Name, true
		}
	}
}
