package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"
)

//go:embed page.md.tmpl
var pageText string

const rawName, pageName = "choosing-a-store.txt", "choosing-a-store.md"

// page measures what docs/choosing-a-store.md is about, and writes it.
func page(ctx context.Context, at console, args []string) error {
	p := plan{count: 6, each: 8 * time.Second}
	flags := flag.NewFlagSet("choose page", flag.ContinueOnError)
	flags.SetOutput(at.progress)
	docs := flags.String("docs", "docs", "the `folder` of the page and of its raw figures; plots is below it")
	again := flags.Bool("again", false, "measure nothing, and write the page again from the raw figures")
	flags.IntVar(&p.count, "count", p.count, "repetitions")
	flags.DurationVar(&p.each, "for", p.each, "how long one measurement of the slowest store takes, at most")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || p.count < 1 || p.count > mostCount || p.each <= 0 {
		return errors.New("page takes flags only, at least one repetition but no thousands, and some time for each")
	}
	if info, err := os.Stat(*docs); err != nil || !info.IsDir() {
		return fmt.Errorf("-docs is %s: there is no such folder; run it from the root of the repository", *docs)
	}
	file := filepath.Join(*docs, rawName)
	raw := newFigures()
	switch text, err := os.ReadFile(file); {
	case err == nil:
		if err := raw.read(text); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	case *again || !errors.Is(err, os.ErrNotExist):
		return err
	}
	if raced && !*again {
		if err := raw.complete(); err != nil { // before it takes minutes
			return err
		}
	}
	if !*again {
		if err := raw.measure(ctx, at, p, toMeasure(raced)); err != nil {
			return err
		}
		if err := os.WriteFile(file, raw.text(), 0o666); err != nil {
			return err
		}
	}
	return raw.write(*docs)
}

// A series is a row of mixes that differ in one thing.
type series struct {
	Name, Title, Axis string
	Labels            []string // of the mixes
	mixes             []mix
}

// race tells whether it is of programs that run under the race detector.
func (s series) race() bool { return s.Name == "race" }

// base is the mix that all others are variants of.
func base() mix { return mix{puts: 50, goroutines: 2, held: 1_000_000, value: 8, procs: 2} }

// allSeries is what the page shows, by name. What is measured under the race detector is smaller.
func allSeries() map[string]series {
	all := make(map[string]series)
	add := func(name, title, axis string, labels []string, change func(m *mix, i int)) {
		s := series{Name: name, Title: title, Axis: axis, Labels: labels}
		for i := range labels {
			m := base()
			change(&m, i)
			s.mixes = append(s.mixes, m)
		}
		all[name] = s
	}
	shares := []string{"0", "20", "50", "100"}
	puts := func(m *mix, i int) { m.puts = []float64{0, 20, 50, 100}[i] }
	const axis = "percent of operations that are Put, the others Get"

	add("puts", "By the share of Puts", axis, shares, puts)
	add("race", "Under the race detector", axis, shares, func(m *mix, i int) {
		puts(m, i)
		m.held = 50_000
	})
	add("goroutines", "By goroutines", "goroutines, on two processors", []string{"1", "2", "64"},
		func(m *mix, i int) { m.goroutines = []int{1, 2, 64}[i] })
	add("held", "By results held", "results held at most", []string{"1,000", "10,000", "100,000", "1,000,000"},
		func(m *mix, i int) { m.held = []int{1_000, 10_000, 100_000, 1_000_000}[i] })
	add("scattered", "Scattered IDs", "", []string{"20 % Put, 2 goroutines", "50 % Put, 2 goroutines", "50 % Put, 1 goroutine"},
		func(m *mix, i int) {
			m.scattered, m.puts, m.goroutines = true, []float64{20, 50, 50}[i], []int{2, 2, 1}[i]
		})
	add("other", "Other mixes", "",
		[]string{"values of 16 bytes with a pointer", "each result deleted after it was read", "values of 256 bytes, 100,000 results"},
		func(m *mix, i int) {
			switch i {
			case 0:
				m.value, m.pointers = 16, true
			case 1:
				m.deletes = 100
			default:
				m.value, m.held = 256, 100_000
			}
		})
	return all
}

