package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
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

// measure measures with the race detector or without it, as this program was built. Figures of the other kind stay.
func (f *figures) measure(ctx context.Context, at console, p plan, mixes []mix) error {
	all, err := p.measure(ctx, at.progress, mixes)
	if err != nil {
		return err
	}
	f.found[raced] = all
	for key, value := range map[string]string{
		"goos": runtime.GOOS, "goarch": runtime.GOARCH, "cpu": processor(), "cores": strconv.Itoa(runtime.NumCPU()),
		"go": runtime.Version(), "date": time.Now().UTC().Format(time.DateOnly),
	} {
		f.config[key] = value
	}
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
				name := fmt.Sprintf("BenchmarkMix/race=%v/puts=%v/deletes=%v/goroutines=%d/held=%d/value=%d/store=%s-%d",
					race, m.puts, m.deletes, m.goroutines, m.held, m.value, store, m.procs)
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
	for _, key := range []string{"goos", "goarch", "cpu", "cores", "go", "date"} {
		fmt.Fprintf(&text, "%s: %s\n", key, f.config[key])
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
			"race=%t/puts=%g/deletes=%g/goroutines=%d/held=%d/value=%d %s 1 %g ns/op %g pause-ms %g B/put",
			&race, &m.puts, &m.deletes, &m.goroutines, &m.held, &m.value, &store, &s.NsPerOp, &ms, &s.BytesPerPut)
		store, procs, _ := strings.Cut(store, "-")
		m.procs, _ = strconv.Atoi(procs)
		if err != nil || m.procs == 0 || !slices.Contains(stores[:], store) {
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
