package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
)

// A reason says why a mutant is equivalent to the original: why no test that holds
// us to our promises can tell the two apart.
type reason struct {
	id    string
	about string // what the mutant is, for who reads the file
	why   string
	line  int
}

// readReasons reads a list like this one, in which # begins a comment:
//
//	5f0c3a9b pool/gates.go set: cond: gate.Load() != v -> true
//		Costs speed only: the same value is stored once more.
func readReasons(text []byte) ([]reason, error) {
	var all []reason
	seen := make(map[string]bool)
	line := 0
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		line++
		switch l := s.Text(); {
		case strings.TrimSpace(l) == "" || strings.HasPrefix(l, "#"):
		case strings.HasPrefix(l, "\t"):
			if len(all) == 0 {
				return nil, fmt.Errorf("line %d: a reason without a mutant", line)
			}
			r := &all[len(all)-1]
			r.why = strings.TrimSpace(r.why + " " + strings.TrimSpace(l))
		default:
			id, about, _ := strings.Cut(l, " ")
			if seen[id] {
				return nil, fmt.Errorf("line %d: %s is there twice", line, id)
			}
			seen[id] = true
			all = append(all, reason{id: id, about: about, line: line})
		}
	}
	// Mutants that follow each other without a reason between them share the next.
	why := ""
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].why == "" {
			all[i].why = why
		}
		if why = all[i].why; why == "" {
			return nil, fmt.Errorf("line %d: %s has no reason", all[i].line, all[i].id)
		}
	}
	return all, nil
}

// about is how a mutant is named in the list.
func about(m *mutant) string { return fmt.Sprintf("%s %s: %s", m.file, m.fn, m.change()) }
