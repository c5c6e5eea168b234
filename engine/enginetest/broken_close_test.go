package enginetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// whenClosed calls f before Close.
func whenClosed(f func(b *twisted)) func(testing.TB) func(*twisted) {
	return each(func(b *twisted) {
		b.close = func() error {
			b.data.mu.Lock()
			f(b)
			b.data.mu.Unlock()
			return b.Memory.Close()
		}
	})
}

// isClosed reports whether err is that of a handle that was closed.
func isClosed(err error) bool { return errors.Is(err, engine.ErrClosed) }

// stillWorks has one method work after Close, by another handle.
func stillWorks(change func(b *twisted, open *Memory)) func(testing.TB) func(*twisted) {
	return each(func(b *twisted) { change(b, b.Open()) })
}

var brokenCloses = []broken{
	{
		fault:  "tasks are lost when the queue is closed",
		checks: []string{"clause=16/reopened"},
		twist:  whenClosed(func(b *twisted) { clear(b.data.tasks); clear(b.data.held); b.data.ready = nil }),
	},
	{
		fault:  "what is held is lost when the queue is closed",
		checks: []string{"clause=16/reopened", "StartMarker/survives"},
		twist: whenClosed(func(b *twisted) {
			for id := range b.data.held {
				delete(b.data.tasks, id)
			}
			clear(b.data.held)
		}),
	},
	{
		fault:  "records are lost when the queue is closed",
		checks: []string{"clause=16/reopened"},
		twist:  whenClosed(func(b *twisted) { clear(b.data.records) }),
	},
	{
		fault:  "what is acknowledged is there again when the queue is closed",
		checks: []string{"clause=16/reopened"},
		twist: func(testing.TB) func(*twisted) {
			var acked []engine.Delivery
			return func(b *twisted) {
				b.ack = func(ctx context.Context, ds []engine.Delivery) error {
					acked = append(acked, ds...)
					return b.Memory.Ack(ctx, ds)
				}
				b.close = func() error {
					b.bringBack(acked)
					return b.Memory.Close()
				}
			}
		},
	},
	{
		fault:  "the lease is another after each Open",
		checks: []string{"clause=16/reopened"},
		twist: func(testing.TB) func(*twisted) {
			opened := time.Duration(0)
			return func(b *twisted) {
				opened++
				lease := b.data.lease + opened*time.Second
				b.lease = func() time.Duration { return lease }
			}
		},
	},
	{
		fault:  "Close again is an error",
		checks: []string{"clause=17/closed", "clause=5/order"},
		twist: each(func(b *twisted) {
			closed := 0
			b.close = func() error {
				if closed++; closed > 1 {
					return engine.ErrClosed
				}
				_ = b.Memory.Close()
				return nil
			}
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				_ = b.Close() // for the end of every check
				return b.Open().Pull(ctx, limit)
			}
		}),
	},
	{
		fault:  "Push works after Close",
		checks: []string{"clause=17/closed"},
		twist:  stillWorks(func(b *twisted, open *Memory) { b.push = open.Push }),
	},
	{
		fault:  "Pull works after Close",
		checks: []string{"clause=17/closed"},
		twist:  stillWorks(func(b *twisted, open *Memory) { b.pull = open.Pull }),
	},
	{
		fault:  "Ack works after Close",
		checks: []string{"clause=17/closed"},
		twist:  stillWorks(func(b *twisted, open *Memory) { b.ack = open.Ack }),
	},
	{
		fault:  "Nack works after Close",
		checks: []string{"clause=17/closed"},
		twist:  stillWorks(func(b *twisted, open *Memory) { b.nack = open.Nack }),
	},
	{
		fault:  "Extend works after Close",
		checks: []string{"clause=17/closed"},
		twist:  stillWorks(func(b *twisted, open *Memory) { b.extend = open.Extend }),
	},
	{
		fault:  "Save works after Close",
		checks: []string{"clause=17/closed", "Retryabler/of-this-package"},
		twist: stillWorks(func(b *twisted, open *Memory) {
			b.save = open.Save
			b.retries = func(err error) bool { return err == nil }
		}),
	},
	{
		fault:  "Load works after Close",
		checks: []string{"clause=17/closed"},
		twist:  stillWorks(func(b *twisted, open *Memory) { b.load = open.Load }),
	},
	{
		fault:  "Delete works after Close",
		checks: []string{"clause=17/closed"},
		twist:  stillWorks(func(b *twisted, open *Memory) { b.del = open.Delete }),
	},
	{
		fault:  "All works after Close",
		checks: []string{"clause=17/closed"},
		twist:  stillWorks(func(b *twisted, open *Memory) { b.all = open.All }),
	},
	{
		fault:  "All yields nothing after Close",
		checks: []string{"clause=17/closed"},
		twist: each(func(b *twisted) {
			b.all = func(ctx context.Context) iter.Seq2[engine.Record, error] {
				return func(yield func(engine.Record, error) bool) {
					for rec, err := range b.Memory.All(ctx) {
						if err != nil || !yield(rec, nil) {
							return
						}
					}
				}
			}
		}),
	},
	{
		fault:  "Pull tells of a cancel after Close",
		checks: []string{"clause=17/closed", "clause=17/closed-while-waiting"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := b.Memory.Pull(ctx, limit)
				if isClosed(err) {
					err = context.Canceled
				}
				return ds, err
			}
		}),
	},
	{
		fault:  "Pull that waits does not see Close",
		checks: []string{"clause=17/closed-while-waiting"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				if err := b.enter(ctx); err != nil {
					return nil, err
				}
				ds, err := b.Open().Pull(ctx, limit)
				if err != nil && b.enter(context.Background()) != nil {
					err = engine.ErrClosed
				}
				return ds, err
			}
		}),
	},
	{
		fault:  "Pull that waits sees Close late",
		checks: []string{"clause=17/closed-while-waiting"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := b.Memory.Pull(ctx, limit)
				if isClosed(err) {
					time.Sleep(2 * soon)
				}
				return ds, err
			}
		}),
	},
	{
		fault:  "a loop that Close interrupts tells of something else",
		checks: []string{"clause=17/closed-while-waiting"},
		twist: loops(func(_ *twisted, seq iter.Seq2[engine.Record, error]) iter.Seq2[engine.Record, error] {
			return func(yield func(engine.Record, error) bool) {
				for rec, err := range seq {
					if isClosed(err) {
						err = errBroken
					}
					if !yield(rec, err) {
						return
					}
				}
			}
		}),
	},
	{
		fault:  "Close closes all handles",
		checks: []string{"clause=17/others-stay-open", "clause=17/closed"},
		twist: func(testing.TB) func(*twisted) {
			var all []*twisted
			return func(b *twisted) {
				all = append(all, b)
				b.close = func() error {
					for _, one := range all {
						_ = one.Memory.Close()
					}
					return nil
				}
			}
		},
	},
	{
		fault:  "Close wakes the others' calls",
		checks: []string{"clause=17/others-stay-open"},
		twist: func(testing.TB) func(*twisted) {
			closed := make(chan struct{}, 1)
			return func(b *twisted) {
				b.close = func() error {
					select {
					case closed <- struct{}{}:
					default:
					}
					return b.Memory.Close()
				}
				b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
					for {
						ds, arrived, leaseEnds := b.data.take(limit)
						if len(ds) > 0 {
							return ds, nil
						}
						select {
						case <-arrived:
						case <-time.After(time.Until(leaseEnds) + time.Minute):
						case <-ctx.Done():
							return nil, ctx.Err()
						case <-closed:
							return nil, errBroken
						}
					}
				}
			}
		},
	},
	{
		fault:  "a goroutine is left after Close",
		checks: []string{"clause=17/no-goroutines"},
		twist: func(tb testing.TB) func(*twisted) {
			end := make(chan struct{})
			tb.Cleanup(func() { close(end) })
			return func(*twisted) { go func() { <-end }() }
		},
	},
	{
		fault:  "a Pull that ended leaves a goroutine",
		checks: []string{"clause=17/no-goroutines"},
		twist: func(tb testing.TB) func(*twisted) {
			end := make(chan struct{})
			tb.Cleanup(func() { close(end) })
			return func(b *twisted) {
				b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
					ds, err := b.Memory.Pull(ctx, limit)
					if err != nil {
						go func() { <-end }()
					}
					return ds, err
				}
			}
		},
	},
}

