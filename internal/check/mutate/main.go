// Command mutate makes small faults in the code of the module, one at a time, and
// runs the tests, which are to notice. A mutant that they do not notice is a promise
// that no test holds, or it is equivalent to the original, and then
// equivalent.txt says why.
//
//	go run ./internal/check/mutate                              all mutants; takes long
//	go run ./internal/check/mutate -packages store/dense        of one package
//	go run ./internal/check/mutate -sample 40 -seed 7 -for 2m   some of them
//	go run ./internal/check/mutate -changed main                on lines changed since main
//	go run ./internal/check/mutate -list                        what there is, without running
//
// Mutation tools for Go are made for sequential code: gremlins, for one, changes
// operators and numbers. This one also drops locks, unlocks, signals, cases of selects,
// defers and looks at contexts, and swaps statements.
//
// All mutants of a package, or some hundreds of them, are built into one test
// binary; see schema. A mutant first meets the tests of its package that reach its
// line, the quick ones first. Those that are left meet the race detector, then the tests
// with a yield around each atomic operation, and then the tests of other packages. The
// texts of Error and String methods are not mutated.
//
// It ends with status 1 if a mutant survives that is not in the list, or if the list
// is out of date: if it has a mutant that does not exist any more, or that is killed.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

type options struct {
	packages, operators string
	sample              int
	seed                uint64
	budget              time.Duration
	changed             string
	workers, batch      int
	state               string
	skipListed          bool
	list, verbose       bool
	only                string
	equivalent          string
	limit               time.Duration
	stages              string
}

