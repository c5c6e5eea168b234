package linear

import (
	"testing"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/dense"
	"github.com/resultpool/resultpool/store/rwmutex"
	"github.com/resultpool/resultpool/store/syncmap"
	"github.com/resultpool/resultpool/store/xsync"
)

var stores = []struct {
	name string
	make func() store.ResultStore[int]
}{
	{"rwmutex", func() store.ResultStore[int] { return rwmutex.New[int]() }},
	{"syncmap", func() store.ResultStore[int] { return syncmap.New[int]() }},
	{"xsync", func() store.ResultStore[int] { return xsync.New[int]() }},
	{"dense", func() store.ResultStore[int] { return dense.New[int]() }},
}

func TestStoreIsLinearizable(t *testing.T) {
	for _, st := range stores {
		for _, load := range storeLoads() {
			t.Run(st.name+"/"+load.name, func(t *testing.T) {
				repeat(t, func(k *checker, now clock, seed uint64) error {
					return load.run(k, st.make(), now, seed)
				})
			})
		}
	}
}
