package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Module is the path of the root module.
const Module = "github.com/resultpool/resultpool"

// A Package is a package of the root module without its tests.
type Package struct {
	Dir   string // below the root, with slashes: "store/dense"
	Fset  *token.FileSet
	Files []*ast.File // with comments
	Types *types.Package
	Info  *types.Info
}

// IsExported reports whether users can import the package.
func (p *Package) IsExported() bool {
	return p.Types.Name() != "main" && !slices.Contains(strings.Split(p.Dir, "/"), "internal")
}

// Load reads and checks the packages of the root module, which lies in the folder
// root. They are those that the go command builds on this system, sorted by Dir.
func Load(root string) ([]*Package, error) {
	listed, err := list(root)
	if err != nil {
		return nil, err
	}
	l := &loader{fset: token.NewFileSet(), exports: make(map[string]string), own: make(map[string]*types.Package)}
	for _, p := range listed {
		l.exports[p.ImportPath] = p.Export
	}
	l.others = importer.ForCompiler(l.fset, "gc", l.open)

	var packages []*Package
	for _, p := range listed { // each comes after those that it imports
		if p.Module == nil || p.Module.Path != Module {
			continue
		}
		loaded, err := l.load(p)
		if err != nil {
			return nil, err
		}
		l.own[p.ImportPath] = loaded.Types
		packages = append(packages, loaded)
	}
	if len(packages) == 0 {
		return nil, fmt.Errorf("api: no package of %s in %s", Module, root)
	}
	slices.SortFunc(packages, func(a, b *Package) int { return strings.Compare(a.Dir, b.Dir) })
	return packages, nil
}

// listed is what the go command says about a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	Module                  *struct{ Path string }
}

// list returns the packages of the module and all that they import, each after
// those that it imports.
func list(root string) ([]listed, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Module", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	out, err := cmd.Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return nil, fmt.Errorf("api: go list: %w\n%s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("api: go list: %w", err)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("api: the output of go list: %w", err)
		}
		all = append(all, p)
	}
}

// A loader checks the module's own packages from their sources and reads the
// types of the others from what the compiler has exported.
type loader struct {
	fset    *token.FileSet
	exports map[string]string // files, by import path
	own     map[string]*types.Package
	others  types.Importer
}

func (l *loader) open(path string) (io.ReadCloser, error) {
	if l.exports[path] == "" {
		return nil, fmt.Errorf("api: no export data of %s", path)
	}
	return os.Open(l.exports[path])
}

// Import implements [types.Importer].
func (l *loader) Import(path string) (*types.Package, error) {
	if p := l.own[path]; p != nil {
		return p, nil
	}
	return l.others.Import(path)
}

func (l *loader) load(p listed) (*Package, error) {
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(l.fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return check(l.fset, p.ImportPath, files, l)
}

func check(fset *token.FileSet, path string, files []*ast.File, imp types.Importer) (*Package, error) {
	info := &types.Info{
		Types:      make(map[ast.Expr]types.TypeAndValue),
		Defs:       make(map[*ast.Ident]types.Object),
		Uses:       make(map[*ast.Ident]types.Object),
		Selections: make(map[*ast.SelectorExpr]*types.Selection),
	}
	conf := types.Config{Importer: imp}
	pkg, err := conf.Check(path, fset, files, info)
	if err != nil {
		return nil, err
	}
	dir := strings.TrimPrefix(strings.TrimPrefix(path, Module), "/")
	return &Package{Dir: dir, Fset: fset, Files: files, Types: pkg, Info: info}, nil
}
