package xsync_test

import (
	"testing"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/storetest"
	"github.com/resultpool/resultpool/store/xsync"
)

func newStore(testing.TB) store.ResultStore[int] { return xsync.New[int]() }

func TestConformance(t *testing.T) { storetest.Run(t, newStore) }

func BenchmarkStore(b *testing.B) { storetest.RunBenchmarks(b, newStore) }
