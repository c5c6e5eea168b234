//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/resultpool/resultpool/examples/internal/process"
)

// What has taken the place of a file since it was found is named, and not waited for.
func TestNotRead(t *testing.T) {
	for _, tt := range []struct {
		name string
		put  func(path string) error
		want string
	}{
		{"nothing", func(string) error { return nil }, "no such file or directory"},
		{"a pipe", func(path string) error { return syscall.Mkfifo(path, 0o666) }, "not a regular file any more"},
		{"a folder", func(path string) error { return os.Mkdir(path, 0o777) }, "not a regular file any more"},
		{"a link out of DIR", func(path string) error { return os.Symlink("../secret", path) }, "path escapes from parent"},
		{"a device", func(path string) error { return os.Symlink("/dev/zero", path) }, "path escapes from parent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			makeKeptTree(t, "a", "b", "c")
			write(t, "../secret", "secret")
			p := process.New(t, "b", inKept(".")...).Begin(t)
			p.Await(t, process.Opening+`"b"`)
			require.NoError(t, os.Remove("b"))
			require.NoError(t, tt.put("b"))
			_ = p.Gate.Close()
			finish(t, p, 1, 0, 2, 1, 0)
			assert.Contains(t, p.Said, `hashtree: "./b": `+tt.want+"\n")
			assert.Equal(t, sums("./a", "a", "./c", "c"), p.Out.String())

			require.NoError(t, os.RemoveAll("b"))
			write(t, "b", "b")
			run(t, 2, 1, inKept(".")...) // it is tried again
		})
	}
}

func TestSpecialFiles(t *testing.T) {
	makeTree(t, "a", "sub/b")
	require.NoError(t, syscall.Mkfifo("fifo", 0o666))
	socket, err := net.Listen("unix", "socket")
	require.NoError(t, err)
	defer socket.Close()
	require.NoError(t, os.Symlink("a", "link"))
	assert.Equal(t, sums("./a", "a", "./sub/b", "sub/b"), run(t, 0, 2, ".").Out.String())
}

func TestLockedDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("SKIPPED: root can read everything")
	}
	makeKeptTree(t, "a", "file", "locked/x")
	run(t, 0, 3, inKept(".")...)
	write(t, "a", "A")
	require.NoError(t, os.Chmod("locked", 0))
	write(t, "file", "other")
	require.NoError(t, os.Chmod("file", 0))
	p := finish(t, process.New(t, "", inKept(".")...).Begin(t), 1, 0, 1, 1, 0)
	require.NoError(t, os.Chmod("locked", 0o777)) // or it could not be removed
	assert.Equal(t, sums("./a", "A"), p.Out.String())
	assert.Contains(t, p.Said, "hashtree: \"./locked\": permission denied\nhashtree: \"./file\": permission denied\n")
	require.NoError(t, os.Chmod("file", 0o666))
	run(t, 2, 1, inKept(".")...) // what lies below locked was not forgotten
}

const finishing = "hashtree: interrupted: finishing the files that are being read; press Ctrl-C again to give up\n"

