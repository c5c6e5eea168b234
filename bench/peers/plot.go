package main

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Pictures are 800 pixels wide, which is what GitHub shows without shrinking
// them. They have a background of their own, so that they can be read in its
// dark theme as well.
const width = 600 * vg.Length(1) // points, of which a pixel has three quarters

const (
	textSize = 11 * vg.Length(1)
	margin   = 14 * vg.Length(1)
)

var (
	colorOurs   = color.NRGBA{0x1a, 0x7f, 0x5a, 0xff}
	colorTheirs = color.NRGBA{0x9a, 0xa5, 0xb1, 0xff}
	colorLimit  = color.NRGBA{0xd9, 0xa4, 0x41, 0xff}
	colorText   = color.NRGBA{0x1f, 0x23, 0x28, 0xff}
	colorGrid   = color.NRGBA{0xe3, 0xe7, 0xeb, 0xff}
)

func (k kind) color() color.Color {
	switch k {
	case ours:
		return colorOurs
	case limit:
		return colorLimit
	default:
		return colorTheirs
	}
}

func newPlot(title, x string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.Transparent // svg has filled it
	p.Title.Text = title
	p.Title.Padding = 12
	p.X.Label.Text = x
	p.X.Label.Padding = 6
	setFont(p, &p.Title.TextStyle, textSize+3)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		setFont(p, &axis.Label.TextStyle, textSize)
		setFont(p, &axis.Tick.Label, textSize)
		axis.Color = colorText
		axis.Tick.Color = colorText
	}
	setFont(p, &p.Legend.TextStyle, textSize)
	p.Legend.ThumbnailWidth = 20
	p.Legend.Padding = 3
	return p
}

func setFont(p *plot.Plot, style *draw.TextStyle, size vg.Length) {
	style.Font = font.From(sans, size)
	style.Color = colorText
	style.Handler = p.TextHandler
}

// A bar is one of a horizontal bar chart.
type bar struct {
	label string
	value float64
	color color.Color
	text  string // beside its end
}

// bars is a plotter.
type bars []bar

// Plot implements [plot.Plotter]. It draws the first bar on top.
func (b bars) Plot(c draw.Canvas, p *plot.Plot) {
	toX, toY := p.Transforms(&c)
	style := p.X.Tick.Label
	style.XAlign, style.YAlign = draw.XLeft, draw.YCenter
	left := c.Min.X - b.labelWidth(style)
	for i, one := range b {
		y := float64(len(b) - 1 - i)
		c.FillPolygon(one.color, []vg.Point{
			{X: toX(0), Y: toY(y - 0.38)},
			{X: toX(0), Y: toY(y + 0.38)},
			{X: toX(one.value), Y: toY(y + 0.38)},
			{X: toX(one.value), Y: toY(y - 0.38)},
		})
		c.FillText(style, vg.Point{X: left, Y: toY(y)}, one.label)
		c.FillText(style, vg.Point{X: toX(one.value) + 5, Y: toY(y)}, one.text)
	}
}

// labelWidth is the room for the labels, which stand left of the plot. There is
// some to spare, for fonts that are wider.
func (b bars) labelWidth(style draw.TextStyle) vg.Length {
	widest := vg.Length(0)
	for _, one := range b {
		widest = max(widest, style.Width(one.label))
	}
	return widest*1.12 + 6
}

// drawBars draws bars that begin at 0.
func drawBars(title, x string, all bars) ([]byte, error) {
	p := newPlot(title, x)
	longest := 0.0
	for _, b := range all {
		longest = max(longest, b.value)
	}
	p.Y.Min, p.Y.Max = -0.6, float64(len(all))-0.4
	p.X.Min, p.X.Max = 0, longest*1.25 // room for the text of the longest
	p.X.Padding = 0
	p.X.Tick.Marker = wholes{}
	p.HideY()
	p.Add(verticalGrid(), all)
	return svg(vg.Length(len(all))*19+100, func(c draw.Canvas) {
		p.Draw(draw.Crop(c, all.labelWidth(p.X.Tick.Label), 0, 0, 0))
	})
}

func verticalGrid() *plotter.Grid {
	g := plotter.NewGrid()
	g.Horizontal.Width = 0
	g.Vertical.Color = colorGrid
	return g
}

// A line is one of a chart with several.
type line struct {
	label  string
	color  color.Color
	dashed bool
	wide   bool
	points plotter.XYs
}

func drawLines(p *plot.Plot, height vg.Length, all []line) ([]byte, error) {
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
		dots.Shape = shapes[i%len(shapes)]
		p.Add(l, dots)
		legend.Add(one.label, l, dots)
	}
	// The legend stands beside the plot, where it hides no line.
	room := legend.Rectangle(draw.Canvas{}).Size().X*1.05 + 24
	return svg(height, func(c draw.Canvas) {
		p.Draw(draw.Crop(c, 0, -room, 0, 0))
		legend.Draw(draw.Crop(c, width-2*margin-room+16, 0, 0, -34))
	})
}

var shapes = []draw.GlyphDrawer{
	draw.CircleGlyph{}, draw.BoxGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{}, draw.RingGlyph{},
	draw.SquareGlyph{}, draw.CrossGlyph{}, draw.PlusGlyph{},
}

// palette is for lines, which have to be told apart. No two are as light as each
// other, for those who do not see all colors.
var palette = []color.Color{
	color.NRGBA{0xc0, 0x39, 0x2b, 0xff}, color.NRGBA{0x2c, 0x5a, 0xa0, 0xff}, color.NRGBA{0xe0, 0x8e, 0x0b, 0xff},
	color.NRGBA{0x7d, 0x3c, 0x98, 0xff}, color.NRGBA{0x45, 0xb3, 0xd0, 0xff}, color.NRGBA{0x6b, 0x70, 0x75, 0xff},
	color.NRGBA{0x8d, 0x5a, 0x3b, 0xff},
}
