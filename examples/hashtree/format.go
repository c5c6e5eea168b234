package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// printSums writes one line for each sum. It returns the first error of w.
func printSums(w io.Writer, sums []hashed) error {
	buf := bufio.NewWriter(w)
	var line []byte
	for _, s := range sums {
		line = appendLine(line[:0], s)
		if _, err := buf.Write(line); err != nil {
			return err
		}
	}
	return buf.Flush()
}

var escaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)

// appendLine appends a line as sha256sum of GNU coreutils writes it: a backslash
// in front says that the name is escaped.
func appendLine(line []byte, s hashed) []byte {
	name := escaper.Replace(s.path)
	if name != s.path {
		line = append(line, '\\')
	}
	line = hex.AppendEncode(line, s.sum[:])
	line = append(line, "  "...)
	line = append(line, name...)
	return append(line, '\n')
}

// summary is the line at the end.
func summary(files int, out outcome, took time.Duration) string {
	rate := ""
	if s := took.Seconds(); s > 0 && out.bytes > 0 {
		rate = fmt.Sprintf(" (%s/s)", size(float64(out.bytes)/s))
	}
	kept := ""
	if out.remembers {
		kept = fmt.Sprintf("%d kept, ", len(out.kept))
	}
	here := ""
	if out.shared {
		here = fmt.Sprintf(", %d read here", out.here)
	}
	return fmt.Sprintf("%s%s, %s in %s%s: %s%d done, %d failed, %d not run",
		count(files, "file"), here, size(float64(out.bytes)), duration(took), rate,
		kept, len(out.done), len(out.failed), out.notRun)
}

// count is "1 file" or "2 files".
func count[N int | int64 | uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// size is a number of bytes in a unit that leaves three digits before the point.
func size(n float64) string {
	if n < 999.5 {
		return fmt.Sprintf("%.0f B", n)
	}
	units := "kMGTPE"
	for n /= 1000; n >= 999.95 && len(units) > 1; n /= 1000 {
		units = units[1:]
	}
	return fmt.Sprintf("%.1f %cB", n, units[0])
}

// duration is a time to a tenth of a second, or to a second if it is long.
func duration(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// printable is a path as it can be shown on a terminal: quoted if it contains
// what would do something there, or not be seen.
func printable(path string) string {
	unseen := func(r rune) bool { return !strconv.IsPrint(r) }
	if path == "" || !utf8.ValidString(path) || strings.ContainsFunc(path, unseen) {
		return strconv.Quote(path)
	}
	return path
}

// reason is err without the operation and the path of an [fs.PathError].
func reason(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
