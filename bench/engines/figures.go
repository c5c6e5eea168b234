package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// figures are what was measured.
type figures struct {
	o    runOptions
	Sync time.Duration
	Rows []*rowFigures
}

// rowFigures are those of a row.
type rowFigures struct {
	row
	Missing          string // why it was not measured
	Batches, Singles chosen
	All, By64, By256 stat // tasks a second
	Answer           stat // ms
}

// chosen is what an engine was run with, and how that was found.
type chosen struct {
	How   tuning
	Tries []attempt
}

type attempt struct {
	how  tuning
	rate float64
}

// String says what was tried, and how many tasks a second it did.
func (a attempt) String() string { return fmt.Sprintf("%v: %s", a.how, grouped(a.rate)) }

// Name is what the row is called.
func (f *rowFigures) Name() string { return f.name }

// Ours says whether it is this library's.
func (f *rowFigures) Ours() bool { return f.needs == nil }

// Marked is the name as the table has it.
func (f *rowFigures) Marked() string {
	if f.Ours() {
		return "**" + f.name + "**"
	}
	return f.name
}

// A stat is all repetitions of a measurement.
type stat []float64

// Median is the middle of them, or the higher of two.
func (s stat) Median() float64 { return slices.Sorted(slices.Values(s))[len(s)/2] }

// Rate is the cell of a table: the median, the lowest and the highest.
func (s stat) Rate() string { return s.cell(grouped, "") }

// Millis is that of a time.
func (s stat) Millis() string {
	return s.cell(func(v float64) string { return strconv.FormatFloat(v, 'g', max(2, len(fmt.Sprintf("%.0f", v))), 64) }, " ms")
}

func (s stat) cell(form func(float64) string, unit string) string {
	switch len(s) {
	case 0:
		return "–"
	case 1:
		return form(s[0]) + unit
	default:
		return fmt.Sprintf("%s%s (%s to %s)", form(s.Median()), unit, form(slices.Min(s)), form(slices.Max(s)))
	}
}

// grouped rounds to three digits, if there are more, and groups them by thousands.
func grouped(v float64) string {
	unit := 1.0
	for v/unit >= 1000 {
		unit *= 10
	}
	digits := strconv.Itoa(int(v/unit+0.5) * int(unit))
	var parts []string
	for len(digits) > 3 {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
		digits = digits[:len(digits)-3]
	}
	return strings.Join(append([]string{digits}, parts...), ",")
}
