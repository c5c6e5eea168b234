// Hashtree prints the SHA-256 sums of all regular files below some directories,
// in the format of sha256sum, and reads many files at once.
//
//	hashtree [-store NAME | -engine WHERE] [-workers N] DIR...
//
// For example, from the root of this repository:
//
//	$ go run ./examples/hashtree store pool >SUMS
//	hashtree: 52 files, 210.2 kB in 0.0s (136.8 MB/s): 52 done, 0 failed, 0 not run
//	$ sha256sum --check --quiet SUMS
//	$
//
// The flags are
//
//	-store NAME   where the sums are kept until they are printed: dense (the
//	              default), rwmutex, syncmap or xsync; or bolt:FILE, which keeps
//	              them in FILE for the next run
//	-engine WHERE share the work with all that are called with the same WHERE,
//	              a folder or the address of NATS servers, and the same DIRs
//	-workers N    how many files to read at once; 0 (the default) means one for
//	              each processor
//
// # What is printed
//
// The output is that of
//
//	find -H DIR... -type f -print0 | sort -zu | xargs -0 sha256sum
//
// in the C locale: sorted by the bytes of the path, and each path once, also
// where directories overlap. Paths begin with DIR as it was given. Symbolic
// links are not followed, unless DIR is one itself; sockets, devices and pipes
// are skipped. A line begins with a backslash if the path contains a backslash,
// a newline or a carriage return, which are then written as \\, \n and \r.
//
// Only the sums go to standard output. On standard error there is a progress
// bar, if it is a terminal of 75 columns or more, and in the end every file or
// directory that could not be read, with the reason, and one line that adds it
// all up:
//
//	$ hashtree -workers 4 /srv >SUMS
//	hashtree: /srv/mail/lock: permission denied
//	hashtree: /srv/tmp/x1f3: no such file or directory
//	hashtree: 83102 files, 51.7 GB in 31.6s (1.6 GB/s): 83100 done, 2 failed, 0 not run
//
// # Interrupting it
//
// After the first Ctrl-C the files that are being read are read to their ends,
// and no others are begun. The second Ctrl-C gives up those as well. Both print
// the sums that are done and say how many are not:
//
//	$ hashtree /srv >SUMS
//	^C
//	hashtree: interrupted: finishing 8 files; press Ctrl-C again to give up
//	^C
//	hashtree: /srv/backup/disk1.img: interrupted
//	hashtree: /srv/backup/disk2.img: interrupted
//	hashtree: 83102 files, 12.2 GB in 7.9s (1.5 GB/s): 20417 done, 2 failed, 62683 not run
//
// The third kills hashtree, should a file system hang. One that comes while
// files are still being looked for stops that, and none is read.
//
// # Keeping the sums
//
// With -store bolt:FILE the sums are in FILE as soon as they are known, and a run
// that is interrupted, killed, or cut off from its power goes on where it stopped
// when it is started again. When nothing has changed, nothing is read:
//
//	$ hashtree -store bolt:srv.db /srv >SUMS
//	^C
//	hashtree: interrupted: finishing 8 files; press Ctrl-C again to give up
//	hashtree: 83102 files, 12.2 GB in 7.9s (1.5 GB/s): 0 kept, 20417 done, 2 failed, 62683 not run
//	$ hashtree -store bolt:srv.db /srv >SUMS
//	hashtree: 83102 files, 39.5 GB in 24.1s (1.6 GB/s): 20417 kept, 62685 done, 0 failed, 0 not run
//	$ hashtree -store bolt:srv.db /srv >SUMS
//	hashtree: 83102 files, 0 B in 0.9s: 83102 kept, 0 done, 0 failed, 0 not run
//
// A file is not read again if it has the size and the mtime that it had when it was
// read, to the nanosecond. So a change that leaves both as they were, as programs can
// make one that set the mtime back, is not noticed: delete FILE to have all files read.
// Files that could not be read are tried again.
//
// To be sure that any later change shows in the mtime,
//
//   - a file that was written to less than 50 ms ago is read when that time has
//     passed: the clocks of file systems tick, and two writes in one tick have one
//     mtime. Where a file system has whole seconds only it is 2 s. Such waits go on
//     beside each other, and so cost that time once;
//   - of a file that changes while it is read, or whose mtime lies in the future, the
//     sum is printed, and the file is read again the next time.
//
// A sum belongs to a file, not to the name by which it was found: "a", "./a" and a
// link to a are the same DIR, from wherever hashtree is called, and what is printed
// begins with DIR as it was given this time. One FILE can serve many DIRs. A run
// forgets the files that are gone from its own DIRs, and leaves what it knows of
// others; when it was interrupted, or could not read some directory, it leaves more.
// FILE itself may lie below a DIR: it is not hashed, since it changes meanwhile.
//
// Only one hashtree can use a FILE at a time. If FILE cannot be written to, say since
// the disk is full, hashtree says so and tries again until it can be; meanwhile it
// goes on reading only until a thousand sums or so wait. After the second Ctrl-C it
// prints those as well, and reads their files again the next time.
//
// # Several at once
//
// With -engine the work is shared by all hashtrees that are called with the same WHERE and
// the same DIRs. Start it in two terminals, or on two machines, with the same command line:
// each reads a part of the files, and prints all sums. Kill one, and the other finishes.
//
//	1$ hashtree -engine work /srv >SUMS
//	hashtree: 83102 files, 41980 read here, 26.1 GB in 16.3s (1.6 GB/s): 0 kept, 83102 done, 0 failed, 0 not run
//
//	2$ hashtree -engine work /srv >SUMS2
//	hashtree: another hashtree has the turn: reading for it until it is done
//	hashtree: the hashtree that had work open has ended: it is open here now
//	hashtree: 83102 files, 41122 read here, 25.6 GB in 16.1s (1.6 GB/s): 83102 kept, 0 done, 0 failed, 0 not run
//
// One at a time has the turn: it looks for files, submits those whose sums are not known,
// waits until all of them are read, by whomever, and prints. The others read meanwhile.
// Who has the turn next finds the sums and only has to print them: to it they are kept.
//
// WHERE is one of these:
//
//	FOLDER              on a disk of this machine, for hashtrees on this machine. It
//	                    is made if there is none, and not hashed itself. The NATS
//	                    server is in the process of one of them. When that ends or is
//	                    killed, another goes on with the server. Delete it when nobody
//	                    uses it, to forget the sums of all DIRs
//	nats://HOST:PORT    for any machine: NATS servers with JetStream, 2.12 or newer;
//	                    also tls://, several addresses with commas between them, and
//	                    nats://USER:PASSWORD@HOST:PORT
//
// What holds, whoever is killed, the one that has the turn or another one:
//
//   - The others finish. No sum is lost. What the dead one was reading is read again, and
//     its turn is taken, when nobody has heard of it for 10 s.
//   - If all are killed, the next run goes on where they were.
//   - All print the same, unless files change meanwhile: who has the turn later looks at
//     them later, and reads again those that have changed, and those that could not be
//     read. The sums are kept for seven days, and used as those in FILE are.
//   - A Ctrl-C gives back what this hashtree has not begun. The others read it, or the
//     next run does; hashtree says how much that is. The sums that are done are printed by
//     the one that has the turn; another one knows of no files, and prints none.
//   - When the servers are down, all wait for them, and say so.
//
// What has to be seen to:
//
//   - All have to see the same files under the same names, as on a file system that all
//     have mounted. DIRs are compared by their real paths. Nobody can notice a machine that
//     has another file under a name.
//   - Servers that sync to disk before they acknowledge; see docs/many-machines.md.
//   - Who can connect to the servers can read the names and the sums, save wrong sums, and
//     have any file hashed with your rights: use a password. A FOLDER has one by itself;
//     only its owner can read it.
//
// # Exit status
//
//	0    all files were hashed
//	1    a file or directory could not be read, or the sums not be written or
//	     kept
//	2    hashtree was called in a wrong way: no DIR, a DIR that is not a
//	     directory, a wrong flag, a FILE that is in use, was not made by hashtree,
//	     or cannot be opened, a folder or servers that cannot be opened
//	130  it was interrupted
//
// "go run" makes 1 of all but the first; "go build ./examples/hashtree" gives a
// program that does not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// Exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() { os.Exit(newProcess().run(os.Args[1:])) }

