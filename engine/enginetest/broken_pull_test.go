package enginetest

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/resultpool/resultpool/engine"
)

var brokenPulls = []broken{
	{
		fault:  "Pull returns one more",
		checks: []string{"clause=5/at-most"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) { return b.Memory.Pull(ctx, limit+1) }
		}),
	},
	{
		fault:  "Pull returns none and no error",
		checks: []string{"clause=5/waits-for-one", "clause=1-14/all-at-once"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
				defer cancel()
				ds, err := b.Memory.Pull(ctx, limit)
				if err != nil {
					return nil, nil
				}
				return ds, nil
			}
		}),
	},
	{
		fault:  "Pull waits for as many as it may return",
		checks: []string{"clause=5/no-waiting-for-more"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := b.Memory.Pull(ctx, limit)
				if len(ds) > 0 && len(ds) < limit {
					time.Sleep(300 * time.Millisecond)
				}
				return ds, err
			}
		}),
	},
	{
		fault:  "Pull looks once in two seconds",
		checks: []string{"clause=5/waits-for-one"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				for {
					if ds, _, _ := b.data.take(limit); len(ds) > 0 {
						return ds, nil
					}
					b.await(ctx, nil, time.Now().Add(2*time.Second))
					if err := b.enter(ctx); err != nil {
						return nil, err
					}
				}
			}
		}),
	},
	{
		fault:  "Pull hears of what its own handle pushes only",
		checks: []string{"clause=5/waits-for-one", "clause=8/nack"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				for {
					ds, _, leaseEnds := b.data.take(limit)
					if len(ds) > 0 {
						return ds, nil
					}
					b.await(ctx, nil, leaseEnds)
					if err := b.enter(ctx); err != nil {
						return nil, err
					}
				}
			}
		}),
	},
	{
		fault:  "a queue is a stack",
		checks: []string{"clause=5/order"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				b.data.mu.Lock()
				slices.Reverse(b.data.ready)
				b.data.mu.Unlock()
				ds, err := b.Memory.Pull(ctx, limit)
				b.data.mu.Lock()
				slices.Sort(b.data.ready)
				b.data.mu.Unlock()
				return ds, err
			}
		}),
	},
	{
		fault:  "a Pull that ends takes a task with it",
		checks: []string{"clause=5/pulls-that-end"},
		twist: each(func(b *twisted) {
			ended := false
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := b.Memory.Pull(ctx, limit)
				if ended && err == nil { // and is still known to the servers
					_ = b.Memory.Ack(context.WithoutCancel(ctx), ds[:1])
					ds, err = b.Memory.Pull(ctx, limit)
				}
				ended = err != nil
				return ds, err
			}
		}),
	},
	{
		fault:  "a Pull that ends returns tasks and an error",
		checks: []string{"clause=5/pulls-that-end"},
		twist: each(func(b *twisted) {
			calls := 0
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := b.Memory.Pull(ctx, limit)
				if calls++; calls%5 == 0 {
					err = context.DeadlineExceeded
				}
				return ds, err
			}
		}),
	},
	{
		fault:  "a Pull that ends says so in its own words",
		checks: []string{"clause=5/pulls-that-end", "Context/done-while-waiting", "Context/done-before"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := b.Memory.Pull(ctx, limit)
				if err != nil {
					err = errBroken
				}
				return ds, err
			}
		}),
	},
	{
		fault:  "every 10th task is never delivered",
		checks: []string{"clause=1/round-trip", "clause=1-14/all-at-once"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				b.data.mu.Lock()
				b.data.ready = slices.DeleteFunc(b.data.ready, func(id uint64) bool { return id%10 == 0 })
				b.data.mu.Unlock()
				return b.Memory.Pull(ctx, limit)
			}
		}),
	},
}

// ended is whether the lease of d has ended.
func (b *twisted) ended(d engine.Delivery) bool {
	b.data.mu.Lock()
	defer b.data.mu.Unlock()
	b.data.endLeasesLocked(time.Now())
	t := b.data.held[d.ID]
	return t == nil || t.deliveries != d.Attempt
}

