// Package recorder records what a program does to its store, so that the stores can be measured with just
// that mix:
//
//	rec := recorder.New(rwmutex.New[int]())
//	p, err := pool.New(ctx, fn, rec.Store(), nil)
//	…
//	err = rec.WriteFile("mix.json")
//
// and then, in a clone of the repository:
//
//	go run ./bench/choose -mix mix.json
//
// The package is in a module of its own, which is not released and needs Go 1.26:
//
//	go get github.com/resultpool/resultpool/bench/choose@main
//
// With package bounded, record the store that is inside bounded.New, not around it: then what the limits delete
// counts.
//
// A call costs four to six atomic operations more while it is recorded. Take the recorder out again afterwards.
package recorder

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"reflect"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/optional"
	"github.com/resultpool/resultpool/store"
)

// Counts is what was recorded.
type Counts struct {
	Puts    uint64 // results that were stored, also in batches
	Gets    uint64 // calls, whether there was a result or not
	Deletes uint64 // IDs, also in batches, whether they were held or not
	Loops   uint64 // over All

	// MostHeld is how many results were held at most: Puts less Deletes, as if nothing had been deleted
	// twice, and without what the store held at the beginning.
	MostHeld uint64

	// MostCalls is how many calls were in the store at the same time at most. A loop over All is not one.
	MostCalls uint64

	ValueBytes uint64 // the size of R, without what it points to
	Pointers   bool   // in R
}

// A Recorder counts the calls of a store. Its methods may be called from any number of goroutines at once,
// also while the store is used.
type Recorder[R any] struct {
	recorded store.ResultStore[R]

	puts, gets, deletes, loops atomic.Uint64
	held, calls                most
}

// New returns a recorder of st, which must not be nil. It counts what is done to [Recorder.Store].
func New[R any](st store.ResultStore[R]) *Recorder[R] {
	r := new(Recorder[R])
	w := &counted[R]{st: st, r: r}
	w.batches, _ = st.(store.BatchPutter[R])
	w.records, _ = st.(store.RecordPutter[R])
	w.deletes, _ = st.(store.BatchDeleter[R])
	w.reserves, _ = st.(store.IDReserver)
	r.recorded = optional.Of(st, w)
	return r
}

// Store returns the store to use in place of the one that New was given. It has the optional interfaces of that one
// and no others.
func (r *Recorder[R]) Store() store.ResultStore[R] { return r.recorded }

// Counts returns what was recorded so far.
func (r *Recorder[R]) Counts() Counts {
	return Counts{
		Puts: r.puts.Load(), Gets: r.gets.Load(), Deletes: r.deletes.Load(), Loops: r.loops.Load(),
		MostHeld: uint64(r.held.most.Load()), MostCalls: uint64(r.calls.most.Load()),
		ValueBytes: uint64(reflect.TypeFor[R]().Size()), Pointers: hasPointers(reflect.TypeFor[R]()),
	}
}

func hasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return t.Len() > 0 && hasPointers(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if hasPointers(f.Type) {
				return true
			}
		}
		return false
	default:
		return t.Kind() > reflect.Complex128 // those before are numbers and bool
	}
}

// WriteFile writes the counts to a file, as JSON, and replaces what was in it.
func (r *Recorder[R]) WriteFile(path string) error {
	text, err := json.MarshalIndent(r.Counts(), "", "\t")
	if err != nil {
		return fmt.Errorf("recorder: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o666); err != nil {
		return fmt.Errorf("recorder: %w", err)
	}
	return nil
}

// most is a number that goes up and down, and the highest it has been.
type most struct{ now, most atomic.Int64 }

func (m *most) add(n int) {
	now := m.now.Add(int64(n))
	for seen := m.most.Load(); seen < now && !m.most.CompareAndSwap(seen, now); {
		seen = m.most.Load()
	}
}

// counted has the methods of all optional interfaces. New hides those that st does not have.
type counted[R any] struct {
	st       store.ResultStore[R]
	batches  store.BatchPutter[R]
	records  store.RecordPutter[R]
	deletes  store.BatchDeleter[R]
	reserves store.IDReserver
	r        *Recorder[R]
}

// call makes a call, also one that panics.
func (s *counted[R]) call(do func() error) error {
	s.r.calls.add(1)
	defer s.r.calls.add(-1)
	return do()
}

// put makes a call that stores n results, or none.
func (s *counted[R]) put(n int, do func() error) error {
	err := s.call(do)
	if err == nil {
		s.r.puts.Add(uint64(n))
		s.r.held.add(n)
	}
	return err
}

// del makes a call that deletes n results, or some of them.
func (s *counted[R]) del(n int, do func() error) error {
	err := s.call(do)
	if err == nil {
		s.r.deletes.Add(uint64(n))
		s.r.held.add(-n)
	}
	return err
}

// Put implements [store.ResultStore].
func (s *counted[R]) Put(ctx context.Context, res store.Result[R]) error {
	return s.put(1, func() error { return s.st.Put(ctx, res) })
}

// Get implements [store.ResultStore].
func (s *counted[R]) Get(ctx context.Context, id store.ID) (res store.Result[R], err error) {
	s.r.gets.Add(1)
	err = s.call(func() (err error) {
		res, err = s.st.Get(ctx, id)
		return err
	})
	return res, err
}

// Delete implements [store.ResultStore].
func (s *counted[R]) Delete(ctx context.Context, id store.ID) error {
	return s.del(1, func() error { return s.st.Delete(ctx, id) })
}

// All implements [store.ResultStore].
func (s *counted[R]) All(ctx context.Context) iter.Seq2[store.Result[R], error] {
	return func(yield func(store.Result[R], error) bool) {
		s.r.loops.Add(1)
		s.st.All(ctx)(yield)
	}
}

// PutBatch implements [store.BatchPutter].
func (s *counted[R]) PutBatch(ctx context.Context, res []store.Result[R]) error {
	return s.put(len(res), func() error { return s.batches.PutBatch(ctx, res) })
}

// Encode implements [store.RecordPutter].
func (s *counted[R]) Encode(res store.Result[R]) ([]byte, error) { return s.records.Encode(res) }

// PutRecords implements [store.RecordPutter].
func (s *counted[R]) PutRecords(ctx context.Context, recs []store.Record) error {
	return s.put(len(recs), func() error { return s.records.PutRecords(ctx, recs) })
}

// DeleteBatch implements [store.BatchDeleter].
func (s *counted[R]) DeleteBatch(ctx context.Context, ids []store.ID) error {
	return s.del(len(ids), func() error { return s.deletes.DeleteBatch(ctx, ids) })
}

// ReserveIDs implements [store.IDReserver].
func (s *counted[R]) ReserveIDs(ctx context.Context, n uint64) (store.ID, error) {
	return s.reserves.ReserveIDs(ctx, n)
}
