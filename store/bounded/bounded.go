package bounded

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/resultpool/resultpool/internal/guard"
	"github.com/resultpool/resultpool/internal/optional"
	"github.com/resultpool/resultpool/store"
)

// Options are the limits. The zero value sets none.
type Options struct {
	// MaxResults is how many results are held at most; 0 means no limit.
	MaxResults int

	// MaxAge is how long a result is held at most; 0 means no limit.
	MaxAge time.Duration
}

// New returns st as a store that keeps to the limits in opts. It has the optional interfaces of st and no others,
// and may be used by any number of goroutines at once.
//
// New reads the results that st holds already, which count: that takes as long as a loop over All, and nothing can
// cancel it. It deletes nothing. Results beyond MaxResults are not shown any more, and the first Put deletes them.
//
// The error says that a limit in opts is negative or that st is nil, or is st's.
func New[R any](st store.ResultStore[R], opts Options) (store.ResultStore[R], error) {
	switch {
	case guard.IsNilPointer(st):
		return nil, errors.New("bounded: nil store")
	case opts.MaxResults < 0:
		return nil, fmt.Errorf("bounded: MaxResults is %d, want 0 or more", opts.MaxResults)
	case opts.MaxAge < 0:
		return nil, fmt.Errorf("bounded: MaxAge is %v, want 0 or more", opts.MaxAge)
	case opts == Options{}:
		return st, nil
	}
	s, err := limit(st, opts)
	if err != nil {
		return nil, err
	}
	return optional.Of(st, s), nil
}

// limit returns st with limits, and with the methods of all optional interfaces.
func limit[R any](st store.ResultStore[R], opts Options) (*limited[R], error) {
	var held []store.ID
	for res, err := range st.All(context.Background()) {
		if err != nil && res.ID == 0 {
			return nil, fmt.Errorf("bounded: reading what the store holds: %w", err)
		}
		held = append(held, res.ID) // also one that cannot be read
	}
	slices.Sort(held)
	s := &limited[R]{st: st, room: newRoom(opts)}
	s.batches, _ = st.(store.BatchPutter[R])
	s.records, _ = st.(store.RecordPutter[R])
	s.deletes, _ = st.(store.BatchDeleter[R])
	s.reserves, _ = st.(store.IDReserver)
	s.room.fill(held)
	return s, nil
}

// limited has the methods of all optional interfaces. New hides those which st does not have.
type limited[R any] struct {
	st       store.ResultStore[R]
	batches  store.BatchPutter[R]
	records  store.RecordPutter[R]
	deletes  store.BatchDeleter[R]
	reserves store.IDReserver
	room     *room
}

// Put implements [store.ResultStore].
func (s *limited[R]) Put(ctx context.Context, res store.Result[R]) error {
	return s.put(ctx, []store.ID{res.ID}, func() error { return s.st.Put(ctx, res) })
}

// PutBatch implements [store.BatchPutter].
func (s *limited[R]) PutBatch(ctx context.Context, res []store.Result[R]) error {
	ids := make([]store.ID, len(res))
	for i, one := range res {
		ids[i] = one.ID
	}
	return s.put(ctx, ids, func() error { return s.batches.PutBatch(ctx, res) })
}

// Encode implements [store.RecordPutter].
func (s *limited[R]) Encode(res store.Result[R]) ([]byte, error) { return s.records.Encode(res) }

// PutRecords implements [store.RecordPutter].
func (s *limited[R]) PutRecords(ctx context.Context, recs []store.Record) error {
	ids := make([]store.ID, len(recs))
	for i, rec := range recs {
		ids[i] = rec.ID
	}
	return s.put(ctx, ids, func() error { return s.records.PutRecords(ctx, recs) })
}

// put stores what has these IDs, and then deletes what is too old or too many. What could not be
// deleted before is deleted first.
//
// To make room before anything is stored would keep to the limit at every moment, and would
// delete results for the sake of others that are then refused.
func (s *limited[R]) put(ctx context.Context, ids []store.ID, put func() error) error {
	for {
		gone, err := s.room.enter(ctx, ids)
		if err != nil {
			return err
		}
		if len(gone) == 0 {
			break
		}
		if err := s.remove(ctx, gone); err != nil {
			return fmt.Errorf("bounded: deleting old results: %w", err)
		}
	}
	gone, err := s.store(ids, put)
	if len(gone) > 0 {
		_ = s.remove(ctx, gone) // or the next Put does
	}
	return err
}

// store calls put between enter and leave, and returns what is to be deleted now.
func (s *limited[R]) store(ids []store.ID, put func() error) (gone []store.ID, err error) {
	what := notStored // and so if put panics
	defer func() { gone = s.room.leave(ids, what) }()
	err = put()
	switch {
	case err == nil:
		what = stored
	case len(ids) == 1 && errors.Is(err, store.ErrExists):
		what = wasHeld
	}
	return nil, err
}

// remove deletes what enter or leave has returned.
func (s *limited[R]) remove(ctx context.Context, gone []store.ID) (err error) {
	deleted := false
	defer func() { s.room.removed(gone, deleted) }()
	err = store.DeleteAll(ctx, s.st, gone)
	deleted = err == nil
	return err
}

// Get implements [store.ResultStore].
func (s *limited[R]) Get(ctx context.Context, id store.ID) (store.Result[R], error) {
	if s.room.hides(id) {
		return store.Result[R]{}, fmt.Errorf("bounded: result %d: %w", id, store.ErrNotFound)
	}
	return s.st.Get(ctx, id)
}

// Delete implements [store.ResultStore].
func (s *limited[R]) Delete(ctx context.Context, id store.ID) error {
	return s.del(ctx, []store.ID{id}, func() error { return s.st.Delete(ctx, id) })
}

// DeleteBatch implements [store.BatchDeleter].
func (s *limited[R]) DeleteBatch(ctx context.Context, ids []store.ID) error {
	return s.del(ctx, ids, func() error { return s.deletes.DeleteBatch(ctx, ids) })
}

func (s *limited[R]) del(ctx context.Context, ids []store.ID, del func() error) error {
	if err := s.room.claim(ctx, ids); err != nil {
		return err
	}
	deleted := false
	defer func() { s.room.forget(ids, deleted) }()
	err := del()
	deleted = err == nil
	return err
}

// All implements [store.ResultStore].
func (s *limited[R]) All(ctx context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		for res, err := range s.st.All(ctx) {
			if s.room.hides(res.ID) {
				continue
			}
			if !yield(res, err) {
				return
			}
		}
	}
}

// ReserveIDs implements [store.IDReserver].
func (s *limited[R]) ReserveIDs(ctx context.Context, n uint64) (store.ID, error) {
	return s.reserves.ReserveIDs(ctx, n)
}
