package main

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The page and its pictures are what their template and the raw figures say.
func TestPage(t *testing.T) {
	const docs = "../../docs"
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, rawName), []byte(read(t, docs, rawName)), 0o666))
	_, err := choose(t, nil, "page -again -docs "+dir)
	require.NoError(t, err)
	assert.Equal(t, read(t, docs, pageName), read(t, dir, pageName), "go run ./bench/choose page -again writes it")
	assert.LessOrEqual(t, strings.Count(read(t, dir, pageName), "\n"), 150, "lines")
	pictures, err := filepath.Glob(filepath.Join(dir, "plots", "*.svg"))
	require.NoError(t, err)
	require.Len(t, pictures, 4)
	for _, path := range pictures {
		assertPicture(t, path)
		assert.Contains(t, read(t, dir, pageName), "(plots/"+filepath.Base(path)+")")
		if runtime.GOARCH == "amd64" { // others may round in other places
			assert.Equal(t, read(t, docs, "plots", filepath.Base(path)), read(t, path))
		}
	}
}

// Figures that are read are written as they were, and those of a run without the race detector stay when
// one with it adds its own.
func TestFigures(t *testing.T) {
	want := read(t, "../../docs", rawName)
	raw := newFigures()
	require.NoError(t, raw.read([]byte(want)))
	assert.Equal(t, want, string(raw.text()))

	maps.Copy(raw.config, here())
	other, small := len(raw.found[!raced]), mix{puts: 50, goroutines: 1, held: 1000, value: 8, procs: 1}
	require.NoError(t, raw.measure(t.Context(), console{progress: io.Discard}, plan{count: 1, each: 1}, []mix{small}))
	assert.Len(t, raw.found[!raced], other)
	assert.Len(t, raw.found[raced], 1)
	assert.Len(t, raw.found[raced][small]["dense"], 1)
	assert.Len(t, toMeasure(false), 15)
	assert.Len(t, toMeasure(true), 4)

	raw.found[!raced], raw.config["cpu"] = raw.found[raced], "another"
	assert.ErrorContains(t, raw.measure(t.Context(), console{}, plan{}, nil), "remove these first")
}

func TestTornFigures(t *testing.T) {
	dir := t.TempDir()
	for _, line := range []string{
		"BenchmarkMix/now",
		"BenchmarkMix/race=true/puts=50/deletes=0/goroutines=2/held=1000/value=8/pointers=false/scattered=true/store=dense-2 1 5 ns/op 5 pause-ms 5 B/put",
		"BenchmarkMix/race=true/puts=50/deletes=0/goroutines=2/held=1000/value=8/pointers=false/scattered=false/store=dense-2 1 many ns/op 5 pause-ms 5 B/put",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, rawName), []byte("cpu: x\n"+line+"\n"), 0o666))
		_, err := choose(t, nil, "page -again -docs "+dir)
		assert.ErrorContains(t, err, "line 2 is no measurement of this program")
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, rawName), nil, 0o666))
	_, err := choose(t, nil, "page -again -docs "+dir)
	assert.ErrorContains(t, err, "was not measured")
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}
