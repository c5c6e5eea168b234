package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newPlace is a folder that the user who runs PostgreSQL can reach, with a short name, as sockets need.
func newPlace(t *testing.T) *place {
	t.Helper()
	dir, err := os.MkdirTemp("", "engines-")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o711))
	return &place{dir: dir}
}

func skipWithout(t *testing.T, p *program) {
	t.Helper()
	if p == nil {
		return
	}
	if testing.Short() {
		t.Skip("SKIPPED, so this engine is NOT tested: -short")
	}
	if _, err := p.find(); err != nil {
		t.Skipf("SKIPPED, so this engine is NOT tested: %v", err)
	}
}

// Each engine runs 50 tasks, submitted in each way, and has the 50 right results.
func TestEngines(t *testing.T) {
	const n = 50
	at := newPlace(t)
	for _, r := range rows() {
		t.Run(r.name, func(t *testing.T) {
			skipWithout(t, r.needs)
			for _, how := range r.batches {
				_, err := rate(t.Context(), at, r.open, how, n, inBatches(t.Context()))
				require.NoError(t, err, "%v", how)
			}
			if len(r.singles) > 0 {
				_, err := rate(t.Context(), at, r.open, r.singles[0], n, oneByOne(t.Context(), 8))
				require.NoError(t, err)
			}
			if r.calls > 0 {
				_, err := answer(t.Context(), at, r.open, r.call, 1)
				require.NoError(t, err)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	assert.NoError(t, check(3, []int{3, 1, 2}))
	assert.ErrorContains(t, check(3, []int{1, 2}), "got 2 results, want 3")
	assert.ErrorContains(t, check(3, []int{1, 2, 2}), "got result 2 twice")
	assert.ErrorContains(t, check(3, []int{0, 1, 2}), "got result 0, want 1 to 3")
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	report := filepath.Join(dir, "report.md")
	require.NoError(t, command(t.Context(), io.Discard, "run", "-only", "^resultpool$", "-n", "100", "-singles", "100", "-count", "1",
		"-plots", dir, "-o", report))
	text, err := os.ReadFile(report)
	require.NoError(t, err)
	assert.Contains(t, string(text), "| **resultpool** | ")
	picture, err := os.ReadFile(filepath.Join(dir, "engines.svg"))
	require.NoError(t, err)
	assert.Contains(t, string(picture), ">resultpool<")
	assert.NotContains(t, string(picture), "NaN")
}

func TestSkippedRow(t *testing.T) {
	missing := program{names: []string{"there-is-no-such-server"}, install: "apt-get install it"}
	_, err := missing.find()
	require.Error(t, err)
	f := &figures{Rows: []*rowFigures{{row: row{name: "absent", needs: &missing}, Missing: err.Error()}}}
	text, err := f.text()
	require.NoError(t, err)
	assert.Contains(t, string(text), "| absent | **SKIPPED: there is no there-is-no-such-server on this machine: apt-get install it** |")
}

func TestWrongCalls(t *testing.T) {
	for want, args := range map[string]string{
		`"" is no command`:     "",
		"not defined: -fast":   "run -fast",
		"takes flags only":     "run now",
		"at least one task":    "run -count 0",
		"more than 100000":     "run -n 1000000",
		"needs -plots":         "run -only asynq",
		"matches no row":       "run -only nothing -plots " + t.TempDir(),
		"error parsing regexp": "run -only (",
		"no such file":         "run -only resultpool -plots x -dir /there/is/none",
	} {
		assert.ErrorContains(t, command(t.Context(), io.Discard, strings.Fields(args)...), want)
	}
}

func TestGrouped(t *testing.T) {
	for want, v := range map[string]float64{"0": 0, "7": 7.4, "999": 999, "1,230": 1234, "10,000": 9999, "123,000": 123456, "1,000,000": 999999} {
		assert.Equal(t, want, grouped(v))
	}
	assert.Equal(t, "1.3 ms (0.93 to 250)", stat{250, 0.93, 1.26}.Millis())
	assert.Equal(t, "–", stat{}.Rate())
}
