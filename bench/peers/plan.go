package main

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/perf/benchfmt"
)

// params is what all measurements of a run have in common. A child process gets
// them on its command line, and so has the same plan as its parent.
type params struct {
	workers     int
	calibration calibration
	quick       bool // sizes that say nothing and take no time
}

// scaled is a size of the full run, or a thousandth.
func (p params) scaled(n int) int {
	if p.quick {
		return max(n/1000, 100)
	}
	return n
}

// A measurement is one line of the raw figures.
type measurement struct {
	name  string // in benchmark format, without "Benchmark"
	ops   int
	every int // 2: in every second repetition, for what takes long or hardly varies; 0: in all
	do    func(context.Context) ([]benchfmt.Value, error)
}

// A workload is tasks that several rivals get.
type workload struct {
	work       string
	n          int
	submitters int
	workers    int      // 0 for that of params
	every      int      // as that of its measurements
	rivals     []string // none means all
}

// Beside the first workload, which all pools get, some are done by one variant of
// each pool: another container changes nothing in what they show, and a run is
// to take minutes.
var (
	variants   = slices.Concat(withoutMap, []string{"rwmutex", "naive"})
	withLimit  = slices.Concat(variants, []string{"chunked"})
	withoutMap = []string{
		"dense", "dense-all", "ants-slice", "pond-group", "conc-results", "workerpool-slice", "errgroup-slice", "channel",
	}
)

var workloads = []workload{
	{work: "trivial", n: 1_000_000, submitters: 1},
	{work: "trivial", n: 1_000_000, submitters: 8, rivals: variants, every: 2},
	{work: "trivial", n: 100_000, submitters: 1, rivals: withLimit},
	{work: "trivial", n: 10_000_000, submitters: 1, rivals: slices.Concat(withoutMap, []string{"chunked"}), every: 3},
	{work: "1us", n: 200_000, submitters: 1},
	{work: "10us", n: 20_000, submitters: 1, rivals: withLimit},
	{work: "100us", n: 4_000, submitters: 1, rivals: withLimit},
	{work: "1ms", n: 400, submitters: 1, rivals: withLimit},
	{work: "mix", n: 200_000, submitters: 1, rivals: withLimit},
	{work: "sleep", n: 50_000, submitters: 1, workers: 1000, rivals: withLimit},
}

// A requestLoad is clients that submit and wait.
type requestLoad struct {
	work             string
	n                int
	clients, workers int // workers: 0 for that of params
	every            int
}

var requestLoads = []requestLoad{
	{"1us", 100_000, 1, 0, 0},
	{"1us", 100_000, 2, 0, 0},
	{"1us", 100_000, 8, 0, 0},
	{"1us", 100_000, 64, 0, 0},
	{"1us", 100_000, 1000, 0, 0},
	{"trivial", 200_000, 1, 0, 2},
	{"trivial", 200_000, 2, 0, 2},
	{"trivial", 200_000, 8, 0, 2},
	{"trivial", 200_000, 64, 0, 2},
	{"trivial", 200_000, 1000, 0, 2},
	{"sleep10", 20_000, 1000, 1000, 0},
	{"sleep10", 200_000, 10_000, 10_000, 2},
}

// What readers and mappers get.
var (
	readLoads = []workload{{work: "1us", n: 200_000}, {work: "mix", n: 200_000}}
	mapLoads  = []workload{{work: "1us", n: 200_000}, {work: "trivial", n: 4_000_000}}
)

// plan is all measurements of one repetition, in order.
func plan(p params) []measurement {
	var all []measurement
	for _, w := range workloads {
		if w.work != "trivial" && w.work != "sleep" {
			all = append(all, bare(p, w))
		}
	}
	for _, w := range workloads {
		w.n = p.scaled(w.n)
		if w.workers == 0 {
			w.workers = p.workers
		}
		for _, r := range named(rivals, w.rivals...) {
			all = append(all, tasks(p, w, r))
		}
	}
	for _, r := range requestLoads {
		if r.workers == 0 {
			r.workers = p.workers
		}
		for _, s := range servers {
			all = append(all, requests(p, r, s))
		}
	}
	for _, w := range readLoads {
		for _, r := range readers {
			all = append(all, wholeRun(p, "Reading", w, r))
		}
	}
	for _, waiters := range []int{0, p.scaled(1000)} {
		all = append(all, waiting(p, p.scaled(200_000), p.scaled(1000), waiters))
	}
	for _, w := range mapLoads {
		for _, r := range mappers {
			all = append(all, wholeRun(p, "Map", w, r))
		}
	}
	for _, r := range named(rivals, withLimit...) {
		switch r.Name {
		case "dense-all", "rwmutex": // the same pool again
		case "chunked": // cannot be idle, and is the floor of what blocked workers use
			all = append(all, blocked(p.scaled(10_000), r))
		default:
			all = append(all, idle(p, r), blocked(p.scaled(10_000), r))
		}
	}
	return all
}

func tasks(p params, w workload, r rival) measurement {
	return measurement{
		name:  fmt.Sprintf("Tasks/work=%s/n=%d/submitters=%d/workers=%d/pool=%s", w.work, w.n, w.submitters, w.workers, r.Name),
		ops:   w.n,
		every: w.every,
		do: func(ctx context.Context) ([]benchfmt.Value, error) {
			fn := works[w.work].task(p.calibration, w.n)
			return measureRun(ctx, r, job{in: inputs(w.n), fn: fn, workers: w.workers, submitters: w.submitters})
		},
	}
}

// wholeRun measures one of readers or mappers.
func wholeRun(p params, base string, w workload, r rival) measurement {
	n := p.scaled(w.n)
	return measurement{
		name: fmt.Sprintf("%s/work=%s/n=%d/workers=%d/pool=%s", base, w.work, n, p.workers, r.Name),
		ops:  n,
		do: func(ctx context.Context) ([]benchfmt.Value, error) {
			fn := works[w.work].task(p.calibration, n)
			return measureRun(ctx, r, job{in: inputs(n), fn: fn, workers: p.workers, submitters: 1})
		},
	}
}

func inputs(n int) []int {
	in := make([]int, n)
	for i := range in {
		in[i] = i
	}
	return in
}
