package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWrongCalls(t *testing.T) {
	makeTree(t, "file", "dir/a")
	tests := []struct {
		name string
		args []string
		want string // first line of standard error
	}{
		{"no directory", nil, `no directory given: say which to hash, for example \. for this one`},
		{"only flags", []string{"-workers", "2"}, `no directory given: .*`},
		{"no such directory", []string{"dir/gone"}, `dir/gone: \S.*`},
		{"an empty name", []string{""}, `"": \S.*`},
		{"one of several", []string{"dir", "gone\n"}, `"gone\\n": \S.*`},
		{"a file", []string{"file"}, `file: not a directory \(for single files there is sha256sum\)`},
		{"a flag too late", []string{"dir", "-workers", "2"}, `-workers: .* \(flags go before the first directory\)`},
		{"unknown store", []string{"-store", "redis", "dir"},
			`invalid value "redis" for flag -store: want one of dense, rwmutex, syncmap, xsync`},
		{"no store", []string{"-store"}, `flag needs an argument: -store`},
		{"negative workers", []string{"-workers", "-1", "dir"},
			`invalid value "-1" for flag -workers: want a number, 0 \(one for each processor\) or more`},
		{"workers in words", []string{"-workers", "two", "dir"}, `invalid value "two" for flag -workers: want a number, .*`},
		{"too many workers", []string{"-workers", "99999999999999999999", "dir"}, `invalid value .* for flag -workers: .*`},
		{"an engine without a place", []string{"-engine", "", "dir"},
			`invalid value "" for flag -engine: want a folder, or nats://HOST:PORT`},
		{"an address without its kind", []string{"-engine", "localhost:4222", "dir"},
			`invalid value "localhost:4222" for flag -engine: want nats://localhost:4222 for servers, or \./localhost:4222 for a folder`},
		{"an address of another kind", []string{"-engine", "nats://a:1,http://b:2", "dir"},
			`invalid value .* for flag -engine: want a folder, or nats://HOST:PORT, or several of these with commas between them`},
		{"a store and an engine", []string{"-store", "dense", "-engine", "work", "dir"},
			`-store and -engine: want one of them; an engine keeps the sums, too`},
		{"an engine's folder", []string{"-engine", "dir", "dir"}, `dir: in the folder of -engine, which is not hashed`},
		{"below an engine's folder", []string{"-engine", ".", "dir"}, `dir: in the folder of -engine, which is not hashed`},
		{"an engine's folder that is a file", []string{"-engine", "file", "dir"}, `-engine file: \S.*`},
		{"servers that are not there", []string{"-engine", "nats://127.0.0.1:1", "dir"},
			`-engine nats://127\.0\.0\.1:1: jetstream: no NATS server answers at nats://127\.0\.0\.1:1: .*`},
		{"unknown flag", []string{"-jobs", "2", "dir"}, `flag provided but not defined: -jobs`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stdout, stderr, status := execute(t, tt.args...)
			assert.Equal(t, exitUsage, status)
			assert.Empty(t, stdout)
			assert.Regexp(t, `^hashtree: `+tt.want+`\n(hashtree: .*\n)*hashtree: see hashtree -h\n$`, stderr)
		})
	}
}

func TestAllWrongDirectoriesAreNamed(t *testing.T) {
	makeTree(t, "file", "dir/a")
	_, stderr, _ := execute(t, "gone", "dir", "file")
	assert.Regexp(t, `^hashtree: gone: .*\nhashtree: file: .*\n`, stderr)
}

func TestHelp(t *testing.T) {
	for _, arg := range []string{"-h", "-help", "--help"} {
		stdout, stderr, status := execute(t, arg)
		assert.Equal(t, exitOK, status)
		assert.Equal(t, usage, stdout)
		assert.Empty(t, stderr)
	}
	for name := range stores {
		assert.Contains(t, usage, name)
	}
}

func TestHelpThatCannotBeWritten(t *testing.T) {
	r := newRun()
	r.stdout = brokenWriter{}
	assert.Equal(t, exitFailed, r.run([]string{"-h"}))
}
