package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/store"
)

// key returns an ID as a key: keys sort as their IDs do.
func key(id store.ID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func parseKey(k []byte) (store.ID, error) {
	if len(k) != 8 {
		return 0, fmt.Errorf("bolt: a key has %d bytes, want 8", len(k))
	}
	return store.ID(binary.BigEndian.Uint64(k)), nil
}

// fillPercent is how full a page is left that is split. IDs are put nearly in order: most
// pages get no more results once they are split, but for a few that come late, and those
// would split a full page again. With bbolt's own 0.5 the file is larger by two thirds when
// all come in order; with 0.9 it is smaller then, and larger where some come late.
// BenchmarkDurable prints what a result takes, as file-B/result.
const fillPercent = 0.8

// unmapFrom is how many bytes a transaction puts, at least, for its pages to be unmapped
// after it: so many that a call of the system is nothing beside them.
const unmapFrom = 1 << 20

// put stores all of recs or none.
func (f *file) put(ctx context.Context, recs []store.Record) error {
	ids := make([]store.ID, len(recs))
	for i, rec := range recs {
		ids[i] = rec.ID
	}
	slices.Sort(ids)
	return f.update(ctx, func(tx *bbolt.Tx) (bool, error) {
		if err := f.ways(tx, ids); err != nil {
			return false, err
		}
		b := tx.Bucket(resultsBucket)
		b.FillPercent = fillPercent
		size := 0
		for _, rec := range recs {
			size += len(rec.Data)
			k := key(rec.ID)
			if b.Get(k) != nil { // or was put by this batch
				return false, fmt.Errorf("bolt: result %d: %w", rec.ID, store.ErrExists)
			}
			if err := b.Put(k, rec.Data); err != nil {
				return false, fmt.Errorf("bolt: putting result %d: %w", rec.ID, err)
			}
		}
		if len(recs) == 0 {
			return false, nil
		}
		f.unsynced.Store(&ids)
		f.large = size >= unmapFrom
		return true, nil
	})
}

// ways is way for several IDs, which are sorted.
func (f *file) ways(tx *bbolt.Tx, ids []store.ID) error {
	var leaf span
	for i, id := range ids {
		if i > 0 && leaf.covers(id) {
			continue
		}
		var err error
		if leaf, err = f.way(tx, id, false); err != nil {
			return err
		}
	}
	return nil
}

// waysToDelete is way for IDs that are to be deleted, which are sorted. When bbolt joins
// leaves that have become too small, it may join the branches above them as well, and then
// any leaf with the next one, whether they have been in one branch or not. So where several
// leaves lose results, the next ones are looked at on both sides.
func (f *file) waysToDelete(tx *bbolt.Tx, ids []store.ID) error {
	var leaf span
	several := false
	for i, id := range ids {
		if i > 0 && leaf.covers(id) {
			continue
		}
		var err error
		if leaf, err = f.way(tx, id, true); err != nil {
			return err
		}
		if several = several || !leaf.covers(ids[len(ids)-1]); !several {
			return nil
		}
		if leaf.first > 0 {
			if _, err := f.way(tx, leaf.first-1, false); err != nil {
				return err
			}
		}
		if !leaf.all {
			if _, err := f.way(tx, leaf.last+1, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// del deletes what is held of ids. It looks in the transaction what that is: without the
// write turn, it might miss a result whose removal is not on the disk yet.
func (f *file) del(ctx context.Context, ids []store.ID) error {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	return f.update(ctx, func(tx *bbolt.Tx) (changed bool, err error) {
		if err := f.waysToDelete(tx, ids); err != nil {
			return false, err
		}
		b := tx.Bucket(resultsBucket)
		b.FillPercent = fillPercent
		for _, id := range ids {
			k := key(id)
			if b.Get(k) == nil {
				continue
			}
			if err := b.Delete(k); err != nil {
				return false, fmt.Errorf("bolt: deleting result %d: %w", id, err)
			}
			changed = true
		}
		return changed, nil
	})
}

// reserve hands out IDs above all that it has handed out before. The highest of them is
// in the meta bucket before they are returned. It is committed twice: if the newer meta
// page is damaged, bbolt uses the older one, which then has it as well.
func (f *file) reserve(ctx context.Context, n uint64) (first store.ID, err error) {
	if n == 0 {
		return 0, fmt.Errorf("bolt: ReserveIDs of 0 IDs, want 1 or more")
	}
	err = f.update(ctx, func(tx *bbolt.Tx) (bool, error) {
		meta := tx.Bucket(metaBucket)
		reserved := uint64(0) // the highest ID that is
		if v := meta.Get(reservedKey); v != nil {
			var err error
			if reserved, err = reservedUpTo(reservedKey, v); err != nil {
				return false, f.damaged(err)
			}
		}
		c := tx.Bucket(resultsBucket).Cursor()
		for {
			if left := math.MaxUint64 - reserved; n > left {
				return false, fmt.Errorf("bolt: %d IDs are left, want %d", left, n)
			}
			held, err := lastUpTo(c, store.ID(reserved+n))
			if err != nil {
				return false, err
			}
			if uint64(held) <= reserved {
				break
			}
			reserved = uint64(held) // put under an ID that was not reserved
		}
		first = store.ID(reserved + 1)
		return true, meta.Put(reservedKey, seal(key(store.ID(reserved+n))))
	}, mirror)
	if err != nil {
		return 0, err
	}
	return first, nil
}

// reservedUpTo returns the highest ID that is reserved, if that is what v says.
func reservedUpTo(k, v []byte) (uint64, error) {
	if !bytes.Equal(k, reservedKey) {
		return 0, nil
	}
	data, ok := unseal(v)
	if !ok || len(data) != 8 {
		return 0, errors.New("nobody knows which IDs have been reserved")
	}
	return binary.BigEndian.Uint64(data), nil
}

// mirror changes nothing: once it is committed, both meta pages have what there is.
func mirror(*bbolt.Tx) (bool, error) { return true, nil }

// lastUpTo returns the highest ID that is held and not above id, and 0 if there is none.
func lastUpTo(c *bbolt.Cursor, id store.ID) (store.ID, error) {
	k, _ := c.Seek(key(id))
	if k == nil {
		k, _ = c.Last()
	} else if found, err := parseKey(k); err != nil || found == id {
		return found, err
	} else {
		k, _ = c.Prev()
	}
	if k == nil {
		return 0, nil
	}
	return parseKey(k)
}
