package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

// records is a check of a RecordPutter. The batchScript's putBatch is Encode and PutRecords.
func records(try func(*subject, func() batchScript)) func(*subject) {
	return func(s *subject) {
		offered[store.RecordPutter[int]](s)
		try(s, func() batchScript {
			o := s.open()
			return batchScript{o, func(ctx context.Context, res []store.Result[int]) error {
				return o.tryRecords(ctx, o.encode(res...))
			}, "PutRecords"}
		})
	}
}

func (o *script) records() store.RecordPutter[int] { return o.st.(store.RecordPutter[int]) }

// encode returns res as records.
func (o *script) encode(res ...store.Result[int]) []store.Record {
	recs := make([]store.Record, len(res))
	for i, r := range res {
		data, err := o.records().Encode(r)
		if err != nil {
			kit.Failf("Encode(%+v) returned error %q, want nil", r, err)
		}
		recs[i] = store.Record{ID: r.ID, Data: data}
	}
	return recs
}

// tryRecords puts records, which must not change.
func (o *script) tryRecords(ctx context.Context, recs []store.Record) error {
	given := slices.Clone(recs)
	for i := range given {
		given[i].Data = slices.Clone(recs[i].Data)
	}
	err := o.records().PutRecords(ctx, recs)
	if !slices.EqualFunc(recs, given, func(a, b store.Record) bool { return a.ID == b.ID && bytes.Equal(a.Data, b.Data) }) {
		kit.Failf("PutRecords has changed the records that it was given")
	}
	return err
}

// putRecords puts records of IDs that are not held.
func (o *script) putRecords(recs ...store.Record) {
	if err := o.tryRecords(o.ctx, recs); err != nil {
		kit.Failf("PutRecords of %d records, none of which is held, returned error %q, want nil", len(recs), err)
	}
}

// recordsNotKept overwrites the slice and the bytes, which are the caller's.
func recordsNotKept(_ *subject, open func() batchScript) {
	o := open()
	res := batch(1, 100)
	res[7].Err = io.EOF
	recs := o.encode(res...)
	o.putRecords(recs...)
	for i := range recs {
		for j := range recs[i].Data {
			recs[i].Data[j] = 0xff
		}
		recs[i] = store.Record{ID: 1 << 40}
	}
	last := result(200, 0)
	o.putRecords(append(recs[:0], o.encode(last)...)...)
	o.hasAll(byID(append(res, last)))
}

// encodePutsNothing encodes what is not held, and what is, which Encode has nothing to do with.
func encodePutsNothing(_ *subject, open func() batchScript) {
	o := open()
	o.put(result(1, 0))
	recs := o.encode(result(1, 1), result(2, 0), result(3, 0))
	o.holdsOnly(byID(batch(1, 1)))
	o.lacks(2)
	o.putRecords(recs[1:]...)
	o.holdsOnly(byID(batch(1, 3)))
}

// encodeAtOnce has several goroutines encode, as a pool's workers do, and keep what they
// were given until all is put.
func encodeAtOnce(_ *subject, open func() batchScript) {
	const workers, each = 4, 256
	o := open()
	recs := make([][]store.Record, workers)
	kit.Parallel(workers, func(i int) { recs[i] = o.encode(batch(store.ID(1+each*i), each)...) })
	o.putRecords(slices.Concat(recs...)...)
	o.hasAll(byID(batch(1, workers*each)))
}

// errPanics is an error that a store may not be able to write.
type errPanics struct{}

func (errPanics) Error() string { panic("storetest: an error whose text panics") }

// encodeRejects encodes a result that a store can hardly write: it does, or the error says
// that it never will.
func encodeRejects(_ *subject, open func() batchScript) {
	o := open()
	res := store.Result[int]{ID: 1, Value: 1, Err: errPanics{}}
	if _, err := o.records().Encode(res); err != nil && !errors.Is(err, store.ErrRejected) {
		kit.Failf("Encode of a result that cannot be written returned error %q, want one matching store.ErrRejected", err)
	}
	o.usable(1)
}

// unreadable puts records that Encode has not made, as if what is held had been damaged. A
// store may refuse them, or make results of them. If it does neither, clause 5 says what
// its loops do: each error has the ID that it is about, and all other results come.
func unreadable(s *subject, open func() batchScript) {
	o := open()
	n := s.size(2*inBody, 1)
	bad := make(map[store.ID]bool)
	for i := range n {
		id := store.ID(i + 1)
		bad[id] = (i == 0 || i%100 == 50) && o.records().PutRecords(o.ctx, []store.Record{{ID: id, Data: []byte("\x00storetest")}}) == nil
		if !bad[id] {
			o.put(result(id, 0))
		}
	}

	seen := make(map[store.ID]bool)
	o.pairs(o.ctx, func(res store.Result[int], err error) {
		switch {
		case seen[res.ID]:
			kit.Failf("All yielded ID %d twice", res.ID)
		case err != nil && !bad[res.ID]:
			kit.Failf("All yielded error %q with ID %d, want the ID of a result that cannot be read", err, res.ID)
		case err == nil && !bad[res.ID] && !same(res, result(res.ID, 0)):
			kit.Failf("All yielded %+v, %s", res, difference(res, result(res.ID, 0)))
		}
		seen[res.ID] = true
	})
	for id := store.ID(1); id <= store.ID(n); id++ {
		if !seen[id] {
			kit.Failf("All yielded %d results, held ID %d not among them, since some cannot be read", len(seen), id)
		}
		if _, err := o.st.Get(o.ctx, id); bad[id] && errors.Is(err, store.ErrNotFound) {
			kit.Failf("Get(%d) returned error %q, want another one: it is held and cannot be read", id, err)
		}
		o.remove(id)
	}
	o.holdsOnly(nil)
	o.usable(1)
}
