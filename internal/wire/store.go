package wire

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/resultpool/resultpool/engine"
	"github.com/resultpool/resultpool/internal/remote"
	"github.com/resultpool/resultpool/internal/saver"
	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/store"
)

// A Store is an engine as the store of a pool: what is put there is saved in the engine, and then
// its task is acknowledged. It never returns store.ErrExists: in an engine the first write of an ID
// wins.
type Store[T, R any] struct {
	wire  *Wire[T, R]
	share *remote.Share
}

// Store returns the store of a share.
func (w *Wire[T, R]) Store(share *remote.Share) *Store[T, R] { return &Store[T, R]{w, share} }

// Put is PutBatch for one.
func (s *Store[T, R]) Put(ctx context.Context, res store.Result[R]) error {
	return s.PutBatch(ctx, []store.Result[R]{res})
}

// PutBatch encodes what is not encoded yet.
func (s *Store[T, R]) PutBatch(ctx context.Context, res []store.Result[R]) error {
	recs := make([]store.Record, len(res))
	for i, r := range res {
		data, err := s.Encode(r)
		if err != nil {
			return err
		}
		recs[i] = store.Record{ID: r.ID, Data: data}
	}
	return s.PutRecords(ctx, recs)
}

// longestReason is how many bytes of a refusal are kept, so that what says why a result
// was too large is not too large itself.
const longestReason = 1024

// Encode returns the bytes of a result, or none for a task that is to be given back. Of a result
// that stands in place of one that was refused, it keeps the refusal only: the task's error may be
// what was too large, or panics.
func (s *Store[T, R]) Encode(res store.Result[R]) ([]byte, error) {
	if remote.IsHandBack(res.Err) {
		return []byte{}, nil
	}
	if e, ok := res.Err.(*saver.NotStored); ok { //nolint:errorlint // itself, and not what a task has wrapped
		why := text.Of(e.Refusal)
		if len(why) > longestReason {
			why = strings.ToValidUTF8(why[:longestReason], "") + "…"
		}
		res.Err = fmt.Errorf("pool: the task's outcome was not stored: %w: %s", store.ErrRejected, why)
	}
	return s.wire.results.Encode(res)
}

// PutRecords finishes the tasks of the records. With an error it may be called again, for all of
// them or for some. What an error of the engine means to the pool:
//
//	too large, or a panic   store.ErrRejected: one of them will never be saved like this
//	final                   store.ErrClosed: nothing will be saved any more, and the host has failed
//	any other               it may pass
func (s *Store[T, R]) PutRecords(ctx context.Context, recs []store.Record) error {
	all := make([]engine.Record, len(recs))
	for i, r := range recs {
		all[i] = engine.Record{ID: uint64(r.ID), Data: r.Data}
	}
	err := s.share.Finish(ctx, all)
	switch err.(type) { //nolint:errorlint // what Finish says, and not what the engine has wrapped
	case *store.PanicError:
		return text.Because(store.ErrRejected, err)
	case *remote.FinalError:
		return text.Because(store.ErrClosed, err)
	}
	if errors.Is(err, engine.ErrTooLarge) {
		return text.Because(store.ErrRejected, err)
	}
	return err
}

// Get loads a result. It does not wait, nor try again.
func (s *Store[T, R]) Get(ctx context.Context, id store.ID) (store.Result[R], error) {
	data, err := s.share.Peek(ctx, uint64(id))
	if err != nil {
		return store.Result[R]{}, NotFoundOr(id, err)
	}
	res, err := s.wire.results.Decode(id, data)
	res.ID = id // also of one that cannot be read
	return res, err
}

// Delete deletes a result.
func (s *Store[T, R]) Delete(ctx context.Context, id store.ID) error {
	return s.share.Delete(ctx, uint64(id))
}

// DeleteBatch deletes results.
func (s *Store[T, R]) DeleteBatch(ctx context.Context, ids []store.ID) error {
	all := make([]uint64, len(ids))
	for i, id := range ids {
		all[i] = uint64(id)
	}
	return s.share.Delete(ctx, all...)
}

// All returns the results that are stored.
func (s *Store[T, R]) All(ctx context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		for rec, err := range s.share.All(ctx) {
			res := store.Result[R]{}
			if err == nil {
				res, err = s.wire.results.Decode(store.ID(rec.ID), rec.Data)
			}
			res.ID = store.ID(rec.ID) // also of one that cannot be read
			if !yield(res, err) || rec.ID == 0 {
				return
			}
		}
	}
}

// NotFoundOr returns store.ErrNotFound for a task whose result the engine does not find, or err.
func NotFoundOr(id store.ID, err error) error {
	if errors.Is(err, engine.ErrNotFound) {
		return fmt.Errorf("pool: task %d: %w", id, store.ErrNotFound)
	}
	return err
}