// A run that is ended in the middle of a file that cannot be read to its end prints what is
// done, and the next one goes on: only what was not done is read.
func TestEndedRunGoesOn(t *testing.T) {
	names, want := numbered(100)
	done, _, _ := strings.Cut(want, sums("./f0050", "f0050"))
	for _, tt := range []struct {
		name   string
		end    func(t *testing.T, p *process.Process)
		status int
		done   int
		failed int
	}{
		{"SIGKILL", func(t *testing.T, p *process.Process) { require.NoError(t, p.Process.Kill()) }, -1, 50, 0},
		{"SIGTERM", func(t *testing.T, p *process.Process) { require.NoError(t, p.Process.Signal(syscall.SIGTERM)) }, 130, 50, 1},
		{"SIGHUP", func(t *testing.T, p *process.Process) { require.NoError(t, p.Process.Signal(syscall.SIGHUP)) }, 130, 50, 1},
		{"one SIGINT", func(t *testing.T, p *process.Process) {
			require.NoError(t, p.Process.Signal(os.Interrupt))
			p.Await(t, finishing)
			_ = p.Gate.Close()
		}, 130, 51, 0},
		{"two SIGINT", func(t *testing.T, p *process.Process) {
			require.NoError(t, p.Process.Signal(os.Interrupt))
			p.Await(t, finishing)
			require.NoError(t, p.Process.Signal(os.Interrupt))
		}, 130, 50, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "SIGHUP" && signal.Ignored(syscall.SIGHUP) {
				t.Skip("SKIPPED: the tests run under nohup, and a SIGHUP that is ignored stays so")
			}
			makeKeptTree(t, names...)
			p := process.New(t, "f0050", inKept("-workers", "1", ".")...).Begin(t)
			p.Await(t, process.Opening+`"f0050"`)
			tt.end(t, p)
			finish(t, p, tt.status, 0, tt.done, tt.failed, 100-tt.done-tt.failed)
			switch {
			case tt.status == -1:
				assert.Empty(t, p.Out.String())
			case tt.failed == 0:
				assert.Equal(t, done+sums("./f0050", "f0050"), p.Out.String())
			default:
				assert.Equal(t, done, p.Out.String())
				assert.Contains(t, p.Said, "hashtree: \"./f0050\": interrupted\n")
			}
			if tt.status == -1 {
				tt.done = len(inFile(t))
			}
			again := run(t, tt.done, 100-tt.done, inKept(".")...)
			assert.Equal(t, want, again.Out.String())
			assert.Len(t, again.Opened, 100-tt.done)
			assert.Len(t, inFile(t), 100)
		})
	}
}

// A run that is killed over and over gets there, and loses nothing on the way.
func TestKilledOverAndOver(t *testing.T) {
	names, want := numbered(200)
	makeKeptTree(t, names...)
	kept := 0
	for at := 20; at < 200; at += 40 {
		p := process.New(t, names[at], inKept("-workers", "2", ".")...).Begin(t)
		p.Await(t, process.Opening+strconv.Quote(names[at]))
		require.NoError(t, p.Process.Kill())
		finish(t, p, -1, 0, 0, 0, 0)
		now := len(inFile(t))
		assert.GreaterOrEqual(t, now, kept)
		kept = now
	}
	p := run(t, kept, 200-kept, inKept(".")...)
	assert.Len(t, p.Opened, 200-kept)
	assert.Equal(t, want, p.Out.String())
}

// setSeconds sets a number whose type is not the same on all systems.
func setSeconds[I int32 | int64](to *I, seconds int64) { *to = I(seconds) }

// Files that could change once more and look as they do now are read again.
func TestMtimes(t *testing.T) {
	makeKeptTree(t, "long-ago", "a-moment-ago", "tomorrow", "2446")
	age(t, "a-moment-ago", time.Second)
	age(t, "tomorrow", -24*time.Hour)
	far := time.Date(2446, 1, 1, 0, 0, 0, 0, time.UTC)
	var at syscall.Timespec
	setSeconds(&at.Sec, far.Unix())
	require.NoError(t, syscall.UtimesNano("2446", []syscall.Timespec{at, at}))
	again := []string{"a-moment-ago", "tomorrow"}
	if info, err := os.Stat("2446"); assert.NoError(t, err) && info.ModTime().Equal(far) {
		again = append(again, "2446")
	} else {
		t.Log("SKIPPED: the year 2446, which this file system does not know")
	}
	run(t, 0, 4, inKept(".")...)
	p := run(t, 4-len(again), len(again), inKept(".")...)
	assert.ElementsMatch(t, again, p.Opened)
}

