package pool

import (
	"runtime/debug"

	"github.com/resultpool/resultpool/store"
)

// An entry is a result on its way to the store.
type entry[R any] struct {
	res     store.Result[R]
	data    []byte      // of res; nil if it is not encoded, as always if the store is no RecordPutter
	instead *unsaved[R] // the result that was refused, and that res replaces
}

// encode returns the entry of a result, with its bytes if the store is a RecordPutter. A
// worker calls it for its own result: so encoding is done in parallel, and the size of what
// gathers is known. A result that cannot be encoded is replaced by one that says so.
func (s *saver[R]) encode(res store.Result[R]) entry[R] {
	e := entry[R]{res: res}
	if s.records == nil {
		return e
	}
	if err := s.fill(&e); err != nil {
		e = replaced(e, err)
		_ = s.fill(&e) // if this fails too, the store is asked, and says so
	}
	return e
}

func (s *saver[R]) fill(e *entry[R]) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &putPanicked{&PanicError{Value: r, Stack: debug.Stack()}}
		}
	}()
	data, err := s.records.Encode(e.res)
	if err == nil {
		e.data = data
	}
	return err
}

// replaced returns the entry that says that the store can never take the result of e.
func replaced[R any](e entry[R], why error) entry[R] {
	return entry[R]{
		res:     store.Result[R]{ID: e.res.ID, Err: &notStored{e.res.Err, why}},
		instead: &unsaved[R]{e.res, why},
	}
}

// recordsOf returns the records of es, and whether each has one.
func recordsOf[R any](es []entry[R]) (recs []store.Record, all bool) {
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

func resultsOf[R any](es []entry[R]) []store.Result[R] {
	res := make([]store.Result[R], len(es))
	for i := range es {
		res[i] = es[i].res
	}
	return res
}
