package main

import (
	"cmp"
	"fmt"
	"slices"
)

// A standing is a rival with its median of one unit.
type standing struct {
	rival
	*stat
	row *row
	all ranking // that it is in
}

// A ranking is standings, the best first: less is better in all of them.
type ranking []*standing

// Rank ranks rows by a unit.
func (f *figures) Rank(base, unit string, pairs ...string) ranking {
	of := entrants(base)
	var found ranking
	for _, row := range f.Rows(base, pairs...) {
		i := slices.IndexFunc(of, func(r rival) bool { return r.Name == row.Keys["pool"] })
		if s := row.Of(unit); i >= 0 && s != nil { // else it is of another version of peers
			found = append(found, &standing{of[i], s, row, nil})
		}
	}
	slices.SortStableFunc(found, func(a, b *standing) int { return cmp.Compare(a.Center, b.Center) })
	for _, s := range found {
		s.all = found
	}
	return found
}

// Best is the fastest of those with one of the names, or nil.
func (all ranking) Best(names ...string) *standing {
	if i := slices.IndexFunc(all, func(s *standing) bool { return slices.Contains(names, s.Name) }); i >= 0 {
		return all[i]
	}
	return nil
}

// Also is the median of another unit, in three digits.
func (s *standing) Also(unit string) string {
	if other := s.row.Of(unit); other != nil {
		return number(other.Center)
	}
	return number(0)
}

// Over is how many times as much as another it takes. The other may be nil.
func (s *standing) Over(other *standing) string {
	if other == nil {
		return "–"
	}
	return times(s.Center / other.Center)
}

// Compared says by how many times it is faster or slower than another, which may
// be nil.
func (s *standing) Compared(other *standing) string {
	switch {
	case other == nil:
		return "–"
	case s.Center > other.Center:
		return s.Over(other) + " slower"
	default:
		return other.Over(s) + " faster"
	}
}

// Versus compares one of ours with the best of others, or is "".
func (all ranking) Versus(mine string, others ...string) string {
	m, o := all.Best(mine), all.Best(others...)
	if m == nil || o == nil {
		return ""
	}
	return fmt.Sprintf("%s (%s ns against %s ns: %s)", m.Compared(o), number(m.Center), number(o.Center), o.Label)
}

// Share is the speed as a share of another's. The other may be nil.
func (s *standing) Share(other *standing) string {
	if other == nil {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*other.Center/s.Center)
}

// Beside is what it uses beside what another does. The other may be nil.
func (s *standing) Beside(other *standing) string {
	if other == nil {
		return "–"
	}
	return fmt.Sprintf("%.0f", s.Center-other.Center)
}

// Ours tells whether it is one of this module's.
func (s *standing) Ours() bool { return s.Kind == ours }

// Key is what its name says of a key, such as n.
func (s *standing) Key(name string) string { return s.row.Keys[name] }

// Ahead tells whether it is a rival that is faster than all of ours.
func (s *standing) Ahead() bool {
	fastest := slices.IndexFunc(s.all, (*standing).Ours)
	return s.Kind == theirs && fastest >= 0 && s.Center < s.all[fastest].Center
}

// Plain is the name for a table: ours in bold, the limit in italics.
func (s *standing) Plain() string {
	switch s.Kind {
	case ours:
		return "**" + s.Label + "**"
	case limit:
		return "*" + s.Label + "*"
	default:
		return s.Label
	}
}

// Marked is Plain with a note at those that are ahead of ours. Whoever submits tasks one by
// one is held against ours that does.
func (s *standing) Marked() string {
	single := s.all.Best("dense")
	switch {
	case s.Ahead():
		return s.Plain() + " ◀ ahead of ours"
	case s.Kind == theirs && single != nil && s.Center < single.Center:
		return s.Plain() + " ◀ ahead of Submit"
	default:
		return s.Plain()
	}
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

func times(v float64) string { return number(v) + "×" }

// grouped is a number of tasks as it is read: 1,000,000.
func grouped(n string) string {
	for i := len(n) - 3; i > 0; i -= 3 {
		n = n[:i] + "," + n[i:]
	}
	return n
}
