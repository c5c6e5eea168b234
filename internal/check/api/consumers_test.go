package api

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// consumers are users' modules, and what they import of ours.
var consumers = []struct {
	name    string
	imports []string
	test    bool // in a test file
}{
	{name: "a pool with a dense store", imports: []string{"pool", "store/dense"}},
	{name: "a pool with an xsync store", imports: []string{"pool", "store/xsync"}},
	{name: "an engine of its own", imports: []string{"engine"}},
	{name: "an engine of its own and its test", imports: []string{"engine", "engine/enginetest"}, test: true},
	{name: "a store of its own", imports: []string{"store"}},
	{name: "a store of its own that keeps bytes", imports: []string{"store", "store/codec"}},
	{name: "a store of its own and its test", imports: []string{"store", "store/storetest"}, test: true},
	{name: "everything", imports: []string{"engine", "engine/enginetest", "pool", "store", "store/codec", "store/dense", "store/rwmutex", "store/storetest", "store/syncmap", "store/xsync"}},
}

// TestConsumers makes modules that use this one, outside of the workspace as a
// user's is, and compares what they get by it with testdata/consumers.txt: the
// modules in their go.mod and go.sum, those that the go command knows of, and the
// packages that end up in their program. Their programs are run as well: when main
// begins, no import has started a goroutine.
func TestConsumers(t *testing.T) {
	var lines []string
	for _, c := range consumers {
		m := newConsumer(t, c.imports, c.test)
		for _, what := range []struct {
			name string
			of   []string
		}{
			{"go.mod", m.required()},
			{"go.sum", m.sums()},
			{"go list -m all", m.words("list", "-m", "-f", "{{if not .Main}}{{.Path}}{{end}}", "all")},
			{"go list -deps", m.words("list", "-deps", "-test="+fmt.Sprint(c.test),
				"-f", "{{if and (not .Standard) (not .ForTest) (not .Module.Main)}}{{.ImportPath}}{{end}}", ".")},
			{"program", m.program(c.test)}, // a test binary does not say
		} {
			slices.Sort(what.of)
			for _, path := range slices.Compact(what.of) {
				lines = append(lines, c.name+", "+what.name+": "+path)
			}
		}
	}
	golden(t, "testdata/consumers.txt", lines, "A line that is new is a module or a package that every such user gets. "+
		"(In go.sum is also what the tests of the packages import that are used.)")
}

type consumer struct {
	t   *testing.T
	dir string
}

// newConsumer makes a module and tidies it, without the network if the module
// cache has what it needs, as it has where the root module's tests have run.
func newConsumer(t *testing.T, imports []string, test bool) *consumer {
	t.Helper()
	m := &consumer{t, t.TempDir()}
	checkout, err := filepath.Abs(root)
	require.NoError(t, err)
	m.write("go.mod", fmt.Sprintf("module example.com/consumer\n\ngo 1.25.0\n\n"+
		"require %[1]s v0.0.0\n\nreplace %[1]s => %[2]q\n", Module, filepath.ToSlash(checkout)))
	// The checksums that the root module has are to be trusted; tidy keeps those
	// that the consumer needs.
	sums, err := os.ReadFile(filepath.Join(checkout, "go.sum"))
	require.NoError(t, err)
	m.write("go.sum", string(sums))

	text := "package main\n\nimport (\n\t\"fmt\"\n\t\"runtime\"\n"
	for _, dir := range imports {
		text += fmt.Sprintf("\t_ %q\n", Module+"/"+dir)
	}
	text += ")\n\nfunc main() { fmt.Println(runtime.NumGoroutine()) }\n"
	if test {
		m.write("main.go", "package main\n\nfunc main() {}\n")
		text = strings.Replace(text, "func main()", "func TestMain(*testing.M)", 1)
		m.write("main_test.go", strings.Replace(text, "\t\"runtime\"\n", "\t\"runtime\"\n\t\"testing\"\n", 1))
	} else {
		m.write("main.go", text)
	}

	if _, err := m.try("GOPROXY=off", "mod", "tidy"); err != nil {
		t.Logf("not all is in the module cache: %v", err)
		m.run("mod", "tidy")
	}
	return m
}

func (m *consumer) write(name, text string) {
	m.t.Helper()
	require.NoError(m.t, os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o644))
}

// try runs the go command in the module.
func (m *consumer) try(env string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", env)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}

func (m *consumer) run(args ...string) string {
	m.t.Helper()
	out, err := m.try("GOWORK=off", args...)
	require.NoError(m.t, err)
	return out
}

func (m *consumer) words(args ...string) []string {
	m.t.Helper()
	return strings.Fields(m.run(args...))
}

func (m *consumer) read(name string) []string {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.dir, name))
	require.NoError(m.t, err)
	return strings.Split(string(text), "\n")
}

// required returns the modules that go.mod requires.
func (m *consumer) required() []string {
	m.t.Helper()
	var file struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	require.NoError(m.t, json.Unmarshal([]byte(m.run("mod", "edit", "-json")), &file))
	var paths []string
	for _, r := range file.Require {
		if r.Indirect {
			r.Path += " // indirect"
		}
		paths = append(paths, r.Path)
	}
	return paths
}

// sums returns the modules in go.sum: first those whose code is needed, then those
// of which it is only go.mod.
func (m *consumer) sums() []string {
	m.t.Helper()
	var paths []string
	for _, line := range m.read("go.sum") {
		if f := strings.Fields(line); len(f) == 3 {
			if strings.HasSuffix(f[1], "/go.mod") {
				f[0] += "/go.mod"
			}
			paths = append(paths, f[0])
		}
	}
	return paths
}

// program builds the module's program, or its test, runs it, and returns the
// modules that are linked into it.
func (m *consumer) program(test bool) []string {
	m.t.Helper()
	exe := filepath.Join(m.dir, "program.exe")
	if test {
		m.run("test", "-c", "-o", exe, ".")
	} else {
		m.run("build", "-o", exe, ".")
	}
	out, err := exec.Command(exe).Output()
	require.NoError(m.t, err)
	require.Equal(m.t, "1", strings.TrimSpace(string(out)), "goroutines when main begins: an import has started some")

	info, err := buildinfo.ReadFile(exe)
	require.NoError(m.t, err)
	require.Equal(m.t, runtime.Version(), info.GoVersion)
	var linked []string
	for _, dep := range info.Deps {
		linked = append(linked, dep.Path)
	}
	return linked
}
