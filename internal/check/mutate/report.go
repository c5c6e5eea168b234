package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// counts are of the mutants of a package or an operator.
type counts struct {
	all, killed, timedOut, survived, listed, untried int
}

func (c *counts) add(res result, tried, isListed bool) {
	c.all++
	switch {
	case !tried:
		c.untried++
	case res.Verdict == killed.String():
		c.killed++
	case res.Verdict == timedOut.String():
		c.timedOut++
	case isListed:
		c.listed++
	default:
		c.survived++
	}
}

// share is how many of the mutants that are not equivalent were killed, in percent.
func (c *counts) share() string {
	dead := c.killed + c.timedOut
	if dead+c.survived == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(dead)/float64(dead+c.survived))
}

// table writes one row for each key, in the order given, and one for the sum.
func table(w *strings.Builder, title string, keys []string, rows map[string]*counts) {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\tmutants\tkilled\ttimed out\tsurvived\tequivalent\tnot tried\tkilled of those not equivalent\t\n", title)
	var sum counts
	row := func(name string, c *counts) {
		fmt.Fprintf(&text, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t\n", name,
			c.all, c.killed, c.timedOut, c.survived, c.listed, c.untried, c.share())
	}
	for _, key := range keys {
		c := rows[key]
		if c == nil {
			continue
		}
		row(key, c)
		sum.all += c.all
		sum.killed += c.killed
		sum.timedOut += c.timedOut
		sum.survived += c.survived
		sum.listed += c.listed
		sum.untried += c.untried
	}
	row("all", &sum)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = tw.Write([]byte(text.String())) // a Builder takes everything
	_ = tw.Flush()
}

// report writes the tables, the survivors, and what is wrong with the list of
// equivalent mutants, and returns how many things are wrong.
func (r *runner) report(w *strings.Builder, ms []*mutant, broken int, reasons []reason, complete bool) (wrong int) {
	listed := make(map[string]reason)
	for _, re := range reasons {
		listed[re.id] = re
	}
	byPkg, byOp := make(map[string]*counts), make(map[string]*counts)
	var pkgs, ops []string
	for _, op := range operators() {
		ops = append(ops, op.name)
	}
	var survivors, stale []string
	known := make(map[string]bool)
	for _, m := range ms {
		known[m.id] = true
		res, tried := r.result(m)
		_, isListed := listed[m.id]
		for key, rows := range map[string]map[string]*counts{m.pkg: byPkg, m.op: byOp} {
			if rows[key] == nil {
				rows[key] = new(counts)
			}
			rows[key].add(res, tried, isListed)
		}
		if !slices.Contains(pkgs, m.pkg) {
			pkgs = append(pkgs, m.pkg)
		}
		switch dead := tried && res.Verdict != survived.String(); {
		case isListed && dead:
			stale = append(stale, fmt.Sprintf("%s\n\tis listed as equivalent, but was %s by %s", m, res.Verdict, res.By))
		case tried && !dead && !isListed:
			survivors = append(survivors, m.String())
		}
	}
	for _, re := range reasons {
		if complete && !known[re.id] {
			stale = append(stale, fmt.Sprintf("line %d of the list: there is no mutant %s %s", re.line, re.id, re.about))
		}
	}
	table(w, "package", pkgs, byPkg)
	fmt.Fprintln(w)
	table(w, "operator", ops, byOp)
	fmt.Fprintf(w, "\n%d more do not compile\n", broken)
	for _, s := range survivors {
		fmt.Fprintln(w, "SURVIVED:", s)
	}
	for _, s := range stale {
		fmt.Fprintln(w, "STALE:", s)
	}
	return len(survivors) + len(stale)
}
