package soak

import (
	"context"
	"errors"
	"fmt"

	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// mayfly makes a pool that lives for a moment, under the context that all pools of
// the soak are made with, and ends it in one of the ways there are. What is left of
// it would be left of thousands.
func (s *soak) mayfly(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st := s.newStore()
	fn := func(_ context.Context, in job) (*payload, error) { return &payload{number: in.number}, nil }
	p, err := pool.New(ctx, fn, st, &pool.Options{Workers: 1 + s.rng.IntN(3), Queue: 16})
	if err != nil {
		return err
	}
	accepted := 0
	for i := range s.rng.IntN(60) {
		if _, err := p.TrySubmit(job{number: uint64(i)}); err == nil {
			accepted++
		}
	}
	var want error
	switch s.rng.IntN(3) {
	case 0:
		cancel()
		want = context.Canceled
	case 1:
		if err := p.Resize(0); err != nil {
			return err
		}
		want = pool.ErrNoWorkers
	}
	if err := p.Stop(context.Background()); err != nil && !errors.Is(err, want) {
		return fmt.Errorf("stopping: %w", err)
	}
	held, err := store.Snapshot(context.Background(), st)
	if err != nil || len(held) != accepted {
		return fmt.Errorf("%d results of %d tasks, error %v", len(held), accepted, err)
	}
	return nil
}
