package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/template"
	"time"
)

//go:embed report.md.tmpl
var reportText string

// text is the report.
func (f *figures) text() ([]byte, error) {
	t, err := template.New("report").Parse(reportText)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = t.Execute(&text, f)
	return text.Bytes(), err
}

// TriesOf lists tries.
func (f *rowFigures) TriesOf(c chosen) string {
	var all []string
	for _, t := range c.Tries {
		all = append(all, t.String())
	}
	return strings.Join(all, "; ")
}

// Command is what measures all of it again.
func (f *figures) Command() string { return "GOWORK=off go -C bench/engines run . run" + f.o.flags }

// Count is the number of repetitions, in words.
func (f *figures) Count() string {
	if f.o.count == 3 {
		return "three"
	}
	return fmt.Sprint(f.o.count)
}

// SyncTime is that of a write with an fsync.
func (f *figures) SyncTime() time.Duration { return f.Sync.Round(time.Microsecond) }

// Batches is how many tasks were submitted in batches.
func (f *figures) Batches() string { return grouped(float64(f.o.batches)) }

// Singles is how many tasks were submitted one by one.
func (f *figures) Singles() string { return grouped(float64(f.o.singles)) }

// BatchSize is how many tasks are in a batch.
func (*figures) BatchSize() string { return grouped(batchSize) }

// Connections is how many connections to PostgreSQL there are.
func (*figures) Connections() int { return pgConnections }

// Enqueuers is how many goroutines stand for a batch of asynq.
func (*figures) Enqueuers() int { return asynqEnqueuers }

// Postgres is how PostgreSQL is set.
func (*figures) Postgres() string { return strings.Join(pgSettings[:len(pgSettings)-1], ", ") }

// Cores is how many the machine has.
func (*figures) Cores() int { return runtime.NumCPU() }

// Date is today's.
func (*figures) Date() string { return time.Now().UTC().Format(time.DateOnly) }

// CPU is the processor's name.
func (*figures) CPU() string {
	return first("/proc/cpuinfo", `(?m)^model name\s*: (.*)$`, runtime.GOARCH)
}

// System is the operating system's name.
func (*figures) System() string {
	return first("/etc/os-release", `(?m)^PRETTY_NAME="?(.*?)"?$`, runtime.GOOS)
}

// first is what the group of a regexp matches first in a file, or otherwise.
func first(file, regex, otherwise string) string {
	text, err := os.ReadFile(file)
	if m := regexp.MustCompile(regex).FindSubmatch(text); err == nil && m != nil {
		return string(m[1])
	}
	return otherwise
}

// Versions are those of the libraries and of the servers.
func (f *figures) Versions() string {
	all := []string{runtime.Version()}
	info, _ := debug.ReadBuildInfo()
	for _, module := range []string{"github.com/nats-io/nats-server/v2", "github.com/riverqueue/river", "github.com/hibiken/asynq"} {
		if i := slices.IndexFunc(info.Deps, func(m *debug.Module) bool { return m.Path == module }); i >= 0 {
			all = append(all, strings.TrimPrefix(module, "github.com/")+" "+info.Deps[i].Version)
		}
	}
	for _, p := range []program{postgresServer, redisServer} {
		if version, err := p.version(); err == nil {
			all = append(all, version)
		}
	}
	return strings.Join(all, ", ")
}