var brokenSlices = []broken{
	{
		fault:  "Push keeps the tasks that it was given",
		checks: []string{"clause=18/given"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				for i, id := range ids {
					if id != 0 {
						b.data.tasks[id].data = tasks[i]
					}
				}
				return ids, err
			}
		}),
	},
	{
		fault:  "Push changes the tasks that it was given",
		checks: []string{"clause=18/given"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				slices.Reverse(tasks)
				return ids, err
			}
		}),
	},
	{
		fault:  "Nack changes the deliveries that it was given",
		checks: []string{"clause=18/given"},
		twist: each(func(b *twisted) {
			b.nack = func(ctx context.Context, ds []engine.Delivery) error {
				defer clear(ds)
				return b.Memory.Nack(ctx, ds)
			}
		}),
	},
	{
		fault:  "Extend changes the deliveries that it was given",
		checks: []string{"clause=18/given"},
		twist: each(func(b *twisted) {
			b.extend = func(ctx context.Context, ds []engine.Delivery) error {
				defer slices.Reverse(ds)
				return b.Memory.Extend(ctx, ds)
			}
		}),
	},
	{
		fault:  "Save keeps the records that it was given",
		checks: []string{"clause=18/given"},
		twist: each(func(b *twisted) {
			b.save = func(_ context.Context, recs []engine.Record) error {
				for _, rec := range recs {
					b.data.records[rec.ID] = rec.Data
				}
				return nil
			}
		}),
	},
	{
		fault:  "Save sorts the records that it was given",
		checks: []string{"clause=18/given"},
		twist: each(func(b *twisted) {
			b.save = func(ctx context.Context, recs []engine.Record) error {
				defer slices.Reverse(recs)
				return b.Memory.Save(ctx, recs)
			}
		}),
	},
	{
		fault:  "Delete sorts the IDs that it was given",
		checks: []string{"clause=18/given"},
		twist: each(func(b *twisted) {
			b.del = func(ctx context.Context, ids []uint64) error {
				slices.Sort(ids)
				return b.Memory.Delete(ctx, ids)
			}
		}),
	},
	{
		fault:  "Push returns IDs that it keeps",
		checks: []string{"clause=18/returned"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				_, err := b.Memory.Push(ctx, key, tasks)
				return b.data.keys[key].ids, err
			}
		}),
	},
	{
		fault:  "Pull returns tasks that it keeps",
		checks: []string{"clause=18/returned"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := b.Memory.Pull(ctx, limit)
				for i := range ds {
					ds[i].Task = b.data.tasks[ds[i].ID].data
				}
				return ds, err
			}
		}),
	},
	{
		fault:  "Pull returns tasks in one piece of memory",
		checks: []string{"clause=18/returned"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := b.Memory.Pull(ctx, limit)
				page := make([]byte, 0, 4096)
				for i := range ds {
					from := len(page)
					page = append(page, ds[i].Task...)
					ds[i].Task = page[from:] // and as far as the page goes
				}
				return ds, err
			}
		}),
	},
	{
		fault:  "Load returns records that it keeps",
		checks: []string{"clause=18/returned"},
		twist: each(func(b *twisted) {
			b.load = func(ctx context.Context, id uint64) ([]byte, error) {
				_, err := b.Memory.Load(ctx, id)
				return b.data.records[id], err
			}
		}),
	},
	{
		fault:  "All yields records in one buffer",
		checks: []string{"clause=18/returned"},
		twist: loops(func(_ *twisted, seq iter.Seq2[engine.Record, error]) iter.Seq2[engine.Record, error] {
			return func(yield func(engine.Record, error) bool) {
				var buf []byte
				for rec, err := range seq {
					buf = append(buf[:0], rec.Data...)
					if !yield(engine.Record{ID: rec.ID, Data: buf}, err) {
						return
					}
				}
			}
		}),
	},
}

