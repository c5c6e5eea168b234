package saver

import (
	"fmt"

	"github.com/resultpool/resultpool/internal/text"
	"github.com/resultpool/resultpool/store"
)

// An Entry is a result on its way to the store. It is a value: whoever has it owns the result.
type Entry[R any] struct {
	res store.Result[R]
	// data is the bytes of res. It is nil if res is not encoded, as always unless the store is a
	// RecordPutter.
	data []byte
	// refused is the result that the store refused, if res stands in its place.
	refused *dropped[R]
}

// NewEntry returns the entry of a result, not encoded.
func NewEntry[R any](res store.Result[R]) Entry[R] { return Entry[R]{res: res} }

// ID returns the ID of the result.
func (e *Entry[R]) ID() store.ID { return e.res.ID }

// Result returns the task's own result, also if the store was given another in its place.
func (e *Entry[R]) Result() store.Result[R] { return e.original(nil).res }

// Size returns how many bytes the result has, or 0 if it is not encoded.
func (e *Entry[R]) Size() int { return len(e.data) }

// Encode returns the entry of a result, with its bytes if the store is a RecordPutter. A worker
// calls it for its own result: so encoding is done in parallel, and the size of what gathers is
// known. A result that cannot be encoded is replaced by one that says so.
func (s *Saver[R]) Encode(res store.Result[R]) Entry[R] {
	e := NewEntry(res)
	if s.records == nil {
		return e
	}
	if err := s.fill(&e); err != nil {
		e = replacement(e, err)
		_ = s.fill(&e) // if this fails too, PutBatch is asked, and says so
	}
	return e
}

// EncodeGoexited returns the entry of a result whose encoding has called runtime.Goexit, for the
// worker's next goroutine.
func (s *Saver[R]) EncodeGoexited(res store.Result[R]) Entry[R] {
	return replacement(NewEntry(res), errGoexit)
}

// fill makes the bytes of an entry. It is user code, so a panic is an error of the result.
func (s *Saver[R]) fill(e *Entry[R]) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = panicked(recover())
		}
	}()
	data, err := s.records.Encode(e.res)
	returned = true
	if err == nil {
		e.data = data
	}
	return err
}

// replacement returns the entry that says that the store can never take the result of e. It has no
// bytes, since encoding it is the store's own code again, and carries the task's own result: if the
// store refuses the replacement as well, that is handed back.
func replacement[R any](e Entry[R], why error) Entry[R] {
	return Entry[R]{
		res:     store.Result[R]{ID: e.res.ID, Err: &NotStored{e.res.Err, why}},
		refused: &dropped[R]{e.res, why},
	}
}

// original returns what is handed back of an entry that is given up: the task's own result,
// also if the store was given another in its place.
func (e *Entry[R]) original(why error) dropped[R] {
	if e.refused != nil {
		return *e.refused
	}
	return dropped[R]{e.res, why}
}

// recordsOf returns the records of es, and whether each of them has one. If one has not, since its
// encoding has failed twice, all of them are put as results, and the store says which is to blame.
func recordsOf[R any](es []Entry[R]) (recs []store.Record, all bool) {
	for i := range es {
		if es[i].data == nil {
			return nil, false
		}
	}
	recs = make([]store.Record, len(es))
	for i := range es {
		recs[i] = store.Record{ID: es[i].res.ID, Data: es[i].data}
	}
	return recs, true
}

// resultsOf returns the results of es, in a slice that is the store's.
func resultsOf[R any](es []Entry[R]) []store.Result[R] {
	res := make([]store.Result[R], len(es))
	for i := range es {
		res[i] = es[i].res
	}
	return res
}

// NotStored is the Err of a result that is stored in place of one that the store refused.
// Making it calls no method of the user's errors, which may panic.
type NotStored struct {
	// Task is the Err of the result that was refused.
	Task error
	// Refusal is the store's reason.
	Refusal error
}

func (e *NotStored) Error() string {
	if e.Task == nil {
		return fmt.Sprintf("pool: the task's result was not stored: %s", text.Of(e.Refusal))
	}
	return fmt.Sprintf("pool: the task's error (%s) was not stored: %s", text.Of(e.Task), text.Of(e.Refusal))
}

func (e *NotStored) Unwrap() error { return e.Refusal }
