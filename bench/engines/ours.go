package main

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/resultpool/resultpool/engine/jetstream/embedded"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// ours is a pool over the NATS server in this process.
type ours struct {
	eng  *embedded.Engine
	pool *pool.Pool[int, int]

	mu  sync.Mutex // guards ids
	ids []store.ID
}

// openOurs opens a pool with so many tasks in a message; 0 is what the library chooses.
func openOurs(run int) opener {
	return func(ctx context.Context, at *place, how tuning) (queue, error) {
		dir, err := at.folder("nats")
		if err != nil {
			return nil, err
		}
		eng, err := embedded.Open(ctx, dir, "engines", &embedded.Options{Run: run})
		if err != nil {
			return nil, err
		}
		p, err := pool.Join(ctx, func(_ context.Context, in int) (int, error) { return work(in), nil },
			eng, &pool.Options{Workers: how.workers})
		if err != nil {
			return nil, errors.Join(err, eng.Close())
		}
		return &ours{eng: eng, pool: p}, nil
	}
}

func (q *ours) SubmitAll(ctx context.Context, in []int) error {
	for batch := range slices.Chunk(in, batchSize) {
		ids, err := q.pool.SubmitAll(ctx, batch)
		if err != nil {
			return err
		}
		q.keep(ids...)
	}
	return nil
}

func (q *ours) Submit(ctx context.Context, in int) error {
	id, err := q.pool.Submit(ctx, in)
	if err == nil {
		q.keep(id)
	}
	return err
}

func (q *ours) keep(ids ...store.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ids = append(q.ids, ids...)
}

func (q *ours) Wait(ctx context.Context, _ int) error { return q.pool.Wait(ctx) }

func (q *ours) Call(ctx context.Context, in int) (int, error) {
	id, err := q.pool.Submit(ctx, in)
	if err != nil {
		return 0, err
	}
	q.keep(id)
	return q.pool.Get(ctx, id)
}

func (q *ours) Results(ctx context.Context) (all []int, err error) {
	kept, err := q.pool.Results(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range q.ids {
		if res, found := kept[id]; found && res.Err == nil {
			all = append(all, res.Value)
		}
	}
	return all, nil
}

func (q *ours) Close() error {
	return errors.Join(q.pool.Stop(context.Background()), q.eng.Close())
}
