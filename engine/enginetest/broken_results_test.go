package enginetest

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// savesEach has Save store records one by one, each by f.
func savesEach(f func(c *twistedCall, rec engine.Record) error) func(*rig) {
	return on("Save", func(c *twistedCall) {
		for _, rec := range c.recs {
			if c.err = f(c, rec); c.err != nil {
				return
			}
		}
	})
}

// save stores one record as it should be.
func (c *twistedCall) save(rec engine.Record) error { return c.Save(c.ctx, []engine.Record{rec}) }

// stored reports whether there is a record with that ID.
func (c *twistedCall) stored(id uint64) (stored bool) {
	c.locked(func(d *memory) { _, stored = d.records[id] })
	return stored
}

var brokenRecords = []broken{
	{"records are text", "clause=10/round-trip", savesEach(func(c *twistedCall, rec engine.Record) error {
		rec.Data = bytes.ToValidUTF8(rec.Data, []byte("?"))
		return c.save(rec)
	})},
	{
		"the last write wins", "clause=10/first-wins clause=10/one-winner clause=16/reopened",
		savesEach(func(c *twistedCall, rec engine.Record) error {
			_ = c.Delete(c.ctx, []uint64{rec.ID})
			return c.save(rec)
		}),
	},
	{
		"the second write is an error", "clause=10/first-wins clause=10/one-winner",
		savesEach(func(c *twistedCall, rec engine.Record) error {
			if c.stored(rec.ID) {
				return errBroken
			}
			return c.save(rec)
		}),
	},
	{"records are looked for and then stored", "clause=10/one-winner", looking("Save", func(c *twistedCall, d *memory) func() {
		if _, stored := d.records[c.recs[0].ID]; stored {
			return nil
		}
		return func() {
			for _, rec := range c.recs {
				delete(d.records, rec.ID)
			}
		}
	})},
	{"Save is not done when it returns", "clause=10/round-trip clause=10/one-winner", func(r *rig) {
		var saves sync.WaitGroup
		r.Cleanup(saves.Wait)
		r.on("Save", func(c *twistedCall) {
			saves.Go(func() {
				time.Sleep(time.Millisecond)
				_ = c.Save(c.ctx, c.recs)
			})
		})
	}},
	{"a record that is too large is cut", "clause=11/too-large", savesEach(func(c *twistedCall, rec engine.Record) error {
		rec.Data = rec.Data[:min(len(rec.Data), c.data.maxSize)]
		return c.save(rec)
	})},
	{"a batch with a record that is too large is stored as something else", "clause=11/too-large", failing("Save", func(c *twistedCall) {
		_ = c.save(engine.Record{ID: 1})
	})},
	{"IDs have 32 bits", "clause=12/not-found", before("Load", func(c *twistedCall) { c.id &= 0xffffffff })},
	{"Delete does nothing", "clause=13/delete clause=15/apart", on("Delete", func(*twistedCall) {})},
	{"Delete deletes the first", "clause=13/delete", before("Delete", func(c *twistedCall) { c.ids = c.ids[:min(1, len(c.ids))] })},
	{"Delete of an ID that is not there is an error", "clause=13/delete", on("Delete", func(c *twistedCall) {
		if c.err = engine.ErrNotFound; !slices.ContainsFunc(c.ids, func(id uint64) bool { return !c.stored(id) }) {
			c.do()
		}
	})},
	{"Ack deletes", "clause=15/apart clause=1-14/all-at-once", before("Ack", func(c *twistedCall) {
		_ = c.Delete(c.ctx, idsOf(c.ds))
	})},
}

var brokenLoops = []broken{
	{"All yields each twice", "clause=14/exactly-once clause=14/calls-in-body", loopsEach(
		func(rec engine.Record, err error, yield yield) bool {
			more := yield(rec, err)
			return more && yield(rec, err)
		})},
	{"All leaves out every 7th", "clause=14/exactly-once clause=14/calls-in-body", loopsEach(
		func(rec engine.Record, err error, yield yield) bool { return rec.ID%7 == 0 || yield(rec, err) })},
	{"All ends without a word when its context does", "clause=14/failed", loopsEach(
		func(rec engine.Record, err error, yield yield) bool { return err == nil && yield(rec, err) })},
	{"All says of what it has failed at that it cannot be read", "clause=14/failed", loopsEach(
		func(rec engine.Record, err error, yield yield) bool {
			if err != nil {
				rec.ID = 1
			}
			return yield(rec, err)
		})},
	{"All goes on when it has failed", "clause=14/failed", loopsEach(
		func(rec engine.Record, err error, yield yield) bool {
			return yield(rec, err) && (err == nil || yield(rec, err))
		})},
	{"All does not bear changes", "clause=14/calls-in-body", loops(func(c *twistedCall, yield yield) {
		n := len(c.data.recordIDs())
		for rec := range c.seq {
			if len(c.data.recordIDs()) != n {
				yield(engine.Record{}, errBroken)
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	})},
	{"All swallows a panic", "clause=14/exactly-once", loops(func(c *twistedCall, yield yield) {
		defer func() { _ = recover() }()
		c.seq(yield)
	})},
}
