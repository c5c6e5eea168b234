package main

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"
)

// machine is what there is to know of a run, as the configuration of its raw
// figures.
func machine(o runOptions) []benchfmt.Config {
	var all []benchfmt.Config
	add := func(key, value string) {
		all = append(all, benchfmt.Config{Key: key, Value: []byte(value), File: true})
	}
	add("goos", runtime.GOOS)
	add("goarch", runtime.GOARCH)
	add("cpu", firstValue("/proc/cpuinfo", "model name", ":", runtime.GOARCH))
	add("cores", strconv.Itoa(runtime.NumCPU()))
	add("gomaxprocs", strconv.Itoa(runtime.GOMAXPROCS(0)))
	add("os", strings.Trim(firstValue("/etc/os-release", "PRETTY_NAME", "=", runtime.GOOS), `"`))
	add("go", runtime.Version())
	add("date", time.Now().UTC().Format(time.DateOnly))
	add("command", strings.Join(append([]string{"GOWORK=off", "go", "-C", "bench/peers", "run", ".", "run"}, o.flags...), " "))
	add("count", strconv.Itoa(o.count))
	add("workers", strconv.Itoa(o.workers))

	versions := moduleVersions()
	for _, module := range comparedModules() {
		add(module, versions[module])
	}
	return all
}

// comparedModules are those whose versions the report names.
func comparedModules() []string {
	var all []string
	for _, r := range rivals {
		if r.module != "" && r.module != modResultpool && !slices.Contains(all, r.module) {
			all = append(all, r.module)
		}
	}
	return all
}

func moduleVersions() map[string]string {
	all := make(map[string]string)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			all[m.Path] = m.Version
		}
	}
	for _, module := range comparedModules() {
		if all[module] == "" { // programs of go test do not say, on some versions of Go
			all[module] = "unknown"
		}
	}
	return all
}

// firstValue is what follows the key in a file of keys and values, or
// otherwise, where there is no such file.
func firstValue(file, key, sep, otherwise string) string {
	f, err := os.Open(file)
	if err != nil {
		return otherwise
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if k, v, found := strings.Cut(lines.Text(), sep); found && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return otherwise
}
