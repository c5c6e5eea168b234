package main

import (
	"fmt"
	"io"
	"os"
	"slices"
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
		return nil, fmt.Errorf("%s: no line is a benchmark: want the output of run or of go test -bench", name)
	}
	return all, nil
}

func readFile(path string) ([]*benchfmt.Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parse(f, path)
}

// figures are raw figures in a form that can be asked.
type figures struct {
	config map[string]string
	rows   []*row // in order of appearance
}

// A row is all repetitions of one measurement.
type row struct {
	base   string            // Tasks
	Keys   map[string]string // work=trivial, …
	values map[string][]float64
}

func newFigures(all []*benchfmt.Result) *figures {
	f := &figures{config: make(map[string]string)}
	byName := make(map[string]*row)
	for _, res := range all {
		for _, c := range res.Config {
			f.config[c.Key] = string(c.Value)
		}
		// The number of processors, which go test puts behind a name, is not a part of it.
		base, parts := res.Name.Parts()
		name := string(base)
		keys := make(map[string]string)
		for _, part := range parts {
			if key, value, found := strings.Cut(string(part), "="); found {
				keys[key[1:]] = value
				name += string(part)
			}
		}
		r := byName[name]
		if r == nil {
			r = &row{string(base), keys, make(map[string][]float64)}
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

// Rows returns the rows with these keys and values, and any others.
func (f *figures) Rows(base string, pairs ...string) []*row {
	var found []*row
	for _, r := range f.rows {
		other := func(pair string) bool {
			key, value, _ := strings.Cut(pair, "=")
			return r.Keys[key] != value
		}
		if r.base == base && !slices.ContainsFunc(pairs, other) {
			found = append(found, r)
		}
	}
	return found
}

// A stat is the median of some repetitions, and where it lies.
type stat struct {
	benchmath.Summary
	n int
}

// confident is how many repetitions an interval of 95 % confidence takes. With fewer, all
// that was measured stands for it.
const confident = 6

// interval says what Lo and Hi are.
func interval(repetitions int) string {
	switch {
	case repetitions == 1:
		return "none, as all was measured once"
	case repetitions < confident:
		return "least and most of all repetitions"
	default:
		return "95 % confidence interval of the median"
	}
}

// Of summarizes the repetitions of one unit; it is nil if there are none.
func (r *row) Of(unit string) *stat {
	values := r.values[unit]
	if len(values) == 0 {
		return nil
	}
	s := benchmath.NewSample(values, &benchmath.DefaultThresholds)
	sum := benchmath.AssumeNothing.Summary(s, 0.95)
	first, last := s.Values[0], s.Values[len(s.Values)-1] // which are sorted
	sum.Lo, sum.Hi = max(sum.Lo, first), min(sum.Hi, last)
	return &stat{sum, len(values)}
}

// Spread is how far the interval goes from the median, to the side where it goes
// farther.
func (s *stat) Spread() string {
	if s.n == 1 {
		return "?"
	}
	if s.Center == 0 {
		return "–"
	}
	return fmt.Sprintf("±%.0f %%", 100*max(s.Hi-s.Center, s.Center-s.Lo)/s.Center)
}
