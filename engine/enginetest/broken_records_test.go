package enginetest

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// savesEach saves records one by one as f says.
func savesEach(f func(b *twisted, ctx context.Context, rec engine.Record) error) func(testing.TB) func(*twisted) {
	return each(func(b *twisted) {
		b.save = func(ctx context.Context, recs []engine.Record) error {
			for _, rec := range recs {
				if err := f(b, ctx, rec); err != nil {
					return err
				}
			}
			return nil
		}
	})
}

// stored reports whether there is a record with that ID.
func (b *twisted) stored(id uint64) bool {
	b.data.mu.Lock()
	defer b.data.mu.Unlock()
	_, ok := b.data.records[id]
	return ok
}

var brokenRecords = []broken{
	{
		fault:  "records are text",
		checks: []string{"clause=10/round-trip"},
		twist: savesEach(func(b *twisted, ctx context.Context, rec engine.Record) error {
			rec.Data = bytes.ToValidUTF8(rec.Data, []byte("?"))
			return b.Memory.Save(ctx, []engine.Record{rec})
		}),
	},
	{
		fault:  "empty records are not stored",
		checks: []string{"clause=10/round-trip", "clause=10/first-wins"},
		twist: savesEach(func(b *twisted, ctx context.Context, rec engine.Record) error {
			if len(rec.Data) == 0 {
				return nil
			}
			return b.Memory.Save(ctx, []engine.Record{rec})
		}),
	},
	{
		fault:  "the last write wins",
		checks: []string{"clause=10/first-wins", "clause=10/batch-again", "clause=10/one-winner", "clause=16/reopened"},
		twist: savesEach(func(b *twisted, ctx context.Context, rec engine.Record) error {
			_ = b.Memory.Delete(ctx, []uint64{rec.ID})
			return b.Memory.Save(ctx, []engine.Record{rec})
		}),
	},
	{
		fault:  "the first write of a handle wins",
		checks: []string{"clause=10/first-wins", "clause=10/batch-again"},
		twist: each(func(b *twisted) {
			var mu sync.Mutex
			own := make(map[uint64]bool)
			b.save = func(ctx context.Context, recs []engine.Record) error {
				mu.Lock()
				defer mu.Unlock()
				for _, rec := range recs {
					if !own[rec.ID] {
						own[rec.ID] = true
						_ = b.Memory.Delete(ctx, []uint64{rec.ID})
					}
				}
				return b.Memory.Save(ctx, recs)
			}
		}),
	},
	{
		fault:  "the second write is an error",
		checks: []string{"clause=10/first-wins", "clause=10/batch-again", "clause=10/whole-batch", "clause=10/one-winner"},
		twist: savesEach(func(b *twisted, ctx context.Context, rec engine.Record) error {
			if b.stored(rec.ID) {
				return errBroken
			}
			return b.Memory.Save(ctx, []engine.Record{rec})
		}),
	},
	{
		fault:  "the last of a batch wins",
		checks: []string{"clause=10/first-wins"},
		twist: each(func(b *twisted) {
			b.save = func(ctx context.Context, recs []engine.Record) error {
				recs = slices.Clone(recs)
				slices.Reverse(recs)
				return b.Memory.Save(ctx, recs)
			}
		}),
	},
	{
		fault:  "a batch is stored up to the first that is there",
		checks: []string{"clause=10/batch-again"},
		twist: each(func(b *twisted) {
			b.save = func(ctx context.Context, recs []engine.Record) error {
				for _, rec := range recs {
					if b.stored(rec.ID) {
						return nil
					}
					_ = b.Memory.Save(ctx, []engine.Record{rec})
				}
				return nil
			}
		}),
	},
	{
		fault:  "a batch is stored if none is there",
		checks: []string{"clause=10/batch-again"},
		twist: each(func(b *twisted) {
			b.save = func(ctx context.Context, recs []engine.Record) error {
				if slices.ContainsFunc(recs, func(rec engine.Record) bool { return b.stored(rec.ID) }) {
					return nil
				}
				return b.Memory.Save(ctx, recs)
			}
		}),
	},
	{
		fault:  "a batch is at most a thousand",
		checks: []string{"clause=10/whole-batch"},
		twist: each(func(b *twisted) {
			b.save = func(ctx context.Context, recs []engine.Record) error {
				return b.Memory.Save(ctx, recs[:min(1000, len(recs))])
			}
		}),
	},
	{
		fault:  "records are looked for and then stored",
		checks: []string{"clause=10/one-winner"},
		twist: savesEach(func(b *twisted, ctx context.Context, rec engine.Record) error {
			if b.stored(rec.ID) {
				return nil
			}
			time.Sleep(time.Microsecond)
			b.data.mu.Lock()
			delete(b.data.records, rec.ID)
			b.data.mu.Unlock()
			return b.Memory.Save(ctx, []engine.Record{rec})
		}),
	},
	{
		fault:  "Save is not done when it returns",
		checks: []string{"clause=10/round-trip", "clause=10/one-winner"},
		twist: func(tb testing.TB) func(*twisted) {
			var saves sync.WaitGroup
			tb.Cleanup(saves.Wait)
			return func(b *twisted) {
				b.save = func(ctx context.Context, recs []engine.Record) error {
					saves.Go(func() {
						time.Sleep(time.Millisecond)
						_ = b.Memory.Save(ctx, recs)
					})
					return nil
				}
			}
		},
	},
	{
		fault:  "every 7th record is not stored",
		checks: []string{"clause=10/whole-batch", "clause=1-14/all-at-once", "clause=14/exactly-once", "clause=14/while-others-write"},
		twist: savesEach(func(b *twisted, ctx context.Context, rec engine.Record) error {
			if rec.ID%7 == 0 {
				return nil
			}
			return b.Memory.Save(ctx, []engine.Record{rec})
		}),
	},
	{
		fault:  "a record that is too large is cut",
		checks: []string{"clause=11/too-large"},
		twist: savesEach(func(b *twisted, ctx context.Context, rec engine.Record) error {
			rec.Data = rec.Data[:min(len(rec.Data), b.data.maxSize)]
			return b.Memory.Save(ctx, []engine.Record{rec})
		}),
	},
	{
		fault:  "a record that is too large is left out",
		checks: []string{"clause=11/too-large"},
		twist: savesEach(func(b *twisted, ctx context.Context, rec engine.Record) error {
			_ = b.Memory.Save(ctx, []engine.Record{rec})
			return nil
		}),
	},
	{
		fault:  "a record that is too large is any error",
		checks: []string{"clause=11/too-large"},
		twist: savesEach(func(b *twisted, ctx context.Context, rec engine.Record) error {
			if b.Memory.Save(ctx, []engine.Record{rec}) != nil {
				return errBroken
			}
			return nil
		}),
	},
	{
		fault:  "a record that was too large takes its ID",
		checks: []string{"clause=11/too-large"},
		twist: savesEach(func(b *twisted, ctx context.Context, rec engine.Record) error {
			err := b.Memory.Save(ctx, []engine.Record{rec})
			if err != nil {
				_ = b.Memory.Save(ctx, []engine.Record{{ID: rec.ID}})
			}
			return err
		}),
	},
	{
		fault:  "Load returns nothing and no error",
		checks: []string{"clause=12/not-found", "clause=13/delete", "clause=15/apart"},
		twist: each(func(b *twisted) {
			b.load = func(ctx context.Context, id uint64) ([]byte, error) {
				data, err := b.Memory.Load(ctx, id)
				if errors.Is(err, engine.ErrNotFound) {
					return nil, nil
				}
				return data, err
			}
		}),
	},
	{
		fault:  "IDs have 32 bits",
		checks: []string{"clause=12/not-found"},
		twist: each(func(b *twisted) {
			b.load = func(ctx context.Context, id uint64) ([]byte, error) { return b.Memory.Load(ctx, id&0xffffffff) }
		}),
	},
	{
		fault:  "Load returns the next record",
		checks: []string{"clause=12/not-found"},
		twist: each(func(b *twisted) {
			b.load = func(ctx context.Context, id uint64) ([]byte, error) {
				data, err := b.Memory.Load(ctx, id)
				if err != nil {
					return b.Memory.Load(ctx, id+1)
				}
				return data, err
			}
		}),
	},
	{
		fault:  "Delete does nothing",
		checks: []string{"clause=13/delete", "clause=15/apart"},
		twist:  each(func(b *twisted) { b.del = func(context.Context, []uint64) error { return nil } }),
	},
	{
		fault:  "Delete deletes the first",
		checks: []string{"clause=13/delete"},
		twist: each(func(b *twisted) {
			b.del = func(ctx context.Context, ids []uint64) error { return b.Memory.Delete(ctx, ids[:min(1, len(ids))]) }
		}),
	},
	{
		fault:  "Delete deletes up to an ID that is not there",
		checks: []string{"clause=13/delete"},
		twist: each(func(b *twisted) {
			b.del = func(ctx context.Context, ids []uint64) error {
				if i := slices.IndexFunc(ids, func(id uint64) bool { return !b.stored(id) }); i >= 0 {
					ids = ids[:i]
				}
				return b.Memory.Delete(ctx, ids)
			}
		}),
	},
	{
		fault:  "Delete of an ID that is not there is an error",
		checks: []string{"clause=13/delete"},
		twist: each(func(b *twisted) {
			b.del = func(ctx context.Context, ids []uint64) error {
				if slices.ContainsFunc(ids, func(id uint64) bool { return !b.stored(id) }) {
					return engine.ErrNotFound
				}
				return b.Memory.Delete(ctx, ids)
			}
		}),
	},
	{
		fault:  "each handle keeps what it has loaded",
		checks: []string{"clause=13/delete"},
		twist: each(func(b *twisted) {
			kept := make(map[uint64][]byte)
			b.load = func(ctx context.Context, id uint64) ([]byte, error) {
				if data, ok := kept[id]; ok {
					return data, nil
				}
				data, err := b.Memory.Load(ctx, id)
				if err == nil {
					kept[id] = data
				}
				return data, err
			}
			b.del = func(ctx context.Context, ids []uint64) error {
				err := b.Memory.Delete(ctx, ids)
				for _, id := range ids {
					kept[id] = nil
				}
				return err
			}
		}),
	},
	{
		fault:  "Save acknowledges",
		checks: []string{"clause=15/apart"},
		twist: each(func(b *twisted) {
			b.save = func(ctx context.Context, recs []engine.Record) error {
				for _, rec := range recs {
					_ = b.Memory.Ack(ctx, []engine.Delivery{{ID: rec.ID, Token: memoryToken{id: rec.ID}}})
				}
				return b.Memory.Save(ctx, recs)
			}
		}),
	},
	{
		fault:  "Ack deletes",
		checks: []string{"clause=15/apart", "clause=1-14/all-at-once"},
		twist: each(func(b *twisted) {
			b.ack = func(ctx context.Context, ds []engine.Delivery) error {
				_ = b.Memory.Delete(ctx, idsOf(ds))
				return b.Memory.Ack(ctx, ds)
			}
		}),
	},
	{
		fault:  "Delete acknowledges",
		checks: []string{"clause=15/apart"},
		twist: each(func(b *twisted) {
			b.del = func(ctx context.Context, ids []uint64) error {
				for _, id := range ids {
					_ = b.Memory.Ack(ctx, []engine.Delivery{{ID: id, Token: memoryToken{id: id}}})
				}
				return b.Memory.Delete(ctx, ids)
			}
		}),
	},
}

