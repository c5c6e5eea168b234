package broken

import (
	"context"
	"errors"
	"slices"

	"github.com/resultpool/resultpool/internal/check/oracle"
	"github.com/resultpool/resultpool/pool"
	"github.com/resultpool/resultpool/store"
)

// Faults are those that the checks have to find.
var Faults = []Fault{
	// Results and tasks.
	{Name: "a result is lost", put: func(b *broken, res oracle.Result) error {
		if b.now() {
			return nil
		}
		return b.store(res)
	}},
	{Name: "a result is stored late", Hangs: true, put: func(b *broken, res oracle.Result) error {
		if last := b.last.Swap(&res); last != nil {
			return b.store(*last)
		}
		return nil
	}},
	{Name: "a failing Put is given up", put: func(b *broken, res oracle.Result) error {
		if err := b.store(res); errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrRejected) {
			return err
		}
		return nil
	}},
	{Name: "an error is flattened", put: func(b *broken, res oracle.Result) error {
		if res.Err != nil {
			res.Err = errors.New(res.Err.Error())
		}
		return b.store(res)
	}},
	{Name: "a task runs twice", spoil: func(b *broken) {
		fn := b.fn
		b.fn = func(ctx context.Context, t *oracle.Task) (int, error) {
			if b.now() {
				go func() {
					defer func() { _ = recover() }()
					_, _ = fn(ctx, t)
				}()
			}
			return fn(ctx, t)
		}
	}},
	{Name: "a task does not hear of the cancel", spoil: func(b *broken) {
		fn := b.fn
		b.fn = func(ctx context.Context, t *oracle.Task) (int, error) { return fn(context.WithoutCancel(ctx), t) }
	}},

	// Submit, TrySubmit and SubmitAll.
	{Name: "Submit accepts after the close", spoil: refusedWith(nil)},
	{Name: "Submit does not say why", spoil: refusedWith(pool.ErrClosed)},
	{Name: "Submit is deaf to its context", spoil: func(b *broken) {
		b.Submit = func(ctx context.Context, t *oracle.Task) (store.ID, error) {
			return b.real.Submit(context.WithoutCancel(ctx), t)
		}
	}},
	{Name: "Submit does not wait for room", spoil: func(b *broken) {
		b.Submit = func(_ context.Context, t *oracle.Task) (store.ID, error) { return b.real.TrySubmit(t) }
	}},
	{Name: "Submit gives another's ID", spoil: func(b *broken) {
		b.Submit = func(ctx context.Context, t *oracle.Task) (store.ID, error) {
			id, err := b.real.Submit(ctx, t)
			return max(id, 2) - 1, err
		}
	}},
	{Name: "TrySubmit waits for room", NoChaos: true, spoil: func(b *broken) {
		b.TrySubmit = func(t *oracle.Task) (store.ID, error) { return b.real.Submit(context.Background(), t) }
	}},
	{Name: "TrySubmit says full too soon", spoil: func(b *broken) {
		b.TrySubmit = func(t *oracle.Task) (store.ID, error) {
			if t != nil && b.now() {
				return 0, pool.ErrQueueFull
			}
			return b.real.TrySubmit(t)
		}
	}},
	{Name: "SubmitAll mixes up the IDs", spoil: func(b *broken) {
		b.SubmitAll = func(ctx context.Context, in []*oracle.Task) ([]store.ID, error) {
			ids, err := b.real.SubmitAll(ctx, in)
			slices.Reverse(ids)
			return ids, err
		}
	}},

	// Get and Wait.
	{Name: "Get does not wait", spoil: func(b *broken) {
		b.Get = func(ctx context.Context, id store.ID) (int, error) {
			res, err := b.st.Get(ctx, id)
			return res.Value, errors.Join(err, res.Err)
		}
	}},
	{Name: "Wait does not wait", spoil: func(b *broken) {
		b.Wait = func(ctx context.Context) error {
			if err := b.real.Wait(done(ctx)); errors.Is(err, pool.ErrInTask) {
				return err
			}
			return nil
		}
	}},

	// Stop and Done.
	{Name: "Stop does not wait", spoil: func(b *broken) {
		b.Stop = func(ctx context.Context) error {
			if err := b.real.Stop(done(ctx)); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		}
	}},
	{Name: "Stop is deaf to its context", NoChaos: true, spoil: func(b *broken) {
		b.Stop = func(ctx context.Context) error { return b.real.Stop(context.WithoutCancel(ctx)) }
	}},
	{Name: "Stop hands nothing back", NoMachine: true, spoil: func(b *broken) {
		b.Stop = func(ctx context.Context) error {
			err := b.real.Stop(ctx)
			var unsaved *pool.UnsavedError[int]
			if errors.As(err, &unsaved) {
				return &pool.UnsavedError[int]{Err: unsaved.Err}
			}
			return err
		}
	}},
	{Name: "Done is closed too soon", spoil: func(b *broken) { b.Done = done(b.ctx).Done }},
	{Name: "Done stays open", Hangs: true, spoil: func(b *broken) {
		b.Done = func() <-chan struct{} { return nil }
	}},
	{Name: "a goroutine is left", NoMachine: true, spoil: func(*broken) { go func() { select {} }() }},

	// Resize and Stats.
	{Name: "Resize is one too many", spoil: func(b *broken) {
		b.Resize = func(n int) error { return b.real.Resize(n + min(1, max(0, n))) }
	}},
	{Name: "Resize(0) is ignored", NoChaos: true, spoil: func(b *broken) {
		b.Resize = func(n int) error {
			if n == 0 {
				return nil
			}
			return b.real.Resize(n)
		}
	}},
	{Name: "Stats do not add up", spoil: counts(func(_ *broken, s *pool.Stats) { s.Succeeded++ })},
	{Name: "Stats mix up failures", spoil: counts(func(_ *broken, s *pool.Stats) {
		s.Failed, s.Panicked = s.Panicked, s.Failed
	})},
	{Name: "Stats are of another moment", spoil: counts(func(b *broken, s *pool.Stats) {
		now := *s
		if old := b.seen.Swap(&now); old != nil {
			*s = *old
		}
	})},
}

// refusedWith makes a fault that replaces the error of a Submit that comes too late.
func refusedWith(instead error) func(*broken) {
	return func(b *broken) {
		b.Submit = func(ctx context.Context, t *oracle.Task) (store.ID, error) {
			id, err := b.real.Submit(ctx, t)
			if errors.Is(err, pool.ErrClosed) {
				err = instead
			}
			return id, err
		}
	}
}

// counts makes a fault that changes the Stats once there have been a few tasks.
func counts(change func(*broken, *pool.Stats)) func(*broken) {
	return func(b *broken) {
		b.Stats = func() pool.Stats {
			s := b.real.Stats()
			if s.Submitted > 3 {
				change(b, &s)
			}
			return s
		}
	}
}
