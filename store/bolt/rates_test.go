package bolt_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
	"github.com/resultpool/resultpool/store/codec"
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

// A rated is a way to write results.
type rated struct {
	name string

	// open makes a file. write writes n results and returns when they are as durable
	// as they get.
	open func(b *testing.B, path string) (write func(n int), closeIt func() error)
}

var ways = []rated{
	{"put", openPut},     // one Put, and when that is on the disk the next one
	{"pool", openPool},   // a pool with 256 workers, who are never without a task
	{"loop", openLoop},   // by hand: transactions of 1,024 results
	{"batch", openBatch}, // by hand: 64 goroutines that call bbolt's own DB.Batch
	{"nosync", openNoSync},
	{"dense", openDense}, // in memory
}

func (w rated) measure(b *testing.B, dir string) {
	dir, err := os.MkdirTemp(dir, "rates-")
	require.NoError(b, err)
	defer func() { require.NoError(b, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "results.db")
	write, closeIt := w.open(b, path)
	before, ok := bytesWritten()
	b.ResetTimer()
	write(b.N)
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(n/b.Elapsed().Seconds(), "results/s")
	if after, _ := bytesWritten(); ok && after > before {
		b.ReportMetric(float64(after-before)/n, "written-B/result")
	}
	require.NoError(b, closeIt())
	if size := usedBytes(b, path); size > 0 {
		b.ReportMetric(float64(size)/n, "file-B/result")
	}
}

// usedBytes returns how far a file is used. bbolt makes it longer than that, so that it
// need not do so often.
func usedBytes(b *testing.B, path string) (size int64) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	db, err := bbolt.Open(path, 0, &bbolt.Options{ReadOnly: true})
	require.NoError(b, err)
	require.NoError(b, db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil }))
	require.NoError(b, db.Close())
	return size
}

// rateText is the value of each result.
var rateText = strings.Repeat("0123456789abcdef", 8)

// rateBatch is how many results are written, or submitted, at once.
const rateBatch = 1024

func openRated(b *testing.B, path string, opts *bolt.Options) *bolt.Store[string] {
	st, err := bolt.Open[string](path, opts)
	require.NoError(b, err)
	return st
}

func openPut(b *testing.B, path string) (write func(int), closeIt func() error) {
	st := openRated(b, path, nil)
	return func(n int) {
		for i := range n {
			require.NoError(b, st.Put(b.Context(), store.Result[string]{ID: store.ID(i + 1), Value: rateText}))
		}
	}, st.Close
}

func openPool(b *testing.B, path string) (write func(int), closeIt func() error) {
	st := openRated(b, path, nil)
	return poolOver(b, st), st.Close
}

func openNoSync(b *testing.B, path string) (write func(int), closeIt func() error) {
	st := openRated(b, path, &bolt.Options{NoSync: true})
	return poolOver(b, st), st.Close
}

func openDense(b *testing.B, _ string) (write func(int), closeIt func() error) {
	return poolOver(b, dense.New[string]()), func() error { return nil }
}

// poolOver has a pool write n results.
func poolOver(b *testing.B, st store.ResultStore[string]) (write func(int)) {
	fn := func(context.Context, struct{}) (string, error) { return rateText, nil }
	p, err := pool.New(b.Context(), fn, st, &pool.Options{Workers: 256})
	require.NoError(b, err)
	in := make([]struct{}, rateBatch)
	return func(n int) {
		for ; n > 0; n -= rateBatch {
			_, err := p.SubmitAll(b.Context(), in[:min(n, rateBatch)])
			require.NoError(b, err)
		}
		require.NoError(b, p.Stop(b.Context()))
		require.Zero(b, p.Stats().Failed)
	}
}

// rateBucket is where results are that are written by hand.
var rateBucket = []byte("results")

// openBare opens a database as package bolt does, for the same bytes.
func openBare(b *testing.B, path string) (*bbolt.DB, func(*bbolt.Tx, uint64) error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	require.NoError(b, err)
	require.NoError(b, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(rateBucket)
		return err
	}))
	c, err := codec.New[string](nil)
	require.NoError(b, err)
	return db, func(tx *bbolt.Tx, id uint64) error {
		data, err := c.Encode(store.Result[string]{ID: store.ID(id), Value: rateText})
		if err != nil {
			return err
		}
		bucket := tx.Bucket(rateBucket)
		bucket.FillPercent = 0.9
		return bucket.Put(binary.BigEndian.AppendUint64(nil, id), data)
	}
}

func openLoop(b *testing.B, path string) (write func(int), closeIt func() error) {
	db, put := openBare(b, path)
	return func(n int) {
		for next := 0; next < n; {
			require.NoError(b, db.Update(func(tx *bbolt.Tx) error {
				for end := min(n, next+rateBatch); next < end; next++ {
					if err := put(tx, uint64(next+1)); err != nil {
						return err
					}
				}
				return nil
			}))
		}
	}, db.Close
}

func openBatch(b *testing.B, path string) (write func(int), closeIt func() error) {
	db, put := openBare(b, path)
	return func(n int) {
		var last atomic.Int64
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for id := last.Add(1); id <= int64(n); id = last.Add(1) {
					assert.NoError(b, db.Batch(func(tx *bbolt.Tx) error { return put(tx, uint64(id)) }))
				}
			})
		}
		wg.Wait()
	}, db.Close
}

// TestRates: results go to the disk through a pool many times faster than one by one, and
// nearly as fast as by hand. It is here to notice if that breaks; the bars are half of
// what BenchmarkDurable is to show.
func TestRates(t *testing.T) {
	if !*diskRates {
		t.Skip("without -disk.rates")
	}
	dir := tempDir(t)
	if strings.HasPrefix(fileSystem(dir), "tmpfs") {
		skipDisk(t, dir+" is in memory; name a folder on a disk")
	}
	rates := make(map[string][]float64)
	for range 3 {
		for _, w := range ways[:3] {
			r := testing.Benchmark(func(b *testing.B) { w.measure(b, dir) })
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
}
