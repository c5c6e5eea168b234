package bolt_test

import (
	"io"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
	"github.com/resultpool/resultpool/store/codec"
	"github.com/resultpool/resultpool/store/storetest"
)

// sentinels are those of the kit's errors that package codec does not know.
var sentinels = map[string]error{"io.EOF": io.EOF, "fs.ErrNotExist": fs.ErrNotExist}

func newStore(tb testing.TB) store.ResultStore[int] {
	st, err := bolt.Open[int](filepath.Join(tb.TempDir(), "results.db"), &bolt.Options{
		Codec: &codec.Options{Errors: sentinels},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := st.Close(); err != nil {
			tb.Error(err)
		}
	})
	return st
}

func TestConformance(t *testing.T) { storetest.Run(t, newStore) }

func BenchmarkStore(b *testing.B) { storetest.RunBenchmarks(b, newStore) }
