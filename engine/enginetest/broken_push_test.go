package enginetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/resultpool/resultpool/engine"
)

var brokenPushes = []broken{
	{
		fault:  "tasks are text",
		checks: []string{"clause=1/round-trip"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				texts := clones(tasks)
				for i := range texts {
					texts[i] = bytes.ToValidUTF8(texts[i], []byte("?"))
				}
				return b.Memory.Push(ctx, key, texts)
			}
		}),
	},
	{
		fault:  "Push is in parts of 200",
		checks: []string{"clause=1/whole-batch"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				var all []uint64
				for part := range slices.Chunk(tasks, 200) {
					ids, err := b.Memory.Push(ctx, key, part) // the same key for each
					if errors.Is(err, errMisuse) {
						ids, err = make([]uint64, len(part)), nil
						for i := range ids {
							ids[i] = all[len(all)-1] + uint64(i) + 1
						}
					}
					if all = append(all, ids...); err != nil {
						return all, err
					}
				}
				return all, nil
			}
		}),
	},
	{
		fault:  "Pull of more than 1,000 is an error",
		checks: []string{"clause=1/whole-batch"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				if limit > 1000 {
					return nil, errBroken
				}
				return b.Memory.Pull(ctx, limit)
			}
		}),
	},
	{
		fault:  "Nack and Ack are of the first 100",
		checks: []string{"clause=1/whole-batch"},
		twist: each(func(b *twisted) {
			b.nack = func(ctx context.Context, ds []engine.Delivery) error {
				return b.Memory.Nack(ctx, ds[:min(len(ds), 100)])
			}
			b.ack = func(ctx context.Context, ds []engine.Delivery) error {
				return b.Memory.Ack(ctx, ds[:min(len(ds), 100)])
			}
		}),
	},
	{
		fault:  "Push with a context that is done says that it has done nothing, and has",
		checks: []string{"clause=3/refused"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				if ctx.Err() != nil {
					_, _ = b.Memory.Push(context.WithoutCancel(ctx), key, tasks)
				}
				return b.Memory.Push(ctx, key, tasks)
			}
		}),
	},
	{
		fault:  "Push after Close does not say that it has done nothing",
		checks: []string{"clause=3/refused"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				if errors.Is(err, engine.ErrClosed) {
					err = engine.ErrClosed
				}
				return ids, err
			}
		}),
	},
	{
		fault:  "Push returns IDs with ErrRefused",
		checks: []string{"clause=3/refused"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				if errors.Is(err, engine.ErrRefused) {
					ids = make([]uint64, len(tasks))
					ids[0] = 7
				}
				return ids, err
			}
		}),
	},
	{
		fault:  "a batch is pushed from its end",
		checks: []string{"clause=1/round-trip", "clause=1/increasing"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				tasks = slices.Clone(tasks)
				slices.Reverse(tasks)
				ids, err := b.Memory.Push(ctx, key, tasks)
				slices.Reverse(ids)
				return ids, err
			}
		}),
	},
	{
		fault:  "Push returns the IDs of some",
		checks: []string{"clause=1/round-trip"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				return ids[:len(ids)/2], err
			}
		}),
	},
	{
		fault:  "the first ID is 0",
		checks: []string{"clause=1/round-trip"},
		twist: func(testing.TB) func(*twisted) {
			var first uint64
			return func(b *twisted) {
				if first == 0 {
					first = b.data.lastID + 1
				}
				b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
					ids, err := b.Memory.Push(ctx, key, tasks)
					for i := range ids {
						ids[i] -= first
					}
					return ids, err
				}
			}
		},
	},
	{
		fault:  "Pull makes up IDs",
		checks: []string{"clause=1/round-trip"},
		twist: each(func(b *twisted) {
			b.pull = func(ctx context.Context, limit int) ([]engine.Delivery, error) {
				ds, err := b.Memory.Pull(ctx, limit)
				for i := range ds {
					ds[i].ID += 1 << 20
				}
				return ds, err
			}
		}),
	},
	{
		fault:  "an empty queue that is opened begins again",
		checks: []string{"clause=1/increasing"},
		twist: func(testing.TB) func(*twisted) {
			var first uint64
			return func(b *twisted) {
				if first == 0 {
					first = b.data.lastID
				}
				if len(b.data.tasks) == 0 {
					b.data.lastID = first
				}
			}
		},
	},
	{
		fault:  "each handle has IDs of its own",
		checks: []string{"clause=1/unique-at-once", "clause=1-14/all-at-once"},
		twist: each(func(b *twisted) {
			var mu sync.Mutex
			last := b.data.lastID
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				mu.Lock()
				defer mu.Unlock()
				for i := range ids {
					if ids[i] != 0 {
						last++
						ids[i] = last
					}
				}
				return ids, err
			}
		}),
	},
	{
		fault:  "IDs are chosen and then taken",
		checks: []string{"clause=1/unique-at-once"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				b.data.mu.Lock()
				last := b.data.lastID
				b.data.mu.Unlock()
				time.Sleep(time.Microsecond)
				b.data.mu.Lock()
				b.data.lastID = last
				b.data.mu.Unlock()
				return b.Memory.Push(ctx, key, tasks)
			}
		}),
	},
	{
		fault:  "a queue that is made anew begins again",
		checks: []string{"clause=1/made-anew"},
		twist: func(testing.TB) func(*twisted) {
			var first uint64
			return func(b *twisted) {
				if first == 0 {
					first = b.data.lastID
				}
				if len(b.data.keys) == 0 {
					b.data.lastID = first
				}
			}
		},
	},
	{
		fault: "keys are ignored",
		checks: []string{
			"clause=2/again", "clause=2/again-when-done", "clause=2/again-at-once", "clause=2/again-later",
			"clause=3/some-fit", "clause=18/returned",
		},
		twist: func(testing.TB) func(*twisted) {
			var calls atomic.Int64
			return func(b *twisted) {
				b.push = func(ctx context.Context, _ string, tasks [][]byte) ([]uint64, error) {
					return b.Memory.Push(ctx, fmt.Sprintf("call-%d", calls.Add(1)), tasks)
				}
			}
		},
	},
	{
		fault:  "each handle has keys of its own",
		checks: []string{"clause=2/again", "clause=2/again-at-once"},
		twist: func(testing.TB) func(*twisted) {
			var handles atomic.Int64
			return func(b *twisted) {
				own := fmt.Sprintf("%d-", handles.Add(1))
				b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
					return b.Memory.Push(ctx, own+key, tasks)
				}
			}
		},
	},
	{
		fault:  "a repeated push returns the IDs and adds the tasks",
		checks: []string{"clause=2/again", "clause=2/again-when-done"},
		twist: func(testing.TB) func(*twisted) {
			known := make(map[string][]uint64)
			return func(b *twisted) {
				b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
					ids, err := b.Memory.Push(ctx, fmt.Sprintf("%s-%d", key, len(b.data.used)), tasks)
					if known[key] == nil {
						known[key] = ids
					}
					return slices.Clone(known[key]), err
				}
			}
		},
	},
	{
		fault:  "a key is forgotten with its tasks",
		checks: []string{"clause=2/again-when-done", "clause=2/again-later"},
		twist: each(func(b *twisted) {
			b.ack = func(ctx context.Context, ds []engine.Delivery) error {
				for key, p := range b.data.keys {
					if slices.Contains(p.ids, ds[0].ID) {
						delete(b.data.keys, key)
					}
				}
				return b.Memory.Ack(ctx, ds)
			}
		}),
	},
	{
		fault:  "a key is forgotten after 9 seconds",
		checks: []string{"clause=2/again-later"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				if p := b.data.keys[key]; p != nil && time.Since(p.last) > 9*time.Second {
					delete(b.data.keys, key)
				}
				return b.Memory.Push(ctx, key, tasks)
			}
		}),
	},
	{
		fault:  "keys are looked up and then stored",
		checks: []string{"clause=2/again-at-once"},
		twist: func(testing.TB) func(*twisted) {
			var mu sync.Mutex
			var calls int
			known := make(map[string][]uint64)
			return func(b *twisted) {
				b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
					mu.Lock()
					ids := known[key]
					calls++
					call := fmt.Sprint("call-", calls)
					mu.Unlock()
					if ids != nil {
						return ids, nil
					}
					time.Sleep(time.Microsecond)
					ids, err := b.Memory.Push(ctx, call, tasks)
					mu.Lock()
					known[key] = ids
					mu.Unlock()
					return ids, err
				}
			}
		},
	},
	{
		fault:  "keys are all in small letters",
		checks: []string{"clause=2/other-keys"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				return b.Memory.Push(ctx, strings.ToLower(key), tasks)
			}
		}),
	},
	{
		fault:  "keys are cut",
		checks: []string{"clause=2/other-keys"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				return b.Memory.Push(ctx, key[:min(len(key), 32)], tasks)
			}
		}),
	},
	{
		fault:  "keys are for UUIDs",
		checks: []string{"clause=2/other-keys"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				if len(key) > 36 {
					return nil, io.ErrShortBuffer
				}
				return b.Memory.Push(ctx, key, tasks)
			}
		}),
	},
	{
		fault:  "the same task is not pushed twice",
		checks: []string{"clause=2/other-keys"},
		twist: func(testing.TB) func(*twisted) {
			known := make(map[string]uint64)
			return func(b *twisted) {
				b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
					if id := known[string(tasks[0])]; id != 0 {
						return slices.Repeat([]uint64{id}, len(tasks)), nil
					}
					ids, err := b.Memory.Push(ctx, key, tasks)
					known[string(tasks[0])] = ids[0]
					return ids, err
				}
			}
		},
	},
	{
		fault:  "ErrFull comes without the IDs of those that are in",
		checks: []string{"clause=3/some-fit"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				if err != nil {
					return nil, err
				}
				return ids, nil
			}
		}),
	},
	{
		fault:  "ErrFull comes with IDs of those that are not in",
		checks: []string{"clause=3/some-fit", "clause=4/full"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				for i := range ids {
					if ids[i] == 0 {
						b.data.mu.Lock()
						b.data.lastID++
						ids[i] = b.data.lastID
						b.data.mu.Unlock()
					}
				}
				return ids, err
			}
		}),
	},
	{
		fault:  "ErrFull comes with the IDs of the first only",
		checks: []string{"clause=3/some-fit"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				if err != nil {
					ids = slices.DeleteFunc(ids, func(id uint64) bool { return id == 0 })
				}
				return ids, err
			}
		}),
	},
	{
		fault:  "a repeated push after ErrFull leaves out what did not fit",
		checks: []string{"clause=3/some-fit"},
		twist: func(testing.TB) func(*twisted) {
			known := make(map[string][]uint64)
			return func(b *twisted) {
				b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
					if ids := known[key]; ids != nil {
						return ids, nil
					}
					ids, err := b.Memory.Push(ctx, key, tasks)
					known[key] = slices.Clone(ids)
					return ids, err
				}
			}
		},
	},
	{
		fault:  "those before a task that is too large are in, and not told",
		checks: []string{"clause=3/too-large"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				if errors.Is(err, engine.ErrTooLarge) {
					_, _ = b.Memory.Push(ctx, key, tasks[:1])
				}
				return ids, err
			}
		}),
	},
	{
		fault:  "a task that is too large is any error",
		checks: []string{"clause=3/too-large"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				if errors.Is(err, engine.ErrTooLarge) {
					err = errBroken
				}
				return ids, err
			}
		}),
	},
	{
		fault:  "a task that is too large is cut",
		checks: []string{"clause=3/too-large"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				tasks = slices.Clone(tasks)
				for i := range tasks {
					tasks[i] = tasks[i][:min(len(tasks[i]), b.data.maxSize)]
				}
				return b.Memory.Push(ctx, key, tasks)
			}
		}),
	},
	{
		fault:  "nothing is pushed after a task that is too large",
		checks: []string{"clause=3/too-large"},
		twist: each(func(b *twisted) {
			failed := false
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				if failed {
					return nil, engine.ErrTooLarge
				}
				ids, err := b.Memory.Push(ctx, key, tasks)
				failed = err != nil
				return ids, err
			}
		}),
	},
	{
		fault:  "a queue has no bound",
		checks: []string{"clause=3/some-fit", "clause=4/full"},
		twist:  each(func(b *twisted) { b.data.bound = 1 << 30 }),
	},
	{
		fault:  "a queue is full when it is half full",
		checks: []string{"clause=4/full"},
		twist:  each(func(b *twisted) { b.data.bound = testBound / 2 }),
	},
	{
		fault:  "a queue that is full drops the oldest task",
		checks: []string{"clause=4/full"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				b.data.mu.Lock()
				for range len(b.data.tasks) + len(tasks) - testBound {
					if len(b.data.ready) > 0 {
						delete(b.data.tasks, b.data.ready[0])
						b.data.ready = b.data.ready[1:]
					}
				}
				b.data.mu.Unlock()
				return b.Memory.Push(ctx, key, tasks)
			}
		}),
	},
	{
		fault:  "a queue that is full drops the oldest task and tells ErrFull",
		checks: []string{"clause=4/full"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				b.data.mu.Lock()
				defer b.data.mu.Unlock()
				if err != nil {
					delete(b.data.tasks, b.data.ready[0])
				}
				return ids, err
			}
		}),
	},
	{
		fault:  "Push waits a second for room",
		checks: []string{"clause=4/full"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				if err != nil {
					time.Sleep(time.Second)
				}
				return ids, err
			}
		}),
	},
	{
		fault:  "a full queue is any error",
		checks: []string{"clause=3/some-fit", "clause=4/full"},
		twist: each(func(b *twisted) {
			b.push = func(ctx context.Context, key string, tasks [][]byte) ([]uint64, error) {
				ids, err := b.Memory.Push(ctx, key, tasks)
				if err != nil {
					err = errBroken
				}
				return ids, err
			}
		}),
	},
	{
		fault:  "there is no room again",
		checks: []string{"clause=4/full"},
		twist: each(func(b *twisted) {
			b.ack = func(ctx context.Context, ds []engine.Delivery) error {
				b.data.mu.Lock()
				b.data.bound = max(1, b.data.bound-len(ds))
				b.data.mu.Unlock()
				return b.Memory.Ack(ctx, ds)
			}
		}),
	},
}
