package bolt

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// refuses opens what cannot be used, and wants an error that names the file and says why.
// The file stays as it is.
func refuses[R any](t *testing.T, path string, opts *Options, want string) {
	t.Helper()
	before, _ := os.ReadFile(path)
	st, err := Open[R](path, opts)
	if !assert.Error(t, err) {
		assert.NoError(t, st.Close())
		return
	}
	assert.ErrorContains(t, err, path)
	assert.ErrorContains(t, err, want)
	after, _ := os.ReadFile(path)
	assert.True(t, bytes.Equal(before, after), "the file has changed")
}

func TestOpenNoDatabase(t *testing.T) {
	garbage := bytes.Repeat([]byte("\xde\xad\xbe\xef"), 1<<14)
	for name, data := range map[string][]byte{
		"one byte":   {0},
		"text":       []byte("These are the results:\n"),
		"long text":  bytes.Repeat([]byte("These are the results.\n"), 10_000),
		"garbage":    garbage,
		"zeros":      make([]byte, 4096),
		"more zeros": make([]byte, 1<<20),
		"beginning":  append(newSound(t, true).data[:16], garbage...),
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			require.NoError(t, os.WriteFile(path, data, 0o600))
			refuses[int](t, path, nil, "no database")
		})
	}
	refuses[int](t, t.TempDir(), nil, "is a folder")
	refuses[int](t, filepath.Join(newSound(t, true).path, "in a file.db"), nil, "bolt: ")

	path := filepath.Join(t.TempDir(), "missing", "results.db")
	refuses[int](t, path, nil, "missing")
	_, err := Open[int](path, nil)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = os.Stat(filepath.Dir(path))
	assert.ErrorIs(t, err, fs.ErrNotExist, "Open has made the folder")
}

// TestOpenOfAnotherProgram opens databases that are not of this package, type and version.
func TestOpenOfAnotherProgram(t *testing.T) {
	for want, change := range map[string]func(*bbolt.Tx) error{
		`of another program, with a bucket named "users"`: func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("users"))
			return err
		},
		`has format "2"`: func(tx *bbolt.Tx) error {
			if err := makeOurs(tx, "int as json"); err != nil {
				return err
			}
			return tx.Bucket(metaBucket).Put(formatKey, []byte("2"))
		},
		"has results that are string as json, want int as json": func(tx *bbolt.Tx) error { return makeOurs(tx, "string as json") },
	} {
		path := newPath(t)
		edit(t, path, change)
		refuses[int](t, path, nil, want)
	}
}

// TestOpenTruncated cuts a store short at every 512th byte. To read what is not there would
// end the program.
func TestOpenTruncated(t *testing.T) {
	s := newSound(t, true)
	cut, used := 0, int(s.newest().end)*s.pageSize
	for all, n := s.data, len(s.data)-512; n > 0; n -= 512 {
		s.data = all[:n]
		s.write()
		st, err := Open[string](s.path, &Options{NoSync: true})
		if err != nil {
			cut++
			assert.ErrorContains(t, err, s.path)
			continue
		}
		// bbolt makes a file larger than it needs: what was cut off had not been used.
		assert.GreaterOrEqual(t, n, used)
		held, err := store.Snapshot(t.Context(), st)
		assert.NoError(t, err)
		assert.Len(t, held, soundHeld)
		require.NoError(t, st.Close())
	}
	assert.Greater(t, cut, 10)
}

func TestOpenBadOptions(t *testing.T) {
	path := newPath(t)
	_, err := Open[int](path, &Options{Timeout: -1})
	assert.ErrorContains(t, err, "Timeout is -1ns")
	_, err = Open[int](path, &Options{Codec: &codec.Options{Errors: map[string]error{"": fs.ErrExist}}})
	assert.ErrorContains(t, err, "bolt: ")
	_, err = os.Stat(path)
	assert.ErrorIs(t, err, fs.ErrNotExist, "Open has made the file")
}

// TestOpenWaits opens a file that is open in this process, and then comes free. It was made
// for us and is empty, as os.CreateTemp leaves it.
func TestOpenWaits(t *testing.T) {
	path := newPath(t)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	st := openAt[int](t, path, nil)
	start := time.Now()
	refuses[int](t, path, &Options{Timeout: 100 * time.Millisecond},
		"in use by another process, or open in this one, and still was after 100ms")
	assert.Less(t, time.Since(start), 5*time.Second)
	assert.NoError(t, st.Put(t.Context(), one(1)))
	time.AfterFunc(200*time.Millisecond, func() { assert.NoError(t, st.Close()) })
	assertHeld(t, openAt[int](t, path, &Options{Timeout: time.Minute}), one(1))
}

// TestOpenInUse has another process keep the file open, until it is killed.
func TestOpenInUse(t *testing.T) {
	path := newPath(t)
	cmd := child("holder", path)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	assert.NoError(t, err)
	assert.Equal(t, "open: <nil>\n", line)

	refuses[int](t, path, nil, "in use by another process")

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	openAt[int](t, path, nil)
}

func runHolder(args []string) {
	st, err := Open[int](args[0], nil)
	fmt.Println("open:", err)
	time.Sleep(time.Hour)
	_ = st.Close()
}
