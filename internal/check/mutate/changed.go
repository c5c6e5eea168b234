package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
)

// changedLines returns the lines of each file of the module at root that are not as
// they are in a revision.
func changedLines(root, revision string) (map[string]map[int]bool, error) {
	out, err := command(root, nil, "git", "diff", "--unified=0", "--relative", "--no-color", revision, "--", "*.go")
	if err != nil {
		return nil, err
	}
	return readDiff(out), nil
}

func readDiff(diff []byte) map[string]map[int]bool {
	lines := make(map[string]map[int]bool)
	file := ""
	for s := bufio.NewScanner(bytes.NewReader(diff)); s.Scan(); {
		l := s.Text()
		if name, ok := strings.CutPrefix(l, "+++ b/"); ok {
			file = name
			lines[file] = make(map[int]bool)
		}
		if !strings.HasPrefix(l, "@@ ") || file == "" {
			continue
		}
		_, after, _ := strings.Cut(l, "+")
		first, n := 0, 1
		if _, err := fmt.Sscanf(after, "%d,%d", &first, &n); err != nil {
			n = 1
			if _, err := fmt.Sscanf(after, "%d", &first); err != nil {
				continue
			}
		}
		for i := range n {
			lines[file][first+i] = true
		}
	}
	return lines
}
