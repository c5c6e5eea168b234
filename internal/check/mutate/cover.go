package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A test is a top-level test or example, and what it reaches.
type test struct {
	dir    string // of its package
	name   string
	took   time.Duration
	blocks map[block]bool
}

// A block is a stretch of code without branches.
type block struct {
	file               string // below the module's folder
	line, column       int
	endLine, endColumn int
}

func (b block) has(line, column int) bool {
	after := line > b.line || line == b.line && column >= b.column
	before := line < b.endLine || line == b.endLine && column < b.endColumn
	return after && before
}

// measure runs each test of the package in a folder alone, and records what it
// reaches and how long it takes.
func (b *builder) measure(dir string, workers int) ([]*test, error) {
	binary, err := b.build(dir, nil, covers)
	if err != nil {
		return nil, err
	}
	where := filepath.Join(b.root, filepath.FromSlash(dir))
	out, err := command(where, nil, binary, "-test.list=.")
	if err != nil {
		return nil, err
	}
	var tests []*test
	for name := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Example") {
			tests = append(tests, &test{dir: dir, name: name})
		}
	}
	errs := make([]error, len(tests))
	var crew sync.WaitGroup
	next := make(chan int)
	for range workers {
		crew.Go(func() {
			for i := range next {
				errs[i] = b.measureOne(tests[i], where, binary, fmt.Sprint(binary, ".", i))
			}
		})
	}
	for i := range tests {
		next <- i
	}
	close(next)
	crew.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return tests, nil
}

func (b *builder) measureOne(t *test, where, binary, profile string) error {
	start := time.Now()
	v, by, out, used := trial{
		binary: binary, dir: where, run: exactly(t.name), limit: 2 * time.Minute,
		args: []string{"-test.coverprofile=" + profile},
	}.do()
	if v != survived {
		return fmt.Errorf("%s without a mutant: %v: %s\n%s", t.name, v, by, tail(out, 4000))
	}
	// The machine may be busy with other work. Tests that sleep take little of its time.
	t.took = max(used, time.Since(start)/5)
	text, err := os.ReadFile(profile)
	if err != nil {
		return err
	}
	t.blocks = readProfile(text, b.module)
	return nil
}

// readProfile returns the blocks that were reached, according to a file that go test
// has written.
func readProfile(text []byte, module string) map[block]bool {
	blocks := make(map[block]bool)
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		name, rest, ok := strings.Cut(s.Text(), ":")
		file, inside := strings.CutPrefix(name, module+"/")
		if !ok || !inside {
			continue
		}
		var bl block
		var statements, count int
		if _, err := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d",
			&bl.line, &bl.column, &bl.endLine, &bl.endColumn, &statements, &count); err != nil || count == 0 {
			continue
		}
		bl.file = file
		blocks[bl] = true
	}
	return blocks
}

// reach returns the tests that reach m, the quickest first, and with them those
// that reach only its function. A mutant that is in no block, like the condition of
// a case, is reached by all that reach its function, and a constant by all.
func reach(m *mutant, src *source, tests []*test) (exact, loose []*test) {
	begin, end := 0, 1<<30
	if m.decl != nil {
		begin, end = src.fset.Position(m.decl.Pos()).Line, src.fset.Position(m.decl.End()).Line
	}
	for _, t := range tests {
		hit, near := false, m.decl == nil // a constant may be anywhere
		for b := range t.blocks {
			if b.file != m.file {
				continue
			}
			hit = hit || b.has(m.line, m.column)
			near = near || b.line >= begin && b.endLine <= end
		}
		if hit {
			exact = append(exact, t)
		}
		if near {
			loose = append(loose, t)
		}
	}
	if len(exact) == 0 {
		exact = loose
	}
	quickest := func(a, b *test) int { return int(a.took - b.took) }
	exact, loose = slices.Clone(exact), slices.Clone(loose)
	slices.SortStableFunc(exact, quickest)
	slices.SortStableFunc(loose, quickest)
	return exact, loose
}

// exactly is a -test.run pattern for top-level tests.
func exactly(names ...string) string { return "^(" + strings.Join(names, "|") + ")$" }
