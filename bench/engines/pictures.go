package main

import (
	"bytes"
	"image/color"
	"regexp"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Pictures are as those of bench/peers: 800 pixels wide, which is what GitHub shows without shrinking them. A
// point is three quarters of one. Their ground is white, so that they can be read in its dark theme as well.
const (
	width    = 600 * vg.Length(1)
	textSize = 11 * vg.Length(1)
	margin   = 14 * vg.Length(1)
)

var (
	colorOurs   = color.NRGBA{0x1a, 0x7f, 0x5a, 0xff}
	colorOthers = color.NRGBA{0xd9, 0xa4, 0x41, 0xff}
	colorGrid   = color.NRGBA{0xe3, 0xe7, 0xeb, 0xff}
	colorSpread = color.NRGBA{0x22, 0x22, 0x22, 0xff}
)

func newPlot(title, x string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil // svg has filled it
	p.Title.Text, p.X.Label.Text = title, x
	p.Title.Padding, p.X.Label.Padding = 12, 6
	for _, style := range []*draw.TextStyle{
		&p.Title.TextStyle, &p.X.Label.TextStyle, &p.X.Tick.Label, &p.Y.Label.TextStyle, &p.Y.Tick.Label,
	} {
		style.Font = font.From(sans, textSize)
	}
	p.Title.TextStyle.Font.Size += 3
	return p
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
