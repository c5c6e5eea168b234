package main

import (
	"bytes"
	"encoding/json"
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
)

// A source is a package as its author wrote it.
type source struct {
	dir     string // below the module's folder, with slashes
	path    string // the import path
	fset    *token.FileSet
	names   []string // the files, below the module's folder
	text    map[string][]byte
	files   map[string]*ast.File
	info    *types.Info
	imports types.Importer
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	Standard                bool
}

// goList lists packages and all that they import, with their export data.
func goList(root string, patterns ...string) (map[string]listed, error) {
	args := append([]string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Standard"}, patterns...)
	out, err := command(root, nil, "go", args...)
	if err != nil {
		return nil, err
	}
	all := make(map[string]listed)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		switch err := d.Decode(&l); err {
		case nil:
			all[l.ImportPath] = l
		case io.EOF:
			return all, nil
		default:
			return nil, err
		}
	}
}

// load reads and checks the package in a folder of the module at root.
func load(root, dir string) (*source, error) {
	all, err := goList(root, "./"+dir)
	if err != nil {
		return nil, err
	}
	s := &source{
		dir:   dir,
		fset:  token.NewFileSet(),
		text:  make(map[string][]byte),
		files: make(map[string]*ast.File),
	}
	want := filepath.Join(root, filepath.FromSlash(dir))
	var pkg listed
	for _, l := range all {
		if l.Dir == want {
			pkg = l
		}
	}
	if pkg.ImportPath == "" {
		return nil, fmt.Errorf("no package in %s", want)
	}
	s.path = pkg.ImportPath
	s.imports = importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(all[path].Export)
	})
	for _, base := range pkg.GoFiles {
		name := dir + "/" + base
		text, err := os.ReadFile(filepath.Join(want, base))
		if err != nil {
			return nil, err
		}
		f, err := parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s.names = append(s.names, name)
		s.text[name], s.files[name] = text, f
	}
	s.info = &types.Info{
		Types: make(map[ast.Expr]types.TypeAndValue),
		Defs:  make(map[*ast.Ident]types.Object),
		Uses:  make(map[*ast.Ident]types.Object),
	}
	if errs := s.check(nil, s.info); len(errs) > 0 {
		return nil, errs[0]
	}
	return s, nil
}

// check type-checks the package, with changed, which may be nil, in the place of
// the file of the same name, and returns all errors.
func (s *source) check(changed *ast.File, info *types.Info) []types.Error {
	var errs []types.Error
	config := types.Config{
		Importer: s.imports,
		Error: func(err error) {
			if e, ok := err.(types.Error); ok { //nolint:errorlint // documented to be one
				errs = append(errs, e)
			}
		},
	}
	var files []*ast.File
	for _, name := range s.names {
		f := s.files[name]
		if changed != nil && s.fset.Position(changed.Package).Filename == name {
			f = changed
		}
		files = append(files, f)
	}
	_, _ = config.Check(s.path, s.fset, files, info) // all errors are in errs
	return errs
}

// offset returns where in its file a position is.
func (s *source) offset(p token.Pos) int { return s.fset.Position(p).Offset }

// command runs a program in dir and returns its standard output.
func command(dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s %v: %w\n%s", name, args, err, tail(stderr.Bytes(), 4000))
	}
	return out, nil
}

// tail returns the last n bytes of b, or all.
func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }
