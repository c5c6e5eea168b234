package main

import (
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A bar is one of the picture, or a heading if it has no figures.
type bar struct {
	label string
	color color.Color
	stat  stat
}

// drawRates draws the tasks a second of all rows, in each way to submit them. It is nil if there are none.
func drawRates(f *figures) ([]byte, error) {
	var all []bar
	for _, part := range []struct {
		heading string
		of      func(*rowFigures) stat
	}{
		{"submitted in batches", func(r *rowFigures) stat { return r.All }},
		{"one by one, by 64 goroutines", func(r *rowFigures) stat { return r.By64 }},
		{"one by one, by 256 goroutines", func(r *rowFigures) stat { return r.By256 }},
	} {
		all = append(all, bar{label: part.heading})
		for _, r := range f.Rows {
			if s := part.of(r); len(s) > 0 {
				b := bar{r.name, colorOthers, s}
				if r.Ours() {
					b.color = colorOurs
				}
				all = append(all, b)
			}
		}
	}
	slices.Reverse(all) // the first is at the top
	p := newPlot("Tasks a second, all synced, all results kept: more is better", "log scale; lines: lowest and highest")
	bars := &horizontal{all: all, from: math.Inf(1)}
	var names []plot.Tick
	for i, b := range all {
		if len(b.stat) > 0 {
			names = append(names, plot.Tick{Value: float64(i), Label: b.label})
		}
		for _, v := range b.stat {
			bars.from, bars.to = min(bars.from, v), max(bars.to, v)
		}
	}
	if bars.to == 0 {
		return nil, nil
	}
	var rates plot.ConstantTicks
	bars.from = math.Pow(10, math.Floor(math.Log10(bars.from*0.9)))
	bars.to *= 4 // room for the number beside the longest
	for v := bars.from; v <= bars.to; v *= 10 {
		rates = append(rates, plot.Tick{Value: v, Label: grouped(v)})
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Width, grid.Vertical.Color = 0, colorGrid
	p.Add(grid, bars)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, rates
	p.Y.Tick.Marker = plot.ConstantTicks(names)
	p.Y.Tick.Length, p.Y.Width, p.Y.Padding = 0, 0, 10 // for fonts that are wider
	return svg(vg.Length(len(all))*17+80, p.Draw)
}

// horizontal draws bars from the left edge, on a logarithmic axis. What comes from the library
// begins at zero, which is not on it.
type horizontal struct {
	all      []bar
	from, to float64
}

// Plot implements plot.Plotter.
func (h *horizontal) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	const thick = 5 * vg.Length(1)
	style := p.X.Tick.Label
	style.XAlign, style.YAlign = draw.XLeft, draw.YCenter
	for i, b := range h.all {
		left, middle := x(h.from), y(float64(i))
		if len(b.stat) == 0 {
			c.FillText(style, vg.Point{X: left, Y: middle - 2}, b.label)
			continue
		}
		right := x(b.stat.Median())
		c.FillPolygon(b.color, []vg.Point{{X: left, Y: middle - thick}, {X: right, Y: middle - thick}, {X: right, Y: middle + thick}, {X: left, Y: middle + thick}})
		low, high := x(slices.Min(b.stat)), x(slices.Max(b.stat))
		c.StrokeLine2(draw.LineStyle{Color: colorSpread, Width: 1}, low, middle, high, middle)
		c.FillText(style, vg.Point{X: max(right, high) + 5, Y: middle}, grouped(b.stat.Median()))
	}
}

// DataRange implements plot.DataRanger.
func (h *horizontal) DataRange() (xmin, xmax, ymin, ymax float64) {
	return h.from, h.to, -0.7, float64(len(h.all)) - 0.3
}
