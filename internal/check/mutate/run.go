package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A result is what became of a mutant.
type result struct {
	Mutant  string `json:"mutant"` // as String gives it
	ID      string `json:"id"`
	Pkg     string `json:"package"`
	Op      string `json:"operator"`
	Verdict string `json:"verdict"`
	By      string `json:"by,omitempty"` // the test
	Stage   string `json:"stage,omitempty"`
}

// A runner runs tests on mutants and keeps the results.
type runner struct {
	builder
	extra    map[string][]string // see project
	blind    []string            // see project
	workers  int
	batch    int
	limit    time.Duration // of tests, at least
	deadline time.Time     // zero: none
	only     string        // these stages; "": all
	verbose  bool
	save     func(map[string]result)

	tests map[string][]*test // by folder

	mu      sync.Mutex
	results map[string]result // by the mutant's ID; guarded by mu
	saved   time.Time         // guarded by mu
}

// A stage is one way to run tests on the mutants that are left.
type stage struct {
	name string
	dir  string // of the tests
	mode mode
	pick func(exact, loose []*test) [][]*test // the tests of each process
	args []string
	env  []string
	run  string // instead of the tests that are picked
}

// quick is how long a test may take that is run together with others, first.
const quick = 250 * time.Millisecond

// stages are those of a target, package by package, since a package's own tests are the
// quickest to notice. The first kill nearly all, at little cost each; the later ones are
// for faults that show in rare orders of events.
func (r *runner) stages(t target) (all []stage) {
	var races *regexp.Regexp
	if t.races != "" {
		races = regexp.MustCompile(t.races)
	}
	for _, dir := range t.tests {
		all = append(all,
			stage{name: "quick", dir: dir, mode: plain, pick: func(exact, _ []*test) [][]*test {
				return narrowFirst(slices.DeleteFunc(exact, func(t *test) bool { return t.took > quick }))
			}},
			stage{name: "slow", dir: dir, mode: plain, args: r.extra[dir], pick: func(exact, _ []*test) [][]*test {
				return alone(slices.DeleteFunc(exact, func(t *test) bool { return t.took <= quick }))
			}},
			stage{
				name: "race", dir: dir, mode: race, args: append(slices.Clone(r.extra[dir]), "-test.cpu=2"),
				pick: func(exact, loose []*test) [][]*test {
					quicker := slices.DeleteFunc(exact, func(t *test) bool { return t.took > quick/2 })
					racing := slices.DeleteFunc(loose, func(test *test) bool {
						return slices.Contains(quicker, test) || races != nil && !races.MatchString(test.name) || test.took > 6*time.Second
					})
					return append(together(quicker), together(racing)...)
				},
			})
		if t.races != "" {
			all = append(all, stage{name: "yields", dir: dir, mode: yields, run: t.races, args: r.extra[dir]})
		}
		if t.sleeps != "" && dir == t.dir {
			all = append(all, stage{
				name: "sleeps", dir: dir, mode: yields, run: t.sleeps,
				args: []string{"-test.count=20"}, env: []string{"YIELDING=sleep"},
			})
		}
	}
	return all
}

// together has tests run by one process, and alone by one each.
func together(tests []*test) [][]*test {
	if len(tests) == 0 {
		return nil
	}
	return [][]*test{tests}
}

// narrowFirst has the tests that reach least run first: most mutants do not survive
// those. The rest follow in another process.
func narrowFirst(tests []*test) [][]*test {
	const some = 8
	if len(tests) <= 2*some {
		return together(tests)
	}
	tests = slices.Clone(tests)
	slices.SortStableFunc(tests, func(a, b *test) int { return len(a.blocks) - len(b.blocks) })
	return [][]*test{tests[:some], tests[some:]}
}

func alone(tests []*test) (all [][]*test) {
	for _, t := range tests {
		all = append(all, []*test{t})
	}
	return all
}

// attack runs a target's stages on mutants, each on those that the stages before
// have left. The results of the others are recorded.
func (r *runner) attack(t target, src *source, ms []*mutant) error {
	for _, st := range r.stages(t) {
		if len(ms) == 0 {
			return nil
		}
		if r.late() {
			break
		}
		if !chosen(r.only, st.name) {
			continue
		}
		if err := r.know(st.dir); err != nil {
			return err
		}
		start, before := time.Now(), len(ms)
		if err := r.stage(st, src, ms); err != nil {
			return err
		}
		ms = slices.DeleteFunc(ms, func(m *mutant) bool {
			res, done := r.result(m)
			return done && res.Verdict != survived.String()
		})
		fmt.Fprintf(os.Stderr, "%s: %s by the tests of %s: %d of %d left after %v\n",
			t.dir, st.name, st.dir, len(ms), before, time.Since(start).Round(time.Second))
	}
	if r.late() { // those that are left may not have met all stages: nothing is known of them
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, m := range ms {
			delete(r.results, m.id)
		}
	}
	return nil
}

