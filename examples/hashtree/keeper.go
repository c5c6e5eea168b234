package main

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/bolt"
)

// A fileStore is what -store bolt:FILE needs of the store: all that package bolt has.
type fileStore interface {
	store.ResultStore[record]
	store.BatchPutter[record]
	store.IDReserver
	Close() error
}

func openStore(path string) (fileStore, error) { return bolt.Open[record](path, nil) }

// A keeper is a fileStore that tells the user when it fails: the pool tries again
// until it works, without a word, which to the user looks like nothing.
type keeper struct {
	fileStore
	say     func(format string, args ...any)
	failing atomic.Bool
}

var (
	_ store.BatchPutter[record] = (*keeper)(nil)
	_ store.IDReserver          = (*keeper)(nil)
)

// Put is that of the store.
func (k *keeper) Put(ctx context.Context, res store.Result[record]) error {
	return k.tell(k.fileStore.Put(ctx, res))
}

// PutBatch is that of the store.
func (k *keeper) PutBatch(ctx context.Context, res []store.Result[record]) error {
	return k.tell(k.fileStore.PutBatch(ctx, res))
}

// tell says that trouble begins, and that it is over.
func (k *keeper) tell(err error) error {
	switch {
	case err == nil:
		if k.failing.Swap(false) {
			k.say("sums are saved again")
		}
	case errors.Is(err, store.ErrExists), errors.Is(err, store.ErrRejected): // not to be tried again
	case !k.failing.Swap(true):
		k.say("%v\nwill try again until it works; press Ctrl-C twice to give up", err)
	}
	return err
}
