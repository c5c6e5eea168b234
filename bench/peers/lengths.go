package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
)

// near is how many times the time of loops by hand a pool may take for its speed not to
// matter.
const near = 1.1

// length is how long a task of one of lengths takes, as it is read.
func length(work string) string { return strings.TrimSuffix(works[work].title, " of arithmetic") }

// ofLength ranks those who did a work, and returns the standing of loops by hand, which is nil
// if it was not measured.
func (f *figures) ofLength(work string) (all ranking, loops *standing) {
	all = f.Rank("Tasks", "ns/op", "work="+work)
	return all, all.Best("chunked")
}

// Choice says from which length of a task on no pool is much slower than loops by hand, by
// medians. It is "" if no length was measured.
func (f *figures) Choice() string {
	from, slowest := "", ""
	for _, work := range slices.Backward(lengths) {
		all, loops := f.ofLength(work)
		if loops == nil || len(all) == 1 {
			continue
		}
		last := all[len(all)-1]
		if last.Center > near*loops.Center {
			slowest = fmt.Sprintf("With tasks of %s the slowest (%s) takes %s the time of loops by hand.", length(work), last.Label, last.Over(loops))
			break
		}
		from = work
	}
	if from == "" {
		return slowest
	}
	return strings.TrimSpace(fmt.Sprintf("From tasks of %s on, the choice of a pool by speed does not matter if they compute: with a "+
		"worker for each core every pool takes at most "+
		"%.0f %% longer than loops by hand. %s", length(from), 100*(near-1), slowest))
}

// drawLengths draws what pools take of the time of loops by hand, against the length of a
// task. No table has that side by side. Bars are intervals of the rival alone: how sure the
// loops' time is, which all are divided by, their own bar says.
func drawLengths(f *figures) ([]byte, error) {
	drawn := append(slices.Clone(withoutMap), "chunked")
	var all []line
	var ticks plot.ConstantTicks
	fewest := 0
	for _, work := range lengths {
		standings, loops := f.ofLength(work)
		if loops == nil {
			continue
		}
		x := float64(len(ticks))
		ticks = append(ticks, plot.Tick{Value: x, Label: length(work)})
		for _, s := range standings {
			place := slices.Index(drawn, s.Name)
			if place < 0 {
				continue
			}
			i := slices.IndexFunc(all, func(l line) bool { return l.label == s.Label })
			if i < 0 {
				i = len(all)
				all = append(all, s.line())
			}
			// Side by side, so that no bar hides another.
			dodge := 0.035 * (float64(place) - float64(len(drawn)-1)/2)
			all[i].points = append(all[i].points, plotter.XY{X: x + dodge, Y: s.Center / loops.Center})
			all[i].spread = append(all[i].spread, struct{ Low, High float64 }{
				(s.Center - s.Lo) / loops.Center, (s.Hi - s.Center) / loops.Center,
			})
			if fewest == 0 || s.n < fewest {
				fewest = s.n
			}
		}
	}
	slices.SortStableFunc(all, func(a, b line) int { // as they lie beside the legend
		return cmp.Compare(b.points[0].Y, a.points[0].Y)
	})
	p := newPlot("The time of each pool, against that of loops by hand", "how long one task takes; bars: "+interval(fewest))
	p.Y.Label.Text = "loops by hand = 1 (less is better)"
	p.X.Tick.Marker = ticks
	p.Y.Scale = plot.LogScale{} // or one long bar makes all else flat
	var multiples plot.ConstantTicks
	for _, y := range []float64{0.5, 1, 1.5, 2, 3, 5, 10} {
		multiples = append(multiples, plot.Tick{Value: y, Label: strconv.FormatFloat(y, 'g', -1, 64)})
	}
	p.Y.Tick.Marker = multiples
	return drawLines(p, all)
}

// line is how a rival looks.
func (s *standing) line() line {
	l := line{label: s.Label, wide: s.Ours(), dashed: s.Name == "dense-all" || s.Kind == limit}
	switch s.Kind {
	case ours:
		l.color = colorOurs
	case limit:
		l.color = colorLimit
	default:
		l.color = colorsTheirs[slices.Index(withoutMap, s.Name)%len(colorsTheirs)]
	}
	return l
}

// colorsTheirs are told apart from each other and from ours.
var colorsTheirs = slices.Delete(slices.Clone(plotutil.DarkColors), 1, 2) // which is green
