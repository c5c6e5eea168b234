package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// captions stand for the pictures where they cannot be seen.
var captions = map[string]string{
	"trivial":    "ns per task that does nothing, for each pool",
	"share":      "speed with tasks of 1 µs, as a share of that of loops by hand",
	"growth":     "ns per task against the number of tasks",
	"submitters": "ns per task with one and with eight submitters",
	"map":        "ns per input of a Map",
}

// drawAll draws what there are figures for.
func drawAll(f *figures) ([]file, error) {
	var all []file
	for _, picture := range []struct {
		name string
		draw func(*figures) ([]byte, error)
	}{{"trivial", drawTrivial}, {"share", drawShare}, {"growth", drawGrowth}, {"submitters", drawSubmitters}, {"map", drawMap}} {
		text, err := picture.draw(f)
		if err != nil {
			return nil, fmt.Errorf("drawing %s: %w", picture.name, err)
		}
		if text != nil {
			all = append(all, file{"plots/" + picture.name + ".svg", text})
		}
	}
	return all, nil
}

func drawTrivial(f *figures) ([]byte, error) {
	all := standings(f.mainTasks(), rivals, "ns/op")
	if len(all) == 0 {
		return nil, nil
	}
	return drawBars("A task that does nothing, its result kept", "ns per task (less is better)", nanoseconds(all))
}

func nanoseconds(all []standing) bars {
	var b bars
	for _, s := range all {
		b = append(b, bar{s.label, s.Center, s.kind.color(), number(s.Center)})
	}
	return b
}

func drawShare(f *figures) ([]byte, error) {
	all := standings(f.where("Tasks", "work=1us"), rivals, "ns/op")
	byHand, ok := best(all, "chunked")
	if !ok || len(all) < 2 {
		return nil, nil
	}
	var b bars
	for _, s := range all {
		if s.kind != limit {
			share := byHand.Center / s.Center
			b = append(b, bar{s.label, 100 * share, s.kind.color(), percent(share)})
		}
	}
	return drawBars("Tasks of 1 µs: speed as a share of loops by hand", "percent (more is better)", b)
}

func drawMap(f *figures) ([]byte, error) {
	all := standings(f.where("Map"), mappers, "ns/op")
	if len(all) == 0 {
		return nil, nil
	}
	return drawBars("One function that does nothing, over a slice", "ns per input (less is better)", nanoseconds(all))
}

// drawSubmitters draws two bars for each pool, one below the other.
func drawSubmitters(f *figures) ([]byte, error) {
	eight, one := f.crowds()
	var b bars
	for _, s := range eight {
		if first, ok := one[s.name]; ok {
			b = append(b,
				bar{s.label, first.Center, paler(s.kind), number(first.Center) + " from one"},
				bar{"", s.Center, s.kind.color(), number(s.Center) + " from eight"})
		}
	}
	if len(b) == 0 {
		return nil, nil
	}
	return drawBars("One submitter and eight", "ns per task (less is better)", b)
}

func drawGrowth(f *figures) ([]byte, error) {
	ns := f.sizes()
	if len(ns) < 2 {
		return nil, nil
	}
	var all []line
	theirsSoFar := 0
	for _, s := range standings(f.where("Tasks", "work=trivial", "submitters=1", "n="+ns[len(ns)-1]), rivals, "ns/op") {
		l := line{label: s.label, wide: s.kind == ours, color: s.kind.color(), dashed: s.name == "dense-all" || s.kind == limit}
		if s.kind == theirs {
			l.color = palette[theirsSoFar%len(palette)]
			theirsSoFar++
		}
		for _, n := range ns {
			x, err := strconv.ParseFloat(n, 64)
			if err != nil {
				return nil, fmt.Errorf("n=%s is not a number", n)
			}
			if at := standings(f.where("Tasks", "work=trivial", "submitters=1", "n="+n, "pool="+s.name), rivals, "ns/op"); len(at) == 1 {
				l.points = append(l.points, plotter.XY{X: x, Y: at[0].Center})
			}
		}
		all = append(all, l)
	}
	slices.SortStableFunc(all, func(a, b line) int { // as they lie beside the legend
		return cmp.Compare(b.points[len(b.points)-1].Y, a.points[len(a.points)-1].Y)
	})
	p := newPlot("Cost of a task against the number of tasks", "tasks whose results are kept")
	p.Y.Label.Text = "ns per task"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = decades("1"), decades("125")
	return drawLines(p, 330, all)
}
