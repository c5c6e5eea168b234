// Package behave shows what pools do where they differ. Each cell of its table is what a short program has
// printed, which was run just now, in a process of its own: some panic, and some hang.
//
// The programs do what the documentation of their pool would have one do, and nothing by hand that the pool has
// no call for. A row that another pool wins stays.
package behave

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Cells that no program has printed.
const (
	noCall = "no call"
	hangs  = "hangs"
	dies   = "the process dies"
)

// unknown is the version of a module that the build does not tell, as that of a test may not.
const unknown = "of unknown version"

// atOnce is how many programs run at once: most of them wait most of the time.
const atOnce = 8

// Table is the command that runs all programs, or those that flags choose, and prints the table.
func Table(ctx context.Context, stdout io.Writer, args []string) error {
	flags := flag.NewFlagSet("behaviours", flag.ContinueOnError)
	var names, columns []string
	for _, r := range rows {
		names = append(names, r.name)
	}
	for _, p := range pools {
		columns = append(columns, p.name)
	}
	onlyRow := flags.String("row", "", "the row of this `name` only: "+strings.Join(names, ", "))
	onlyPool := flags.String("pool", "", "the pool of this `name` only: "+strings.Join(columns, ", "))
	verbose := flags.Bool("v", false, "print what the programs write to standard error, a panic for example")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errors.New("behaviours takes flags only")
	}
	var t table
	for _, name := range columns {
		if *onlyPool == "" || *onlyPool == name {
			t.pools = append(t.pools, name)
		}
	}
	for _, r := range rows {
		if *onlyRow == "" || *onlyRow == r.name {
			t.rows = append(t.rows, r)
		}
	}
	if len(t.pools) == 0 || len(t.rows) == 0 {
		return fmt.Errorf("there is no cell of row %q and pool %q", *onlyRow, *onlyPool)
	}
	said := io.Discard
	if *verbose {
		said = os.Stderr
	}
	if err := t.run(ctx, said); err != nil {
		return err
	}
	_, err := io.WriteString(stdout, t.markdown())
	return err
}

type table struct {
	rows  []row
	pools []string
	cells [][]string // of each row, one for each pool
}

func (t *table) run(ctx context.Context, said io.Writer) error {
	t.cells = make([][]string, len(t.rows))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	order := make([]int, len(t.rows))
	for i := range order {
		order[i] = i
		t.cells[i] = make([]string, len(t.pools))
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(t.rows[j].river, t.rows[i].river) }) // the longest first
	for _, i := range order {
		r := t.rows[i]
		for j, pool := range t.pools {
			if r.cells[pool] == nil {
				t.cells[i][j] = noCall
				continue
			}
			g.Go(func() error {
				cell, stderr, err := inChild(ctx, r, pool)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", r.name, pool, err)
				}
				t.cells[i][j] = cell
				if len(stderr) > 0 {
					fmt.Fprintf(said, "%s, %s: %s\n", r.name, pool, stderr) //nolint:errcheck // nobody to tell
				}
				return nil
			})
		}
	}
	return g.Wait()
}

// inChild runs a program in a process of its own, and returns what becomes its cell.
func inChild(ctx context.Context, r row, pool string) (cell string, stderr []byte, err error) {
	dir, err := os.MkdirTemp("", "behave")
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	limit := patience
	if pool == riverPool {
		limit = max(limit, r.river)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd, err := self(ctx, r.name, pool)
	if err != nil {
		return "", nil, err
	}
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	late := err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded)
	cell, err = outcome(out.String(), errs.String(), err, late)
	return cell, errs.Bytes(), err
}

// self is this program as a child, with one program of a cell. It ends with this one at the latest.
func self(ctx context.Context, args ...string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, append([]string{Child}, args...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=3") // the same on all machines, and no number that stands for something else
	cmd.WaitDelay = patience                       // for what a child has started, and has its output
	_, err = cmd.StdinPipe()
	return cmd, err
}

// goPanic is how Go begins to print an unrecovered panic.
var goPanic = regexp.MustCompile(`(?m)^panic: `)

// marker is the line after which a program that does not end counts as one that hangs, not as a slow one.
const marker = "what follows may hang"

// mayHang says that the next call is the one that the row is about.
func mayHang() { fmt.Println(marker) }

// outcome tells what a program has shown, by what it printed and how it ended, if it was not too late.
func outcome(out, errs string, err error, late bool) (string, error) {
	out, isMarked := strings.CutPrefix(out, marker+"\n")
	switch {
	case late && isMarked:
		return hangs, nil
	case late:
		return "", fmt.Errorf("too slow: %w: %s%s", err, out, errs)
	case err != nil && goPanic.MatchString(errs):
		return dies, nil
	case err != nil:
		return "", fmt.Errorf("%w: %s%s", err, out, errs)
	}
	seen := strings.TrimSpace(out)
	if seen == "" || strings.ContainsAny(seen, "\n|") {
		return "", fmt.Errorf("it printed %q", out)
	}
	return seen, nil
}

// Child is the command that runs one program, or the second process of one.
const Child = "behaviour"

// Cell is that command.
func Cell(stdout io.Writer, args []string) error {
	ctx := context.Background()
	if len(args) == 1 && parts[args[0]] != nil {
		endWithParent()
		parts[args[0]](ctx)
		select {}
	}
	if len(args) == 2 {
		for _, r := range rows {
			if do := r.cells[args[1]]; r.name == args[0] && do != nil {
				endWithParent()
				_, err := fmt.Fprintln(stdout, do(ctx))
				return err
			}
		}
	}
	return fmt.Errorf("there is no program %q", args)
}

// endWithParent ends this process when the one that has started it has ended, however.
func endWithParent() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // an end as well
		os.Exit(1)
	}()
}

// A process is the second one of a program.
type process struct {
	*exec.Cmd
	lines *bufio.Scanner
}

// begin starts a second process.
func begin(ctx context.Context, part string) process {
	cmd := must(self(ctx, part))
	cmd.Stderr = os.Stderr
	p := process{cmd, bufio.NewScanner(must(cmd.StdoutPipe()))}
	check(cmd.Start())
	return p
}

// line returns the next line that the process prints.
func (p process) line() string {
	if !p.lines.Scan() {
		log.Fatal("the second process has printed too little: ", p.lines.Err())
	}
	return p.lines.Text()
}

// kill is kill -9.
func (p process) kill() {
	check(p.Process.Kill())
	_ = p.Wait() // it was killed
}

// must returns v, or ends the program with err. That is no panic: what fails here is not what a row shows.
func must[V any](v V, err error) V {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func (t *table) markdown() string {
	var b strings.Builder
	line := func(cells ...string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(append([]string{""}, t.pools...)...)
	line(slices.Repeat([]string{"---"}, len(t.pools)+1)...)
	for i, r := range t.rows {
		line(append([]string{r.title}, t.cells[i]...)...)
	}
	fmt.Fprintf(&b, "\n%s\n", versions(t.pools))
	return b.String()
}

// versions says which ones were run.
func versions(of []string) string {
	var all []string
	info, _ := debug.ReadBuildInfo()
	for _, p := range pools {
		if p.module == "" || !slices.Contains(of, p.name) {
			continue
		}
		version := unknown
		for _, m := range info.Deps {
			if m.Path == p.module {
				version = m.Version
			}
		}
		switch p.name {
		case errGroup:
			version = "of x/sync " + version
		case riverPool:
			version += " on SQLite"
		}
		all = append(all, p.name+" "+version)
	}
	return strings.Join(append(all, runtime.Version()), ", ") + "."
}