func TestChangesWhileItIsRead(t *testing.T) {
	makeTree(t, "large")
	require.NoError(t, os.Truncate("large", 256<<20))
	root, err := os.OpenRoot(".")
	require.NoError(t, err)
	defer root.Close()
	h := &hashtree{root: root, opening: func(string) {}}
	var s sum
	done := make(chan error)
	go func() { done <- h.read(&file{rel: "large"}, &s) }()
	for old := time.Hour; ; old += time.Second {
		age(t, "large", old)
		select {
		case err := <-done:
			require.NoError(t, err)
			assert.NotEmpty(t, s.Hash)
			assert.Empty(t, s.Version)
			return
		default:
		}
	}
}

// While the sums are printed, say into a pager, Ctrl-C kills as usual.
func TestSignalWhilePrinting(t *testing.T) {
	var names []string
	for i := range 500 { // more output than a pipe holds
		names = append(names, fmt.Sprintf("%0200d", i))
	}
	makeTree(t, names...)
	p := process.New(t, "", "-workers", "1", ".")
	p.Stdout = nil
	stdout, err := p.StdoutPipe()
	require.NoError(t, err)
	p.Begin(t)
	p.Await(t, process.Opening+strconv.Quote(names[499]))
	_, err = io.ReadFull(stdout, make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, p.Process.Signal(os.Interrupt))
	finish(t, p, -1, 0, 0, 0, 0)
	assert.Equal(t, syscall.SIGINT, p.ProcessState.Sys().(syscall.WaitStatus).Signal())
}

// A reader that goes away, as head does, has had enough. A disk has not.
func TestStandardOutput(t *testing.T) {
	makeTree(t, "a", "b")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	defer w.Close()
	p := process.New(t, "", ".")
	p.Stdout = w
	p.Begin(t)
	finish(t, p, 0, 0, 2, 0, 0)
	assert.NotContains(t, p.Said, "pipe")

	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if os.IsNotExist(err) {
		t.Skip("SKIPPED: no /dev/full here")
	}
	require.NoError(t, err)
	defer full.Close()
	p = process.New(t, "", ".")
	p.Stdout = full
	p.Begin(t)
	finish(t, p, 1, 0, 2, 0, 0)
	assert.Contains(t, p.Said, "hashtree: write /dev/stdout: no space left on device\n")
}

func TestFileIsRemoved(t *testing.T) {
	makeKeptTree(t, "a")
	p := process.New(t, "a", inKept(".")...).Begin(t)
	p.Await(t, process.Opening+`"a"`)
	require.NoError(t, os.Remove("../kept.db"))
	_ = p.Gate.Close()
	assert.Equal(t, 1, p.AwaitEnd())
	assert.Equal(t, sums("./a", "a"), p.Out.String())
	assert.Regexp(t, `hashtree: bolt: .*kept\.db`, p.Said)
}

// A full disk is told of, and tried again. After the second Ctrl-C the sums that are not saved
// are printed, and made again the next time.
func TestFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: the store is given some seconds to recover")
	}
	names, want := numbered(3000)
	makeKeptTree(t, names...)
	require.NoError(t, openKept(t).Close()) // which ulimit might not allow
	p := process.New(t, "", inKept(".")...)
	p.Path, p.Args = "/bin/sh", append([]string{"sh", "-c", `ulimit -f 256 && exec "$0" "$@"`, p.Path}, p.Args[1:]...)
	p.Begin(t)
	p.Await(t, "hashtree: bolt: writing to ")
	require.NoError(t, p.Process.Signal(os.Interrupt))
	p.Await(t, finishing)
	require.NoError(t, p.Process.Signal(os.Interrupt))
	assert.Equal(t, 130, p.AwaitEnd())
	assert.Regexp(t, `hashtree: pool: \d+ results could not be saved: bolt: writing to `, p.Said)

	known := 0
	for _, of := range inFile(t) {
		for _, res := range of {
			if res.Err == nil {
				known++
			}
		}
	}
	assert.Greater(t, strings.Count(p.Out.String(), "\n"), known)
	for line := range strings.Lines(p.Out.String()) {
		assert.Contains(t, want, line)
	}
	assert.Equal(t, want, run(t, known, 3000-known, inKept(".")...).Out.String())
}
