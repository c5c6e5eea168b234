package storetest

import (
	"errors"
	"runtime"
	"sync/atomic"

	"github.com/resultpool/resultpool/internal/kit"
	"github.com/resultpool/resultpool/store"
)

// rivals is how many goroutines put one ID at once, and readers how many get it meanwhile.
const (
	rivals  = 8
	readers = 3
)

// oneWinner has rivals put each ID at once, and again after it was deleted.
func oneWinner(s *subject) {
	o := s.open()
	for i := range s.size(200, 4*rivals) {
		for range 3 {
			o.compete(store.ID(i + 1))
			o.remove(store.ID(i + 1))
		}
		o.compete(store.ID(i + 1))
	}
}

// races has an ID put, replaced and deleted again and again, each by rivals and under the eyes
// of readers.
func races(s *subject) {
	o := s.open()
	block := s.size(1022, 200)
	for i := range s.size(300, rivals+2) {
		id := o.absent(i, store.ID(block))
		won := o.compete(id)
		next := result(id, rivals)
		var deleted atomic.Bool
		o.underEyes(2, func(i int) {
			if i == 0 {
				defer deleted.Store(true)
				o.del(id)
				return
			}
			for !deleted.Load() {
				if o.tryPut(next) {
					return
				}
				runtime.Gosched()
			}
			o.put(next)
		}, func() []store.Result[int] { return []store.Result[int]{won, {}, next} }, id)
		o.underEyes(1, func(int) { o.remove(id) }, func() []store.Result[int] { return []store.Result[int]{next, {}} }, id)
		o.underEyes(1, func(int) {
			o.put(won)
			runtime.Gosched()
			o.remove(id)
		}, func() []store.Result[int] { return []store.Result[int]{{}, won, {}} }, id)
	}
}

// absent returns an ID that is not held. They are by turns the same few again, new ones, so that
// the store grows, and the last one of a block of 1,024 which has been deleted, which a store
// may be about to give back.
func (o *script) absent(n int, block store.ID) store.ID {
	switch n % 8 {
	case 1, 4:
		return store.ID(100 + n)
	case 7:
		first := store.ID(8+n) << 10
		o.put(batch(first, int(block))...)
		for i := range block {
			o.del(first + i)
		}
		return first + block
	default:
		return store.ID(n%3 + 1)
	}
}

// compete has rivals put id at once, and returns the winner's Result. One must succeed, and
// all must find its Result as soon as their own Put has returned.
func (o *script) compete(id store.ID) (won store.Result[int]) {
	var winners, winner atomic.Int32
	var found [rivals]store.Result[int]
	put := func(i int) store.Result[int] {
		res := result(id, i)
		if (uint64(i)+uint64(id))%2 == 0 {
			res.Err = sentinels[i%len(sentinels)]
		}
		return res
	}
	o.underEyes(rivals, func(i int) {
		if o.tryPut(put(i)) {
			winners.Add(1)
			winner.Store(int32(i))
		}
		found[i] = o.find(id)
	}, func() []store.Result[int] {
		won = put(int(winner.Load()))
		return []store.Result[int]{{}, won}
	}, id)
	if n := winners.Load(); n != 1 {
		kit.Failf("of %d concurrent Put(%d), %d returned nil, want 1", rivals, id, n)
	}
	for _, got := range found {
		if !same(got, won) {
			kit.Failf("after a Put(%d), one of %d at once, a Get returned %+v, want the winner's %+v", id, rivals, got, won)
		}
	}
	return won
}

// underEyes calls f(0) to f(n-1), which change what is held under id, at once and while readers
// get it. Of what states says they must find one after the other, and in the end the last.
func (o *script) underEyes(n int, f func(i int), states func() []store.Result[int], id store.ID) {
	var busy atomic.Int64
	busy.Store(int64(n))
	var found [readers][]store.Result[int]
	kit.Parallel(n+readers, func(i int) {
		if i < n {
			defer busy.Add(-1)
			f(i)
			return
		}
		for more := true; more; runtime.Gosched() {
			more = busy.Load() > 0 // one more when all is done
			found[i-n] = append(found[i-n], o.find(id))
		}
	})
	for _, all := range found {
		states := states()
		for i, got := range all {
			for len(states) > 0 && (!same(got, states[0]) || i == len(all)-1 && len(states) > 1) {
				states = states[1:]
			}
			if len(states) == 0 {
				kit.Failf("Get(%d) returned %+v, after which %+v was not to be", id, all[max(0, i-1)], got)
			}
		}
	}
}

// find returns the Result that is held under id, or a zero one.
func (o *script) find(id store.ID) store.Result[int] {
	res, err := o.st.Get(o.ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Result[int]{}
	case err != nil:
		kit.Failf("Get(%d), at the same time as others, returned error %q, want nil or one matching store.ErrNotFound", id, err)
	}
	return res
}
