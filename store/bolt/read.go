package bolt

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"

	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/store"
)

// All reads at most so many results in one transaction, and no further one beyond so
// many bytes: the transaction is over before the body sees the first of them. A
// writer that has to map a larger file waits for the transaction, and no page that it
// sees is used again.
const (
	chunkResults = 512
	chunkBytes   = 1 << 20
)

// All implements [store.ResultStore]. The results come in the order of their IDs. The loop
// goes on after a result that cannot be decoded. Delete removes it.
func (s *Store[R]) All(ctx context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		for next := store.ID(0); ; {
			if ctx.Err() != nil {
				yield(store.Result[R]{}, context.Cause(ctx))
				return
			}
			recs, after, err := s.file.chunk(ctx, next)
			if err != nil {
				yield(store.Result[R]{}, err)
				return
			}
			for _, rec := range recs {
				res, err := s.decode(rec)
				if !yield(res, err) || err != nil && rec.ID == 0 { // the last pair, as all with ID 0
					return
				}
			}
			if after == 0 {
				return
			}
			next = after
		}
	}
}

// get returns a copy of what is stored under id.
func (f *file) get(ctx context.Context, id store.ID) (data []byte, err error) {
	err = f.view(ctx, func(tx *bbolt.Tx) error {
		v := tx.Bucket(resultsBucket).Get(key(id))
		if v == nil || !f.isSynced(id) {
			return fmt.Errorf("bolt: result %d: %w", id, store.ErrNotFound)
		}
		data = bytes.Clone(v) // v is in the map of the file
		return nil
	})
	return data, err
}

// chunk returns copies of the first records from the one of ID first on, and where to go on
// after them: 0 if there are no more.
func (f *file) chunk(ctx context.Context, first store.ID) (recs []store.Record, next store.ID, err error) {
	err = f.view(ctx, func(tx *bbolt.Tx) error {
		size, least := 0, first
		c := tx.Bucket(resultsBucket).Cursor()
		for k, v := c.Seek(key(first)); k != nil; k, v = c.Next() {
			id, err := parseKey(k)
			if err != nil {
				return err
			}
			if id < least { // in a damaged file, or All might go round for ever
				return fmt.Errorf("bolt: %s is damaged: result %d comes after result %d", f.path, id, least-1)
			}
			if len(recs) == chunkResults || size >= chunkBytes {
				next = id
				return nil
			}
			if f.isSynced(id) {
				recs = append(recs, store.Record{ID: id, Data: bytes.Clone(v)})
			}
			size += len(v)
			if id == math.MaxUint64 {
				return nil
			}
			least = id + 1
		}
		return nil
	})
	return recs, next, err
}
