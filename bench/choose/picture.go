package main

import (
	"strings"

	"github.com/go-analyze/charts"
)

// Pictures are as wide as GitHub shows without shrinking them.
const width = 800

// palette has a white ground, so that a picture can be read beside a dark page as well.
func palette() charts.ColorPalette {
	return charts.GetTheme(charts.ThemeLight).WithBackgroundColor(charts.ColorWhite).WithSeriesColors([]charts.Color{
		{R: 0x1a, G: 0x7f, B: 0x5a, A: 0xff}, // dense
		{R: 0x35, G: 0x6a, B: 0xc8, A: 0xff},
		{R: 0xd9, G: 0x8a, B: 0x21, A: 0xff},
		{R: 0xb5, G: 0x3a, B: 0x4b, A: 0xff},
	})
}

func newPainter(height int) *charts.Painter {
	return charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: width, Height: height, Theme: palette()})
}

// drawStores draws the time of each store with its spread, the fastest first.
func drawStores(m mix, f found) ([]byte, error) {
	names := ranked(f)
	values := make([][]float64, 3)
	for _, name := range names {
		s := spreadOf(f[name], perOp)
		for i, v := range []float64{s.Least, s.Median, s.Most} {
			values[i] = append(values[i], v)
		}
	}
	opt := charts.NewBarChartOptionWithData(values)
	opt.Theme = palette()
	opt.Title.Text, opt.Title.FontStyle.FontSize = m.String(), 10
	opt.Title.Offset.Left = charts.PositionLeft
	opt.ValueAxis[0].Title = "ns per operation"
	opt.Legend.SeriesNames = []string{"least", "median", "most"}
	opt.Legend.Offset = charts.OffsetStr{Left: charts.PositionRight, Top: "24"}
	opt.CategoryAxis.Labels = names
	opt.ValueFormatter = number
	for i := range opt.SeriesList {
		opt.SeriesList[i].Label.Show = charts.Ptr(true)
		opt.SeriesList[i].Label.ValueFormatter = number
	}
	p := newPainter(380)
	if err := p.BarChart(opt); err != nil {
		return nil, err
	}
	return p.Bytes()
}

// A curve is the medians of one store along an axis.
type curve struct {
	name   string
	values []float64
}

// drawCurves draws the medians of several stores along an axis.
func drawCurves(title, axis string, labels []string, all []curve) ([]byte, error) {
	var values [][]float64
	var names []string
	for _, c := range all {
		values, names = append(values, c.values), append(names, c.name)
	}
	opt := charts.NewLineChartOptionWithData(values)
	opt.Theme = palette()
	opt.Title.Text, opt.Title.FontStyle.FontSize = "ns per operation, "+strings.ToLower(title[:1])+title[1:], 11
	opt.Legend.SeriesNames = names
	opt.Legend.Offset = charts.OffsetStr{Left: charts.PositionRight}
	opt.XAxis.Labels, opt.XAxis.Title = labels, axis
	opt.YAxis[0].Min = charts.Ptr(0.0)
	opt.ValueFormatter = number
	opt.LineStrokeWidth = 2
	p := newPainter(330)
	if err := p.LineChart(opt); err != nil {
		return nil, err
	}
	return p.Bytes()
}
