package main

import (
	"bytes"
	"fmt"
	"image/color"
	"regexp"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Pictures are 800 pixels wide, which is what GitHub shows without shrinking them: a point is
// three quarters of one. Their ground is white, so that they can be read in its dark theme as well.
const (
	width    = 600 * vg.Length(1)
	textSize = 11 * vg.Length(1)
	margin   = 14 * vg.Length(1)
)

var (
	colorOurs  = color.NRGBA{0x1a, 0x7f, 0x5a, 0xff}
	colorLimit = color.NRGBA{0xd9, 0xa4, 0x41, 0xff}
	colorGrid  = color.NRGBA{0xe3, 0xe7, 0xeb, 0xff}
)

func newPlot(title, x string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil // svg has filled it
	p.Title.Text, p.X.Label.Text = title, x
	p.Title.Padding, p.X.Label.Padding = 12, 6
	for _, style := range []*draw.TextStyle{
		&p.Title.TextStyle, &p.Legend.TextStyle,
		&p.X.Label.TextStyle, &p.X.Tick.Label, &p.Y.Label.TextStyle, &p.Y.Tick.Label,
	} {
		style.Font = font.From(sans, textSize)
	}
	p.Title.TextStyle.Font.Size += 3
	p.Legend.ThumbnailWidth, p.Legend.Padding = 20, 3
	return p
}

// A line is one of a chart with several.
type line struct {
	label  string
	color  color.Color
	dashed bool
	wide   bool
	points plotter.XYs
	spread plotter.YErrors // of each point, if it is to be drawn
}

func drawLines(p *plot.Plot, all []line) ([]byte, error) {
	if len(all) == 0 {
		return nil, nil
	}
	g := plotter.NewGrid()
	g.Horizontal.Color, g.Vertical.Color = colorGrid, colorGrid
	p.Add(g)
	legend := p.Legend
	p.Legend = plot.NewLegend()
	legend.Top, legend.Left = true, true
	for i, one := range all {
		l, dots, err := plotter.NewLinePoints(one.points)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.label, err)
		}
		l.Color, l.Width = one.color, 1.5
		if one.wide {
			l.Width = 3
		}
		if one.dashed {
			l.Dashes = []vg.Length{6, 3}
		}
		dots.Color, dots.Radius = one.color, 3.5
		dots.Shape = plotutil.Shape(i)
		p.Add(l, dots)
		if one.spread != nil {
			bars, err := plotter.NewYErrorBars(struct {
				plotter.XYs
				plotter.YErrors
			}{one.points, one.spread})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", one.label, err)
			}
			bars.Color = one.color
			p.Add(bars)
		}
		legend.Add(one.label, l, dots)
	}
	// The legend stands beside the plot, where it hides no line.
	room := legend.Rectangle(draw.Canvas{}).Size().X*1.05 + 24
	return svg(330, func(c draw.Canvas) {
		p.Draw(draw.Crop(c, 0, -room, 0, 0))
		legend.Draw(draw.Crop(c, width-2*margin-room+16, 0, 0, -34))
	})
}

// svg makes a picture of what paint draws, on a white ground with a margin.
func svg(height vg.Length, paint func(draw.Canvas)) ([]byte, error) {
	c := vgsvg.New(width, height)
	area := draw.New(c)
	area.SetColor(color.White)
	area.Fill(area.Path())
	paint(draw.Crop(area, margin, -margin, margin, -margin))
	var buf bytes.Buffer
	if _, err := c.WriteTo(&buf); err != nil {
		return nil, err
	}
	// Fonts of the same widths for those who lack ours.
	return svgFamily.ReplaceAll(buf.Bytes(), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), nil
}

// sans is the font that texts are measured with.
var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}

var svgFamily = regexp.MustCompile(`font-family:[^;]*;font-variant:[^;]*;`)
