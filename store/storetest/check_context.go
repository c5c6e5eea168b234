package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/resultpool/resultpool/store"
)

var errCause = errors.New("storetest: the cause of a cancel")

// withDone calls f with contexts of every kind that are done.
func withDone(ctx context.Context, f func(done context.Context) error) error {
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	caused, cancelCause := context.WithCancelCause(ctx)
	cancelCause(errCause)
	expired, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Hour))
	defer cancel()

	for name, done := range map[string]context.Context{
		"cancelled":              canceled,
		"cancelled with a cause": caused,
		"expired":                expired,
	} {
		if err := f(done); err != nil {
			return fmt.Errorf("with a context that is %s: %w", name, err)
		}
	}
	return nil
}

// refused reports whether err is how a method refuses to work with ctx.
func refused(ctx context.Context, err error) bool {
	return err != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}

func putDone(ctx context.Context, s *subject) error {
	return withDone(ctx, func(done context.Context) error {
		o := s.open(ctx)
		held := o.fill(3)
		switch err := o.st.Put(done, result(7, 0)); {
		case err == nil:
			o.has(result(7, 0))
		case refused(done, err):
			o.lacks(7)
			o.holdsOnly(held)
		default:
			o.fail("Put(7), of an ID that is not held, returned error %q, want nil or one matching the context's", err)
		}
		err := o.st.Put(done, result(2, 1))
		if !errors.Is(err, store.ErrExists) && !refused(done, err) {
			o.fail("Put(2), of an ID that is held, returned %v, "+
				"want an error matching store.ErrExists or the context's", err)
		}
		o.has(held[2])
		o.usable(8)
		return o.err
	})
}

func getDone(ctx context.Context, s *subject) error {
	return withDone(ctx, func(done context.Context) error {
		o := s.open(ctx)
		held := o.fill(3)
		switch res, err := o.st.Get(done, 2); {
		case err == nil && !same(res, held[2]):
			o.fail("Get(2) returned %+v, want %+v", res, held[2])
		case err != nil && !refused(done, err):
			o.fail("Get(2), of an ID that is held, returned error %q, want nil or one matching the context's", err)
		}
		_, err := o.st.Get(done, 7)
		if !errors.Is(err, store.ErrNotFound) && !refused(done, err) {
			o.fail("Get(7), of an ID that is not held, returned %v, "+
				"want an error matching store.ErrNotFound or the context's", err)
		}
		o.holdsOnly(held)
		o.usable(8)
		return o.err
	})
}

func deleteDone(ctx context.Context, s *subject) error {
	return withDone(ctx, func(done context.Context) error {
		o := s.open(ctx)
		held := o.fill(3)
		switch err := o.st.Delete(done, 2); {
		case err == nil:
			o.lacks(2)
			delete(held, 2)
		case refused(done, err):
			o.has(held[2])
		default:
			o.fail("Delete(2) returned error %q, want nil or one matching the context's", err)
		}
		if err := o.st.Delete(done, 7); err != nil && !refused(done, err) {
			o.fail("Delete(7), of an ID that is not held, returned error %q, want nil or one matching the context's", err)
		}
		o.holdsOnly(held)
		o.usable(8)
		return o.err
	})
}

// allDone wants all results, or an error that says why they are not all there.
func allDone(ctx context.Context, s *subject) error {
	return withDone(ctx, func(done context.Context) error {
		o := s.open(ctx)
		held := o.fill(s.size(300, 1))
		o.endsWell(done, held, func() {})
		o.holdsOnly(held)
		return o.err
	})
}

func cancelInBody(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := o.fill(s.size(inBody, 1))
	canceled, cancel := context.WithCancelCause(ctx)
	o.endsWell(canceled, held, func() { cancel(errCause) })
	cancel(errCause) // if the body never ran
	o.holdsOnly(held)
	return o.err
}

// endsWell loops over All with a ctx that is done, or that body makes done. The
// loop yields all that is held, or its last pair has the context's error and ID 0.
func (o *script) endsWell(ctx context.Context, held map[store.ID]store.Result[int], body func()) {
	seen := make(map[store.ID]bool)
	ended := false
	for res, err := range o.st.All(ctx) {
		switch {
		case ended:
			o.fail("All yielded %+v after an error, which ends the sequence", res)
		case err == nil && seen[res.ID]:
			o.fail("All yielded ID %d twice", res.ID)
		case err == nil && !same(res, held[res.ID]):
			o.fail("All yielded %+v, want %+v", res, held[res.ID])
		case err == nil:
			seen[res.ID] = true
		case refused(ctx, err) && res.ID == 0:
			ended = true
		case refused(ctx, err):
			o.fail("All yielded the context's error with ID %d, want 0: it is not about one result", res.ID)
		default:
			o.fail("All yielded error %q, want none or one matching the context's", err)
		}
		if o.err != nil {
			return
		}
		body()
	}
	if !ended && len(seen) != len(held) {
		o.fail("All yielded %d of %d results and no error, with a context that was done", len(seen), len(held))
	}
}
