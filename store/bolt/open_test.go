package bolt_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
	"github.com/resultpool/resultpool/store/codec"
)

// refuses opens what is no store, and wants an error that names it and is about want. The
// file stays as it is.
func refuses(t *testing.T, path, want string) {
	t.Helper()
	before, _ := os.ReadFile(path)
	st, err := bolt.Open[int](path, &bolt.Options{Timeout: 100 * time.Millisecond})
	if !assert.Error(t, err) {
		assert.NoError(t, st.Close())
		return
	}
	assert.ErrorContains(t, err, path)
	assert.ErrorContains(t, err, want)
	after, _ := os.ReadFile(path)
	assert.True(t, bytes.Equal(before, after), "the file has changed")
}

// written returns the path of a file with data.
func written(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "results.db")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// someStore returns the bytes of a store with some results.
func someStore(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "some.db")
	st, err := bolt.Open[int](path, &bolt.Options{NoSync: true})
	require.NoError(t, err)
	res := make([]store.Result[int], 1000)
	for i := range res {
		res[i] = store.Result[int]{ID: store.ID(i + 1), Value: i}
	}
	require.NoError(t, st.PutBatch(t.Context(), res))
	require.NoError(t, st.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
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
		"beginning":  append(someStore(t)[:16], garbage...),
	} {
		t.Run(name, func(t *testing.T) { refuses(t, written(t, data), "no database") })
	}
}

// TestOpenTruncated cuts a store short at every 512th byte. To read what is not there would
// end the program.
func TestOpenTruncated(t *testing.T) {
	data := someStore(t)
	path := written(t, data)
	cut := 0
	for n := len(data) - 512; n > 0; n -= 512 {
		require.NoError(t, os.Truncate(path, int64(n)))
		st, err := bolt.Open[int](path, &bolt.Options{NoSync: true})
		if err != nil {
			cut++
			assert.ErrorContains(t, err, path)
			continue
		}
		// bbolt makes a file larger than it needs: what was cut off had not been used.
		for id := range store.ID(1000) {
			res, err := st.Get(t.Context(), id+1)
			assert.NoError(t, err)
			assert.Equal(t, int(id), res.Value)
		}
		require.NoError(t, st.Close())
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
	assert.Greater(t, cut, 10)
}

func TestOpenFolder(t *testing.T) { refuses(t, t.TempDir(), "is a folder") }

func TestOpenMissingFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "results.db")
	refuses(t, path, "missing")
	_, err := bolt.Open[int](path, nil)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = os.Stat(filepath.Dir(path))
	assert.ErrorIs(t, err, fs.ErrNotExist, "Open has made the folder")
}

// edited returns the path of a bbolt database that f has written to.
func edited(t *testing.T, path string, f func(*bbolt.Tx) error) string {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true}) // which ours would write
	require.NoError(t, err)
	require.NoError(t, db.Update(f))
	require.NoError(t, db.Close())
	return path
}

func TestOpenOfAnotherProgram(t *testing.T) {
	path := edited(t, filepath.Join(t.TempDir(), "other.db"), func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("users"))
		return err
	})
	refuses(t, path, `of another program, with a bucket named "users"`)
}

func TestOpenNewerFormat(t *testing.T) {
	path := edited(t, written(t, someStore(t)), func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("resultpool.meta")).Put([]byte("format"), []byte("2"))
	})
	refuses(t, path, `has format "2"`)
}

func TestOpenWithoutResults(t *testing.T) {
	path := edited(t, written(t, someStore(t)), func(tx *bbolt.Tx) error {
		return tx.DeleteBucket([]byte("resultpool.results"))
	})
	refuses(t, path, "is damaged")
}

func TestOpenOtherType(t *testing.T) {
	path := written(t, someStore(t))
	_, err := bolt.Open[string](path, nil)
	assert.ErrorContains(t, err, path)
	assert.ErrorContains(t, err, "int as json")
	assert.ErrorContains(t, err, "string as json")
	st := open(t, path, nil)
	res, err := st.Get(t.Context(), 5)
	assert.NoError(t, err)
	assert.Equal(t, 4, res.Value)
}

// TestOpenEmptyFile is about a file that somebody has made for us, as os.CreateTemp does.
func TestOpenEmptyFile(t *testing.T) {
	st := open(t, written(t, nil), nil)
	assert.NoError(t, st.Put(t.Context(), store.Result[int]{ID: 1}))
}

func TestOpenBadOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	_, err := bolt.Open[int](path, &bolt.Options{Timeout: -1})
	assert.ErrorContains(t, err, "Timeout is -1ns")
	_, err = bolt.Open[int](path, &bolt.Options{Codec: &codec.Options{Errors: map[string]error{"": fs.ErrExist}}})
	assert.ErrorContains(t, err, "bolt: ")
	_, err = os.Stat(path)
	assert.ErrorIs(t, err, fs.ErrNotExist, "Open has made the file")
}

func TestOpenTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	st := open(t, path, nil)
	start := time.Now()
	refuses(t, path, "in use by another process, or open in this one, and still was after 100ms")
	assert.Less(t, time.Since(start), 5*time.Second)
	assert.NoError(t, st.Put(t.Context(), store.Result[int]{ID: 1}))
	assert.NoError(t, st.Close())
	open(t, path, nil)
}

// TestOpenWaits opens a file that comes free meanwhile.
func TestOpenWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.db")
	st := open(t, path, nil)
	time.AfterFunc(200*time.Millisecond, func() { assert.NoError(t, st.Close()) })
	st2, err := bolt.Open[int](path, &bolt.Options{Timeout: time.Minute})
	if assert.NoError(t, err) {
		assert.NoError(t, st2.Close())
	}
}

// TestOpenInUse has another process keep the file open, until it is killed.
func TestOpenInUse(t *testing.T) {
	if path := os.Getenv("BOLT_HOLD"); path != "" {
		st, err := bolt.Open[int](path, nil)
		fmt.Println("open:", err)
		time.Sleep(time.Hour)
		_ = st.Close()
	}
	path := filepath.Join(t.TempDir(), "results.db")
	cmd := exec.Command(os.Args[0], "-test.run=^TestOpenInUse$")
	cmd.Env = append(os.Environ(), "BOLT_HOLD="+path)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	assert.NoError(t, err)
	assert.Equal(t, "open: <nil>\n", line)

	refuses(t, path, "in use by another process")

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	open(t, path, nil)
}
