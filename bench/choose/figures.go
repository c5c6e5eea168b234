package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// figures is what was measured for the page, with and without the race detector.
type figures struct {
	config map[string]string
	found  map[bool]map[mix]found // by whether the race detector was on
}

func newFigures() *figures {
	return &figures{config: make(map[string]string), found: map[bool]map[mix]found{false: {}, true: {}}}
}

// here is what of this machine must be the same for the figures of both kinds.
func here() map[string]string {
	return map[string]string{
		"goos": runtime.GOOS, "goarch": runtime.GOARCH, "cpu": processor(), "cores": strconv.Itoa(runtime.NumCPU()),
		"go": runtime.Version(),
	}
}

// dateOf is the key of the day on which the figures of a kind were measured.
func dateOf(race bool) string {
	if race {
		return "date-race"
	}
	return "date"
}

// measure measures with the race detector or without it, as this program was built. Figures of the other kind stay.
func (f *figures) measure(ctx context.Context, at console, p plan, mixes []mix) error {
	for key, value := range here() {
		if len(f.found[!raced]) > 0 && f.config[key] != value {
			return fmt.Errorf("%s is %q here, and was %q where the other figures of the page were measured: remove these first", key, value, f.config[key])
		}
	}
	all, err := p.measure(ctx, at.progress, mixes)
	if err != nil {
		return err
	}
	f.found[raced] = all
	maps.Copy(f.config, here())
	f.config[dateOf(raced)] = time.Now().UTC().Format(time.DateOnly)
	return nil
}

// text is the figures in the format that benchstat reads.
func (f *figures) text() []byte {
	type line struct {
		name  string
		sweep int
		rest  string
	}
	var lines []line
	for race, all := range f.found {
		for m, of := range all {
			for store, samples := range of {
				name := fmt.Sprintf("BenchmarkMix/race=%v/puts=%v/deletes=%v/goroutines=%d/held=%d/value=%d/pointers=%v/scattered=%v/store=%s-%d",
					race, m.puts, m.deletes, m.goroutines, m.held, m.value, m.pointers, m.scattered, store, m.procs)
				for i, s := range samples {
					lines = append(lines, line{name, i, fmt.Sprintf("%.1f ns/op %.3f pause-ms %.1f B/put", s.NsPerOp, pause(s), s.BytesPerPut)})
				}
			}
		}
	}
	slices.SortFunc(lines, func(a, b line) int {
		if a.name != b.name {
			return strings.Compare(a.name, b.name)
		}
		return a.sweep - b.sweep
	})
	var text bytes.Buffer
	for _, key := range []string{"goos", "goarch", "cpu", "cores", "go", dateOf(false), dateOf(true)} {
		if f.config[key] != "" {
			fmt.Fprintf(&text, "%s: %s\n", key, f.config[key])
		}
	}
	for _, l := range lines {
		fmt.Fprintf(&text, "%s 1 %s\n", l.name, l.rest)
	}
	return text.Bytes()
}

// read adds what text has written.
func (f *figures) read(text []byte) error {
	for in, n := bufio.NewScanner(bytes.NewReader(text)), 1; in.Scan(); n++ {
		name, ok := strings.CutPrefix(in.Text(), "BenchmarkMix/")
		if !ok {
			if key, value, ok := strings.Cut(in.Text(), ": "); ok {
				f.config[key] = value
			}
			continue
		}
		var (
			s     sample
			m     mix
			race  bool
			store string
			ms    float64
		)
		_, err := fmt.Sscanf(strings.NewReplacer("/store=", " ").Replace(name),
			"race=%t/puts=%g/deletes=%g/goroutines=%d/held=%d/value=%d/pointers=%t/scattered=%t %s 1 %g ns/op %g pause-ms %g B/put",
			&race, &m.puts, &m.deletes, &m.goroutines, &m.held, &m.value, &m.pointers, &m.scattered, &store, &s.NsPerOp, &ms, &s.BytesPerPut)
		store, procs, _ := strings.Cut(store, "-")
		m.procs, _ = strconv.Atoi(procs)
		if err != nil || m.procs == 0 || !slices.Contains(m.measured(), store) {
			return fmt.Errorf("line %d is no measurement of this program", n)
		}
		s.LongestPause = time.Duration(math.Round(ms * 1e6))
		if f.found[race][m] == nil {
			f.found[race][m] = make(found)
		}
		f.found[race][m][store] = append(f.found[race][m][store], s)
	}
	return nil
}
