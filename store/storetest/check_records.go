package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/resultpool/resultpool/store"
)

var recordChecks = []check{
	{offer: "RecordPutter", name: "equals-puts", run: withRecords(batchEqualsPuts)},
	{offer: "RecordPutter", name: "all-or-none", run: withRecords(batchAllOrNone)},
	{offer: "RecordPutter", name: "same-id-twice", run: withRecords(batchSameIDTwice)},
	{offer: "RecordPutter", name: "does-not-keep", run: withRecords(recordsNotKept)},
	{offer: "RecordPutter", name: "does-not-change", run: withRecords(recordsNotChanged)},
	{offer: "RecordPutter", name: "one-winner", run: withRecords(batchOneWinner)},
	{offer: "RecordPutter", name: "done-context", run: withRecords(batchDoneContext)},
	{offer: "RecordPutter", name: "unreadable", run: withRecords(unreadable)},
	{offer: "RecordPutter", name: "encode-puts-nothing", run: withRecords(encodePutsNothing)},
	{offer: "RecordPutter", name: "encode-at-once", run: withRecords(encodeAtOnce)},
	{offer: "RecordPutter", name: "encode-rejects", run: withRecords(encodeRejects)},
}

func withRecords(run func(context.Context, *subject, func() batchScript) error) func(context.Context, *subject) error {
	return func(ctx context.Context, s *subject) error {
		if _, ok := s.newStore().(store.RecordPutter[int]); !ok {
			return errNotOffered
		}
		return run(ctx, s, func() batchScript {
			o := s.open(ctx)
			return batchScript{o, encoder{o.st.(store.RecordPutter[int])}, "PutRecords"}
		})
	}
}

// An encoder is a RecordPutter whose PutBatch goes by Encode and PutRecords.
type encoder struct{ store.RecordPutter[int] }

// PutBatch implements [store.BatchPutter].
func (e encoder) PutBatch(ctx context.Context, res []store.Result[int]) error {
	recs, err := e.encode(res)
	if err != nil {
		return err
	}
	return e.PutRecords(ctx, recs)
}

func (e encoder) encode(res []store.Result[int]) ([]store.Record, error) {
	recs := make([]store.Record, len(res))
	for i, r := range res {
		data, err := e.Encode(r)
		if err != nil {
			return nil, fmt.Errorf("Encode(%+v) returned error %q, want nil", r, err)
		}
		recs[i] = store.Record{ID: r.ID, Data: data}
	}
	return recs, nil
}

// records returns res as records, or fails the script.
func (o batchScript) records(res []store.Result[int]) []store.Record {
	recs, err := o.st.(encoder).encode(res)
	if err != nil {
		o.fail("%w", err)
	}
	return recs
}

func (o batchScript) putRecords(recs []store.Record) {
	if o.err != nil {
		return
	}
	if err := o.st.(encoder).PutRecords(o.ctx, recs); err != nil {
		o.fail("PutRecords of %d records, none of which is held, returned error %q, want nil", len(recs), err)
	}
}

// recordsNotKept overwrites the slice and the bytes, which are the caller's.
func recordsNotKept(_ context.Context, _ *subject, open func() batchScript) error {
	o := open()
	res := batch(1, 100)
	res[7].Err = io.EOF
	recs := o.records(res)
	o.putRecords(recs)
	for i := range recs {
		for j := range recs[i].Data {
			recs[i].Data[j] = 0xff
		}
		recs[i] = store.Record{ID: 1 << 40}
	}
	last := result(200, 0)
	o.putRecords(append(recs[:0], o.records([]store.Result[int]{last})...))
	for _, r := range append(res, last) {
		o.has(r)
	}
	o.holdsOnly(byID(append(res, last)))
	return o.err
}

// recordsNotChanged hands over records in no order, which a store may want them in, and
// again when they are held.
func recordsNotChanged(_ context.Context, _ *subject, open func() batchScript) error {
	o := open()
	res := batch(1, 20)
	slices.Reverse(res)
	recs := o.records(res)
	want := o.records(res)
	o.putRecords(recs)
	if o.err == nil {
		if err := o.st.(encoder).PutRecords(o.ctx, recs); !errors.Is(err, store.ErrExists) {
			o.fail("PutRecords of records that are held returned %v, want an error matching store.ErrExists", err)
		}
	}
	for i := range recs {
		if recs[i].ID != want[i].ID || !bytes.Equal(recs[i].Data, want[i].Data) {
			o.fail("PutRecords has changed the records that it was given: at %d there is %v, and was %v", i, recs[i], want[i])
			break
		}
	}
	return o.err
}

