package examples

import (
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

// TestLinesOfCode: the three programs take 90 lines each, all of their files together, and README.md says how many.
func TestLinesOfCode(t *testing.T) {
	for _, program := range []string{"service", "crawler", "durable"} {
		names, err := filepath.Glob(program + "/*.go")
		require.NoError(t, err)
		lines := 0
		for _, name := range names {
			if !strings.HasSuffix(name, "_test.go") {
				src, err := os.ReadFile(name)
				require.NoError(t, err)
				lines += linesOfCode(src)
			}
		}
		t.Log(program, lines)
		assert.LessOrEqual(t, lines, 90, program)
	}
}