// know measures the tests of a folder, once.
func (r *runner) know(dir string) error {
	if r.tests[dir] != nil {
		return nil
	}
	tests, err := r.measure(dir, r.workers)
	if err != nil {
		return err
	}
	r.tests[dir] = slices.DeleteFunc(tests, func(t *test) bool { return slices.Contains(r.blind, t.name) })
	fmt.Fprintf(os.Stderr, "%s: %d tests\n", dir, len(tests))
	return nil
}

// stage runs one stage on ms, in batches that are built in one go.
func (r *runner) stage(st stage, src *source, ms []*mutant) error {
	type job struct {
		m      *mutant
		number int
		binary string
		left   *sync.WaitGroup
	}
	jobs := make(chan job)
	var crew sync.WaitGroup
	for range r.workers {
		crew.Go(func() {
			for j := range jobs {
				if !r.late() {
					r.try(st, src, j.m, j.number, j.binary)
				}
				j.left.Done()
			}
		})
	}
	// What is in no function cannot be in one build with others.
	var batches [][]*mutant
	inFuncs := slices.DeleteFunc(slices.Clone(ms), func(m *mutant) bool { return m.decl == nil })
	for b := range slices.Chunk(inFuncs, r.batch) {
		batches = append(batches, b)
	}
	for _, m := range ms {
		if m.decl == nil {
			batches = append(batches, []*mutant{m})
		}
	}
	var err error
	sound := false // the tests of this stage pass without a mutant
	var cleaners sync.WaitGroup
	for len(batches) > 0 && !r.late() {
		batch := batches[0]
		batches = batches[1:]
		var binary string
		if binary, err = r.build(st.dir, newSchema(src, batch), st.mode); err != nil {
			if len(batch) == 1 {
				break
			}
			// One of them compiles for the type checker only. Halve until it is found.
			half := len(batch) / 2
			batches = append(batches, batch[:half], batch[half:])
			err = nil
			continue
		}
		if st.run != "" && !sound {
			t := trial{binary: binary, dir: filepath.Join(r.root, filepath.FromSlash(st.dir)), run: st.run, args: st.args, env: st.env}
			t.limit = 5 * time.Minute
			if v, by, out, _ := t.do(); v != survived {
				err = fmt.Errorf("%s without a mutant: %v by %s\n%s", st.name, v, by, tail(out, 4000))
				break
			}
			sound = true
		}
		left := new(sync.WaitGroup)
		left.Add(len(batch))
		cleaners.Go(func() {
			left.Wait()
			_ = os.RemoveAll(filepath.Dir(binary))
		})
		for i, m := range batch {
			jobs <- job{m, i + 1, binary, left}
		}
	}
	close(jobs)
	crew.Wait()
	cleaners.Wait()
	return err
}

// try runs a stage's tests on one mutant and records the result.
func (r *runner) try(st stage, src *source, m *mutant, number int, binary string) {
	exact, loose := reach(m, src, r.tests[st.dir])
	t := trial{
		binary: binary, dir: filepath.Join(r.root, filepath.FromSlash(st.dir)), number: number,
		args: st.args, env: st.env,
	}
	res := result{Mutant: m.String(), ID: m.id, Pkg: m.pkg, Op: m.op, Stage: st.name, Verdict: survived.String()}
	groups := [][]*test{nil}
	if st.run == "" {
		groups = st.pick(exact, loose)
	}
	for _, group := range groups {
		var names []string
		t.limit = 0
		for _, test := range group {
			names = append(names, test.name)
			t.limit += 5 * test.took
		}
		t.run, t.limit = exactly(names...), max(t.limit, r.limit)
		if st.run != "" {
			t.run = st.run
		}
		if st.mode != plain {
			t.limit = max(4*t.limit, 9*r.limit)
		}
		v, by, out, _ := t.do()
		if v == survived {
			continue
		}
		res.Verdict, res.By = v.String(), by
		if r.verbose {
			fmt.Fprintf(os.Stderr, "%v: %v by %s\n%s\n", m, v, by, tail(out, 2000))
		}
		break
	}
	r.record(res)
}

func (r *runner) late() bool { return !r.deadline.IsZero() && time.Now().After(r.deadline) }

func (r *runner) result(m *mutant) (result, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	res, ok := r.results[m.id]
	return res, ok
}

func (r *runner) record(res result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.results[res.ID]; ok && res.Verdict == survived.String() && !strings.Contains(old.Stage, res.Stage) {
		res.Stage = old.Stage + " " + res.Stage
	}
	r.results[res.ID] = res
	if r.save != nil && time.Since(r.saved) > 5*time.Second {
		r.saved = time.Now()
		r.save(r.results)
	}
}
