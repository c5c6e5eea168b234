package main

import (
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
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
	add("cpu", first("/proc/cpuinfo", `(?m)^model name\s*: (.*)$`, runtime.GOARCH))
	add("cores", strconv.Itoa(runtime.NumCPU()))
	add("gomaxprocs", strconv.Itoa(runtime.GOMAXPROCS(0)))
	add("os", first("/etc/os-release", `(?m)^PRETTY_NAME="?(.*?)"?$`, runtime.GOOS))
	add("go", runtime.Version())
	add("date", time.Now().UTC().Format(time.DateOnly))
	add("command", "GOWORK=off go -C bench/peers run . run"+o.flags)
	add("count", strconv.Itoa(o.count))
	add("workers", strconv.Itoa(o.workers))
	info, _ := debug.ReadBuildInfo()
	for _, module := range comparedModules() {
		version := "unknown" // programs of go test do not say, on some versions of Go
		for _, m := range info.Deps {
			if m.Path == module {
				version = m.Version
			}
		}
		add(module, version)
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

// first is what the group of a regexp matches first in a file, or otherwise.
func first(file, regex, otherwise string) string {
	text, err := os.ReadFile(file)
	if m := regexp.MustCompile(regex).FindSubmatch(text); err == nil && m != nil {
		return string(m[1])
	}
	return otherwise
}
