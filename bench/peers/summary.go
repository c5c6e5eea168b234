package main

import "fmt"

// Summary is the ratios that one asks for first, each as it was measured.
func (f *figures) Summary() string {
	t := &table{head: []string{"", "measured"}}
	all := standings(f.mainTasks(), rivals, "ns/op")
	faster := func(what, mine string, others ...string) {
		m, ok := best(all, mine)
		o, found := best(all, others...)
		if ok && found {
			t.add(what, fmt.Sprintf("%s (%s ns against %s ns: %s)", compared(m, o), number(m.Center), number(o.Center), o.label))
		}
	}
	libraries := []string{"ants-slice", "pond-group", "conc-results", "workerpool-slice", "errgroup-slice"}
	faster("Submit into `dense`, against the fastest library", "dense", libraries...)
	faster("SubmitAll into `dense`, likewise", "dense-all", libraries...)
	faster("Submit into `rwmutex`, against the fastest library into a map", "rwmutex", "ants-map", "errgroup-map")
	faster("Submit into `rwmutex`, against the obvious pool", "rwmutex", "naive")
	f.summarizeShares(t)
	f.summarizeMap(t)
	f.summarizeMemory(t, all)
	if len(t.rows) == 0 {
		return ""
	}
	return t.String()
}

// compared says how mine stands to another.
func compared(mine, other standing) string {
	if mine.Center > other.Center {
		return times(mine.Center/other.Center) + " slower"
	}
	return times(other.Center/mine.Center) + " faster"
}

func (f *figures) summarizeShares(t *table) {
	all := standings(f.where("Tasks", "work=1us"), rivals, "ns/op")
	byHand, ok := best(all, "chunked")
	for _, mine := range []struct{ name, how string }{{"dense", "Submit"}, {"dense-all", "SubmitAll"}} {
		if m, found := best(all, mine.name); ok && found {
			t.add(fmt.Sprintf("tasks of 1 µs, %s, as a share of the speed of loops by hand", mine.how), percent(byHand.Center/m.Center))
		}
	}
}

func (f *figures) summarizeMap(t *table) {
	all := standings(f.where("Map"), mappers, "ns/op")
	mine, ok := best(all, "map")
	if conc, found := best(all, "conc-iter"); ok && found {
		t.add("Map, against conc's", compared(mine, conc))
	}
	if byHand, found := best(all, "chunked"); ok && found {
		t.add("Map, against loops by hand", times(mine.Center/byHand.Center)+" their time")
	}
}

func (f *figures) summarizeMemory(t *table, all []standing) {
	if m, ok := best(all, "dense"); ok {
		allocs, _ := m.row.of("allocs/op")
		kept, _ := m.row.of("kept-B/op")
		t.add("allocations per task, into `dense`", number(allocs.Center))
		t.add("bytes kept per `Result[int]` in `dense`, all included", number(kept.Center))
	}
	if ns := f.sizes(); len(ns) > 1 {
		cost := func(n string) float64 {
			s, _ := best(standings(f.where("Tasks", "work=trivial", "submitters=1", "n="+n, "pool=dense"), rivals, "ns/op"))
			return s.Center
		}
		first, last := ns[0], ns[len(ns)-1]
		if few, many := cost(first), cost(last); few > 0 && many > 0 {
			t.add(fmt.Sprintf("cost of a task into `dense`, %s tasks against %s", grouped(last), grouped(first)), times(many/few))
		}
	}
}

// MapLen is the number of inputs of Map.
func (f *figures) MapLen() string {
	if rows := f.where("Map"); len(rows) > 0 {
		return grouped(rows[0].keys["n"])
	}
	return ""
}
