package bolt

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
)

// BenchmarkDurable measures how fast results of 128 bytes get on a disk: b.N of them, into
// a new file. Name a folder on the disk that is to be measured, or it is that of the
// temporary folder:
//
//	go test -run='^$' -bench=Durable -benchtime=2s -count=6 ./store/bolt -disk.dir=/var/tmp
//
// results/s is the rate, without opening and closing. file-B/result is the size of the
// file, and written-B/result what the kernel was given to write to disks, if it says so:
// all pages that a transaction touches.
func BenchmarkDurable(b *testing.B) {
	dir := tempDir(b)
	fmt.Printf("disk: %s\n", fileSystem(dir))
	for _, w := range ways {
		b.Run("way="+w.name, func(b *testing.B) { w.measure(b, dir) })
	}
}

// A rated is a way to write results: through a pool, or by hand, in batches.
type rated struct {
	name   string
	batch  int  // results in one; 0: through a pool
	noSync bool // Options.NoSync
	memory bool // not in a file
}

var ways = []rated{
	{name: "put", batch: 1}, {name: "pool"}, {name: "loop", batch: 1024}, {name: "nosync", noSync: true}, {name: "dense", memory: true},
}

func (w rated) measure(b *testing.B, dir string) {
	dir, err := os.MkdirTemp(dir, "rates-")
	require.NoError(b, err)
	defer func() { require.NoError(b, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "results.db")
	var st store.ResultStore[string] = dense.New[string]()
	closeIt := func() error { return nil }
	if !w.memory {
		file, err := Open[string](path, &Options{NoSync: w.noSync})
		require.NoError(b, err)
		st, closeIt = file, file.Close
	}
	before, ok := bytesWritten()
	b.ResetTimer()
	if w.batch > 0 {
		byHand(b, st.(store.BatchPutter[string]), w.batch)
	} else {
		throughPool(b, st)
	}
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(n/b.Elapsed().Seconds(), "results/s")
	if after, _ := bytesWritten(); ok && after > before {
		b.ReportMetric(float64(after-before)/n, "written-B/result")
	}
	require.NoError(b, closeIt())
	if !w.memory { // bbolt makes a file longer than it is used, so that it need not do so often
		db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true})
		require.NoError(b, err)
		require.NoError(b, db.View(func(tx *bbolt.Tx) error {
			b.ReportMetric(float64(tx.Size())/n, "file-B/result")
			return nil
		}))
		require.NoError(b, db.Close())
	}
}

// BenchmarkSweep measures how fast b.N results of 128 bytes are read and deleted, from a file
// that has them on a disk: see BenchmarkDurable. In one way each is deleted as it is read, in
// the other 1,024 of them at a time.
func BenchmarkSweep(b *testing.B) {
	dir := tempDir(b)
	fmt.Printf("disk: %s\n", fileSystem(dir))
	for _, w := range sweeps {
		b.Run("way="+w.name, func(b *testing.B) { w.measureSweep(b, dir) })
	}
}

var sweeps = []rated{{name: "delete", batch: 1}, {name: "deleteall", batch: 1024}}

func (w rated) measureSweep(b *testing.B, dir string) {
	dir, err := os.MkdirTemp(dir, "rates-")
	require.NoError(b, err)
	defer func() { require.NoError(b, os.RemoveAll(dir)) }()
	st := openAt[string](b, filepath.Join(dir, "results.db"), nil)
	byHand(b, st, 1024)
	b.ResetTimer()
	sweep(b, st, w.batch)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "results/s")
	left, err := store.Snapshot(b.Context(), st)
	require.NoError(b, err)
	require.Empty(b, left)
	require.NoError(b, st.Close()) // before its folder is removed
}

// sweep reads all and deletes so many at a time.
func sweep(b *testing.B, st store.ResultStore[string], size int) {
	var read []store.ID
	for res, err := range st.All(b.Context()) {
		require.NoError(b, err)
		if read = append(read, res.ID); len(read) == size {
			require.NoError(b, store.DeleteAll(b.Context(), st, read))
			read = read[:0]
		}
	}
	require.NoError(b, store.DeleteAll(b.Context(), st, read))
}

