package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/perf/benchfmt"
)

const rawName = "benchmarks.txt"

// bases are what names begin with in raw figures.
var bases = []string{"Bare", "Tasks", "Map", "Idle", "Blocked", "Stall"}

// A file is one to be written, with slashes in its path.
type file struct {
	path string
	text []byte
}

func cmdReport(args []string) error {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	out := flags.String("out", "", "")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return usageError{fmt.Errorf("report: got %d files, want the one that run wrote, such as docs/%s", flags.NArg(), rawName)}
	}
	if *out == "" {
		root, err := findRoot()
		if err != nil {
			return err
		}
		*out = filepath.Join(root, "docs")
	}
	raw, err := readFile(flags.Arg(0))
	if err != nil {
		return err
	}
	return writeAll(*out, raw)
}

func readFile(path string) ([]*benchfmt.Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parse(f, path)
}

// writeAll makes everything before it writes anything.
func writeAll(dir string, raw []*benchfmt.Result) error {
	text, err := format(raw)
	if err != nil {
		return err
	}
	f := newFigures(raw)
	if !slices.ContainsFunc(f.rows, func(r *row) bool { return slices.Contains(bases, r.base) }) {
		return errors.New("nothing in it was measured by peers: want the file that run wrote")
	}
	pictures, err := drawAll(f)
	if err != nil {
		return err
	}
	report, err := f.report(pictures)
	if err != nil {
		return err
	}
	if err := writable(dir); err != nil {
		return err
	}
	files := append([]file{{rawName, text}, {"benchmarks.md", report}}, pictures...)
	for _, file := range files {
		path := filepath.Join(dir, filepath.FromSlash(file.path))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := replace(path, file.text); err != nil {
			return err
		}
	}
	return nil
}

// replace writes a file that is never seen half written.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// writable finds out now what else would be found out after ten minutes. It
// makes the directory if there is none.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("cannot make the directory for the report: %w", err)
	}
	f, err := os.CreateTemp(dir, ".peers-*")
	if err != nil {
		return fmt.Errorf("cannot write the report: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
