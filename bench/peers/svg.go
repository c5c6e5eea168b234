package main

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"regexp"
	"strconv"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

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
	return fixTexts(buf.Bytes()), nil
}

// sans is the font that texts are measured with. Who looks at a picture may not
// have it.
var sans = font.Font{Typeface: "Liberation", Variant: "Sans"}

var (
	svgText   = regexp.MustCompile(`<text ([^>]*font-size:([0-9.]+)px[^>]*)>([^<]*)</text>`)
	svgFamily = regexp.MustCompile(`font-family:[^;]*;font-variant:[^;]*;`)
)

// fixTexts adds fonts of the same widths for those who lack ours, and has every
// text take the room that was reckoned for it, in whatever font it is shown.
func fixTexts(picture []byte) []byte {
	return svgText.ReplaceAllFunc(picture, func(element []byte) []byte {
		m := svgText.FindSubmatch(element)
		attrs := svgFamily.ReplaceAll(m[1], []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
		size, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			return element
		}
		face := font.DefaultCache.Lookup(sans, vg.Length(size))
		return fmt.Appendf(nil, `<text %s textLength="%.1f" lengthAdjust="spacingAndGlyphs">%s</text>`,
			attrs, face.Width(html.UnescapeString(string(m[3]))).Points(), m[3])
	})
}
