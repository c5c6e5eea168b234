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
