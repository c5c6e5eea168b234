package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"text/template"
)

//go:embed report.md.tmpl
var reportText string

// report is docs/benchmarks.md. What was not measured is not mentioned.
func (f *figures) report(pictures []file) ([]byte, error) {
	drawn := func(name string) string {
		path := "plots/" + name + ".svg"
		if !slices.ContainsFunc(pictures, func(p file) bool { return p.path == path }) {
			return ""
		}
		return fmt.Sprintf("![%s](%s)\n", captions[name], path)
	}
	t, err := template.New("report").Funcs(template.FuncMap{
		"config":  func(key string) string { return f.config[key] },
		"picture": drawn,
	}).Parse(reportText)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := t.Execute(&buf, f); err != nil {
		return nil, err
	}
	text := buf.Bytes()
	for bytes.Contains(text, []byte("\n\n\n")) { // where a part was left out
		text = bytes.ReplaceAll(text, []byte("\n\n\n"), []byte("\n\n"))
	}
	return append(bytes.TrimSpace(text), '\n'), nil
}

// Machine says where all this was measured.
func (f *figures) Machine() *table {
	t := &table{head: []string{"", ""}}
	for _, line := range [][2]string{
		{"processor", "cpu"}, {"cores", "cores"}, {"GOMAXPROCS", "gomaxprocs"}, {"system", "os"},
		{"Go", "go"}, {"workers of each pool", "workers"}, {"repetitions", "count"}, {"date", "date"},
	} {
		if v := f.config[line[1]]; v != "" {
			t.add(line[0], v)
		}
	}
	for _, module := range comparedModules() {
		if v := f.config[module]; v != "" {
			t.add("["+module+"](https://pkg.go.dev/"+module+")", v)
		}
	}
	return t
}

// mainTasks is the rows of the workload that all rivals have.
func (f *figures) mainTasks() []*row {
	trivial := f.where("Tasks", "work=trivial", "submitters=1")
	count := make(map[string]int)
	for _, r := range trivial {
		count[r.keys["n"]]++
	}
	var most []*row
	for _, r := range trivial {
		if n := r.keys["n"]; len(most) == 0 || count[n] > count[most[0].keys["n"]] {
			most = f.where("Tasks", "work=trivial", "submitters=1", "n="+n)
		}
	}
	return most
}

// Trivial is everything about tasks that do nothing.
func (f *figures) Trivial() string {
	all := standings(f.mainTasks(), rivals, "ns/op")
	if len(all) == 0 {
		return ""
	}
	dense, _ := best(all, "dense")
	t := &table{head: []string{"", "ns per task", "spread", "against dense", "allocations per task", "bytes allocated per task", "bytes kept per result"}}
	for _, s := range all {
		cells := []string{marked(s, all), number(s.Center), s.spread(), ratio(s, dense)}
		for _, unit := range []string{"allocs/op", "B/op", "kept-B/op"} {
			v, _ := s.row.of(unit)
			cells = append(cells, number(v.Center))
		}
		t.add(cells...)
	}
	return t.String()
}

// ratio is against a standing that may not have been measured.
func ratio(s, against standing) string {
	if against.Center == 0 {
		return "–"
	}
	return times(s.Center / against.Center)
}

// Works is a table for each of the other works.
func (f *figures) Works() (all []struct{ Title, Table, Picture string }) {
	for _, w := range []string{"1us", "10us", "mix", "sleep"} {
		rows := f.where("Tasks", "work="+w)
		found := standings(rows, rivals, "ns/op")
		if len(found) == 0 {
			continue
		}
		keys := found[0].row.keys
		title := fmt.Sprintf("%s: %s tasks, %s workers", works[w].title, grouped(keys["n"]), keys["workers"])
		if b := f.where("Bare", "work="+w); len(b) == 1 {
			if s, ok := b[0].of("ns/op"); ok {
				title += fmt.Sprintf("; the function alone takes %s ns", number(s.Center))
			}
		}
		picture := ""
		if w == "1us" {
			picture = "share"
		}
		all = append(all, struct{ Title, Table, Picture string }{title, shares(found).String(), picture})
	}
	return all
}

func shares(all []standing) *table {
	byHand, _ := best(all, "chunked")
	dense, _ := best(all, "dense")
	t := &table{head: []string{"", "ns per task", "spread", "against dense", "share of the speed of loops by hand"}}
	for _, s := range all {
		share := "–"
		if byHand.Center > 0 {
			share = percent(byHand.Center / s.Center)
		}
		t.add(marked(s, all), number(s.Center), s.spread(), ratio(s, dense), share)
	}
	return t
}

