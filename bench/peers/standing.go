package main

import (
	"cmp"
	"slices"
)

// A standing is a rival with its median of one unit.
type standing struct {
	rival
	row *row
	stat
}

// standings sorts rows by a unit, the best first: less is better in all of them.
func standings(rows []*row, all []rival, unit string) []standing {
	var found []standing
	for _, row := range rows {
		i := slices.IndexFunc(all, func(r rival) bool { return r.name == row.keys["pool"] })
		if i < 0 {
			continue // of another version of peers
		}
		if s, ok := row.of(unit); ok {
			found = append(found, standing{all[i], row, s})
		}
	}
	slices.SortStableFunc(found, func(a, b standing) int { return cmp.Compare(a.Center, b.Center) })
	return found
}

// best is the fastest of those with one of the names, or of all without names.
func best(all []standing, names ...string) (standing, bool) {
	i := slices.IndexFunc(all, func(s standing) bool { return len(names) == 0 || slices.Contains(names, s.name) })
	if i < 0 {
		return standing{}, false
	}
	return all[i], true
}

// marked is the name for a table: ours in bold, the limit in italics, and a note
// at those that are ahead of ours. Whoever submits tasks one by one is held
// against ours that does.
func marked(s standing, all []standing) string {
	switch s.kind {
	case ours:
		return "**" + s.label + "**"
	case limit:
		return "*" + s.label + "*"
	}
	isOurs := func(s standing) bool { return s.kind == ours }
	fastest := slices.IndexFunc(all, isOurs)
	single, found := best(all, "dense")
	switch {
	case fastest >= 0 && s.Center < all[fastest].Center:
		return s.label + " ◀ ahead of ours"
	case found && s.Center < single.Center:
		return s.label + " ◀ ahead of Submit"
	default:
		return s.label
	}
}
