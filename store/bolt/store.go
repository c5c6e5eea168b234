package bolt

import (
	"context"
	"fmt"

	"github.com/resultpool/resultpool/store"
	"github.com/resultpool/resultpool/store/codec"
)

// A Store is a [store.ResultStore], a [store.RecordPutter], a [store.BatchDeleter] and a [store.IDReserver] in a
// file. Make one with [Open]. Its methods may be called from any number of goroutines at once; after Close all
// except Encode return [ErrClosed]. Besides the errors of package store, methods return the cause of ctx, errors of the
// disk, and errors that name what is damaged.
type Store[R any] struct {
	codec *codec.Codec[R]
	file  *file
	limit int // maxValue, but in tests
}

// Open opens the store in the file at path. If there is no file, or an empty one, it makes it. The folder must
// exist.
//
// It returns an error if the file is still in use, by another process or by this one, after Options.Timeout; if it
// is not a database, or not one of this package, or holds results of another type; if it is damaged, and then
// leaves the file as it is; and if it cannot be read and written. The package's documentation says which damage
// Open does not see.
//
// It also returns an error, and makes no file, if R is a type of which package codec says that JSON would lose
// something. If a file of an earlier version of this package has results of such an R already, it opens for
// reading: Get, All and Delete work, and each Put and PutBatch returns that error, as [store.ErrRejected].
func Open[R any](path string, opts *Options) (*Store[R], error) {
	o, err := opts.complete()
	if err != nil {
		return nil, err
	}
	_, refusal := codec.New[R](o.Codec)
	c, err := codec.ForReading[R](o.Codec)
	if err != nil {
		return nil, fmt.Errorf("bolt: %w", err)
	}
	if refusal != nil { // of R, not of an option
		refusal = fmt.Errorf("bolt: %w", refusal)
	}
	f, err := open(path, c.Name(), refusal, o, func(id store.ID, data []byte) error { _, err := c.Decode(id, data); return err })
	if err != nil {
		return nil, err
	}
	return &Store[R]{codec: c, file: f, limit: maxValue}, nil
}

// Put implements [store.ResultStore]. When it returns nil, the result is on the disk.
// ctx ends the wait for other writers, but not a write that has begun.
func (s *Store[R]) Put(ctx context.Context, res store.Result[R]) error {
	return s.PutBatch(ctx, []store.Result[R]{res})
}

// PutBatch implements [store.BatchPutter], in one transaction: it waits for the disk as often as for a single
// result. ctx ends the wait for other writers, but not a write that has begun.
func (s *Store[R]) PutBatch(ctx context.Context, res []store.Result[R]) error {
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

// Encode implements [store.RecordPutter]. An error matches [store.ErrRejected].
func (s *Store[R]) Encode(res store.Result[R]) ([]byte, error) {
	data, err := s.codec.Encode(res)
	if err != nil {
		return nil, fmt.Errorf("bolt: %w", err)
	}
	if len(data) > s.limit {
		return nil, fmt.Errorf("bolt: result %d takes %d bytes, want at most %d: %w",
			res.ID, len(data), s.limit, store.ErrRejected)
	}
	return data, nil
}

// PutRecords implements [store.RecordPutter], in one transaction as PutBatch does, and with its errors except
// ErrRejected.
func (s *Store[R]) PutRecords(ctx context.Context, recs []store.Record) error {
	return s.file.put(ctx, recs)
}

// Get implements [store.ResultStore]. It does not wait for writers, except after a write that has failed.
func (s *Store[R]) Get(ctx context.Context, id store.ID) (store.Result[R], error) {
	data, err := s.file.get(ctx, id)
	if err != nil {
		return store.Result[R]{}, err
	}
	return s.decode(store.Record{ID: id, Data: data})
}

// decode returns only the ID beside an error.
func (s *Store[R]) decode(rec store.Record) (store.Result[R], error) {
	res, err := s.codec.Decode(rec.ID, rec.Data) // which tells of bytes that have changed
	if err != nil {
		return store.Result[R]{ID: rec.ID}, fmt.Errorf("bolt: %s: %w", s.file.path, err)
	}
	return res, nil
}

// Delete implements [store.ResultStore]. When it returns nil, the result is gone from
// the disk. Each Delete of a result that is held costs as much as a Put.
func (s *Store[R]) Delete(ctx context.Context, id store.ID) error {
	return s.DeleteBatch(ctx, []store.ID{id})
}

// DeleteBatch implements [store.BatchDeleter], in one transaction: it waits for the disk as often as for a single
// result, and deletes all or none. ctx ends the wait for other writers, but not a write that has begun.
func (s *Store[R]) DeleteBatch(ctx context.Context, ids []store.ID) error {
	return s.file.del(ctx, ids)
}

// ReserveIDs implements [store.IDReserver], so that pools can share the file, at once or one after the other. When
// it returns nil, the reservation is on the disk, in two places. It skips IDs that are held.
func (s *Store[R]) ReserveIDs(ctx context.Context, n uint64) (first store.ID, err error) {
	return s.file.reserve(ctx, n)
}

// Close closes the file, after the calls under way, however long the disk takes, and lets others open it. Calls that
// still wait for other writers return ErrClosed, as do later ones. Close does not wait for a loop over All: the loop
// ends with ErrClosed. Close may be called again, and then returns nil.
//
// If anything has been written, Close writes once more: then both meta pages say the same, and damage to one takes
// nothing back. It returns an error if the file at the path is gone or is another one: then what has been written
// is lost, or under another name.
func (s *Store[R]) Close() error { return s.file.close() }