// newProcess is hashtree with the signals and streams of this process.
func newProcess() *hashtree {
	signals := make(chan os.Signal, 2)
	if !signal.Ignored(os.Interrupt) { // as it is for a background job of a script
		signal.Notify(signals, os.Interrupt)
	}
	signal.Ignore(syscall.SIGPIPE) // a pipe that nobody reads is an error of Write like others
	return newHashtree(os.Stdout, os.Stderr, signals)
}

// hashtree is the world as the program sees it: what tests replace.
type hashtree struct {
	stdout  io.Writer
	console *console
	signals chan os.Signal // one for each Ctrl-C

	open      func(path string) (io.ReadCloser, error)
	readDir   func(path string) ([]os.DirEntry, error)
	openStore func(path string) (fileStore, error)
	openSite  func(ctx context.Context, opts siteOptions) (*site, error)
	lease     time.Duration // see defaultLease
}

func newHashtree(stdout, stderr io.Writer, signals chan os.Signal) *hashtree {
	return &hashtree{
		stdout:    stdout,
		console:   newConsole(stderr),
		signals:   signals,
		open:      openFile,
		readDir:   os.ReadDir,
		openStore: openStore,
		openSite:  openSite,
		lease:     defaultLease,
	}
}

func openFile(path string) (io.ReadCloser, error) { return os.Open(path) }