// Growth is the cost of a task against the number of tasks.
func (f *figures) Growth() string {
	ns := f.sizes()
	if len(ns) < 2 {
		return ""
	}
	byLast := standings(f.where("Tasks", "work=trivial", "submitters=1", "n="+ns[len(ns)-1]), rivals, "ns/op")
	t := &table{head: append([]string{""}, ns...)}
	for i, n := range ns {
		t.head[i+1] = grouped(n) + " tasks"
	}
	t.head = append(t.head, "last against first")
	for _, s := range byLast {
		cells := []string{marked(s, byLast)}
		var medians []float64
		for _, n := range ns {
			cell := "–"
			if found := standings(f.where("Tasks", "work=trivial", "submitters=1", "n="+n, "pool="+s.name), rivals, "ns/op"); len(found) == 1 {
				cell = number(found[0].Center) + " " + found[0].spread()
				medians = append(medians, found[0].Center)
			}
			cells = append(cells, cell)
		}
		last := "–"
		if len(medians) == len(ns) {
			last = times(medians[len(ns)-1] / medians[0])
		}
		t.add(append(cells, last)...)
	}
	return t.String()
}

// sizes are the numbers of trivial tasks that were measured, ascending.
func (f *figures) sizes() []string {
	var all []string
	for _, r := range f.where("Tasks", "work=trivial", "submitters=1") {
		if !slices.Contains(all, r.keys["n"]) {
			all = append(all, r.keys["n"])
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return all
}

// crowds pairs what one submitter got with what eight got.
func (f *figures) crowds() (eight []standing, one map[string]standing) {
	eight = standings(f.where("Tasks", "work=trivial", "submitters=8"), rivals, "ns/op")
	one = make(map[string]standing)
	for _, s := range standings(f.mainTasks(), rivals, "ns/op") {
		one[s.name] = s
	}
	return eight, one
}

// Submitters compares eight with one.
func (f *figures) Submitters() string {
	eight, one := f.crowds()
	if len(eight) == 0 {
		return ""
	}
	dense, _ := best(eight, "dense")
	t := &table{head: []string{"", "ns per task, 8 submitters", "spread", "against dense", "against 1 submitter"}}
	for _, s := range eight {
		t.add(marked(s, eight), number(s.Center), s.spread(), ratio(s, dense), ratio(s, one[s.name]))
	}
	return t.String()
}

// Map is the table of the mappers.
func (f *figures) Map() string {
	all := standings(f.where("Map"), mappers, "ns/op")
	if len(all) == 0 {
		return ""
	}
	mine, _ := best(all, "map")
	t := &table{head: []string{"", "ns per input", "spread", "against Map", "allocations per input", "bytes kept per input"}}
	for _, s := range all {
		allocs, _ := s.row.of("allocs/op")
		kept, _ := s.row.of("kept-B/op")
		t.add(marked(s, all), number(s.Center), s.spread(), ratio(s, mine), number(allocs.Center), number(kept.Center))
	}
	return t.String()
}

// Blocked is the memory of workers that wait in their tasks.
func (f *figures) Blocked() string {
	all := standings(f.where("Blocked"), rivals, "B/worker")
	if len(all) == 0 {
		return ""
	}
	floor, found := best(all, "chunked")
	t := &table{head: []string{"", "bytes per worker", "beside the goroutine of the task"}}
	for _, s := range all {
		beside := "–"
		if found {
			beside = fmt.Sprintf("%.0f", s.Center-floor.Center)
		}
		t.add(marked(s, all), number(s.Center), beside)
	}
	return t.String()
}

// Idle is the processor time that pools use while they do nothing.
func (f *figures) Idle() string {
	all := standings(f.where("Idle"), rivals, "cpu-us/s")
	if len(all) == 0 {
		return ""
	}
	t := &table{head: []string{"", "µs of processor time per second", "least and most"}}
	for _, s := range all {
		name := s.label
		switch {
		case s.kind == ours:
			name = "**" + name + "**"
		case s.name == "errgroup-slice":
			name = "*no pool: errgroup*"
		}
		t.add(name, number(s.Center), number(s.Lo)+" – "+number(s.Hi))
	}
	return t.String()
}

// Stall is what package bench measured of copies.
func (f *figures) Stall() string {
	rows := f.where("Stall")
	if len(rows) == 0 {
		return ""
	}
	t := &table{head: []string{"", "results held", "longest stall of a writer, ms", "spread", "the copy takes, ms"}}
	for _, r := range rows {
		stall, ok := r.of("max-stall-ns")
		took, _ := r.of("copy-ns")
		if !ok {
			continue
		}
		name := "**" + r.keys["store"] + "**"
		if r.keys["store"] == "naive-rlock" {
			name = "a map, copied under one read lock"
		}
		t.add(name, grouped(r.keys["held"]), number(stall.Center/1e6), stall.spread(), number(took.Center/1e6))
	}
	return t.String()
}
