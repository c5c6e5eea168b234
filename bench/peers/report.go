package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"golang.org/x/perf/benchfmt"
)

//go:embed report.md.tmpl
var reportText string

const rawName = "benchmarks.txt"

// writeReport makes everything before it writes anything: the raw figures, the
// report and its picture. What was not measured is not mentioned.
func writeReport(dir string, raw []*benchfmt.Result) error {
	f := newFigures(raw)
	files := make(map[string][]byte) // by path
	var text bytes.Buffer
	w := benchfmt.NewWriter(&text)
	for _, r := range raw {
		if err := w.Write(r); err != nil {
			return err
		}
	}
	files[rawName] = text.Bytes()
	picture, err := drawLengths(f)
	if err != nil {
		return fmt.Errorf("drawing lengths: %w", err)
	}
	if picture != nil {
		files["plots/lengths.svg"] = picture
	}
	report, err := f.report()
	if err != nil {
		return err
	}
	files["benchmarks.md"] = report
	for path, text := range files {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, text, 0o666)); err != nil {
			return err
		}
	}
	return nil
}

func (f *figures) report() ([]byte, error) {
	t, err := template.New("report").Funcs(template.FuncMap{
		"config":  func(key string) string { return f.config[key] },
		"grouped": grouped,
		"modules": comparedModules,
		"ms":      func(ns float64) string { return number(ns / 1e6) },
		"number":  number,
		"title":   func(work string) string { return works[work].title },
		"works":   func() []string { return []string{"1us", "10us", "mix", "sleep"} },
	}).Parse(reportText)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, f); err != nil {
		return nil, err
	}
	// Where a part was left out there are too many empty lines.
	tidy := regexp.MustCompile("\n{3,}").ReplaceAll(text.Bytes(), []byte("\n\n"))
	return append(bytes.TrimSpace(tidy), '\n'), nil
}

// Trivial ranks those who were given n tasks that do nothing by one submitter.
func (f *figures) Trivial(n string) ranking {
	return f.Rank("Tasks", "ns/op", "work=trivial", "submitters=1", "n="+n)
}

// Main is the ranking that all rivals are in: that of tasks that do nothing.
func (f *figures) Main() (most ranking) {
	for _, n := range f.Sizes() {
		if all := f.Trivial(n); len(all) > len(most) {
			most = all
		}
	}
	return most
}

// Sizes are the numbers of trivial tasks that were measured, ascending.
func (f *figures) Sizes() []string {
	var all []string
	for _, r := range f.Rows("Tasks", "work=trivial", "submitters=1") {
		all = append(all, r.Keys["n"])
	}
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	return slices.Compact(all)
}

// First is the smallest of them, or "".
func (f *figures) First() string { return append(f.Sizes(), "")[0] }

// Last is the largest of them, or "".
func (f *figures) Last() string {
	all := append([]string{""}, f.Sizes()...)
	return all[len(all)-1]
}

// Works are the works of a benchmark, in the order in which they were measured.
func (f *figures) Works(base string) (all []string) {
	for _, r := range f.Rows(base) {
		if work := r.Keys["work"]; !slices.Contains(all, work) {
			all = append(all, work)
		}
	}
	return all
}

// Loads are the clients and workers of the requests with that work, as they were measured.
func (f *figures) Loads(work string) (all []load) {
	for _, r := range f.Rows("Requests", "work="+work) {
		if l := (load{r.Keys["clients"], r.Keys["workers"]}); !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return all
}

// A load is who does requests, and who serves them.
type load struct{ Clients, Workers string }

// Requests ranks those who served a load.
func (f *figures) Requests(work string, l load) ranking {
	return f.Rank("Requests", "ns/op", "work="+work, "clients="+l.Clients, "workers="+l.Workers)
}
