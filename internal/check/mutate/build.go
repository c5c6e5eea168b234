package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A mode is how a test binary is built.
type mode int

const (
	plain  mode = iota
	race        // with the race detector
	yields      // with package yielding in the place of atomics and mutexes
	covers      // with coverage of all targets, and no mutants
)

func (m mode) String() string { return [...]string{"plain", "race", "yields", "covers"}[m] }

// yieldingFile is package yielding, in a module that has it.
const yieldingFile = ".ci/yielding/yielding.go"

// A builder builds test binaries of the module at root.
type builder struct {
	root   string
	module string
	tmp    string
	yield  []string // the folders whose atomics yield, where mode is yields
	hand   []string // those of them whose tests hand atomics to the code
	cover  []string // import paths
	n      int
}

// build builds the tests of the package in a folder, with s in the place of its
// package, which may be another. s may be nil.
func (b *builder) build(dir string, s *schema, m mode) (binary string, err error) {
	b.n++
	work := filepath.Join(b.tmp, fmt.Sprint("build", b.n))
	if err := os.Mkdir(work, 0o700); err != nil {
		return "", err
	}
	texts := make(map[string][]byte)
	if s != nil {
		for name, text := range s.texts {
			texts[name] = text
		}
	}
	if m == yields {
		if err := b.addYields(texts); err != nil {
			return "", err
		}
	}
	replace := make(map[string]string)
	for name, text := range texts {
		file := filepath.Join(work, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(b.root, filepath.FromSlash(name))] = file
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(work, "overlay.json"), overlay, 0o600); err != nil {
		return "", err
	}
	binary = filepath.Join(work, "tests.exe")
	args := []string{"test", "-c", "-vet=off", "-o", binary, "-overlay", filepath.Join(work, "overlay.json")}
	switch m {
	case race:
		args = append(args, "-race")
	case covers:
		args = append(args, "-cover", "-covermode=set", "-coverpkg="+strings.Join(b.cover, ","))
	}
	_, err = command(b.root, nil, "go", append(args, "./"+dir)...)
	return binary, err
}

// addYields makes the atomics of texts yield, and those of the folders that yield.
func (b *builder) addYields(texts map[string][]byte) error {
	text, err := os.ReadFile(filepath.Join(b.root, filepath.FromSlash(yieldingFile)))
	if err != nil {
		return err
	}
	for _, dir := range b.yield {
		files, err := filepath.Glob(filepath.Join(b.root, filepath.FromSlash(dir), "*.go"))
		if err != nil {
			return err
		}
		for _, file := range files {
			name := dir + "/" + filepath.Base(file)
			if strings.HasSuffix(name, "_test.go") && !slices.Contains(b.hand, dir) {
				continue
			}
			if texts[name] == nil {
				if texts[name], err = os.ReadFile(file); err != nil {
					return err
				}
			}
			if texts[name], err = yielding(texts[name], b.module+"/internal/yielding"); err != nil {
				return err
			}
		}
	}
	texts["internal/yielding/yielding.go"] = text
	return nil
}
