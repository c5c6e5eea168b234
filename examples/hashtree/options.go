package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

const usage = `Usage: hashtree [-store NAME | -engine WHERE] [-workers N] DIR...

Print the SHA-256 sums of all regular files below each DIR, sorted by path, in
the format of sha256sum.

  -store NAME   where the sums are kept until they are printed:
                dense (the default), rwmutex, syncmap or xsync;
                or bolt:FILE, which keeps them in FILE for the next run: then
                only files that are new, or have another size or mtime, are read.
                FILE is made if there is none, and never hashed itself
  -engine WHERE share the work with all that are called with the same WHERE and
                the same DIRs: start it twice, and each reads a part of the
                files and prints all sums; kill one, and the other finishes.
                WHERE is a folder, for those on this machine, or the address of
                NATS servers with JetStream, nats://HOST:PORT, for any machine.
                All have to see the same files under the same names. The sums
                are kept for the next run, as with bolt:FILE
  -workers N    how many files to read at once;
                0 (the default) means one for each processor
  -h            print this and exit

Examples:
  hashtree . >SUMS                       then: sha256sum --check SUMS
  hashtree -workers 16 /mnt/a /mnt/b     more workers for slow file systems
  hashtree -store bolt:srv.db /srv       again, after an interruption or a change
  hashtree -engine work /srv             in two terminals, or more
  hashtree -engine nats://10.0.0.7:4222 /srv
                                         on every machine that has /srv

Press Ctrl-C once to finish the files that are being read, twice to give them up.
With -engine, files that have not been begun are left to the others.
The exit status is 0 if all went well, 1 if something could not be read or
written, 2 for a wrong call, FILE or WHERE, and 130 after Ctrl-C.
`

// options is what the command line says.
type options struct {
	dirs     []root // existing directories, at least one
	newStore func() store.ResultStore[record]
	file     string // FILE of -store bolt:FILE, or ""; then newStore is not used
	engine   string // of -engine, or ""; then there is no store
	workers  int    // 0: GOMAXPROCS
}

// stores is the choice for -store, beside bolt:FILE.
var stores = map[string]func() store.ResultStore[record]{
	"dense":   func() store.ResultStore[record] { return dense.New[record]() },
	"rwmutex": func() store.ResultStore[record] { return rwmutex.New[record]() },
	"syncmap": func() store.ResultStore[record] { return syncmap.New[record]() },
	"xsync":   func() store.ResultStore[record] { return xsync.New[record]() },
}

// parse reads the command line. The error is flag.ErrHelp, or one that says what
// is wrong with it.
func parse(args []string) (options, error) {
	opts := options{newStore: stores["dense"]}
	flags := flag.NewFlagSet("hashtree", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	storeGiven := false
	flags.Func("store", "", func(name string) error {
		storeGiven = true
		if file, ok := strings.CutPrefix(name, "bolt:"); ok {
			if file == "" {
				return errors.New("want a file after bolt:, for example bolt:sums.db")
			}
			opts.newStore, opts.file = nil, file
			return nil
		}
		newStore, ok := stores[name]
		if !ok {
			return fmt.Errorf("want one of %s\nor bolt:FILE, which keeps the sums for the next run",
				strings.Join(slices.Sorted(maps.Keys(stores)), ", "))
		}
		opts.newStore, opts.file = newStore, ""
		return nil
	})
	flags.Func("engine", "", func(where string) error {
		opts.engine = where
		return checkWhere(where)
	})
	flags.Func("workers", "", func(number string) error {
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 {
			return errors.New("want a number, 0 (one for each processor) or more")
		}
		opts.workers = n
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if storeGiven && opts.engine != "" {
		return options{}, errors.New("-store and -engine: want one of them; an engine keeps the sums, too")
	}
	if err := checkDirs(flags.Args()); err != nil {
		return options{}, err
	}
	for _, dir := range flags.Args() {
		r := root{path: dir}
		if opts.file != "" || opts.engine != "" {
			var err error
			if r.real, err = realPath(dir); err != nil {
				return options{}, fmt.Errorf("%s: %w", printable(dir), reason(err))
			}
			if opts.isInFolder(r.real) {
				return options{}, fmt.Errorf("%s: in the folder of -engine, which is not hashed", printable(dir))
			}
		}
		opts.dirs = append(opts.dirs, r)
	}
	return opts, nil
}

// isInFolder reports whether a directory is that of -engine, or below it.
func (o options) isInFolder(dir string) bool {
	if o.engine == "" || isURL(o.engine) {
		return false
	}
	folder, err := realPath(o.engine) // an error says that it is not there yet
	return err == nil && (dir == folder || below(folder, dir))
}

// realPath is the same for all paths of a directory, from wherever they are given.
func realPath(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// checkDirs reports all that is wrong with the DIRs of the command line.
func checkDirs(dirs []string) error {
	if len(dirs) == 0 {
		return errors.New("no directory given: say which to hash, for example . for this one")
	}
	var errs []error
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		switch {
		case err != nil && strings.HasPrefix(dir, "-"):
			errs = append(errs, fmt.Errorf("%s: %w (flags go before the first directory)", printable(dir), reason(err)))
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", printable(dir), reason(err)))
		case !info.IsDir():
			errs = append(errs, fmt.Errorf("%s: not a directory (for single files there is sha256sum)", printable(dir)))
		}
	}
	return errors.Join(errs...)
}
