package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/resultpool/resultpool/engine"
)

// Save implements [engine.Results]. If one of recs is too large, none is stored.
func (m *Memory) Save(ctx context.Context, recs []engine.Record) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	for _, rec := range recs {
		if len(rec.Data) > m.data.maxSize {
			return fmt.Errorf("enginetest: record %d has %d bytes, want at most %d: %w",
				rec.ID, len(rec.Data), m.data.maxSize, engine.ErrTooLarge)
		}
	}
	return m.locked(ctx, func(d *memory) {
		for _, rec := range recs {
			if _, stored := d.records[rec.ID]; !stored {
				d.records[rec.ID] = bytes.Clone(rec.Data)
				d.wakeLocked(rec.ID)
			}
		}
	})
}

// wakeLocked wakes those who wait for the record with that ID.
func (d *memory) wakeLocked(id uint64) {
	if changed := d.waiting[id]; changed != nil {
		close(changed)
		delete(d.waiting, id)
	}
}

// Load implements [engine.Results].
func (m *Memory) Load(ctx context.Context, id uint64) (data []byte, err error) {
	entering := m.locked(ctx, func(d *memory) { data, err = d.loadLocked(id) })
	return data, cmp.Or(entering, err)
}

func (d *memory) loadLocked(id uint64) ([]byte, error) {
	data, stored := d.records[id]
	if !stored {
		return nil, fmt.Errorf("enginetest: record %d: %w", id, engine.ErrNotFound)
	}
	return bytes.Clone(data), nil
}

// Wait implements [engine.Waiter].
func (m *Memory) Wait(ctx context.Context, id uint64) ([]byte, error) {
	for {
		if err := m.enter(ctx); err != nil {
			return nil, err
		}
		data, changed, err := m.data.loadOrChanged(id)
		if changed == nil {
			return data, err
		}
		m.await(ctx, changed, time.Time{})
	}
}

// loadOrChanged returns the record with that ID or, if there is none but its task is
// in the queue, a channel that is closed when that changes.
func (d *memory) loadOrChanged(id uint64) (data []byte, changed <-chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	data, err = d.loadLocked(id)
	if err == nil || d.tasks[id] == nil {
		return data, nil, err
	}
	if d.waiting[id] == nil {
		d.waiting[id] = make(chan struct{})
	}
	return nil, d.waiting[id], nil
}

// Delete implements [engine.Results].
func (m *Memory) Delete(ctx context.Context, ids []uint64) error {
	return m.locked(ctx, func(d *memory) {
		for _, id := range ids {
			delete(d.records, id)
		}
	})
}

// All implements [engine.Results]. It yields the records that are stored when the loop begins and still are when it
// reaches them, in the order of the IDs.
func (m *Memory) All(ctx context.Context) iter.Seq2[engine.Record, error] {
	return func(yield func(engine.Record, error) bool) {
		if err := m.enter(ctx); err != nil {
			yield(engine.Record{}, err)
			return
		}
		for _, id := range m.data.recordIDs() {
			data, err := m.Load(ctx, id)
			if errors.Is(err, engine.ErrNotFound) {
				continue // deleted meanwhile
			}
			if err != nil {
				yield(engine.Record{}, err)
				return
			}
			if !yield(engine.Record{ID: id, Data: data}, nil) {
				return
			}
		}
	}
}

func (d *memory) recordIDs() []uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.records))
}
