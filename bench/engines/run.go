package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"regexp"

	"github.com/schollz/progressbar/v3"
)

// runOptions is the command line of run.
type runOptions struct {
	batches, singles, tries, count int
	only                           *regexp.Regexp
	dir, report, plots             string
	flags                          string // as they were given, but for where to write
}

func parseRun(flags *flag.FlagSet, args []string) (o runOptions, err error) {
	flags.IntVar(&o.batches, "n", 50_000, "tasks that are submitted in batches")
	flags.IntVar(&o.singles, "singles", 10_000, "tasks that are submitted one by one")
	flags.IntVar(&o.tries, "tries", 5_000, "tasks of each try of what an engine is best run with")
	flags.IntVar(&o.count, "count", 3, "repetitions of each measurement")
	flags.StringVar(&o.dir, "dir", os.TempDir(), "the folder, and so the disk, for the servers' files")
	flags.StringVar(&o.report, "o", "", "the file for the report (standard output)")
	flags.StringVar(&o.plots, "plots", docs+"/plots", "the folder for engines.svg; empty: no picture")
	only := flags.String("only", "", "the rows whose names match this `regexp`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "o", "plots", "dir":
		case "only":
			o.flags += " -only='" + *only + "'"
		default:
			o.flags += " -" + f.Name + "=" + f.Value.String()
		}
	})
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || min(o.batches, o.singles, o.tries, o.count) < 1 {
		return o, errors.New("run takes flags only, and at least one task and repetition")
	}
	if o.batches > riverEvents || o.singles > riverEvents {
		return o, fmt.Errorf("more than %d tasks: the events of River's subscription would be dropped", riverEvents)
	}
	if *only != "" && o.plots == docs+"/plots" {
		return o, errors.New("-only needs -plots: " + docs + " holds the picture of a whole run")
	}
	return o, nil
}

// run measures, and writes the report and the picture.
func (o runOptions) run(ctx context.Context, stdout io.Writer) error {
	all, err := o.measure(ctx)
	if err != nil {
		return err
	}
	text, err := all.text()
	if err != nil {
		return err
	}
	if o.plots != "" {
		picture, err := drawRates(all)
		if err != nil {
			return err
		}
		if err := errors.Join(os.MkdirAll(o.plots, 0o777), os.WriteFile(filepath.Join(o.plots, "engines.svg"), picture, 0o666)); err != nil {
			return err
		}
	}
	if o.report != "" {
		return os.WriteFile(o.report, text, 0o666)
	}
	_, err = stdout.Write(text)
	return err
}

// measure does all measurements, in a folder that is removed.
func (o runOptions) measure(ctx context.Context) (all *figures, err error) {
	dir, err := os.MkdirTemp(o.dir, "engines-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL runs as another user
		return nil, err
	}
	at := &place{dir: dir}
	all = &figures{o: o}
	if all.Sync, err = syncTime(dir); err != nil {
		return nil, err
	}
	for _, r := range rows() {
		if !o.only.MatchString(r.name) {
			continue
		}
		f := &rowFigures{row: r}
		all.Rows = append(all.Rows, f)
		if r.needs != nil {
			if _, err := r.needs.find(); err != nil {
				f.Missing = err.Error()
				log.Printf("SKIPPED: %s: %v", r.name, err)
			}
		}
	}
	if len(all.Rows) == 0 {
		return nil, fmt.Errorf("-only %s matches no row", o.only)
	}
	type step struct {
		of   *rowFigures
		what string
		do   func() error
	}
	var steps []step
	add := func(f *rowFigures, what string, do func() error) {
		if f.Missing == "" {
			steps = append(steps, step{f, what, do})
		}
	}
	for _, f := range all.Rows {
		add(f, "tries", func() error { return f.try(ctx, at, o) })
	}
	for range o.count { // what else the machine does meets them all
		for _, f := range all.Rows {
			if len(f.batches) > 0 {
				add(f, "batches", func() error { return f.batchRate(ctx, at, o) })
			}
			if len(f.singles) > 0 {
				add(f, "64 submit", func() error { return f.singleRate(ctx, at, 64, &f.By64, o) })
				add(f, "256 submit", func() error { return f.singleRate(ctx, at, 256, &f.By256, o) })
			}
			if f.calls > 0 {
				add(f, "an answer", func() error { return f.answerTime(ctx, at) })
			}
		}
	}
	bar := progressbar.NewOptions(len(steps), progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowCount())
	for _, s := range steps {
		bar.Describe(fmt.Sprintf("%-36.36s", s.of.Name()+": "+s.what))
		if err := s.do(); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", s.of.Name(), s.what, err)
		}
		_ = bar.Add(1) // an error of the terminal, and nobody to tell of it
	}
	_ = bar.Exit()
	return all, nil
}
