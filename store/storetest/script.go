package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

// A subject makes the stores that a check tries.
type subject struct {
	ctx      context.Context // the check's
	newStore func() store.ResultStore[int]
	perPut   time.Duration // what one Put takes, about; 0 if it is not known
}

// open returns a script on a fresh store.
func (s *subject) open() *script { return &script{ctx: s.ctx, st: s.newStore()} }

// size returns how often a check repeats what costs it so many Puts: n times,
// or less for a slow store, so that the check takes about a second.
func (s *subject) size(n, puts int) int {
	if s.perPut <= 0 {
		return n
	}
	fits := int(time.Second/s.perPut) / puts
	return max(1, n/50, min(n, fits))
}

// A script has methods that do one operation on a store and say which outcome they want.
// They fail if it comes out otherwise. Several goroutines may use one script.
type script struct {
	ctx context.Context
	st  store.ResultStore[int]
}

// put puts Results under IDs that are not held.
func (o *script) put(all ...store.Result[int]) {
	for _, res := range all {
		if err := o.st.Put(o.ctx, res); err != nil {
			kit.Failf("Put(%d) returned error %q, want nil: the ID is not held", res.ID, err)
		}
	}
}

// refuse puts a Result under an ID that is held.
func (o *script) refuse(res store.Result[int]) {
	if err := o.st.Put(o.ctx, res); !errors.Is(err, store.ErrExists) {
		kit.Failf("Put(%d) returned %v, want an error matching store.ErrExists: the ID is held", res.ID, err)
	}
}

// tryPut puts a Result under an ID for which there are rivals, and reports whether it won.
func (o *script) tryPut(res store.Result[int]) bool {
	err := o.st.Put(o.ctx, res)
	if err != nil && !errors.Is(err, store.ErrExists) {
		kit.Failf("Put(%d), at the same time as others, returned error %q, want nil or one matching store.ErrExists", res.ID, err)
	}
	return err == nil
}

// has gets a Result that is held.
func (o *script) has(want store.Result[int]) {
	got, err := o.st.Get(o.ctx, want.ID)
	switch {
	case err != nil:
		kit.Failf("Get(%d) returned error %q, want %+v", want.ID, err, want)
	case !same(got, want):
		kit.Failf("Get(%d) returned %+v, %s", want.ID, got, difference(got, want))
	}
}

// lacks gets an ID that is not held.
func (o *script) lacks(id store.ID) {
	if got, err := o.st.Get(o.ctx, id); !errors.Is(err, store.ErrNotFound) {
		kit.Failf("Get(%d) returned %+v and error %v, want an error matching store.ErrNotFound: "+
			"the ID is not held", id, got, err)
	}
}

// del deletes an ID, held or not.
func (o *script) del(id store.ID) {
	if err := o.st.Delete(o.ctx, id); err != nil {
		kit.Failf("Delete(%d) returned error %q, want nil", id, err)
	}
}

// remove deletes an ID and does not find it then.
func (o *script) remove(id store.ID) {
	o.del(id)
	o.lacks(id)
}

// pairs calls f for each pair that a loop over All yields. It fails if f does, but not in the
// loop: a store that stops panics does not hide it.
func (o *script) pairs(ctx context.Context, f func(store.Result[int], error)) {
	var failed error
	for res, err := range o.st.All(ctx) {
		if failed = kit.Try(func() { f(res, err) }); failed != nil {
			break
		}
	}
	if failed != nil {
		kit.Fail(failed)
	}
}

// each calls f for each Result that a loop over All yields.
func (o *script) each(f func(store.Result[int])) {
	o.pairs(o.ctx, func(res store.Result[int], err error) {
		if err != nil {
			kit.Failf("All yielded error %q, want none", err)
		}
		f(res)
	})
}

// holdsOnly loops over All while nothing changes: it yields want, each once.
func (o *script) holdsOnly(want map[store.ID]store.Result[int]) {
	got := make(map[store.ID]bool)
	o.each(func(res store.Result[int]) {
		w, held := want[res.ID]
		switch {
		case got[res.ID]:
			kit.Failf("All yielded ID %d twice", res.ID)
		case !held:
			kit.Failf("All yielded %+v, which is not held", res)
		case !same(res, w):
			kit.Failf("All yielded %+v, %s", res, difference(res, w))
		}
		got[res.ID] = true
	})
	for id := range want {
		if !got[id] {
			kit.Failf("All yielded %d of %d results, not ID %d among them", len(got), len(want), id)
		}
	}
}

// hasAll wants exactly these results, from Get and from All.
func (o *script) hasAll(held map[store.ID]store.Result[int]) {
	for _, res := range held {
		o.has(res)
	}
	o.holdsOnly(held)
}

// usable does one of everything on an ID that is not held.
func (o *script) usable(id store.ID) {
	o.put(result(id, 0))
	o.has(result(id, 0))
	found := false
	o.each(func(res store.Result[int]) { found = found || res.ID == id })
	if !found {
		kit.Failf("All did not yield ID %d, which is held", id)
	}
	o.remove(id)
}

// result returns the Result that the checks put under id: another one for each
// version.
func result(id store.ID, version int) store.Result[int] {
	return store.Result[int]{ID: id, Value: int(id)<<3 + version}
}

// batch returns results for IDs from first on.
func batch(first store.ID, n int) []store.Result[int] {
	res := make([]store.Result[int], n)
	for i := range res {
		res[i] = result(first+store.ID(i), 0)
	}
	return res
}

func byID(res []store.Result[int]) map[store.ID]store.Result[int] {
	m := make(map[store.ID]store.Result[int], len(res))
	for _, r := range res {
		m[r.ID] = r
	}
	return m
}

// fill puts results 1 to n and returns what is held then.
func (o *script) fill(n int) map[store.ID]store.Result[int] {
	o.put(batch(1, n)...)
	return byID(batch(1, n))
}