// encodePutsNothing also encodes what is held, which Encode has nothing to do with.
func encodePutsNothing(_ context.Context, _ *subject, open func() batchScript) error {
	o := open()
	o.put(result(1, 0))
	recs := o.records([]store.Result[int]{result(1, 1), result(2, 0), result(3, 0)})
	o.holdsOnly(byID(batch(1, 1)))
	o.lacks(2)
	o.putRecords(recs[1:])
	o.holdsOnly(byID(batch(1, 3)))
	return o.err
}

// encodeAtOnce has several goroutines encode, as a pool's workers do, and keep what they
// were given until all is put.
func encodeAtOnce(_ context.Context, s *subject, open func() batchScript) error {
	o := open()
	const workers, each = 4, 256
	recs := make([][]store.Record, workers)
	err := parallel(workers, func(i int) error {
		var err error
		recs[i], err = o.st.(encoder).encode(batch(store.ID(1+each*i), each))
		return err
	})
	if err != nil {
		return err
	}
	o.putRecords(slices.Concat(recs...))
	for _, r := range batch(1, workers*each) {
		o.has(r)
	}
	return o.err
}

// errPanics is an error that a store may not be able to write.
type errPanics struct{}

func (errPanics) Error() string { panic("storetest: an error whose text panics") }

// encodeRejects encodes a result that a store can hardly write: it does, or the error says
// that it never will.
func encodeRejects(_ context.Context, _ *subject, open func() batchScript) error {
	o := open()
	res := store.Result[int]{ID: 1, Value: 1, Err: errPanics{}}
	if _, err := o.st.(encoder).Encode(res); err != nil && !errors.Is(err, store.ErrRejected) {
		o.fail("Encode of a result that cannot be written returned error %q, want one matching store.ErrRejected", err)
	}
	o.usable(1)
	return o.err
}

// unreadable puts records that Encode has not made, as if what is held had been damaged. A
// store may refuse them, or make results of them. If it does neither, clause 5 says what
// its loops do: each error has the ID that it is about, and all other results come.
func unreadable(_ context.Context, s *subject, open func() batchScript) error {
	o := open()
	n := s.size(2*inBody, 1)
	bad := make(map[store.ID]bool)
	for i := range n {
		id := store.ID(i + 1)
		if i%100 != 50 && i != 0 {
			o.put(result(id, 0))
			continue
		}
		if err := o.st.(encoder).PutRecords(o.ctx, []store.Record{{ID: id, Data: []byte("\x00storetest")}}); err == nil {
			bad[id] = true
		}
	}
	if o.err != nil {
		return o.err
	}

	seen := make(map[store.ID]bool)
	for res, err := range o.script.st.All(o.ctx) {
		switch {
		case seen[res.ID]:
			return fmt.Errorf("All yielded ID %d twice", res.ID)
		case err != nil && res.ID == 0:
			return fmt.Errorf("All yielded error %q with ID 0, want the ID of the result that cannot be read", err)
		case err != nil && !bad[res.ID]:
			return fmt.Errorf("All yielded error %q with ID %d, which can be read", err, res.ID)
		case err == nil && !bad[res.ID] && !same(res, result(res.ID, 0)):
			return fmt.Errorf("All yielded %+v, want %+v", res, result(res.ID, 0))
		}
		seen[res.ID] = true
	}
	for i := range n {
		id := store.ID(i + 1)
		switch _, err := o.script.st.Get(o.ctx, id); {
		case !bad[id] && err == nil && !seen[id]:
			return fmt.Errorf("All yielded %d results, ID %d not among them, since others cannot be read", len(seen), id)
		case bad[id] && !seen[id]:
			return fmt.Errorf("All did not yield ID %d, which is held and cannot be read", id)
		case bad[id] && errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("Get(%d) returned error %q, want another one: it is held and cannot be read", id, err)
		}
		o.del(id)
		o.lacks(id)
	}
	o.holdsOnly(nil)
	o.usable(1)
	return o.err
}
