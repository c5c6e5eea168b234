package main

import (
	"fmt"
	"strings"
)

// A table is one of the report. The first column holds words, the others
// numbers.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.head)
	line(append([]string{"---"}, repeat("--:", len(t.head)-1)...))
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

func repeat(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

// number has three digits that count.
func number(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3g million", v/1e6)
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	case v <= 0.0005:
		return "0"
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

func times(v float64) string { return number(v) + "×" }

// spread is how far the interval goes from the median, to the side where it goes
// farther.
func (s stat) spread() string {
	if s.n == 1 {
		return "?"
	}
	if s.Center == 0 {
		return "–"
	}
	return fmt.Sprintf("±%.0f %%", 100*max(s.Hi-s.Center, s.Center-s.Lo)/s.Center)
}

// grouped is a number of tasks as it is read: 1,000,000.
func grouped(n string) string {
	for i := len(n) - 3; i > 0; i -= 3 {
		n = n[:i] + "," + n[i:]
	}
	return n
}
