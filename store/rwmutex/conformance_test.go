package rwmutex_test

import (
	"testing"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/storetest"
)

func newStore(testing.TB) store.ResultStore[int] { return rwmutex.New[int]() }

func TestConformance(t *testing.T) { storetest.Run(t, newStore) }

func BenchmarkStore(b *testing.B) { storetest.RunBenchmarks(b, newStore) }
