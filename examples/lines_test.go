package examples

import (
	"fmt"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// linesOfCode returns how many lines have more than blanks and comments.
func linesOfCode(src []byte) int {
	fset := token.NewFileSet()
	file := fset.AddFile("", fset.Base(), len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, 0)
	lines := make(map[int]bool)
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			return len(lines)
		}
		if tok == token.SEMICOLON && lit == "\n" {
			continue // the end of a line, that the scanner has inserted
		}
		for line := file.Line(pos); line <= file.Line(pos)+strings.Count(lit, "\n"); line++ {
			lines[line] = true
		}
	}
}

// TestLinesOfCode: each program takes 90 lines at most, with all of its files but the one for monitoring and those of
// its tests, and README.md says how many.
func TestLinesOfCode(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, program := range []string{"service", "crawler", "durable"} {
		names, err := filepath.Glob(program + "/*.go")
		require.NoError(t, err)
		lines := 0
		for _, name := range names {
			if !strings.HasSuffix(name, "_test.go") && filepath.Base(name) != "monitor.go" {
				src, err := os.ReadFile(name)
				require.NoError(t, err)
				lines += linesOfCode(src)
			}
		}
		assert.Positive(t, lines, program)
		assert.LessOrEqual(t, lines, 90, program)
		assert.Regexp(t, fmt.Sprintf(`(?m)^\| \[%[1]s\]\(%[1]s/main\.go\) .*\| %[2]d \|$`, program, lines), string(readme))
	}
}

func TestCountingLines(t *testing.T) {
	assert.Equal(t, 6, linesOfCode([]byte("// Package p.\npackage p\n\nvar x = `a\n\nb` // c\n/* d\n*/\nfunc f() { // e\n}\n")))
}
