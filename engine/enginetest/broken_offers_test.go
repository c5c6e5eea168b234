package enginetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// waits has Wait do something else.
func waits(f func(b *twisted, ctx context.Context, id uint64) ([]byte, error)) func(testing.TB) func(*twisted) {
	return each(func(b *twisted) {
		b.wait = func(ctx context.Context, id uint64) ([]byte, error) { return f(b, ctx, id) }
	})
}

// sizes has Size be f of what it should be.
func sizes(f func(b *twisted, size uint64) uint64) func(testing.TB) func(*twisted) {
	return each(func(b *twisted) {
		b.size = func(ctx context.Context) (uint64, error) {
			n, err := b.Memory.Size(ctx)
			return f(b, n), err
		}
	})
}

var brokenOffers = []broken{
	{
		fault:  "Wait waits for what is there",
		checks: []string{"Waiter/stored"},
		twist: waits(func(b *twisted, ctx context.Context, id uint64) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}),
	},
	{
		fault:  "Wait needs a task",
		checks: []string{"Waiter/stored"},
		twist: waits(func(b *twisted, ctx context.Context, id uint64) ([]byte, error) {
			if b.data.tasks[id] == nil {
				return nil, engine.ErrNotFound
			}
			return b.Memory.Wait(ctx, id)
		}),
	},
	{
		fault:  "Wait does not wait",
		checks: []string{"Waiter/woken", "Waiter/race", "Waiter/context"},
		twist:  waits(func(b *twisted, ctx context.Context, id uint64) ([]byte, error) { return b.Memory.Load(ctx, id) }),
	},
	{
		fault:  "Wait waits for what never was",
		checks: []string{"Waiter/not-found"},
		twist: waits(func(b *twisted, ctx context.Context, id uint64) ([]byte, error) {
			data, err := b.Memory.Wait(ctx, id)
			if errors.Is(err, engine.ErrNotFound) {
				<-ctx.Done()
				err = ctx.Err()
			}
			return data, err
		}),
	},
	{
		fault:  "Wait thinks for two seconds about what never was",
		checks: []string{"Waiter/not-found"},
		twist: waits(func(b *twisted, ctx context.Context, id uint64) ([]byte, error) {
			data, err := b.Memory.Wait(ctx, id)
			if errors.Is(err, engine.ErrNotFound) {
				time.Sleep(2 * time.Second)
			}
			return data, err
		}),
	},
	{
		fault:  "Wait does not wait for what is held",
		checks: []string{"Waiter/woken", "Waiter/race"},
		twist: waits(func(b *twisted, ctx context.Context, id uint64) ([]byte, error) {
			if b.data.held[id] != nil {
				return b.Memory.Load(ctx, id)
			}
			return b.Memory.Wait(ctx, id)
		}),
	},
	{
		fault:  "Wait looks once in two seconds",
		checks: []string{"Waiter/woken"},
		twist: waits(func(b *twisted, ctx context.Context, id uint64) ([]byte, error) {
			for {
				data, changed, err := b.data.loadOrChanged(id)
				if changed == nil {
					return data, err
				}
				b.await(ctx, nil, time.Now().Add(2*time.Second))
				if err := b.enter(ctx); err != nil {
					return nil, err
				}
			}
		}),
	},
	{
		fault:  "Save wakes one",
		checks: []string{"Waiter/woken"},
		twist: func(testing.TB) func(*twisted) {
			woken := make(map[uint64]int)
			return func(b *twisted) {
				b.wait = func(ctx context.Context, id uint64) ([]byte, error) {
					data, err := b.Memory.Wait(ctx, id)
					b.data.mu.Lock()
					woken[id]++
					late := woken[id] > 1
					b.data.mu.Unlock()
					if late {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return data, err
				}
			}
		},
	},
	{
		fault:  "Wait looks and then listens",
		checks: []string{"Waiter/race"},
		twist: waits(func(b *twisted, ctx context.Context, id uint64) ([]byte, error) {
			if data, err := b.Memory.Load(ctx, id); err == nil {
				return data, nil
			}
			time.Sleep(200 * time.Microsecond)
			b.data.mu.Lock()
			changed := b.data.waiting[id]
			if changed == nil {
				changed = make(chan struct{})
				b.data.waiting[id] = changed
			}
			b.data.mu.Unlock()
			b.await(ctx, changed, time.Time{})
			return b.Memory.Load(ctx, id)
		}),
	},
	{
		fault:  "Wait waits for ever when the task has gone",
		checks: []string{"Waiter/acknowledged"},
		twist: each(func(b *twisted) {
			b.wait = func(ctx context.Context, id uint64) ([]byte, error) {
				pending := b.data.tasks[id] != nil
				data, err := b.Memory.Wait(ctx, id)
				if pending && errors.Is(err, engine.ErrNotFound) {
					<-ctx.Done()
					err = ctx.Err()
				}
				return data, err
			}
		}),
	},
	{
		fault:  "Wait that ends says so in its own words",
		checks: []string{"Waiter/context"},
		twist: waits(func(b *twisted, ctx context.Context, id uint64) ([]byte, error) {
			data, err := b.Memory.Wait(ctx, id)
			if err != nil && !errors.Is(err, engine.ErrNotFound) {
				err = errBroken
			}
			return data, err
		}),
	},
	{
		fault:  "Wait does not see Close",
		checks: []string{"Waiter/closed"},
		twist: each(func(b *twisted) {
			open := b.Open()
			b.wait = open.Wait
		}),
	},
	{
		fault:  "Wait finds what is stored after Close",
		checks: []string{"Waiter/closed"},
		twist: waits(func(b *twisted, ctx context.Context, id uint64) ([]byte, error) {
			if data, err := b.Open().Load(ctx, id); err == nil {
				return data, nil
			}
			return b.Memory.Wait(ctx, id)
		}),
	},
	{
		fault:  "starts are deliveries",
		checks: []string{"StartMarker/counts", "StartMarker/at-once"},
		twist: each(func(b *twisted) {
			b.start = func(ctx context.Context, id uint64, _ int) (int, error) {
				return b.data.tasks[id].deliveries, b.enter(ctx)
			}
		}),
	},
	{
		fault:  "each handle counts its own starts",
		checks: []string{"StartMarker/counts", "StartMarker/survives"},
		twist: each(func(b *twisted) {
			own := make(map[uint64]int)
			b.start = func(ctx context.Context, id uint64, n int) (int, error) {
				b.data.mu.Lock()
				defer b.data.mu.Unlock()
				own[id] += n
				return own[id], b.enter(ctx)
			}
		}),
	},
	{
		fault:  "starts are forgotten when the task is given back",
		checks: []string{"StartMarker/counts"},
		twist: each(func(b *twisted) {
			b.nack = func(ctx context.Context, ds []engine.Delivery) error {
				for _, d := range ds {
					delete(b.data.starts, d.ID)
				}
				return b.Memory.Nack(ctx, ds)
			}
		}),
	},
	{
		fault:  "starts are of all tasks together",
		checks: []string{"StartMarker/counts", "StartMarker/survives"},
		twist: each(func(b *twisted) {
			b.start = func(ctx context.Context, _ uint64, n int) (int, error) { return b.Memory.MarkStart(ctx, 1, n) }
		}),
	},
	{
		fault:  "starts are forgotten when the queue is closed",
		checks: []string{"StartMarker/survives"},
		twist:  whenClosed(func(b *twisted) { clear(b.data.starts) }),
	},
	{
		fault:  "starts are read and then written",
		checks: []string{"StartMarker/at-once"},
		twist: each(func(b *twisted) {
			b.start = func(ctx context.Context, id uint64, n int) (int, error) {
				b.data.mu.Lock()
				n += b.data.starts[id]
				b.data.mu.Unlock()
				time.Sleep(time.Microsecond)
				b.data.mu.Lock()
				defer b.data.mu.Unlock()
				b.data.starts[id] = n
				return n, b.enter(ctx)
			}
		}),
	},
	{
		fault:  "a start cannot be taken back",
		checks: []string{"StartMarker/taken-back"},
		twist: each(func(b *twisted) {
			b.start = func(ctx context.Context, id uint64, n int) (int, error) {
				return b.Memory.MarkStart(ctx, id, max(n, 0))
			}
		}),
	},
	{
		fault:  "a start that is taken back counts as another",
		checks: []string{"StartMarker/taken-back"},
		twist: each(func(b *twisted) {
			b.start = func(ctx context.Context, id uint64, _ int) (int, error) { return b.Memory.MarkStart(ctx, id, 1) }
		}),
	},
	{
		fault:  "starts can be marked after Close",
		checks: []string{"StartMarker/counts"},
		twist:  each(func(b *twisted) { b.start = b.Open().MarkStart }),
	},
	{
		fault:  "Size leaves out what is held",
		checks: []string{"Sizer/counts", "Sizer/never-too-small"},
		twist: sizes(func(b *twisted, size uint64) uint64 {
			b.data.mu.Lock()
			defer b.data.mu.Unlock()
			return size - uint64(len(b.data.held))
		}),
	},
	{
		fault:  "Size is what is held",
		checks: []string{"Sizer/counts"},
		twist: sizes(func(b *twisted, _ uint64) uint64 {
			b.data.mu.Lock()
			defer b.data.mu.Unlock()
			return uint64(len(b.data.held))
		}),
	},
	{
		fault:  "Size counts what is acknowledged",
		checks: []string{"Sizer/counts"},
		twist: sizes(func(b *twisted, _ uint64) uint64 {
			n := 0
			for _, p := range b.data.keys {
				n += len(p.ids)
			}
			return uint64(n)
		}),
	},
	{
		fault:  "Size is a guess",
		checks: []string{"Sizer/counts"},
		twist: each(func(b *twisted) {
			calls := uint64(0)
			b.size = func(ctx context.Context) (uint64, error) {
				n, err := b.Memory.Size(ctx)
				calls++
				return n + calls, err
			}
		}),
	},
	{
		fault:  "Size is what it was before",
		checks: []string{"Sizer/never-too-small"},
		twist: each(func(b *twisted) {
			before := uint64(0)
			b.size = func(ctx context.Context) (uint64, error) {
				n, err := b.Memory.Size(ctx)
				before, n = n, before
				return n, err
			}
		}),
	},
	{
		fault:  "Size works after Close",
		checks: []string{"Sizer/counts"},
		twist:  each(func(b *twisted) { b.size = b.Open().Size }),
	},
	{
		fault:  "the last kind wins",
		checks: []string{"Describer/first-wins"},
		twist: each(func(b *twisted) {
			b.kind = func(ctx context.Context, kind string) (string, error) { return kind, b.enter(ctx) }
		}),
	},
	{
		fault:  "each handle has a kind",
		checks: []string{"Describer/first-wins", "Describer/at-once"},
		twist: each(func(b *twisted) {
			own := ""
			b.kind = func(ctx context.Context, kind string) (string, error) {
				b.data.mu.Lock()
				defer b.data.mu.Unlock()
				if own == "" {
					own = kind
				}
				return own, b.enter(ctx)
			}
		}),
	},
	{
		fault:  "the kind is forgotten when the queue is closed",
		checks: []string{"Describer/first-wins"},
		twist:  whenClosed(func(b *twisted) { b.data.kind = "" }),
	},
	{
		fault:  "the kind is looked for and then stored",
		checks: []string{"Describer/at-once"},
		twist: each(func(b *twisted) {
			b.kind = func(ctx context.Context, kind string) (string, error) {
				b.data.mu.Lock()
				stored := b.data.kind
				b.data.mu.Unlock()
				if stored != "" {
					return stored, b.enter(ctx)
				}
				time.Sleep(time.Microsecond)
				b.data.mu.Lock()
				defer b.data.mu.Unlock()
				b.data.kind = kind
				return kind, b.enter(ctx)
			}
		}),
	},
	{
		fault:  "Describe works after Close",
		checks: []string{"Describer/first-wins"},
		twist:  each(func(b *twisted) { b.kind = b.Open().Describe }),
	},
	{
		fault:  "every error may pass",
		checks: []string{"Retryabler/of-this-package"},
		twist:  each(func(b *twisted) { b.retries = func(error) bool { return true } }),
	},
	{
		fault:  "no error may pass",
		checks: []string{"Retryabler/of-this-package"},
		twist:  each(func(b *twisted) { b.retries = func(error) bool { return false } }),
	},
	{
		fault:  "Retryable knows errors by their value",
		checks: []string{"Retryabler/of-this-package"},
		twist: each(func(b *twisted) {
			b.retries = func(err error) bool {
				return err != engine.ErrTooLarge && err != engine.ErrClosed
			}
		}),
	},
}
