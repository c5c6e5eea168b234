package syncmap_test

import (
	"testing"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/storetest"
	"github.com/resultpool/resultpool/store/syncmap"
)

func newStore(testing.TB) store.ResultStore[int] { return syncmap.New[int]() }

func TestConformance(t *testing.T) { storetest.Run(t, newStore) }

func BenchmarkStore(b *testing.B) { storetest.RunBenchmarks(b, newStore) }
