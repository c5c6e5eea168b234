package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/resultpool/resultpool/store"
)

// A script does one operation on a store after the other and says which outcome
// it wants. The first that comes out otherwise ends the script: err tells of it,
// and all further calls do nothing. A script belongs to one goroutine.
type script struct {
	ctx context.Context
	st  store.ResultStore[int]
	err error
}

// fork returns a new script on the same store, for another goroutine.
func (o *script) fork() *script { return &script{ctx: o.ctx, st: o.st} }

func (o *script) fail(format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf(format, args...)
	}
}

// put puts a Result under an ID that is not held.
func (o *script) put(res store.Result[int]) {
	if o.err != nil {
		return
	}
	if err := o.st.Put(o.ctx, res); err != nil {
		o.fail("Put(%d) returned error %q, want nil: the ID is not held", res.ID, err)
	}
}

// refuse puts a Result under an ID that is held.
func (o *script) refuse(res store.Result[int]) {
	if o.err != nil {
		return
	}
	if err := o.st.Put(o.ctx, res); !errors.Is(err, store.ErrExists) {
		o.fail("Put(%d) returned %v, want an error matching store.ErrExists: the ID is held", res.ID, err)
	}
}

// has gets a Result that is held.
func (o *script) has(want store.Result[int]) {
	if o.err != nil {
		return
	}
	got, err := o.st.Get(o.ctx, want.ID)
	switch {
	case err != nil:
		o.fail("Get(%d) returned error %q, want %+v", want.ID, err, want)
	case !same(got, want):
		o.fail("Get(%d) returned %+v, want %+v", want.ID, got, want)
	}
}

// lacks gets an ID that is not held.
func (o *script) lacks(id store.ID) {
	if o.err != nil {
		return
	}
	if got, err := o.st.Get(o.ctx, id); !errors.Is(err, store.ErrNotFound) {
		o.fail("Get(%d) returned %+v and error %v, want an error matching store.ErrNotFound: "+
			"the ID is not held", id, got, err)
	}
}

// del deletes an ID, held or not.
func (o *script) del(id store.ID) {
	if o.err != nil {
		return
	}
	if err := o.st.Delete(o.ctx, id); err != nil {
		o.fail("Delete(%d) returned error %q, want nil", id, err)
	}
}

// each calls f for each Result that a loop over All yields, until f fails the
// script.
func (o *script) each(f func(store.Result[int])) {
	if o.err != nil {
		return
	}
	for res, err := range o.st.All(o.ctx) {
		if err != nil {
			o.fail("All yielded error %q, want none", err)
		} else {
			f(res)
		}
		if o.err != nil {
			return
		}
	}
}

// all returns what a loop over All yields, none of it twice.
func (o *script) all() map[store.ID]store.Result[int] {
	seen := make(map[store.ID]store.Result[int])
	o.each(func(res store.Result[int]) {
		if _, twice := seen[res.ID]; twice {
			o.fail("All yielded ID %d twice", res.ID)
		}
		seen[res.ID] = res
	})
	return seen
}

// holdsOnly loops over All while nothing changes: it yields want, each once.
func (o *script) holdsOnly(want map[store.ID]store.Result[int]) {
	got := o.all()
	for id, res := range got {
		switch w, held := want[id]; {
		case !held:
			o.fail("All yielded %+v, which is not held", res)
		case !same(res, w):
			o.fail("All yielded %+v, want %+v", res, w)
		}
	}
	for id := range want {
		if _, ok := got[id]; !ok {
			o.fail("All yielded %d of %d results, not ID %d among them", len(got), len(want), id)
		}
	}
}

// usable does one of everything on an ID that is not held.
func (o *script) usable(id store.ID) {
	o.put(result(id, 0))
	o.has(result(id, 0))
	found := false
	o.each(func(res store.Result[int]) { found = found || res.ID == id })
	if !found {
		o.fail("All did not yield ID %d, which is held", id)
	}
	o.del(id)
	o.lacks(id)
}

// result returns the Result that the checks put under id: another one for each
// version.
func result(id store.ID, version int) store.Result[int] {
	return store.Result[int]{ID: id, Value: int(id)<<3 + version}
}

// fill puts results 1 to n and returns what is held then.
func (o *script) fill(n int) map[store.ID]store.Result[int] {
	held := make(map[store.ID]store.Result[int], n)
	for i := range n {
		res := result(store.ID(i+1), 0)
		o.put(res)
		held[res.ID] = res
	}
	return held
}

// sentinels are the errors by which an Err is told from another. They are such
// as a store that encodes its results can know.
var sentinels = []error{
	context.Canceled,
	context.DeadlineExceeded,
	io.EOF,
	fs.ErrNotExist,
	store.ErrRejected,
	store.ErrNotRun,
	store.ErrGoexit,
}

// same reports whether got is the Result that was put as want.
func same(got, want store.Result[int]) bool {
	if got.ID != want.ID || got.Value != want.Value || (got.Err == nil) != (want.Err == nil) {
		return false
	}
	for _, s := range sentinels {
		if errors.Is(got.Err, s) != errors.Is(want.Err, s) {
			return false
		}
	}
	return true
}
