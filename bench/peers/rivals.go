package main

import (
	"context"
	"iter"
	"slices"
)

// A rival is one way to run tasks and to keep all their results.
//
// run makes its pool, submits the tasks of j, and returns when all results are
// there to be read and the pool's goroutines are told to end. The results are
// those of all tasks, in any order, the error of each beside its value; they
// live as long as they can be read, and no longer.
type rival struct {
	Name   string // in pool=…
	Label  string // in tables and pictures
	Kind   kind
	module string // whose version the report names; "" for the standard library
	run    func(ctx context.Context, j job) (results, error)
}

type results = iter.Seq2[int, error]

type kind int

const (
	theirs kind = iota
	ours
	limit // not a pool, but what a pool cannot beat
)

// rivals is all of them. Tables sort them by what was measured.
var rivals = []rival{
	{"dense", "resultpool, dense", ours, modResultpool, oneByOne(newDense)},
	{"dense-all", "resultpool, dense, SubmitAll", ours, modResultpool, allAtOnce(newDense)},
	{"rwmutex", "resultpool, rwmutex", ours, modResultpool, oneByOne(newRWMutex)},
	{"syncmap", "resultpool, syncmap", ours, modResultpool, oneByOne(newSyncMap)},
	{"xsync", "resultpool, xsync", ours, modXSyncV3, oneByOne(newXSync)},
	{"xsync-v4", "resultpool, xsync v4 (only here)", ours, modXSyncV4, oneByOne(newXSyncV4)},
	{"ants-slice", "ants into a slice", theirs, modAnts, intoSlice(runAnts)},
	{"ants-map", "ants into a map, RWMutex", theirs, modAnts, intoMap(runAnts)},
	{"pond-group", "pond, result group", theirs, modPond, pondGroup},
	{"conc-results", "conc, ResultPool", theirs, modConc, concResults},
	{"workerpool-slice", "workerpool into a slice", theirs, modWorkerpool, intoSlice(runWorkerpool)},
	{"errgroup-slice", "errgroup into a slice", theirs, modSync, intoSlice(runErrgroup)},
	{"errgroup-map", "errgroup into a map, RWMutex", theirs, modSync, intoMap(runErrgroup)},
	{"naive", "the obvious pool (naive)", theirs, modResultpool, naivePool},
	{"channel", "plain channel into a slice", theirs, "", intoSlice(runChannel)},
	{"chunked", "no pool: loops by hand", limit, "", chunked},
}

// mappers is the same for one function over one slice.
var mappers = []rival{
	{"map", "resultpool, Map", ours, modResultpool, poolMap},
	{"conc-iter", "conc, iter.Map", theirs, modConc, concIter},
	{"chunked", "loops by hand", limit, "", chunkedMap},
}

// entrants are those whom a benchmark of that name compares.
func entrants(base string) []rival {
	switch base {
	case "Map":
		return mappers
	case "Reading":
		return readers
	case "Requests":
		all := make([]rival, len(servers))
		for i, s := range servers {
			all[i] = s.rival
		}
		return all
	default:
		return rivals
	}
}

// A runner has a pool call do for the index of each task of a job.
type runner func(ctx context.Context, j job, do func(i int)) error

func intoSlice(run runner) func(context.Context, job) (results, error) {
	return func(ctx context.Context, j job) (results, error) {
		kept := make(outcomes, len(j.in))
		return kept.all, run(ctx, j, func(i int) { kept[i] = j.run(ctx, j.in[i]) })
	}
}

func intoMap(run runner) func(context.Context, job) (results, error) {
	return func(ctx context.Context, j job) (results, error) {
		kept := &lockedMap{m: make(map[int]outcome)}
		return kept.all, run(ctx, j, func(i int) { kept.put(i, j.run(ctx, j.in[i])) })
	}
}

// mapped is what a Map returned, as results: the values, and behind them an error
// that joins those of all tasks, with -1 for a value.
func mapped(values []int, joined error) results {
	return func(yield func(int, error) bool) {
		for _, v := range values {
			if !yield(v, nil) {
				return
			}
		}
		if joined != nil {
			yield(-1, joined)
		}
	}
}

// The modules that are compared.
const (
	modResultpool = "github.com/resultpool/resultpool"
	modAnts       = "github.com/panjf2000/ants/v2"
	modPond       = "github.com/alitto/pond/v2"
	modConc       = "github.com/sourcegraph/conc"
	modWorkerpool = "github.com/gammazero/workerpool"
	modSync       = "golang.org/x/sync"
	modXSyncV3    = "github.com/puzpuzpuz/xsync/v3"
	modXSyncV4    = "github.com/puzpuzpuz/xsync/v4"
)

// named returns those of all whose names are given, in the order of all. Without
// names it returns all.
func named(all []rival, names ...string) []rival {
	if len(names) == 0 {
		return all
	}
	var found []rival
	for _, r := range all {
		if slices.Contains(names, r.Name) {
			found = append(found, r)
		}
	}
	return found
}
