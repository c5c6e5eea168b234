package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

const usage = `Usage: hashtree [-store NAME] [-workers N] DIR...

Print the SHA-256 sums of all regular files below each DIR, sorted by path, in
the format of sha256sum.

  -store NAME   where the sums are kept until they are printed:
                dense (the default), rwmutex, syncmap or xsync
  -workers N    how many files to read at once;
                0 (the default) means one for each processor
  -h            print this and exit

Examples:
  hashtree . >SUMS                       then: sha256sum --check SUMS
  hashtree -workers 16 /mnt/a /mnt/b     more workers for slow file systems

Press Ctrl-C once to finish the files that are being read, twice to give them up.
The exit status is 0 if all went well, 1 if something could not be read or
written, 2 for a wrong call, and 130 after Ctrl-C.
`

// options is what the command line says.
type options struct {
	dirs     []string // existing directories, at least one
	newStore func() store.ResultStore[sum]
	workers  int // 0: GOMAXPROCS
}

// stores is the choice for -store.
var stores = map[string]func() store.ResultStore[sum]{
	"dense":   func() store.ResultStore[sum] { return dense.New[sum]() },
	"rwmutex": func() store.ResultStore[sum] { return rwmutex.New[sum]() },
	"syncmap": func() store.ResultStore[sum] { return syncmap.New[sum]() },
	"xsync":   func() store.ResultStore[sum] { return xsync.New[sum]() },
}

// parse reads the command line. The error is flag.ErrHelp, or one that says what
// is wrong with it.
func parse(args []string) (options, error) {
	opts := options{newStore: stores["dense"]}
	flags := flag.NewFlagSet("hashtree", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("store", "", func(name string) error {
		newStore, ok := stores[name]
		if !ok {
			return fmt.Errorf("want one of %s", strings.Join(slices.Sorted(maps.Keys(stores)), ", "))
		}
		opts.newStore = newStore
		return nil
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
	opts.dirs = flags.Args()
	return opts, checkDirs(opts.dirs)
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
