package rules

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	xsync   = "github.com/puzpuzpuz/xsync/v3"
	xsys    = "golang.org/x/sync"
	testify = "github.com/stretchr/testify"
	yaml    = "go.yaml.in/yaml/v3"
)

// TestConsumers makes modules that use the root module, outside of the workspace as a user's is, and
// looks at what they get with it. It runs their programs: when main begins, no import has started a
// goroutine. Which packages they get follows from the table of imports.
func TestConsumers(t *testing.T) {
	for _, c := range []struct {
		packages string
		test     bool     // in a test file
		requires []string // modules in go.mod, and in the program, beside ours
		sums     []string // modules whose code has a sum in go.sum: what tests of the packages import has, too
	}{
		{packages: "pool store/dense", requires: []string{xsys}, sums: []string{xsync, testify, yaml, xsys}},
		{packages: "pool store/xsync", requires: []string{xsync, xsys}, sums: []string{xsync, testify, yaml, xsys}},
		{packages: "engine"},
		{packages: "engine engine/enginetest", test: true, sums: []string{testify, yaml}},
		{packages: "store", sums: []string{xsync, testify, yaml}},
		{packages: "store store/codec", sums: []string{xsync, testify, yaml, xsys}},
		{packages: "store store/storetest", test: true, sums: []string{xsync, testify, yaml, xsys}},
		{
			packages: "engine engine/enginetest monitor pool store store/bounded store/codec store/dense store/rwmutex store/storetest store/syncmap store/xsync",
			requires: []string{xsync, xsys}, sums: []string{xsync, testify, yaml, xsys},
		},
	} {
		t.Run(c.packages, func(t *testing.T) {
			t.Parallel()
			dir := newConsumer(t, strings.Fields(c.packages), c.test)
			var required []string
			for _, line := range lines(t, dir, "go.mod") {
				if m := regexp.MustCompile(`^(?:require )?\s*(\S+) v\S+ // indirect$`).FindStringSubmatch(line); m != nil {
					required = append(required, m[1])
				}
			}
			assert.ElementsMatch(t, c.requires, required)

			var sums []string
			for _, line := range lines(t, dir, "go.sum") {
				if f := strings.Fields(line); len(f) == 3 && !strings.HasSuffix(f[1], "/go.mod") {
					sums = append(sums, f[0])
				}
			}
			assert.ElementsMatch(t, c.sums, sums)

			deps := strings.Fields(run(t, dir, "go", "list", "-deps", "-test", "."))
			uses := slices.Contains(strings.Fields(c.packages), "monitor")
			assert.Equal(t, uses, slices.Contains(deps, "net/http"), "net/http is linked")
			assert.Equal(t, uses, slices.Contains(deps, module+"monitor"), "monitor is linked")

			exe := filepath.Join(dir, "program.exe")
			if c.test {
				run(t, dir, "go", "test", "-c", "-o", exe, ".")
			} else {
				run(t, dir, "go", "build", "-o", exe, ".")
			}
			assert.Equal(t, "1", strings.TrimSpace(run(t, dir, exe)), "goroutines when main begins")
			info, err := buildinfo.ReadFile(exe)
			require.NoError(t, err)
			for _, dep := range info.Deps { // a test binary has none
				assert.True(t, dep.Path == strings.TrimSuffix(module, "/") || slices.Contains(c.requires, dep.Path), "%s is linked", dep.Path)
			}
		})
	}
}

// newConsumer makes a module and tidies it, without the network if the module cache has what it needs.
func newConsumer(t *testing.T, packages []string, test bool) string {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	checkout, err := filepath.Abs(root)
	require.NoError(t, err)
	write("go.mod", fmt.Sprintf("module example.com/consumer\n\ngo 1.25.0\n\nrequire %[1]s v0.0.0\n\nreplace %[1]s => %[2]q\n",
		strings.TrimSuffix(module, "/"), filepath.ToSlash(checkout)))
	// The root module's sums are to be trusted; tidy keeps those that the consumer needs.
	write("go.sum", strings.Join(lines(t, root, "go.sum"), "\n"))

	imports := ""
	for _, dir := range packages {
		imports += fmt.Sprintf("\t_ %q\n", module+dir)
	}
	name, main := "main.go", "main()"
	if test {
		write("main.go", "package main\n\nfunc main() {}\n")
		name, main, imports = "main_test.go", "TestMain(*testing.M)", imports+"\t\"testing\"\n"
	}
	write(name, "package main\n\nimport (\n\t\"fmt\"\n\t\"runtime\"\n"+imports+")\n\nfunc "+main+" { fmt.Println(runtime.NumGoroutine()) }\n")
	run(t, dir, "go", "mod", "tidy")
	return dir
}

func lines(t *testing.T, dir, name string) []string {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	return strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
}

func run(t *testing.T, dir, program string, args ...string) string {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %v\n%s", program, args, &stderr)
	return string(out)
}

// TestNoForeignTypes: what go doc shows of the exported API names types of the standard library and of
// packages that users can import, and of no other.
func TestNoForeignTypes(t *testing.T) {
	known := strings.Fields("codec context engine errors http io iter pool runtime slog store testing time")
	declaration, qualified := regexp.MustCompile(`^(?:func|type|var|const|\t).*`), regexp.MustCompile(`\b(\w+)\.[A-Z]`)
	for _, pkg := range strings.Fields(run(t, root, "go", "list", "./pool", "./monitor", "./store/...", "./engine/...")) {
		for _, line := range strings.Split(run(t, root, "go", "doc", "-all", pkg), "\n") {
			code, _, _ := strings.Cut(declaration.FindString(line), "//")
			if !strings.HasPrefix(code, "type ") { // whose = makes an alias; others give a value
				code, _, _ = strings.Cut(code, " = ")
			}
			for _, m := range qualified.FindAllStringSubmatch(code, -1) {
				assert.Contains(t, known, m[1], "%s: %s\nIf it is the standard library's, add it to the known.", pkg, line)
			}
		}
	}
}
