package storetest

import (
	"context"
	"errors"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

// doneOn calls f with contexts that are done and a store that holds the IDs 1 to 3. f changes
// held as it changes the store.
func (s *subject) doneOn(f func(o *script, held map[store.ID]store.Result[int], done context.Context)) {
	kit.WithDone(s.ctx, func(done context.Context) {
		o := s.open()
		held := o.fill(3)
		f(o, held, done)
		o.hasAll(held)
		o.usable(8)
	})
}

// worked reports whether a method has worked with a context that is done. If it has not, err
// must be the context's.
func worked(done context.Context, call string, err error) bool {
	if err != nil && !kit.Refused(done, err) {
		kit.Failf("%s returned error %q, want nil or one matching the context's", call, err)
	}
	return err == nil
}

func putDone(s *subject) {
	s.doneOn(func(o *script, held map[store.ID]store.Result[int], done context.Context) {
		if worked(done, "Put(7), of an ID that is not held,", o.st.Put(done, result(7, 0))) {
			held[7] = result(7, 0)
		} else {
			o.lacks(7)
		}
		err := o.st.Put(done, result(2, 1))
		if !errors.Is(err, store.ErrExists) && !kit.Refused(done, err) {
			kit.Failf("Put(2), of an ID that is held, returned %v, want an error matching store.ErrExists or the context's", err)
		}
	})
}

func getDone(s *subject) {
	s.doneOn(func(o *script, held map[store.ID]store.Result[int], done context.Context) {
		res, err := o.st.Get(done, 2)
		if worked(done, "Get(2), of an ID that is held,", err) && !same(res, held[2]) {
			kit.Failf("Get(2) returned %+v, %s", res, difference(res, held[2]))
		}
		_, err = o.st.Get(done, 7)
		if !errors.Is(err, store.ErrNotFound) && !kit.Refused(done, err) {
			kit.Failf("Get(7), of an ID that is not held, returned %v, want an error matching store.ErrNotFound or the context's", err)
		}
	})
}

func deleteDone(s *subject) {
	s.doneOn(func(o *script, held map[store.ID]store.Result[int], done context.Context) {
		if worked(done, "Delete(2), of an ID that is held,", o.st.Delete(done, 2)) {
			o.lacks(2)
			delete(held, 2)
		}
		worked(done, "Delete(7), of an ID that is not held,", o.st.Delete(done, 7))
	})
}

// allDone wants all results, or an error that says why they are not all there.
func allDone(s *subject) {
	kit.WithDone(s.ctx, func(done context.Context) {
		o := s.open()
		held := o.fill(s.size(300, 1))
		o.endsWell(done, held, func() {})
	})
}

func cancelInBody(s *subject) {
	o := s.open()
	held := o.fill(s.size(inBody, 1))
	canceled, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	o.endsWell(canceled, held, func() { cancel(kit.ErrCause) })
}

// endsWell loops over All with a ctx that is done, or that body makes done. The
// loop yields all that is held, or its last pair has the context's error and ID 0.
func (o *script) endsWell(ctx context.Context, held map[store.ID]store.Result[int], body func()) {
	seen := make(map[store.ID]bool)
	ended := false
	o.pairs(ctx, func(res store.Result[int], err error) {
		switch {
		case ended:
			kit.Failf("All yielded %+v after an error, which ends the sequence", res)
		case err == nil && seen[res.ID]:
			kit.Failf("All yielded ID %d twice", res.ID)
		case err == nil && !same(res, held[res.ID]):
			kit.Failf("All yielded %+v, %s", res, difference(res, held[res.ID]))
		case err == nil:
			seen[res.ID] = true
		case kit.Refused(ctx, err) && res.ID == 0:
			ended = true
		case kit.Refused(ctx, err):
			kit.Failf("All yielded the context's error with ID %d, want 0: it is not about one result", res.ID)
		default:
			kit.Failf("All yielded error %q, want none or one matching the context's", err)
		}
		body()
	})
	if !ended && len(seen) != len(held) {
		kit.Failf("All yielded %d of %d results and no error, with a context that was done", len(seen), len(held))
	}
	o.holdsOnly(held)
}