// rateText is the value of each result.
var rateText = strings.Repeat("0123456789abcdef", 8)

// byHand puts batches, and when one is on the disk the next one.
func byHand(b *testing.B, st store.BatchPutter[string], size int) {
	var batch []store.Result[string]
	for id := 1; id <= b.N; id++ {
		batch = append(batch, store.Result[string]{ID: store.ID(id), Value: rateText})
		if len(batch) == size || id == b.N {
			require.NoError(b, st.PutBatch(b.Context(), batch))
			batch = batch[:0]
		}
	}
}

// throughPool has 256 workers, who are never without a task.
func throughPool(b *testing.B, st store.ResultStore[string]) {
	fn := func(context.Context, struct{}) (string, error) { return rateText, nil }
	p, err := pool.New(b.Context(), fn, st, &pool.Options{Workers: 256})
	require.NoError(b, err)
	in := make([]struct{}, 1024)
	for n := b.N; n > 0; n -= len(in) {
		_, err := p.SubmitAll(b.Context(), in[:min(n, len(in))])
		require.NoError(b, err)
	}
	require.NoError(b, p.Stop(b.Context()))
	require.Zero(b, p.Stats().Failed)
}

// fileSystem says what a folder is on, if the system has a program that does.
func fileSystem(dir string) string {
	out, err := exec.Command("stat", "-f", "-c", "%T", dir).Output()
	if err != nil {
		return "not known"
	}
	return strings.TrimSpace(string(out))
}

// bytesWritten is how many bytes this process has caused to be written to disks, if the kernel
// says so, as that of Linux does.
func bytesWritten() (n int64, ok bool) {
	data, _ := os.ReadFile("/proc/self/io")
	_, after, ok := strings.Cut(string(data), "\nwrite_bytes: ")
	if !ok {
		return 0, false
	}
	_, err := fmt.Sscan(after, &n)
	return n, err == nil
}

// TestRates: results go to the disk through a pool many times faster than one by one, and
// nearly as fast as by hand, and are deleted many times faster together. It is here to notice if that breaks; the bars are half of
// what BenchmarkDurable is to show.
func TestRates(t *testing.T) {
	if !*diskRates {
		t.Skip("without -disk.rates")
	}
	dir := tempDir(t)
	if fileSystem(dir) == "tmpfs" {
		skipDisk(t, dir+" is in memory; name a folder on a disk")
	}
	rates := make(map[string][]float64)
	for range 3 {
		for _, w := range ways[:3] {
			r := testing.Benchmark(func(b *testing.B) { w.measure(b, dir) })
			require.NotZero(t, r.N, "way=%s has failed", w.name)
			rates[w.name] = append(rates[w.name], r.Extra["results/s"])
		}
		for _, w := range sweeps {
			r := testing.Benchmark(func(b *testing.B) { w.measureSweep(b, dir) })
			require.NotZero(t, r.N, "way=%s has failed", w.name)
			rates[w.name] = append(rates[w.name], r.Extra["results/s"])
		}
	}
	median := func(way string) float64 {
		slices.Sort(rates[way])
		return rates[way][len(rates[way])/2]
	}
	one, through, loop := median("put"), median("pool"), median("loop")
	t.Logf("disk: %s; results/s: one Put at a time %.0f, pool %.0f, by hand %.0f", fileSystem(dir), one, through, loop)
	assert.Greater(t, through, 25*one, "want 25 times the rate of one Put at a time")
	assert.Greater(t, 3*through, loop, "want a third of the rate of a hand-written loop")
	t.Logf("read and deleted: one by one %.0f, 1,024 at a time %.0f", median("delete"), median("deleteall"))
	assert.Greater(t, median("deleteall"), 25*median("delete"), "want 25 times the rate of one Delete at a time")
}