// failsDone has one method fail when its context is done, after it has done its work or
// not, and with another error.
func failsDone(change func(b *twisted, open *Memory)) func(testing.TB) func(*twisted) {
	return each(func(b *twisted) { change(b, b.Memory) })
}

var brokenContexts = []broken{
	{
		fault:  "Push with a context that is done is any error",
		checks: []string{"Context/done-before"},
		twist: failsDone(func(b *twisted, m *Memory) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				if ctx.Err() != nil {
					return nil, errBroken
				}
				return m.Push(ctx, key, tasks)
			}
		}),
	},
	{
		fault:  "Ack with a context that is done does nothing",
		checks: []string{"Context/done-before"},
		twist: failsDone(func(b *twisted, m *Memory) {
			b.ack = func(ctx context.Context, ds []engine.Delivery) error {
				if ctx.Err() != nil {
					return errBroken
				}
				return m.Ack(ctx, ds)
			}
		}),
	},
	{
		fault:  "Save with a context that is done does nothing and is no error",
		checks: []string{"Context/done-before"},
		twist: failsDone(func(b *twisted, m *Memory) {
			b.save = func(ctx context.Context, recs []engine.Record) error {
				if ctx.Err() != nil {
					return nil
				}
				return m.Save(ctx, recs)
			}
		}),
	},
	{
		fault:  "Load with a context that is done finds nothing",
		checks: []string{"Context/done-before"},
		twist: failsDone(func(b *twisted, m *Memory) {
			b.load = func(ctx context.Context, id uint64) ([]byte, error) {
				if ctx.Err() != nil {
					return nil, engine.ErrNotFound
				}
				return m.Load(ctx, id)
			}
		}),
	},
	{
		fault:  "Delete with a context that is done does nothing and is no error",
		checks: []string{"Context/done-before"},
		twist: failsDone(func(b *twisted, m *Memory) {
			b.del = func(ctx context.Context, ids []uint64) error {
				if ctx.Err() != nil {
					return nil
				}
				return m.Delete(ctx, ids)
			}
		}),
	},
	{
		fault:  "All with a context that is done yields nothing",
		checks: []string{"Context/done-before"},
		twist: failsDone(func(b *twisted, m *Memory) {
			b.all = func(ctx context.Context) iter.Seq2[engine.Record, error] {
				if ctx.Err() != nil {
					return func(func(engine.Record, error) bool) {}
				}
				return m.All(ctx)
			}
		}),
	},
	{
		fault:  "Pull that waits sees the end of its context late",
		checks: []string{"Context/done-while-waiting"},
		twist: failsDone(func(b *twisted, m *Memory) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := m.Pull(ctx, limit)
				if err != nil {
					time.Sleep(3 * time.Second)
				}
				return ds, err
			}
		}),
	},
}
