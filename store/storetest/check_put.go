package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"

	"github.com/resultpool/resultpool/store"
)

// roundTrip gets values at the edges of int back, the zero value among them.
func roundTrip(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	held := make(map[store.ID]store.Result[int])
	for i, v := range []int{0, 1, -1, math.MaxInt, math.MinInt} {
		res := store.Result[int]{ID: store.ID(i + 1), Value: v}
		held[res.ID] = res
		o.put(res)
		o.has(res)
	}
	for _, res := range held {
		o.has(res)
	}
	o.holdsOnly(held)
	return o.err
}

func valueBesideError(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	res := store.Result[int]{ID: 7, Value: 42, Err: fmt.Errorf("after 42 bytes: %w", io.EOF)}
	o.put(res)
	o.has(res)
	o.holdsOnly(map[store.ID]store.Result[int]{7: res})
	return o.err
}

func errorIdentity(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	deep := errors.Join(sentinels...)
	for i := range 100 {
		deep = fmt.Errorf("layer %d: %w", i, deep)
	}
	errs := append([]error{
		deep,
		errors.New("matches no sentinel"),
		fmt.Errorf("wrapped once: %w", context.Canceled),
		fmt.Errorf("wrapped twice: %w", fmt.Errorf("reading: %w", io.EOF)),
		errors.Join(fs.ErrNotExist, context.DeadlineExceeded),
		fmt.Errorf("wrapping two: %w, %w", store.ErrRejected, io.EOF),
		fmt.Errorf("deep: %w", errors.Join(errors.New("no sentinel"), fmt.Errorf("joined: %w", fs.ErrNotExist))),
		errors.Join(errors.Join(io.EOF, fmt.Errorf("twice: %w", errors.Join(context.Canceled, store.ErrRejected))), io.EOF),
	}, sentinels...)
	for i, first := range sentinels {
		// As a pool does for a task that was not run, and with each in each place.
		second, third := sentinels[(i+1)%len(sentinels)], sentinels[(i+3)%len(sentinels)]
		errs = append(errs,
			errors.Join(first, second, third),
			fmt.Errorf("wrapping three: %w, %w, %w", first, second, third),
			fmt.Errorf("one by one: %w", errors.Join(first, fmt.Errorf("and %w", errors.Join(second, fmt.Errorf("and %w", third))))),
			errors.Join(append(slices.Clone(sentinels[i:]), errors.New("among them"))...))
	}

	held := make(map[store.ID]store.Result[int])
	for i, err := range errs {
		res := store.Result[int]{ID: store.ID(i + 1), Value: 100 + i, Err: err}
		held[res.ID] = res
		o.put(res)
		o.has(res)
	}
	o.holdsOnly(held)
	return o.err
}

// seenByOthers has one goroutine put and another get at once what was put.
func seenByOthers(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	const pairs = 2
	n := s.size(1000, pairs)
	return parallel(pairs, func(pair int) error {
		ids := make(chan store.ID)
		return parallel(2, func(side int) error {
			o := o.fork()
			if side == 0 {
				defer close(ids)
				for i := range n {
					id := store.ID(1 + i*pairs + pair)
					o.put(result(id, 0))
					if o.err != nil {
						break
					}
					ids <- id
				}
				return o.err
			}
			defer func() { // lets the other side end, whatever happens here
				for range ids {
				}
			}()
			for id := range ids {
				o.has(result(id, 0))
			}
			return o.err
		})
	})
}

func putHeldID(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	first := store.Result[int]{ID: 7, Value: 1, Err: io.EOF}
	o.put(first)
	for _, other := range []store.Result[int]{
		{ID: 7, Value: 2},
		{ID: 7, Value: 2, Err: fs.ErrNotExist},
		{ID: 7},
	} {
		o.refuse(other)
		o.has(first)
		o.holdsOnly(map[store.ID]store.Result[int]{7: first})
	}
	o.del(7)
	o.lacks(7)
	return o.err
}

// putHeldResult puts the very same Result twice: to a pool, that is a retry of a
// Put that had succeeded.
func putHeldResult(ctx context.Context, s *subject) error {
	o := s.open(ctx)
	res := result(7, 0)
	o.put(res)
	o.refuse(res)
	o.has(res)
	return o.err
}
