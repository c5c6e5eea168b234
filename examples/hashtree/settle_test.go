package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Results that cannot be read are no reason to begin anew without a word.
func TestDamagedFile(t *testing.T) {
	makeOldTree(t, "a", "b")
	keep(t, ".")
	data, err := os.ReadFile("../kept.db")
	require.NoError(t, err)
	require.Contains(t, string(data), `"Sum":`)
	require.NoError(t, os.WriteFile("../kept.db", bytes.ReplaceAll(data, []byte(`"Sum":`), []byte(`"Sum",`)), 0o666))
	r := keep(t, ".")
	assert.Equal(t, exitFailed, r.status)
	assert.Empty(t, r.out.String())
	assert.Contains(t, r.err.String(), "kept.db")
}

// A file that changes while it is read is hashed as it was read, and again next time.
func TestFileThatChangesWhileItIsRead(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path string){
		"it grows": func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			defer f.Close()
			_, err = f.WriteString("more")
			require.NoError(t, err)
		},
		"it grows and gets its old mtime": func(t *testing.T, path string) {
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, []byte("another text"), 0o666))
			require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
		},
		"only the mtime": func(t *testing.T, path string) { age(t, path, time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			makeOldTree(t, "a", "b")
			r := newKeepingRun()
			open := r.open
			r.open = func(path string) (io.ReadCloser, error) {
				f, err := open(path)
				if err == nil && filepath.Base(path) == "b" {
					f = &changingFile{f.(*os.File), func() { change(t, path) }}
				}
				return f, err
			}
			r.keep(".")
			assert.Equal(t, exitOK, r.status)
			assertKept(t, r.err.String(), 0, 2, 0, 0)
			age(t, "b", time.Minute)
			assert.Equal(t, []string{"b"}, keep(t, ".").opened)
			assert.Empty(t, keep(t, ".").opened)
		})
	}
}

// A changingFile is changed before its first read.
type changingFile struct {
	*os.File
	change func()
}

func (f *changingFile) Read(p []byte) (int, error) {
	if f.change != nil {
		f.change()
		f.change = nil
	}
	return f.File.Read(p)
}

// An agedFile has an mtime that it is given, and no content.
type agedFile struct {
	fs.File
	mtimes []time.Time // of each Stat; the last one stays
}

func (f *agedFile) Stat() (fs.FileInfo, error) {
	mtime := f.mtimes[0]
	if len(f.mtimes) > 1 {
		f.mtimes = f.mtimes[1:]
	}
	return agedInfo{mtime: mtime}, nil
}

type agedInfo struct {
	fs.FileInfo
	mtime time.Time
}

func (i agedInfo) Size() int64 { return 3 }

func (i agedInfo) ModTime() time.Time { return i.mtime }

func TestSettle(t *testing.T) {
	const whole, part = 2 * time.Second, 50 * time.Millisecond
	tests := []struct {
		name    string
		mtimes  []time.Duration // before now
		waits   time.Duration
		settled bool
	}{
		{"an old file", []time.Duration{time.Hour}, 0, true},
		{"exactly old enough", []time.Duration{whole}, 0, true},
		{"a moment ago", []time.Duration{part / 5}, part * 4 / 5, true},
		{"just now", []time.Duration{1}, part - 1, true},
		{"a whole second ago", []time.Duration{time.Second}, time.Second, true},
		{"written to again while it waits", []time.Duration{part / 5, -part / 2}, part * 4 / 5, false},
		{"in the future", []time.Duration{-time.Hour}, 0, false},
		{"in the near future", []time.Duration{-1}, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // in which now is a whole second
				began := time.Now()
				f := new(agedFile)
				for _, ago := range tt.mtimes {
					f.mtimes = append(f.mtimes, began.Add(-ago))
				}
				v, settled, err := settle(t.Context(), f)
				assert.NoError(t, err)
				assert.Equal(t, tt.settled, settled)
				assert.Equal(t, version{3, f.mtimes[0].UnixNano()}, v)
				assert.Equal(t, tt.waits, time.Since(began))
			})
		})
	}
}

func TestSettleIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errInterrupted) })
		_, _, err := settle(ctx, &agedFile{mtimes: []time.Time{time.Now()}})
		assert.ErrorIs(t, err, errInterrupted)
	})
}

func TestRecordText(t *testing.T) {
	var s sum
	assert.Error(t, s.UnmarshalText([]byte("00")))
	assert.Error(t, s.UnmarshalText([]byte(strings.Repeat("x", 64))))
	var q quoted
	assert.Error(t, q.UnmarshalText([]byte("no quotes")))
}