// run returns the exit status.
func (h *hashtree) run(args []string) int {
	opts, err := parse(args)
	if err == nil && opts.engine != "" {
		return h.share(opts)
	}
	var mem *memory
	if err == nil && opts.file != "" {
		if mem, err = h.remember(opts.file); err != nil {
			err = fmt.Errorf("-store %s: %w", printable("bolt:"+opts.file), err)
		}
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		if _, err := io.WriteString(h.stdout, usage); err != nil {
			return exitFailed
		}
		return exitOK
	case err != nil:
		return h.wrongCall(err)
	}

	status := h.hash(opts, mem)
	if err := mem.close(); err != nil {
		h.console.say("%v", err)
		return max(status, exitFailed)
	}
	return status
}

func (h *hashtree) wrongCall(err error) int {
	h.console.say("%v\nsee hashtree -h", err)
	return exitUsage
}

// hash does the work, but for that with -engine.
func (h *hashtree) hash(opts options, mem *memory) int {
	began := time.Now()
	stopping, cancelled, release := interrupts(h.signals)
	defer release()

	if err := mem.load(stopping); err != nil {
		if stopping.Err() != nil {
			h.console.say("interrupted while reading %s", printable(opts.file))
			return exitInterrupted
		}
		h.console.say("%v", err)
		return exitFailed
	}
	found := h.walk(stopping, opts.dirs, mem.isFile)
	kept, todo := mem.recall(found.files)
	out := h.hashAll(stopping, cancelled, todo, mem.store(opts), opts.workers)
	out.kept, out.remembers = kept, mem != nil
	return h.report(stopping, found, out, began, mem.forget)
}

// report prints the sums and says what became of the files. It calls forget between
// these, unless that is nil or somebody has pressed Ctrl-C.
func (h *hashtree) report(stopping context.Context, found tree, out outcome, began time.Time, forget func(*console, tree) error) int {
	interrupted := stopping.Err() != nil
	if !interrupted {
		signal.Stop(h.signals) // while the sums are printed, the first Ctrl-C kills
	}

	unwritten := printSums(h.stdout, out.sums())
	if !interrupted && forget != nil {
		out.err = errors.Join(out.err, forget(h.console, found))
	}
	if unwritten != nil {
		h.console.say("standard output: %v", reason(unwritten))
	}
	for _, f := range slices.Concat(found.unread, out.failed) {
		h.console.say("%s: %v", printable(f.path), reason(f.err))
	}
	if out.err != nil {
		h.console.say("%v", out.err)
	}
	if found.partial {
		h.console.say("interrupted while looking for files: there may be more")
	}
	h.console.say("%s", summary(len(found.files), out, time.Since(began)))

	switch {
	case interrupted:
		return exitInterrupted
	case unwritten != nil, out.err != nil, len(found.unread) > 0, len(out.failed) > 0:
		return exitFailed
	default:
		return exitOK
	}
}
