package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"
)

var update = flag.Bool("update", false, "make testdata/benchmarks.md what the report is now")

// The report comes from the raw figures alone, and so is the same wherever it is
// made. The raw figures that are written give the same report again.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	for _, raw := range []string{"testdata/raw.txt", filepath.Join(dir, rawName)} {
		require.NoError(t, command(t.Context(), io.Discard, "report", "-out", dir, raw))
		const golden = "testdata/benchmarks.md"
		got := read(t, filepath.Join(dir, "benchmarks.md"))
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(got), 0o666))
		}
		assert.Equal(t, strings.ReplaceAll(read(t, golden), "\r\n", "\n"), got)
		const path = "plots/lengths.svg"
		picture := read(t, filepath.Join(dir, path))
		assertPicture(t, picture)
		assert.Contains(t, got, "("+path+")")
		for _, text := range []string{">1 µs<", ">1 ms<", ">conc, ResultPool<", "less is better", "least and most of all repetitions"} {
			assert.Contains(t, picture, text)
		}
	}
}

func TestReportOfAPart(t *testing.T) {
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	require.NoError(t, os.WriteFile(raw, []byte("BenchmarkMap/work=trivial/n=10/workers=2/pool=map 10 5 ns/op\n"), 0o666))
	require.NoError(t, command(t.Context(), io.Discard, "report", "-out", dir, raw))
	report := read(t, filepath.Join(dir, "benchmarks.md"))
	assert.Contains(t, report, "| **resultpool, Map** | 5.00 | ? |")
	assert.NotContains(t, report, "A task that does nothing")
	assert.NotContains(t, report, "lengths.svg")
}

func TestRivalsAhead(t *testing.T) {
	all := ranking{}
	for _, r := range []rival{
		{Name: "loops", Kind: limit},
		{Name: "quick"},
		{Name: "dense-all", Kind: ours},
		{Name: "middling"},
		{Name: "dense", Kind: ours},
		{Name: "slow"},
	} {
		r.Label = r.Name
		s := &standing{rival: r, stat: &stat{}}
		s.Center = float64(len(all))
		all = append(all, s)
	}
	var names []string
	for _, s := range all {
		s.all = all
		names = append(names, s.Marked())
	}
	assert.Equal(t, []string{
		"*loops*", "quick ◀ ahead of ours", "**dense-all**", "middling ◀ ahead of Submit", "**dense**", "slow",
	}, names)
}

// The choice of a pool matters as long as one of them is too slow, also if it is not with
// shorter tasks.
func TestChoice(t *testing.T) {
	for _, test := range []struct {
		times map[string]float64 // of conc, where loops by hand take 100
		want  string
	}{
		{nil, ""},
		{map[string]float64{"1us": 105, "10us": 110}, "From tasks of 1 µs on, the choice of a pool by speed does not matter if they compute: " +
			"with a worker for each core every pool takes at most 10 % longer than loops by hand."},
		{map[string]float64{"1us": 300, "10us": 105, "100us": 200, "1ms": 100}, "From tasks of 1 ms on, the choice of a pool by speed " +
			"does not matter if they compute: with a worker for each core every pool takes at most 10 % longer than loops by hand. With tasks of 100 µs the slowest " +
			"(conc, ResultPool) takes 2.00× the time of loops by hand."},
		{map[string]float64{"1us": 105, "10us": 111}, "With tasks of 10 µs the slowest (conc, ResultPool) takes 1.11× the time of loops by hand."},
	} {
		var text strings.Builder
		for work, ns := range test.times {
			fmt.Fprintf(&text, "BenchmarkTasks/work=%s/pool=chunked 1 100 ns/op\n", work)
			fmt.Fprintf(&text, "BenchmarkTasks/work=%s/pool=conc-results 1 %v ns/op\n", work, ns)
		}
		var raw []*benchfmt.Result
		if test.times != nil {
			var err error
			raw, err = parse(strings.NewReader(text.String()), "raw")
			require.NoError(t, err)
		}
		assert.Equal(t, test.want, newFigures(raw).Choice())
	}
}

func TestWrongCalls(t *testing.T) {
	dir := t.TempDir()
	torn := filepath.Join(dir, "torn")
	require.NoError(t, os.WriteFile(torn, []byte("BenchmarkTasks/work=trivial 1 many ns/op\n"), 0o666))
	for want, args := range map[string]string{
		`"bench" is no command`:             "bench",
		"not defined: -fast":                "run -fast",
		"takes flags only":                  "run now",
		"at least one repetition":           "run -count 0",
		"need -out":                         "run -quick",
		"error parsing regexp":              "run -only ( -out " + dir,
		"matches no measurement":            "run -only nothing -out " + dir,
		"no such file":                      "report none",
		"no line is a benchmark":            "report -out " + dir + " main.go",
		"torn:1":                            "report -out " + dir + " " + torn,
		`there is no measurement "Nothing"`: "measure Nothing",
		"context canceled":                  "run -quick -out " + dir,
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorContains(t, command(ctx, io.Discard, strings.Fields(args)...), want)
	}
	assert.NoFileExists(t, filepath.Join(dir, "benchmarks.md"))
}

func TestNumber(t *testing.T) {
	for want, v := range map[string]float64{
		"0": 0.0001, "0.01": 0.0100, "5.25": 5.25, "10.0": 9.999, "31.5": 31.5, "100": 99.96, "1234": 1234, "2.5 million": 2.5e6,
	} {
		assert.Equal(t, want, number(v))
	}
	for want, n := range map[string]string{"": "", "1": "1", "999": "999", "1,000": "1000", "10,000,000": "10000000"} {
		assert.Equal(t, want, grouped(n))
	}
}

// assertPicture checks that a picture is XML from its beginning to its end.
func assertPicture(t *testing.T, picture string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader([]byte(picture)))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
	assert.Greater(t, strings.Count(picture, "<text "), 4)
	assert.NotContains(t, picture, "NaN")
	assert.NotContains(t, picture, "Inf")
	for _, of := range regexp.MustCompile(`(?:fill|stroke):([^;"]*)`).FindAllStringSubmatch(picture, -1) {
		assert.Regexp(t, `^(none|#[0-9A-F]{6})$`, of[1], "not a color")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
