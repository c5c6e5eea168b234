package main

import (
	"cmp"
	"fmt"
	"math"
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

// table is what was found, the fastest store first, and the loop without a store last.
func table(f found) string {
	var text strings.Builder // which takes whatever is written
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "store\tns per operation\tleast–most\tlongest pause\tallocated per result\t")
	names := ranked(f)
	if len(f[none]) > 0 {
		names = append(names, none)
	}
	for _, name := range names {
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
	equal []string // those that could not be told from the fastest; name is the one of them to start with
	next  string   // the fastest of the others, or ""
	sure  bool     // enough repetitions to say so
}

// bestOf returns the best of the stores that were measured.
func bestOf(f found) choice {
	names := ranked(f)
	best := f[names[0]]
	c := choice{sure: len(best) >= enough}
	for _, name := range names {
		switch {
		case !faster(best, f[name]):
			c.equal = append(c.equal, name)
		case c.next == "":
			c.next = name
		}
	}
	c.name = slices.MinFunc(c.equal, func(a, b string) int {
		return cmp.Compare(slices.Index(stores, a), slices.Index(stores, b))
	})
	return c
}

// enough repetitions to call what is so in all of them no chance.
const enough = 6

// faster tells whether the one took less time than the other in so many repetitions that two stores that are equal
// would differ so much, in either direction, in one case of 20 or less. This is the sign test: it assumes nothing about
// the noise, and what slows the machine down in one repetition counts little, as it meets all stores.
func faster(one, other []sample) bool {
	n, wins := len(one), 0
	for i := range one {
		if one[i].NsPerOp < other[i].NsPerOp {
			wins++
		}
	}
	ways, chance := math.Pow(0.5, float64(n)), 0.0 // of n wins; then of each number down to wins
	for k := n; k >= wins; k-- {
		chance += ways
		ways *= float64(k) / float64(n-k+1)
	}
	return 2*chance <= 0.05
}

// verdict says which store is best, how sure that is, and when it is not so.
func verdict(f found) string {
	best := bestOf(f)
	median := func(name string) float64 { return spreadOf(f[name], perOp).Median }
	text := "Best for this mix is " + best.name + ": "
	if len(best.equal) > 1 {
		var equal []string
		for _, name := range best.equal {
			equal = append(equal, fmt.Sprintf("%s (%s ns)", name, number(median(name))))
		}
		text += fmt.Sprintf("%s could not be told apart, and %s is the one of them to start with.", list(equal), best.name)
	} else {
		text += fmt.Sprintf("it was the fastest (%s ns). The next, %s (%s ns), takes %s times its time.",
			number(median(best.name)), best.next, number(median(best.next)), number(median(best.next)/median(best.name)))
	}
	if !best.sure {
		text += fmt.Sprintf(" That may be chance: measure at least %d repetitions.", enough)
	}
	text += "\n"
	others := slices.DeleteFunc(ranked(f), func(name string) bool { return name == best.name })
	long := func(name string) float64 { return spreadOf(f[name], pause).Median }
	short := slices.MinFunc(others, func(a, b string) int { return cmp.Compare(long(a), long(b)) })
	if long(best.name) >= 10*long(short) && long(short) > 0 {
		text += fmt.Sprintf("Mind its longest pause: %s ms, where %s has %s ms.\n", number(long(best.name)), short, number(long(short)))
	}
	if best.name == "xsync" {
		text += "All Puts of xsync wait while its table doubles.\n"
	}
	if len(f["dense"]) == 0 {
		text += "dense was not measured: each scattered ID would cost it a segment of slots.\n"
	} else if best.name == "dense" {
		text += "dense is for dense IDs, as a pool gives them out. If yours are scattered, measure with -scattered.\n"
	}
	return text
}

// list is a, b and c.
func list(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