// loops makes All yield what f makes of the pairs that it should.
func loops(f func(b *twisted, seq iter.Seq2[engine.Record, error]) iter.Seq2[engine.Record, error]) func(testing.TB) func(*twisted) {
	return each(func(b *twisted) {
		b.all = func(ctx context.Context) iter.Seq2[engine.Record, error] { return f(b, b.Memory.All(ctx)) }
	})
}

var brokenLoops = []broken{
	{
		fault:  "All leaves out the last",
		checks: []string{"clause=14/exactly-once", "clause=14/calls-in-body", "clause=10/whole-batch"},
		twist: loops(func(_ *twisted, seq iter.Seq2[engine.Record, error]) iter.Seq2[engine.Record, error] {
			return func(yield func(engine.Record, error) bool) {
				var last engine.Record
				n := 0
				for rec := range seq {
					if n++; n > 1 && !yield(last, nil) {
						return
					}
					last = rec
				}
			}
		}),
	},
	{
		fault:  "All goes on when it has failed",
		checks: []string{"clause=14/failed"},
		twist: loops(func(_ *twisted, seq iter.Seq2[engine.Record, error]) iter.Seq2[engine.Record, error] {
			return func(yield func(engine.Record, error) bool) {
				for rec, err := range seq {
					if !yield(rec, err) || err != nil && !yield(rec, err) {
						return
					}
				}
			}
		}),
	},
	{
		fault:  "All says of what it has failed at that it cannot be read",
		checks: []string{"clause=14/failed"},
		twist: loops(func(_ *twisted, seq iter.Seq2[engine.Record, error]) iter.Seq2[engine.Record, error] {
			return func(yield func(engine.Record, error) bool) {
				last := uint64(1)
				for rec, err := range seq {
					if err != nil {
						rec.ID = last
					}
					if last = rec.ID; !yield(rec, err) {
						return
					}
				}
			}
		}),
	},
	{
		fault:  "All ends without a word when its context does",
		checks: []string{"clause=14/failed"},
		twist: loops(func(_ *twisted, seq iter.Seq2[engine.Record, error]) iter.Seq2[engine.Record, error] {
			return func(yield func(engine.Record, error) bool) {
				for rec, err := range seq {
					if err != nil || !yield(rec, err) {
						return
					}
				}
			}
		}),
	},
	{
		fault:  "All yields the first again",
		checks: []string{"clause=14/exactly-once", "clause=14/calls-in-body", "clause=14/while-others-write"},
		twist: loops(func(_ *twisted, seq iter.Seq2[engine.Record, error]) iter.Seq2[engine.Record, error] {
			return func(yield func(engine.Record, error) bool) {
				var first engine.Record
				for rec := range seq {
					if first.ID == 0 {
						first = rec
					}
					if !yield(rec, nil) {
						return
					}
				}
				if first.ID != 0 {
					yield(first, nil)
				}
			}
		}),
	},
	{
		fault:  "All yields what its own handle has saved",
		checks: []string{"clause=14/exactly-once"},
		twist: each(func(b *twisted) {
			var mu sync.Mutex
			own := make(map[uint64]bool)
			b.save = func(ctx context.Context, recs []engine.Record) error {
				mu.Lock()
				defer mu.Unlock()
				for _, rec := range recs {
					own[rec.ID] = true
				}
				return b.Memory.Save(ctx, recs)
			}
			b.all = func(ctx context.Context) iter.Seq2[engine.Record, error] {
				return func(yield func(engine.Record, error) bool) {
					for rec, err := range b.Memory.All(ctx) {
						mu.Lock()
						known := own[rec.ID]
						mu.Unlock()
						if known && !yield(rec, err) {
							return
						}
					}
				}
			}
		}),
	},
	{
		fault:  "All can be used once",
		checks: []string{"clause=14/exactly-once"},
		twist: loops(func(_ *twisted, seq iter.Seq2[engine.Record, error]) iter.Seq2[engine.Record, error] {
			used := false
			return func(yield func(engine.Record, error) bool) {
				if !used {
					used = true
					seq(yield)
				}
			}
		}),
	},
	{
		fault:  "All ends with an error",
		checks: []string{"clause=14/exactly-once", "clause=14/break-and-panic"},
		twist: loops(func(_ *twisted, seq iter.Seq2[engine.Record, error]) iter.Seq2[engine.Record, error] {
			return func(yield func(engine.Record, error) bool) {
				for rec := range seq {
					if !yield(rec, nil) {
						return
					}
				}
				yield(engine.Record{}, errBroken)
			}
		}),
	},
	{
		fault:  "All does not bear changes",
		checks: []string{"clause=14/calls-in-body", "clause=14/while-others-write"},
		twist: loops(func(b *twisted, seq iter.Seq2[engine.Record, error]) iter.Seq2[engine.Record, error] {
			return func(yield func(engine.Record, error) bool) {
				b.data.mu.Lock()
				n := len(b.data.records)
				b.data.mu.Unlock()
				for rec := range seq {
					b.data.mu.Lock()
					changed := len(b.data.records) != n
					b.data.mu.Unlock()
					if changed {
						yield(engine.Record{}, errBroken)
						return
					}
					if !yield(rec, nil) {
						return
					}
				}
			}
		}),
	},
	{
		fault:  "All counts its way through what is stored",
		checks: []string{"clause=14/calls-in-body", "clause=14/while-others-write"},
		twist: each(func(b *twisted) {
			b.all = func(ctx context.Context) iter.Seq2[engine.Record, error] {
				return func(yield func(engine.Record, error) bool) {
					for i := 0; ; i++ {
						time.Sleep(time.Microsecond)
						ids := b.data.recordIDs()
						slices.Reverse(ids)
						if i >= len(ids) {
							return
						}
						data, err := b.Memory.Load(ctx, ids[i])
						if err == nil && !yield(engine.Record{ID: ids[i], Data: data}, nil) {
							return
						}
					}
				}
			}
		}),
	},
	{
		fault:  "All allows one loop at a time",
		checks: []string{"clause=14/calls-in-body"},
		twist: each(func(b *twisted) {
			looping := false
			b.all = func(ctx context.Context) iter.Seq2[engine.Record, error] {
				return func(yield func(engine.Record, error) bool) {
					if looping {
						yield(engine.Record{}, errBroken)
						return
					}
					looping = true
					defer func() { looping = false }()
					b.Memory.All(ctx)(yield)
				}
			}
		}),
	},
	{
		fault:  "nothing is saved in the body of a loop",
		checks: []string{"clause=14/calls-in-body"},
		twist: each(func(b *twisted) {
			looping := false
			b.all = func(ctx context.Context) iter.Seq2[engine.Record, error] {
				return func(yield func(engine.Record, error) bool) {
					looping = true
					defer func() { looping = false }()
					b.Memory.All(ctx)(yield)
				}
			}
			b.save = func(ctx context.Context, recs []engine.Record) error {
				if looping {
					return errBroken
				}
				return b.Memory.Save(ctx, recs)
			}
		}),
	},
	{
		fault:  "All swallows a panic",
		checks: []string{"clause=14/break-and-panic"},
		twist: loops(func(_ *twisted, seq iter.Seq2[engine.Record, error]) iter.Seq2[engine.Record, error] {
			return func(yield func(engine.Record, error) bool) {
				left := false
				defer func() {
					if r := recover(); r != nil && left {
						panic(r)
					}
				}()
				seq(yield)
			}
		}),
	},
	{
		fault:  "a loop that was left stays open",
		checks: []string{"clause=14/break-and-panic"},
		twist: each(func(b *twisted) {
			open := 0
			b.all = func(ctx context.Context) iter.Seq2[engine.Record, error] {
				return func(yield func(engine.Record, error) bool) {
					open++
					for rec, err := range b.Memory.All(ctx) {
						if !yield(rec, err) {
							return
						}
					}
					open--
				}
			}
			b.save = func(ctx context.Context, recs []engine.Record) error {
				if open > 0 {
					return errBroken
				}
				return b.Memory.Save(ctx, recs)
			}
		}),
	},
}
