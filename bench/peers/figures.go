package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
)

// parse reads benchmark format. Other lines are passed over, as in the output of
// go test, but a line that begins like a benchmark has to be one.
func parse(r io.Reader, name string) ([]*benchfmt.Result, error) {
	var all []*benchfmt.Result
	lines := benchfmt.NewReader(r, name)
	for lines.Scan() {
		switch rec := lines.Result().(type) {
		case *benchfmt.Result:
			all = append(all, rec.Clone())
		case *benchfmt.SyntaxError:
			return nil, rec
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no line is a benchmark: want the output of peers run or go test -bench", name)
	}
	return all, nil
}

// format writes benchmark format, for benchstat and for parse.
func format(all []*benchfmt.Result) ([]byte, error) {
	var buf bytes.Buffer
	w := benchfmt.NewWriter(&buf)
	for _, r := range all {
		if err := w.Write(r); err != nil {
			return nil, err
		}
	}
	return buf.Bytes(), nil
}

// figures are raw figures in a form that can be asked.
type figures struct {
	config map[string]string
	rows   []*row // in order of appearance
}

// A row is all repetitions of one measurement.
type row struct {
	base   string            // Tasks
	keys   map[string]string // work=trivial, …
	values map[string][]float64
}

func newFigures(all []*benchfmt.Result) *figures {
	f := &figures{config: make(map[string]string)}
	byName := make(map[string]*row)
	for _, res := range all {
		for _, c := range res.Config {
			f.config[c.Key] = string(c.Value)
		}
		base, keys := split(res.Name)
		name := fmt.Sprint(base, keys)
		r := byName[name]
		if r == nil {
			r = &row{base, keys, make(map[string][]float64)}
			byName[name] = r
			f.rows = append(f.rows, r)
		}
		for _, v := range res.Values {
			// The reader makes seconds of nanoseconds. They are easier to read
			// here as they were.
			if v.OrigUnit != "" {
				v.Value, v.Unit = v.OrigValue, v.OrigUnit
			}
			r.values[v.Unit] = append(r.values[v.Unit], v.Value)
		}
	}
	return f
}

// split takes a name apart. The number of processors, which go test puts behind
// it, is not a part.
func split(name benchfmt.Name) (base string, keys map[string]string) {
	keys = make(map[string]string)
	first, parts := name.Parts()
	for _, part := range parts {
		if key, value, found := strings.Cut(strings.TrimPrefix(string(part), "/"), "="); found {
			keys[key] = value
		}
	}
	return string(first), keys
}

// where returns the rows with these keys and values, and any others.
func (f *figures) where(base string, pairs ...string) []*row {
	var found []*row
	for _, r := range f.rows {
		if r.base == base && r.has(pairs) {
			found = append(found, r)
		}
	}
	return found
}

func (r *row) has(pairs []string) bool {
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		if r.keys[key] != value {
			return false
		}
	}
	return true
}

// A stat is the median of some repetitions, and where it lies.
type stat struct {
	benchmath.Summary
	n int
}

// of summarizes the repetitions of one unit. Below six repetitions there is no
// interval of 95 % confidence, and all that was measured stands for it.
func (r *row) of(unit string) (stat, bool) {
	values := r.values[unit]
	if len(values) == 0 {
		return stat{}, false
	}
	s := benchmath.NewSample(values, &benchmath.DefaultThresholds)
	sum := benchmath.AssumeNothing.Summary(s, 0.95)
	first, last := s.Values[0], s.Values[len(s.Values)-1] // which are sorted
	sum.Lo, sum.Hi = max(sum.Lo, first), min(sum.Hi, last)
	return stat{sum, len(values)}, true
}