var brokenLeases = []broken{
	{
		fault:  "nothing is held",
		checks: []string{"clause=6/held", "clause=2/again", "clause=9/ack", "clause=1-14/all-at-once", "clause=8/nack-some"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := b.Memory.Pull(ctx, limit)
				_ = b.Memory.Nack(context.WithoutCancel(ctx), ds)
				return ds, err
			}
		}),
	},
	{
		fault:  "leases are half as long",
		checks: []string{"clause=6/held", "clause=6/attempts", "clause=7/extend", "clause=9/ack"},
		twist:  each(func(b *twisted) { b.lease = func() time.Duration { return 2 * b.data.lease } }),
	},
	{
		fault:  "leases never end",
		checks: []string{"clause=6/held", "clause=6/attempts", "clause=7/extend", "clause=9/ack", "clause=16/reopened"},
		twist: each(func(b *twisted) {
			b.data.lease = math.MaxInt64
			b.lease = func() time.Duration { return time.Second }
		}),
	},
	{
		fault:  "a lease that ends ends the task",
		checks: []string{"clause=6/held", "clause=6/attempts", "clause=16/reopened"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				for {
					ds, arrived, leaseEnds := b.data.take(limit)
					for _, d := range ds {
						if d.Attempt > 1 {
							_ = b.Memory.Ack(ctx, ds)
							ds = nil
							break
						}
					}
					if len(ds) > 0 {
						return ds, nil
					}
					b.await(ctx, arrived, leaseEnds)
					if err := b.enter(ctx); err != nil {
						return nil, err
					}
				}
			}
		}),
	},
	{
		fault:  "a lease that ends brings the task back twice",
		checks: []string{"clause=6/held"},
		twist: func(testing.TB) func(*twisted) {
			doubled := make(map[uint64]bool)
			return func(b *twisted) {
				b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
					ds, err := b.Memory.Pull(ctx, limit)
					for _, d := range ds {
						if d.Attempt == 2 && !doubled[d.ID] {
							doubled[d.ID] = true
							_ = b.Memory.Nack(ctx, []engine.Delivery{d})
						}
					}
					return ds, err
				}
			}
		},
	},
	{
		fault: "Attempt is always 1",
		checks: []string{
			"clause=6/held", "clause=6/attempts", "clause=7/extend", "clause=8/nack", "clause=8/nack-some",
			"clause=9/ack", "clause=1-14/all-at-once",
		},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := b.Memory.Pull(ctx, limit)
				for i := range ds {
					ds[i].Attempt = 1
				}
				return ds, err
			}
		}),
	},
	{
		fault:  "Attempt counts from 0",
		checks: []string{"clause=1/round-trip", "clause=6/held"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := b.Memory.Pull(ctx, limit)
				for i := range ds {
					ds[i].Attempt--
				}
				return ds, err
			}
		}),
	},
	{
		fault:  "Nack takes the attempt back",
		checks: []string{"clause=6/attempts", "clause=8/nack", "clause=8/nack-some"},
		twist: each(func(b *twisted) {
			b.nack = func(ctx context.Context, ds []engine.Delivery) error {
				err := b.Memory.Nack(ctx, ds)
				b.data.mu.Lock()
				defer b.data.mu.Unlock()
				for _, d := range ds {
					b.data.tasks[d.ID].deliveries--
				}
				return err
			}
		}),
	},
	{
		fault:  "another machine knows nothing of attempts",
		checks: []string{"clause=6/attempts", "clause=8/nack"},
		twist: each(func(b *twisted) {
			own := make(map[uint64]int)
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := b.Memory.Pull(ctx, limit)
				for i := range ds {
					own[ds[i].ID]++
					ds[i].Attempt = own[ds[i].ID]
				}
				return ds, err
			}
		}),
	},
	{
		fault:  "Extend does nothing",
		checks: []string{"clause=7/extend"},
		twist:  each(func(b *twisted) { b.extend = func(context.Context, []engine.Delivery) error { return nil } }),
	},
	{
		fault:  "Extend works once",
		checks: []string{"clause=7/extend"},
		twist: each(func(b *twisted) {
			calls := 0
			b.extend = func(ctx context.Context, ds []engine.Delivery) error {
				if calls++; calls > 1 {
					return nil
				}
				return b.Memory.Extend(ctx, ds)
			}
		}),
	},
	{
		fault:  "Extend extends all that is held",
		checks: []string{"clause=7/extend"},
		twist: each(func(b *twisted) {
			b.extend = func(context.Context, []engine.Delivery) error {
				b.data.mu.Lock()
				defer b.data.mu.Unlock()
				for _, t := range b.data.held {
					t.leaseEnds = time.Now().Add(b.data.lease)
				}
				return nil
			}
		}),
	},
	{
		fault:  "Extend adds to what is left",
		checks: []string{"clause=7/extend"},
		twist: each(func(b *twisted) {
			b.extend = func(_ context.Context, ds []engine.Delivery) error {
				b.data.mu.Lock()
				defer b.data.mu.Unlock()
				for _, d := range ds {
					if t := b.data.held[d.ID]; t != nil {
						t.leaseEnds = t.leaseEnds.Add(10 * b.data.lease)
					}
				}
				return nil
			}
		}),
	},
	{
		fault:  "Extend revives a lease that has ended",
		checks: []string{"clause=7/extend-when-ended"},
		twist: each(func(b *twisted) {
			b.extend = func(ctx context.Context, ds []engine.Delivery) error {
				b.data.mu.Lock()
				for _, d := range ds {
					b.data.endLeasesLocked(time.Now())
					if t := b.data.tasks[d.ID]; t != nil {
						b.data.ready = slices.DeleteFunc(b.data.ready, func(id uint64) bool { return id == d.ID })
						t.leaseEnds = time.Now().Add(b.data.lease)
						b.data.held[d.ID] = t
						b.data.soonest = time.Time{}
					}
				}
				b.data.mu.Unlock()
				return b.Memory.Extend(ctx, ds)
			}
		}),
	},
	{
		fault:  "Extend brings back what is acknowledged",
		checks: []string{"clause=7/extend-when-ended", "clause=9/ack"},
		twist: each(func(b *twisted) {
			b.extend = func(_ context.Context, ds []engine.Delivery) error {
				b.bringBack(ds)
				return nil
			}
		}),
	},
	{
		fault:  "Nack brings back what is acknowledged",
		checks: []string{"clause=9/ack"},
		twist: each(func(b *twisted) {
			b.nack = func(_ context.Context, ds []engine.Delivery) error {
				b.bringBack(ds)
				return nil
			}
		}),
	},
	{
		fault:  "Nack does nothing",
		checks: []string{"clause=8/nack", "clause=8/nack-some"},
		twist:  each(func(b *twisted) { b.nack = func(context.Context, []engine.Delivery) error { return nil } }),
	},
	{
		fault:  "Nack takes limit of a second",
		checks: []string{"clause=8/nack", "clause=8/nack-some"},
		twist: each(func(b *twisted) {
			b.nack = func(ctx context.Context, ds []engine.Delivery) error {
				time.Sleep(b.data.lease * 8 / 10)
				return b.Memory.Nack(ctx, ds)
			}
		}),
	},
	{
		fault:  "Nack gives back the first",
		checks: []string{"clause=8/nack", "clause=8/nack-some"},
		twist: each(func(b *twisted) {
			b.nack = func(ctx context.Context, ds []engine.Delivery) error { return b.Memory.Nack(ctx, ds[:1]) }
		}),
	},
	{
		fault:  "Nack gives back all that is held",
		checks: []string{"clause=8/nack-some"},
		twist: each(func(b *twisted) {
			b.nack = func(_ context.Context, _ []engine.Delivery) error {
				b.data.mu.Lock()
				defer b.data.mu.Unlock()
				for id := range b.data.held {
					b.data.releaseLocked(id)
				}
				b.data.arriveLocked()
				return nil
			}
		}),
	},
	{
		fault:  "Nack wakes nobody",
		checks: []string{"clause=8/nack"},
		twist: each(func(b *twisted) {
			b.nack = func(_ context.Context, ds []engine.Delivery) error {
				b.data.mu.Lock()
				defer b.data.mu.Unlock()
				for _, d := range ds {
					b.data.releaseLocked(d.ID)
				}
				return nil
			}
		}),
	},
	{
		fault:  "Ack does nothing",
		checks: []string{"clause=9/ack", "clause=9/ack-when-ended", "clause=7/extend-when-ended"},
		twist:  each(func(b *twisted) { b.ack = func(context.Context, []engine.Delivery) error { return nil } }),
	},
	{
		fault:  "Ack forgets the first",
		checks: []string{"clause=9/ack"},
		twist: each(func(b *twisted) {
			b.ack = func(ctx context.Context, ds []engine.Delivery) error { return b.Memory.Ack(ctx, ds[:1]) }
		}),
	},
	{
		fault:  "Ack forgets all that is held",
		checks: []string{"clause=9/ack"},
		twist: each(func(b *twisted) {
			b.ack = func(context.Context, []engine.Delivery) error {
				b.data.mu.Lock()
				defer b.data.mu.Unlock()
				for id := range b.data.held {
					delete(b.data.tasks, id)
				}
				clear(b.data.held)
				return nil
			}
		}),
	},
	{
		fault:  "Ack again brings the task back",
		checks: []string{"clause=9/ack"},
		twist: each(func(b *twisted) {
			b.ack = func(ctx context.Context, ds []engine.Delivery) error {
				if b.ended(ds[0]) {
					b.bringBack(ds)
					return nil
				}
				return b.Memory.Ack(ctx, ds)
			}
		}),
	},
	{
		fault:  "Ack of what nobody holds does nothing",
		checks: []string{"clause=9/ack-when-ended"},
		twist: each(func(b *twisted) {
			b.ack = func(ctx context.Context, ds []engine.Delivery) error {
				return b.Memory.Ack(ctx, slices.DeleteFunc(slices.Clone(ds), b.ended))
			}
		}),
	},
	{
		fault:  "Ack of what another holds does nothing",
		checks: []string{"clause=9/ack-when-ended"},
		twist: each(func(b *twisted) {
			b.ack = func(ctx context.Context, ds []engine.Delivery) error {
				return b.Memory.Ack(ctx, slices.DeleteFunc(slices.Clone(ds), func(d engine.Delivery) bool {
					return b.ended(d) && b.data.held[d.ID] != nil
				}))
			}
		}),
	},
}

// bringBack makes tasks of ds that are not in the queue.
func (b *twisted) bringBack(ds []engine.Delivery) {
	b.data.mu.Lock()
	defer b.data.mu.Unlock()
	for _, d := range ds {
		if b.data.tasks[d.ID] == nil {
			b.data.tasks[d.ID] = &memoryTask{data: d.Task, deliveries: d.Attempt}
			b.data.releaseLocked(d.ID)
			b.data.arriveLocked()
		}
	}
}
