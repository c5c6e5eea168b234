package storetest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// A reference is a store that is meant to be right and nothing else. It has the
// optional interfaces, and the broken stores are made from it.
type reference struct {
	mu   sync.Mutex
	m    map[store.ID]store.Result[int] // guarded by mu
	last store.ID                       // the last ID that was reserved; guarded by mu
}

func newReference() *reference {
	return &reference{m: make(map[store.ID]store.Result[int])}
}

func (r *reference) Put(ctx context.Context, res store.Result[int]) error {
	return r.PutBatch(ctx, []store.Result[int]{res})
}

func (r *reference) PutBatch(_ context.Context, res []store.Result[int]) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, one := range res {
		if _, held := r.m[one.ID]; held {
			for _, before := range res[:i] {
				delete(r.m, before.ID)
			}
			return store.ErrExists
		}
		r.m[one.ID] = one
	}
	return nil
}

func (r *reference) Encode(res store.Result[int]) ([]byte, error) { return testCodec.Encode(res) }

func (r *reference) PutRecords(ctx context.Context, recs []store.Record) error {
	return r.PutBatch(ctx, decoded(recs))
}

// decoded returns recs as results. What cannot be decoded has an errUnreadable.
func decoded(recs []store.Record) []store.Result[int] {
	res := make([]store.Result[int], len(recs))
	for i, rec := range recs {
		var err error
		if res[i], err = testCodec.Decode(rec.ID, rec.Data); err != nil {
			res[i] = store.Result[int]{ID: rec.ID, Err: errUnreadable{err}}
		}
	}
	return res
}

// errUnreadable is the Err of a result that the reference cannot read.
type errUnreadable struct{ error }

var testCodec = func() *codec.Codec[int] {
	c, err := codec.New[int](&codec.Options{Errors: map[string]error{"io.EOF": io.EOF, "fs.ErrNotExist": fs.ErrNotExist}})
	if err != nil {
		panic(err)
	}
	return c
}()

func (r *reference) Get(_ context.Context, id store.ID) (store.Result[int], error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if res, held := r.m[id]; held {
		if err, ok := res.Err.(errUnreadable); ok { //nolint:errorlint // as it was put
			return store.Result[int]{ID: id}, err
		}
		return res, nil
	}
	return store.Result[int]{}, store.ErrNotFound
}

func (r *reference) Delete(_ context.Context, id store.ID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.m, id)
	return nil
}

func (r *reference) DeleteBatch(_ context.Context, ids []store.ID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		delete(r.m, id)
	}
	return nil
}

func (r *reference) All(ctx context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		for _, id := range r.sortedIDs() {
			res, err := r.Get(ctx, id)
			if errors.Is(err, store.ErrNotFound) {
				continue // deleted meanwhile
			}
			if !yield(res, err) {
				return
			}
		}
	}
}

func (r *reference) ReserveIDs(_ context.Context, n uint64) (store.ID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n > math.MaxUint64-uint64(r.last) {
		return 0, errors.New("no more IDs")
	}
	first := r.last + 1
	r.last += store.ID(n)
	return first, nil
}

// sortedIDs returns the IDs that are held.
func (r *reference) sortedIDs() []store.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.m))
}
