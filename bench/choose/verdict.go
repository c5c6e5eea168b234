package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// A spread is how a figure varied over the repetitions.
type spread struct{ Least, Median, Most float64 }

func spreadOf(all []sample, figure func(sample) float64) spread {
	var v []float64
	for _, s := range all {
		v = append(v, figure(s))
	}
	slices.Sort(v)
	n := len(v)
	return spread{Least: v[0], Median: (v[(n-1)/2] + v[n/2]) / 2, Most: v[n-1]}
}

func perOp(s sample) float64  { return s.NsPerOp }
func pause(s sample) float64  { return 1e3 * s.LongestPause.Seconds() } // in milliseconds
func perPut(s sample) float64 { return s.BytesPerPut }

// table is what was found, the fastest store first.
func table(f found) string {
	var text strings.Builder // which takes whatever is written
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "store\tns per operation\tleast–most\tlongest pause\tallocated per result\t")
	for _, name := range ranked(f) {
		ns, ms, b := spreadOf(f[name], perOp), spreadOf(f[name], pause), spreadOf(f[name], perPut)
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s–%s\t%s ms\t%s B\t\n", name, number(ns.Median), number(ns.Least), number(ns.Most),
			number(ms.Median), number(b.Median))
	}
	_ = w.Flush()
	return text.String()
}

// ranked returns the names of the stores that were measured, the fastest first.
func ranked(f found) []string {
	var names []string
	for _, name := range stores {
		if len(f[name]) > 0 {
			names = append(names, name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(spreadOf(f[a], perOp).Median, spreadOf(f[b], perOp).Median)
	})
	return names
}

// A choice is the best of some stores.
type choice struct {
	name  string
	equal []string // those that cannot be told from the fastest; name is the simplest of them
	next  string   // the fastest of the others, or ""
	over  float64  // how many times as much time that one takes
	sure  bool     // enough repetitions to say so
}

// bestOf returns the best of the stores with these names, the fastest first.
//
// Two stores count as equal unless one was faster in each repetition. With two stores that are equal that happens by
// chance in six repetitions in one case of 32. This is the sign test: it assumes nothing about the noise, and what
// slows the machine down in one repetition does not count, as it meets all stores.
func bestOf(f found, names []string) choice {
	best := f[names[0]]
	c := choice{sure: len(best) >= enough}
	for _, name := range names {
		switch {
		case !faster(best, f[name]):
			c.equal = append(c.equal, name)
		case c.next == "":
			c.next, c.over = name, spreadOf(f[name], perOp).Median/spreadOf(best, perOp).Median
		}
	}
	c.name = slices.MinFunc(c.equal, func(a, b string) int {
		return cmp.Compare(slices.Index(stores[:], a), slices.Index(stores[:], b))
	})
	return c
}

// enough repetitions to call what is so in all of them no chance.
const enough = 6

// faster tells whether the one took less time than the other in each repetition.
func faster(one, other []sample) bool {
	for i := range one {
		if one[i].NsPerOp >= other[i].NsPerOp {
			return false
		}
	}
	return true
}

func (c choice) String() string {
	var s string
	if len(c.equal) > 1 {
		s = fmt.Sprintf("%s: %s are equal within the spread of these measurements, and %s is the simplest of them.",
			c.name, list(c.equal), c.name)
	} else {
		s = fmt.Sprintf("%s: it was the fastest in each repetition. The next, %s, takes %s times its time.",
			c.name, c.next, number(c.over))
	}
	if !c.sure {
		s += fmt.Sprintf(" That may be chance: measure at least %d repetitions.", enough)
	}
	return s
}

// verdict says which store is best, how sure that is, and when it is not so.
func verdict(f found) string {
	names := ranked(f)
	best := bestOf(f, names)
	text := "Best for this mix is " + best.String() + "\n"
	if best.name == "dense" {
		best = bestOf(f, slices.DeleteFunc(names, func(name string) bool { return name == "dense" }))
		text += "dense is for dense IDs, as a pool gives them out. With scattered IDs each costs it a segment: best is then\n" +
			best.String() + "\n"
	}
	if best.name == "xsync" {
		text += "All Puts of xsync wait while its table doubles: see the longest pause.\n"
	}
	return text
}

// list is a, b and c.
func list(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
