package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
)

// findRoot looks for the root of the repository in the working directory and
// above it.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && declares(text, modResultpool) {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errNoRoot
		}
		dir = up
	}
}

func declares(gomod []byte, module string) bool {
	lines := bufio.NewScanner(bytes.NewReader(gomod))
	for lines.Scan() {
		if lines.Text() == "module "+module {
			return true
		}
	}
	return false
}
