package main

import (
	"context"
	"iter"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/resultpool/resultpool/store"
)

// xsyncV4 is what store/xsync would be over the next major version of its library.
type xsyncV4 struct {
	m *xsync.Map[store.ID, outcome]
	store.Sequence
}

func newXSyncV4() store.ResultStore[int] {
	return &xsyncV4{m: xsync.NewMap[store.ID, outcome]()}
}

func (s *xsyncV4) Put(_ context.Context, res store.Result[int]) (err error) {
	s.m.Compute(res.ID, func(o outcome, held bool) (outcome, xsync.ComputeOp) {
		if held {
			err = store.ErrExists
			return o, xsync.CancelOp
		}
		return outcome{res.Value, res.Err}, xsync.UpdateOp
	})
	return err
}

func (s *xsyncV4) Get(_ context.Context, id store.ID) (store.Result[int], error) {
	o, held := s.m.Load(id)
	if !held {
		return store.Result[int]{}, store.ErrNotFound
	}
	return store.Result[int]{ID: id, Value: o.value, Err: o.err}, nil
}

func (s *xsyncV4) Delete(_ context.Context, id store.ID) error {
	s.m.Delete(id)
	return nil
}

func (s *xsyncV4) All(context.Context) iter.Seq2[store.Result[int], error] {
	return func(yield func(store.Result[int], error) bool) {
		s.m.Range(func(id store.ID, o outcome) bool {
			return yield(store.Result[int]{ID: id, Value: o.value, Err: o.err}, nil)
		})
	}
}
