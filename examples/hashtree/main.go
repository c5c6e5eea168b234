// Hashtree prints the SHA-256 sums of all regular files below a directory, as sha256sum
// prints them, and reads many files at once:
//
//	hashtree [-store dense|bolt:FILE] [-workers N] DIR
//
// The output is that of
//
//	find -H DIR -type f -print0 | sort -z | xargs -0 sha256sum
//
// in the C locale, without the file that is hashtree's own output: after "hashtree . >SUMS",
// "sha256sum --check SUMS" passes. Standard error has what could not be read, and a summary.
//
// With -store bolt:FILE the sums are in FILE as soon as they are known. A run that is
// interrupted, killed, or cut off from its power goes on where it stopped when it is started
// again. A file is read again if it has another size or mtime, or was written to less than two
// seconds before it was read. FILE may serve many DIRs, and forgets files that are gone.
//
// The first Ctrl-C lets the files that are being read be finished. The second one gives them
// up, whatever they wait for, and so do SIGTERM and SIGHUP at once. All print the sums that
// are done. One more signal kills.
//
// The exit status is 0 if all went well, 1 if something could not be read, written or kept,
// 2 for a wrong call, and 130 after a signal.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
	"github.com/resultpool/resultpool/store/dense"
)

// A hashtree is one run of the program.
type hashtree struct {
	root      *os.Root         // DIR
	dir, real string           // what paths begin with: as DIR was given, and the same for all its names
	skip      []fs.FileInfo    // files that are not hashed, since they change meanwhile
	opening   func(rel string) // is called before a file is opened
	bytes     atomic.Int64     // that were read
	status    int              // to exit with
}

func main() {
	h := &hashtree{opening: func(string) {}}
	h.run()
	os.Exit(h.status)
}

// run does all that hashtree does but to exit, unless it was called in a wrong way.
func (h *hashtree) run() {
	log.SetFlags(0)
	log.SetPrefix("hashtree: ")
	where := flag.String("store", "dense", "where the sums are: `dense`, in memory, or bolt:FILE, for later runs too")
	workers := flag.Uint("workers", 0, "how many files to read at once; 0 is one for each processor")
	flag.CommandLine.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: hashtree [-store dense|bolt:FILE] [-workers N] DIR")
		flag.PrintDefaults()
	}
	flag.Parse()
	dir := flag.Arg(0)
	name, isBolt := strings.CutPrefix(*where, "bolt:")
	if flag.NArg() != 1 || !isBolt && *where != "dense" {
		flag.CommandLine.Usage()
		os.Exit(2)
	}
	for _, path := range []string{dir, name} {
		if _, err := os.Stat(path); err != nil && strings.HasPrefix(path, "~") {
			check(fmt.Errorf("%w: the shell has not expanded the ~, and hashtree does not", err))
		}
	}

	var err error
	h.root, err = os.OpenRoot(dir)
	check(err)
	h.real, err = filepath.Abs(dir)
	check(err)
	h.real, err = filepath.EvalSymlinks(h.real)
	check(err)
	h.dir, h.real = strings.TrimSuffix(dir, "/")+"/", strings.TrimSuffix(h.real, string(filepath.Separator))+"/"

	out, _ := os.Stdout.Stat() // an error leaves nil, which no file is the same as
	errs, _ := os.Stderr.Stat()
	h.skip = []fs.FileInfo{out, errs}
	var st store.ResultStore[sum] = dense.New[sum]()
	if isBolt {
		file, err := bolt.Open[sum](name, nil)
		check(err)
		info, _ := os.Stat(name)
		h.skip = append(h.skip, info)
		defer func() { h.fail(file.Close()) }() // which is an error if FILE was removed
		st = file
	}
	h.hashTree(st, int(*workers))
}

// check ends the program if it was called in a wrong way.
func check(err error) {
	if err != nil {
		log.Print(err)
		os.Exit(2)
	}
}

// fail says what is wrong, if anything is.
func (h *hashtree) fail(err error) {
	if err != nil {
		log.Print(err)
		h.status = max(h.status, 1)
	}
}

// interrupts returns two contexts that signals end. The first Ctrl-C does not end cancelled.
func interrupts() (stopping, cancelled context.Context) {
	signals := make(chan os.Signal, 3)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(sig) { // as it is by nohup, and for the background jobs of a script
			signal.Notify(signals, sig)
		}
	}
	signal.Ignore(syscall.SIGPIPE) // writing returns EPIPE
	stopping, stop := context.WithCancelCause(context.Background())
	cancelled, cancel := context.WithCancel(context.Background())
	go func() {
		sig := <-signals
		if sig == os.Interrupt {
			stop(errors.New("interrupted: finishing the files that are being read; press Ctrl-C again to give up"))
			sig = <-signals
		}
		stop(errors.New(sig.String()))
		signal.Stop(signals) // the next one kills
		cancel()
	}()
	return stopping, cancelled
}

// print prints the sums as sha256sum does. A backslash in front says that the name is escaped.
func (h *hashtree) print(files []*file) {
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
	out := bufio.NewWriter(os.Stdout)
	for _, f := range files {
		path, mark := escape.Replace(h.dir+f.rel), ""
		if path != h.dir+f.rel {
			mark = `\`
		}
		if f.hash != nil {
			fmt.Fprintf(out, "%s%x  %s\n", mark, f.hash, path)
		}
	}
	if err := out.Flush(); !errors.Is(err, syscall.EPIPE) { // as it is with "| head"
		h.fail(err)
	}
}
