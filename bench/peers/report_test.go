package main

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "make testdata/benchmarks.md what the report is now")

// The report comes from the raw figures alone, and so is the same wherever it is
// made.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	status, _, stderr := execute(t, "", "report", "-out", dir, "testdata/raw.txt")
	require.Equal(t, exitOK, status, stderr)

	const golden = "testdata/benchmarks.md"
	got := read(t, filepath.Join(dir, "benchmarks.md"))
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o666))
	}
	assert.Equal(t, strings.ReplaceAll(read(t, golden), "\r\n", "\n"), got)

	for name := range captions {
		path := filepath.Join("plots", name+".svg")
		assertPicture(t, read(t, filepath.Join(dir, path)))
		assert.Contains(t, got, "(plots/"+name+".svg)")
	}
}

// The raw figures that are written give the same report again.
func TestReportOfItsOwnRawFigures(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	status, _, stderr := execute(t, "", "report", "-out", first, "testdata/raw.txt")
	require.Equal(t, exitOK, status, stderr)
	status, _, stderr = execute(t, "", "report", "-out", second, filepath.Join(first, rawName))
	require.Equal(t, exitOK, status, stderr)
	for _, name := range []string{rawName, "benchmarks.md", "plots/trivial.svg", "plots/growth.svg"} {
		assert.Equal(t, read(t, filepath.Join(first, name)), read(t, filepath.Join(second, name)), name)
	}
}

func TestReportOfAPart(t *testing.T) {
	dir := t.TempDir()
	raw := put(t, t.TempDir(), "raw", "BenchmarkMap/work=trivial/n=10/workers=2/pool=map 10 5 ns/op\n")
	status, _, stderr := execute(t, "", "report", "-out", dir, raw)
	require.Equal(t, exitOK, status, stderr)
	report := read(t, filepath.Join(dir, "benchmarks.md"))
	assert.Contains(t, report, "| **resultpool, Map** | 5.00 | ? |")
	assert.NotContains(t, report, "A task that does nothing")
	assert.NotContains(t, report, "trivial.svg")
}

func TestRivalsAhead(t *testing.T) {
	stand := func(kind kind, name string, ns float64) standing {
		s := standing{rival: rival{name: name, label: name, kind: kind}}
		s.Center = ns
		return s
	}
	all := []standing{
		stand(limit, "loops", 1), stand(theirs, "quick", 2), stand(ours, "dense-all", 3),
		stand(theirs, "middling", 4), stand(ours, "dense", 5), stand(theirs, "slow", 6),
	}
	var names []string
	for _, s := range all {
		names = append(names, marked(s, all))
	}
	assert.Equal(t, []string{
		"*loops*", "quick ◀ ahead of ours", "**dense-all**", "middling ◀ ahead of Submit", "**dense**", "slow",
	}, names)
}

func TestStores(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "stores.svg")
	status, _, stderr := execute(t, read(t, "testdata/stores.txt"), "stores", "-o", path)
	require.Equal(t, exitOK, status, stderr)
	picture := read(t, path)
	assertPicture(t, picture)
	for _, text := range []string{">dense<", ">rwmutex<", ">syncmap<", ">xsync<", "1,000,000 results held"} {
		assert.Contains(t, picture, text)
	}
}

func TestNumber(t *testing.T) {
	for want, v := range map[string]float64{
		"0": 0.0001, "0.01": 0.0100, "5.25": 5.25, "10.0": 9.999, "31.5": 31.5, "100": 99.96, "1234": 1234, "2.5 million": 2.5e6,
	} {
		assert.Equal(t, want, number(v))
	}
}

func TestGrouped(t *testing.T) {
	for want, n := range map[string]string{"": "", "1": "1", "999": "999", "1,000": "1000", "10,000,000": "10000000"} {
		assert.Equal(t, want, grouped(n))
	}
}

// assertPicture checks that a picture is XML from its beginning to its end.
func assertPicture(t *testing.T, picture string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(picture))
	elements := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if _, ok := token.(xml.StartElement); ok {
			elements++
		}
	}
	assert.Greater(t, elements, 10)
	assert.Equal(t, strings.Count(picture, "<text "), strings.Count(picture, "textLength="), "a text may be too long")
	assert.NotContains(t, picture, "NaN")
	assert.NotContains(t, picture, "Inf")
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
