package behave

import (
	"bytes"
	"context"
	"errors"
	"log"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain lets the tests' program be its own child, as peers is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Child {
		if err := Cell(os.Stdout, os.Args[2:]); err != nil {
			log.Fatal(err)
		}
		return
	}
	os.Exit(m.Run())
}

// promised is our column.
var promised = map[string]string{
	"kept":         "100 of 100",
	"by-id":        "yes",
	"as-they-end":  "yes",
	"cancel":       "0 start, each has ErrNotRun",
	"first-error":  "no call",
	"panic":        "an error, others go on",
	"goexit":       "an error, others go on",
	"stop-inside":  "an error",
	"nil-task":     "an error of Submit",
	"zero-workers": "GOMAXPROCS workers",
	"per-key":      "yes",
	"retry":        "yes",
	"killed":       "10 of 10, engine/jetstream",
	"shared":       "both, engine/jetstream",
	"transaction":  "no call",
}

// The table in README.md is what the programs do now.
func TestTable(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or each child takes a second to end
	var out bytes.Buffer
	require.NoError(t, Table(t.Context(), &out, nil))
	got := parse(t, out.String())
	require.Len(t, got, len(rows)+2, "the rows, and two for the head")
	require.Len(t, promised, len(rows))
	for i, r := range rows {
		cells := got[i+2]
		require.Len(t, cells, len(pools)+1)
		assert.Equal(t, promised[r.name], cells[1], r.title)
		for j, p := range pools {
			cell := cells[j+1]
			assert.NotEmpty(t, cell, "%s, %s", r.name, p.name)
			assert.LessOrEqual(t, utf8.RuneCountInString(cell), 28, "%q is too long for README.md", cell)
		}
	}

	text, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	_, rest, isThere := strings.Cut(string(text), "<!-- behaviours -->")
	shown, _, isClosed := strings.Cut(rest, "<!-- /behaviours -->")
	require.True(t, isThere && isClosed, "README.md has no lines <!-- behaviours --> and <!-- /behaviours -->")
	want := parse(t, shown)
	require.Len(t, got, len(want), "the rows of README.md")
	for i, cells := range got {
		assert.Equal(t, want[i], cells, "a row of README.md: run GOWORK=off go -C bench/peers run . behaviours")
	}
	requirements, err := os.ReadFile("../go.mod") // the build of a test may not tell them
	require.NoError(t, err)
	for _, p := range pools {
		if p.module == "" {
			continue
		}
		_, version, _ := strings.Cut(string(requirements), p.module+" ")
		version, _, _ = strings.Cut(version, "\n")
		assert.Regexp(t, p.name+` (of x/sync )?`+regexp.QuoteMeta(version)+`\b`, shown)
	}
}

// parse returns the cells of a table.
func parse(t *testing.T, markdown string) (all [][]string) {
	t.Helper()
	for line := range strings.Lines(markdown) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		all = append(all, cells)
	}
	return all
}

// Each row says of each pool what it does, or, with a nil program, that it has no call.
func TestEveryPoolIsInEveryRow(t *testing.T) {
	names := make(map[string]bool)
	for _, r := range rows {
		assert.False(t, names[r.name], "%s is there twice", r.name)
		names[r.name] = true
		assert.Len(t, r.cells, len(pools), r.name)
		for _, p := range pools {
			assert.Contains(t, r.cells, p.name, r.name)
		}
	}
}

func TestPartOfTheTable(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	var out bytes.Buffer
	require.NoError(t, Table(t.Context(), &out, []string{"-row", "nil-task", "-pool", "errgroup"}))
	assert.True(t, strings.HasPrefix(out.String(), "|  | errgroup |\n| --- | --- |\n| a nil task | the process dies |\n\nerrgroup of x/sync "), out.String())
}

func TestOutcome(t *testing.T) {
	failed := errors.New("exit status 2")
	for _, test := range []struct {
		out, errs string
		err       error
		late      bool
		want      string // "" is an error
	}{
		{"yes\n", "", nil, false, "yes"},
		{"yes\n", "a panic: that was logged\n", nil, false, "yes"},
		{"", "panic: boom\n\ngoroutine 7 [running]:\n", failed, false, dies},
		{marker + "\n", "", failed, true, hangs},
		{marker + "\nyes\n", "", nil, false, "yes"},
		{"", "", failed, true, ""},
		{"", "WARNING: DATA RACE\n", failed, false, ""},
		{"", "open tasks: no space left on device\n", failed, false, ""},
		{"", "", nil, false, ""},
		{"yes\nno\n", "", nil, false, ""},
		{"yes | no\n", "", nil, false, ""},
	} {
		got, err := outcome(test.out, test.errs, test.err, test.late)
		assert.Equal(t, test.want, got)
		assert.Equal(t, test.want == "", err != nil, "%+v: %v", test, err)
	}
}

func TestWrongCalls(t *testing.T) {
	for want, args := range map[string][]string{
		"takes flags only": {"now"},
		"not defined":      {"-fast"},
		`row "none"`:       {"-row", "none"},
		`pool "none"`:      {"-pool", "none"},
	} {
		assert.ErrorContains(t, Table(t.Context(), &bytes.Buffer{}, args), want)
	}
	for _, args := range [][]string{nil, {"kept"}, {"kept", ants}, {"none", ours}, {"kept", ours, "now"}} {
		assert.ErrorContains(t, Cell(&bytes.Buffer{}, args), "no program")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorContains(t, Table(ctx, &bytes.Buffer{}, nil), "context canceled")
}
