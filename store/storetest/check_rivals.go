package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"

	"github.com/resultpool/resultpool/store"
)

// rivals is how many goroutines put one ID at once.
const rivals = 8

// oneWinner has rivals put each ID at once.
func oneWinner(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	for i := range s.size(200, rivals) {
		if err := compete(o, store.ID(i+1)); err != nil {
			return err
		}
	}
	return nil
}

// oneWinnerAgain has them put IDs that were deleted before, many times.
func oneWinnerAgain(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	for i := range s.size(200, rivals+1) {
		id := store.ID(i%4 + 1)
		if err := compete(o, id); err != nil {
			return fmt.Errorf("after %d deletes: %w", i/4, err)
		}
		o.del(id)
		o.lacks(id)
		if o.err != nil {
			return o.err
		}
	}
	return nil
}

// compete has rivals put id at once. One must succeed, and all must find its
// Result as soon as their own Put has returned.
func compete(o *script, id store.ID) error {
	var winners atomic.Int32
	var won atomic.Int64 // the winner's Value
	var found [rivals]store.Result[int]
	err := parallel(rivals, func(i int) error {
		put := store.Result[int]{ID: id, Value: i}
		err := o.st.Put(o.ctx, put)
		switch {
		case err == nil:
			winners.Add(1)
			won.Store(int64(i))
		case !errors.Is(err, store.ErrExists):
			return fmt.Errorf("one of %d concurrent Put(%d) returned error %q, "+
				"want nil or one matching store.ErrExists", rivals, id, err)
		}
		found[i], err = o.st.Get(o.ctx, id)
		if err != nil {
			return fmt.Errorf("Get(%d) returned error %q to a goroutine whose Put of the ID had returned, "+
				"want a result", id, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n := winners.Load(); n != 1 {
		return fmt.Errorf("of %d concurrent Put(%d), %d returned nil, want 1", rivals, id, n)
	}
	want := store.Result[int]{ID: id, Value: int(won.Load())}
	for _, got := range found {
		if !same(got, want) {
			return fmt.Errorf("after %d concurrent Put(%d) a Get returned %+v, want the winner's %+v", rivals, id, got, want)
		}
	}
	return nil
}

// oneOwner uses IDs as locks: whoever's Put returns nil owns the ID until it
// deletes it. Were a Result overwritten, lost or doubled, or a Delete late, two
// goroutines would own an ID at once.
func oneOwner(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	const workers, tries = 4, 50
	var l locks
	for start := range s.size(20, workers*tries) {
		err := parallel(workers, func(worker int) error {
			rng := rand.New(rand.NewPCG(uint64(start), uint64(worker)))
			o := o.fork()
			for try := range tries {
				id := store.ID(1 + rng.IntN(len(l)))
				l.try(o, store.Result[int]{ID: id, Value: 1 + worker + workers*try})
			}
			return o.err
		})
		if err != nil {
			return err
		}
	}
	o.holdsOnly(nil)
	return o.err
}

// locks has the Values by which the IDs from 1 to 3 are owned, or 0.
type locks [3]atomic.Int64

// try puts mine, and if it then owns the ID it has a look and deletes it.
func (l *locks) try(o *script, mine store.Result[int]) {
	if o.err != nil {
		return
	}
	owner := &l[mine.ID-1]
	switch err := o.st.Put(o.ctx, mine); {
	case errors.Is(err, store.ErrExists):
		runtime.Gosched()
		return
	case err != nil:
		o.fail("Put(%d) returned error %q, want nil or one matching store.ErrExists", mine.ID, err)
		return
	}
	if other := owner.Swap(int64(mine.Value)); other != 0 {
		o.fail("Put(%d) of Value %d returned nil, while the Result with Value %d was held", mine.ID, mine.Value, other)
	}
	o.has(mine)
	runtime.Gosched() // the others are to come upon a held ID
	o.refuse(store.Result[int]{ID: mine.ID, Value: -1})
	o.has(mine)
	owner.Store(0)
	o.del(mine.ID)
}
