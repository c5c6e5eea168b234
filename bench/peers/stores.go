package main

import (
	"errors"
	"flag"
	"fmt"
	"image/color"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

func cmdStores(args []string, stdin io.Reader) error {
	flags := flag.NewFlagSet("stores", flag.ContinueOnError)
	out := flags.String("o", "", "")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 1 {
		return usageError{fmt.Errorf("stores: got %d files, want one or standard input", flags.NArg())}
	}
	if *out == "" {
		root, err := findRoot()
		if err != nil {
			return err
		}
		*out = filepath.Join(root, "docs", "plots", "stores.svg")
	}

	var raw []*benchfmt.Result
	var err error
	if flags.NArg() == 1 {
		raw, err = readFile(flags.Arg(0))
	} else {
		raw, err = parse(stdin, "standard input")
	}
	if err != nil {
		return err
	}
	picture, err := drawStores(newFigures(raw))
	if err != nil {
		return err
	}
	if err := writable(filepath.Dir(*out)); err != nil {
		return err
	}
	return replace(*out, picture)
}

var errNoStores = errors.New("there is no line BenchmarkStore/mix=…/held=…/store=…: want the output of go test -bench Store ./bench")

// drawStores draws the cost of each store against the share of writes: that of
// a store which holds most, if several sizes were measured.
func drawStores(f *figures) ([]byte, error) {
	rows := f.where("Store")
	held := ""
	for _, r := range rows {
		if h := r.keys["held"]; len(h) > len(held) || len(h) == len(held) && h > held {
			held = h
		}
	}
	var all []line
	for i, name := range storesOf(rows) {
		l := line{label: name, color: storeColor(name, i), wide: name == "dense"}
		for _, r := range f.where("Store", "held="+held, "store="+name) {
			cost, ok := r.of("ns/op")
			puts, _, _ := strings.Cut(r.keys["mix"], ":")
			share, err := strconv.ParseFloat(puts, 64)
			if err != nil || !ok {
				return nil, fmt.Errorf("mix=%s of store %s: want PUTS:GETS and a time", r.keys["mix"], name)
			}
			l.points = append(l.points, plotter.XY{X: share, Y: cost.Center})
		}
		slices.SortFunc(l.points, func(a, b plotter.XY) int { return int(a.X - b.X) })
		if len(l.points) > 0 {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		return nil, errNoStores
	}
	title := "Cost of each store against the share of writes"
	if held != "0" {
		title += fmt.Sprintf(", %s results held", grouped(held))
	}
	p := newPlot(title, "percent of operations that are Put, the others Get")
	p.Y.Label.Text = "ns per operation"
	p.Y.Min = 0
	p.X.Tick.Marker = plot.ConstantTicks(shareTicks(all))
	return drawLines(p, 330, all)
}

// storesOf lists the stores, in order of appearance.
func storesOf(rows []*row) []string {
	var all []string
	for _, r := range rows {
		if s := r.keys["store"]; s != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

func storeColor(name string, i int) color.Color {
	if name == "dense" {
		return colorOurs
	}
	return palette[i%len(palette)]
}

func shareTicks(all []line) []plot.Tick {
	var ticks []plot.Tick
	for _, l := range all {
		for _, pt := range l.points {
			if !slices.ContainsFunc(ticks, func(t plot.Tick) bool { return t.Value == pt.X }) {
				ticks = append(ticks, plot.Tick{Value: pt.X, Label: strconv.FormatFloat(pt.X, 'f', -1, 64)})
			}
		}
	}
	return ticks
}
