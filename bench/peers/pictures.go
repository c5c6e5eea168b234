package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
)

func drawTrivial(f *figures) ([]byte, error) {
	return drawBars("A task that does nothing, its result kept", "ns per task (less is better)", f.Main())
}

func drawGrowth(f *figures) ([]byte, error) {
	var all []line
	theirsSoFar := 0
	for _, last := range f.Trivial(f.Last()) {
		l := line{label: last.Label, wide: last.Ours(), color: last.Kind.color(), dashed: last.Name == "dense-all" || last.Kind == limit}
		if last.Kind == theirs {
			l.color = plotutil.Color(theirsSoFar)
			theirsSoFar++
		}
		for _, n := range f.Sizes() {
			x, err := strconv.ParseFloat(n, 64)
			if err != nil {
				return nil, err
			}
			if s := f.Trivial(n).Best(last.Name); s != nil {
				l.points = append(l.points, plotter.XY{X: x, Y: s.Center})
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
	return drawLines(p, all)
}

func writeStores(dir string, raw []*benchfmt.Result) error {
	picture, err := drawStores(newFigures(raw))
	if err != nil {
		return err
	}
	dir = filepath.Join(dir, "plots")
	return errors.Join(os.MkdirAll(dir, 0o777), os.WriteFile(filepath.Join(dir, "stores.svg"), picture, 0o666))
}

// drawStores draws the cost of each store against the share of writes: that of
// the largest stores, if several sizes were measured.
func drawStores(f *figures) ([]byte, error) {
	held := ""
	for _, r := range f.Rows("Store") {
		if h := r.Keys["held"]; len(h) > len(held) || len(h) == len(held) && h > held {
			held = h
		}
	}
	p := newPlot(fmt.Sprintf("Cost of each store while it doubles from %s results on", grouped(held)),
		"percent of operations that are Put, the others Get")
	p.Y.Label.Text = "ns per operation"
	p.Y.Min = 0
	var all []line
	var ticks plot.ConstantTicks
	for _, r := range f.Rows("Store", "held="+held) {
		cost := r.Of("ns/op")
		puts, _, _ := strings.Cut(r.Keys["mix"], ":")
		share, err := strconv.ParseFloat(puts, 64)
		if err != nil || cost == nil {
			return nil, fmt.Errorf("mix=%s of store %s: want PUTS:GETS and a time", r.Keys["mix"], r.Keys["store"])
		}
		i := slices.IndexFunc(all, func(l line) bool { return l.label == r.Keys["store"] })
		if i < 0 {
			i = len(all)
			all = append(all, line{label: r.Keys["store"], color: plotutil.Color(i)})
		}
		all[i].points = append(all[i].points, plotter.XY{X: share, Y: cost.Center})
		if i == 0 {
			ticks = append(ticks, plot.Tick{Value: share, Label: puts})
		}
	}
	for i, l := range all {
		if l.label == "dense" {
			all[i].color, all[i].wide = colorOurs, true
		}
		slices.SortFunc(l.points, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
	}
	if len(all) == 0 {
		return nil, errors.New("there is no line BenchmarkStore/mix=…/held=…/store=…: want the output of go test -bench Store ./bench")
	}
	p.X.Tick.Marker = ticks
	return drawLines(p, all)
}

// decades ticks a logarithmic axis, with numbers in full at those that begin with
// one of its digits.
type decades string

// Ticks implements [plot.Ticker].
func (d decades) Ticks(low, high float64) []plot.Tick {
	all := plot.LogTicks{}.Ticks(low, high)
	for i, t := range all {
		all[i].Label = ""
		if text := strconv.FormatFloat(t.Value, 'f', 0, 64); strings.Contains(string(d), text[:1]) {
			all[i].Label = grouped(text)
		}
	}
	all = slices.Compact(all) // gonum's has some twice
	return slices.DeleteFunc(all, func(t plot.Tick) bool { return t.Value < low*0.999 || t.Value > high*1.001 })
}