func main() {
	var o options
	flag.StringVar(&o.packages, "packages", "", "folders of packages, with commas (default: all)")
	flag.StringVar(&o.operators, "operator", "", "operators, with commas (default: all)")
	flag.IntVar(&o.sample, "sample", 0, "how many mutants, chosen at random (0: all)")
	flag.Uint64Var(&o.seed, "seed", 0, "of the sample (0: another each time)")
	flag.DurationVar(&o.budget, "for", 0, "begin with no further mutant after this time (0: no limit)")
	flag.StringVar(&o.changed, "changed", "", "only mutants on lines that are not as in this revision")
	flag.IntVar(&o.workers, "workers", 2, "how many mutants are tried at once")
	flag.IntVar(&o.batch, "batch", 250, "how many mutants are built at once")
	flag.StringVar(&o.state, "state", "", "a file for the results; mutants that it says are dead are not tried again")
	flag.BoolVar(&o.skipListed, "skip-listed", false, "do not try those that are listed as equivalent")
	flag.BoolVar(&o.list, "list", false, "print the mutants and try none")
	flag.StringVar(&o.only, "only", "", "IDs of mutants, with commas (default: all)")
	flag.BoolVar(&o.verbose, "v", false, "print what the tests say of each mutant that they kill")
	flag.StringVar(&o.stages, "stages", "", "of quick, slow, race, yields, sleeps, with commas (default: all)")
	flag.DurationVar(&o.limit, "limit", 10*time.Second, "how long tests may take at least, before they count as hanging")
	flag.StringVar(&o.equivalent, "equivalent", "internal/check/mutate/equivalent.txt", "the list of equivalent mutants, below the module's folder")
	flag.Parse()
	out, err := run(ours(), o)
	fmt.Print(out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// run tries the mutants of a project that o asks for, and returns a report. The error
// tells that some survived, or that they could not be tried.
func run(p project, o options) (string, error) {
	var w strings.Builder
	err := p.try(o, &w)
	return w.String(), err
}

func (p project) try(o options, w *strings.Builder) error {
	start := time.Now()
	out, err := command(p.dir, nil, "go", "list", "-m", "-f", "{{.Dir}}", p.module)
	if err != nil {
		return err
	}
	root := strings.TrimSpace(string(out))
	list := filepath.FromSlash(o.equivalent)
	if !filepath.IsAbs(list) {
		list = filepath.Join(root, list)
	}
	text, err := os.ReadFile(list)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	reasons, err := readReasons(text)
	if err != nil {
		return fmt.Errorf("%s: %w", o.equivalent, err)
	}
	tmp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()

	r := &runner{
		builder: builder{root: root, module: p.module, tmp: tmp, yield: p.yield, hand: p.hand},
		extra:   p.extra, blind: p.blind,
		workers: o.workers, batch: o.batch, limit: o.limit, only: o.stages, verbose: o.verbose,
		tests: make(map[string][]*test), results: make(map[string]result),
	}
	if o.budget > 0 {
		r.deadline = start.Add(o.budget)
	}
	for _, t := range p.targets {
		r.cover = append(r.cover, p.module+"/"+t.dir)
	}
	if err := r.remember(o.state); err != nil {
		return err
	}

	var all []*mutant
	broken := 0
	sources := make(map[string]*source)
	for _, t := range p.targets {
		if !chosen(o.packages, t.dir) {
			continue
		}
		src, err := load(root, t.dir)
		if err != nil {
			return err
		}
		ms, bad := src.mutants(operators(), func(m *mutant) (ok, known bool) {
			res, known := r.results[m.id]
			return res.Verdict != doesNotCompile, known && res.Verdict != survived.String()
		})
		sources[t.dir] = src
		all = append(all, ms...)
		broken += len(bad)
		for _, m := range bad {
			r.record(result{Mutant: m.String(), ID: m.id, Pkg: m.pkg, Op: m.op, Verdict: doesNotCompile})
		}
	}
	all = slices.DeleteFunc(all, func(m *mutant) bool { return !chosen(o.operators, m.op) || !chosen(o.only, m.id) })
	if o.changed != "" {
		lines, err := changedLines(root, o.changed)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(m *mutant) bool { return !lines[m.file][m.line] })
	}
	complete := o.operators == "" && o.only == "" && o.changed == "" && o.packages == ""
	if o.sample > 0 && o.sample < len(all) {
		complete = false
		if o.seed == 0 {
			o.seed = rand.Uint64N(1e6) + 1
		}
		fmt.Fprintf(w, "a sample of %d of %d mutants, -seed %d\n", o.sample, len(all), o.seed)
		all = pick(all, o.sample, o.seed)
	}
	if o.list {
		for _, m := range all {
			fmt.Fprintln(w, m.id, about(m))
		}
		fmt.Fprintf(w, "%d mutants; %d more do not compile\n", len(all), broken)
		return nil
	}
	listed := make(map[string]bool)
	for _, re := range reasons {
		listed[re.id] = true
	}
	for _, t := range p.targets {
		ms := slices.DeleteFunc(slices.Clone(all), func(m *mutant) bool {
			res, done := r.results[m.id]
			return m.pkg != t.dir || done && res.Verdict != survived.String() || o.skipListed && listed[m.id]
		})
		if o.skipListed {
			for _, m := range all {
				if listed[m.id] && m.pkg == t.dir {
					r.record(result{Mutant: m.String(), ID: m.id, Pkg: m.pkg, Op: m.op, Verdict: survived.String(), Stage: "listed"})
				}
			}
		}
		if len(ms) == 0 {
			continue
		}
		if err := r.attack(t, sources[t.dir], ms); err != nil {
			return err
		}
	}
	if r.save != nil {
		r.save(r.results)
	}
	wrong := r.report(w, all, broken, reasons, complete)
	fmt.Fprintf(w, "%v\n", time.Since(start).Round(time.Second))
	if wrong > 0 {
		return fmt.Errorf("%d mutants survived, or are listed wrongly", wrong)
	}
	return nil
}

// doesNotCompile is a verdict, kept so that it is not found out again.
const doesNotCompile = "does not compile"

// chosen reports whether s is in a list with commas, or the list is empty.
func chosen(list, s string) bool {
	return list == "" || slices.Contains(strings.Split(list, ","), s)
}

// pick returns n of ms, in their order.
func pick(ms []*mutant, n int, seed uint64) []*mutant {
	places := rand.New(rand.NewPCG(seed, 0)).Perm(len(ms))[:n]
	slices.Sort(places)
	var some []*mutant
	for _, i := range places {
		some = append(some, ms[i])
	}
	return some
}

// remember reads the results of a file, and keeps them there from now on.
func (r *runner) remember(file string) error {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(text, &r.results); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	r.save = func(all map[string]result) {
		text, err := json.MarshalIndent(all, "", "\t")
		if err == nil {
			err = os.WriteFile(file, append(text, '\n'), 0o600)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "mutate:", err)
		}
	}
	return nil
}
