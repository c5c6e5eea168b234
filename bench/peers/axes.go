package main

import (
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// decades ticks a logarithmic axis, with numbers in full at those that begin with
// one of its digits.
type decades string

// Ticks implements [plot.Ticker].
func (d decades) Ticks(low, high float64) []plot.Tick {
	var all []plot.Tick
	for exp := math.Floor(math.Log10(low)); math.Pow(10, exp) <= high*1.001; exp++ {
		for digit := 1; digit < 10; digit++ {
			v := float64(digit) * math.Pow(10, exp)
			if v < low*0.999 || v > high*1.001 {
				continue
			}
			tick := plot.Tick{Value: v}
			if strings.Contains(string(d), strconv.Itoa(digit)) {
				tick.Label = grouped(strconv.FormatFloat(v, 'f', -1, 64))
			}
			all = append(all, tick)
		}
	}
	return all
}

// wholes ticks an axis as gonum does, with numbers that are no longer than they
// have to be.
type wholes struct{}

// Ticks implements [plot.Ticker].
func (wholes) Ticks(low, high float64) []plot.Tick {
	all := plot.DefaultTicks{}.Ticks(low, high)
	for i, t := range all {
		if t.Label != "" {
			all[i].Label = strconv.FormatFloat(t.Value, 'f', -1, 64)
		}
	}
	return all
}

// paler is the color of a second bar of the same pool.
func paler(k kind) color.Color {
	r, g, b, _ := k.color().RGBA()
	mix := func(v uint32) uint8 { return uint8((v>>8 + 255) / 2) }
	return color.NRGBA{mix(r), mix(g), mix(b), 0xff}
}
