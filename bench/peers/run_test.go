package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the tests' program be its own child, as peers is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "measure" {
		main()
		return
	}
	quietRounds = 1
	os.Exit(m.Run())
}

// Every measurement is done once, in this process, where the race detector sees
// it.
func TestMeasurements(t *testing.T) {
	form := regexp.MustCompile(`^[A-Z][a-z]+(/[a-z]+=[a-z0-9-]*[a-z]+[a-z0-9-]*|/[a-z]+=[0-9]+)+$`)
	seen := make(map[string]bool)
	for _, m := range plan(params{workers: 2, calibration: 10, quick: true}) {
		assert.Regexp(t, form, m.name, "benchstat cannot pivot on this")
		assert.False(t, seen[m.name], "%s is there twice", m.name)
		seen[m.name] = true
		t.Run(m.name, func(t *testing.T) {
			values, err := m.do(t.Context())
			require.NoError(t, err)
			assert.NotEmpty(t, values)
		})
	}
}

func TestRun(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or each child takes a second to end
	dir := filepath.Join(t.TempDir(), "new")
	require.NoError(t, command(t.Context(), io.Discard, "run", "-quick", "-count", "3", "-out", dir, "-only",
		"^Bare/work=1us|n=1000/submitters=1/.*/pool=(dense|chunked)$|work=1us/.*pool=(dense|chunked)$|Idle/.*pool=dense$"))

	raw, err := readFile(filepath.Join(dir, rawName))
	require.NoError(t, err)
	f := newFigures(raw)
	once := f.Rows("Tasks", "work=1us", "pool=dense")
	require.Len(t, once, 1)
	assert.Len(t, once[0].values["ns/op"], 3)
	half := f.Rows("Idle", "pool=dense")
	require.Len(t, half, 1)
	assert.Len(t, half[0].values["cpu-us/s"], 2)
	assert.Contains(t, f.config["command"], "run . run -count=3 -only='^Bare/work=1us|")

	report := read(t, filepath.Join(dir, "benchmarks.md"))
	assert.Contains(t, report, "**resultpool, dense**")
	assert.NotContains(t, report, dir)
	assertPicture(t, read(t, filepath.Join(dir, "plots", "lengths.svg")))
}
