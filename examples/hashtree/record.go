package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strconv"
	"time"
)

// A record is the result of one task: the sum of a file and, with -store bolt:FILE,
// what a later run has to know to use it again.
type record struct {
	Sum     sum
	File    quoted  // its real path; also beside an error
	Version version // what it was when reading began
	Sure    bool    // it was the same in the end, and whoever changes it changes Version
}

// A version is what is looked at to find out whether a file has changed.
type version struct {
	Size  int64
	Mtime int64 // in Unix nanoseconds
}

func versionOf(info fs.FileInfo) version {
	return version{info.Size(), info.ModTime().UnixNano()}
}

// tick is how long after its mtime a file may be written to again and keep that
// mtime. The clocks by which mtimes are set go on in steps of 1 to 16 ms; where a file
// system has no fractions of a second, it is up to 2 s.
func tick(mtime time.Time) time.Duration {
	if mtime.Nanosecond() == 0 {
		return 2 * time.Second
	}
	return 50 * time.Millisecond
}

// unsettled is how long it is until a write to a file with that mtime gives it another.
// It is not positive if a write does so now, and more than a tick for an mtime that
// lies in the future.
func unsettled(mtime time.Time) time.Duration { return tick(mtime) - time.Since(mtime) }

// A sum is written as sha256sum writes it.
type sum [sha256.Size]byte

// MarshalText writes it in hexadecimal digits.
func (s sum) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText is the way back.
func (s *sum) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(s)) {
		return fmt.Errorf("a SHA-256 sum of %d digits, want %d", len(text), hex.EncodedLen(len(s)))
	}
	_, err := hex.Decode(s[:], text)
	return err
}

// quoted is a path. Paths are bytes, and JSON would change those that are not UTF-8.
type quoted string

// MarshalText writes it as Go does.
func (q quoted) MarshalText() ([]byte, error) { return strconv.AppendQuote(nil, string(q)), nil }

// UnmarshalText is the way back.
func (q *quoted) UnmarshalText(text []byte) error {
	s, err := strconv.Unquote(string(text))
	*q = quoted(s)
	return err
}