// toMeasure returns the mixes of all series, or of the one under the race detector.
func toMeasure(race bool) []mix {
	var mixes []mix
	for _, s := range allSeries() {
		if s.race() == race {
			mixes = append(mixes, s.mixes...)
		}
	}
	slices.SortFunc(mixes, func(a, b mix) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(mixes) // one is in several series
}

// write writes the page and its pictures.
func (f *figures) write(docs string) error {
	files := make(map[string][]byte)
	for name, s := range allSeries() {
		if s.Axis == "" || !f.has(s) {
			continue
		}
		picture, err := f.draw(s)
		if err != nil {
			return fmt.Errorf("drawing %s: %w", name, err)
		}
		files["plots/store-"+name+".svg"] = picture
	}
	text, err := f.page()
	if err != nil {
		return err
	}
	files[pageName] = text
	for path, text := range files {
		path = filepath.Join(docs, filepath.FromSlash(path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, text, 0o666)); err != nil {
			return err
		}
	}
	return nil
}

// of returns what was measured of a mix of a series.
func (f *figures) of(s series, i int) found { return f.found[s.race()][s.mixes[i]] }

// has tells whether all of a series was measured.
func (f *figures) has(s series) bool {
	return !slices.ContainsFunc(s.mixes, func(m mix) bool { return len(f.found[s.race()][m]) < len(m.measured()) })
}

func (f *figures) draw(s series) ([]byte, error) {
	var all []curve
	for _, name := range stores {
		c := curve{name: name}
		for i := range s.mixes {
			c.values = append(c.values, f.spread(s, i, name, "ns").Median)
		}
		all = append(all, c)
	}
	return drawCurves(s.Title, s.Axis, s.Labels, all)
}

// page returns the page. All but the race detector's series must have been measured.
func (f *figures) page() ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"config": func(key string) string { return f.config[key] },
		"series": func(name string) series { return allSeries()[name] },
		"has":    f.has,
		"table":  f.table,
		"stores": func() []string { return stores },
		"median": func(s series, i int, store, figure string) string {
			return number(f.spread(s, i, store, figure).Median)
		},
		"spread": func(s series, i int, store, figure string) string { return f.spread(s, i, store, figure).String() },
		"gain": func(s series, i, j int, store string) string {
			return number(f.spread(s, i, store, "ns").Median / f.spread(s, j, store, "ns").Median)
		},
		"times": func(s series, i int, store, other string) string {
			return number(f.spread(s, i, store, "ns").Median / f.spread(s, i, other, "ns").Median)
		},
	}).Parse(pageText)
	if err != nil {
		return nil, err
	}
	if err := f.complete(); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, f); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

// complete returns an error unless all was measured, but for what is measured under the race detector.
func (f *figures) complete() error {
	for _, s := range allSeries() {
		if !s.race() && !f.has(s) {
			return fmt.Errorf("%s was not measured: first do so with neither -race nor -again", strings.ToLower(s.Title))
		}
	}
	return nil
}

// spread is that of a figure: ns for each operation, ms of the longest pause, or B allocated for each Put.
func (f *figures) spread(s series, i int, store, figure string) spread {
	return spreadOf(f.of(s, i)[store], map[string]func(sample) float64{"ns": perOp, "ms": pause, "B": perPut}[figure])
}

func (s spread) String() string {
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Least), number(s.Most))
}

// table is ns per operation of a series, of the loop itself, and the best stores.
func (f *figures) table(s series, heading string) string {
	var text strings.Builder
	names := s.mixes[0].measured()
	fmt.Fprintf(&text, "| %s | %s | fastest |\n|---|%s---|\n", heading, strings.Join(names, " | "), strings.Repeat("--:|", len(names)))
	for i, label := range s.Labels {
		fmt.Fprintf(&text, "| %s |", label)
		for _, name := range names {
			fmt.Fprintf(&text, " %s |", f.spread(s, i, name, "ns"))
		}
		fmt.Fprintf(&text, " %s |\n", strings.Join(bestOf(f.of(s, i)).equal, " = "))
	}
	return text.String()
}
