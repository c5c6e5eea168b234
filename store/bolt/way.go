package bolt

import (
	"bytes"
	"fmt"
	"sort"

	"go.etcd.io/bbolt"

	"github.com/resultpool/resultpool/store"
)

// A span is the IDs for which there is one leaf: those from first up to last. All says that
// there are none above.
type span struct {
	first, last store.ID
	all         bool
}

// covers is for an ID that is not below first: IDs are looked up in order.
func (s span) covers(id store.ID) bool { return s.all || id <= s.last }

// way reads the pages on the way to the leaf of an ID, and finds out whether the leaf is in
// order, as Open has done with the branches. bbolt goes the same way, and looks at nothing:
// it passes over results, or, if it is to write, makes the damage worse. tx must not have
// written yet.
//
// With beside it looks at the leaves next to that one as well, with which bbolt may join it.
func (f *file) way(tx *bbolt.Tx, id store.ID, beside bool) (span, error) {
	s, err := f.walk(tx, key(id), beside)
	if err != nil {
		return span{}, f.damaged(err)
	}
	return s, nil
}

func (f *file) damaged(err error) error { return fmt.Errorf("bolt: %s is damaged: %w", f.path, err) }

func (f *file) walk(tx *bbolt.Tx, k []byte, beside bool) (span, error) {
	r := pageReader{file: f.osFile, size: int64(f.pageSize), end: uint64(tx.Size() / int64(f.pageSize))}
	at := uint64(tx.Bucket(resultsBucket).Root())
	if at == 0 { // all results are in the page of the buckets
		return span{all: true}, nil
	}
	buffer := r.buffer()
	var low, high []byte
	for range deepest {
		p, err := r.head(at, branchPage|leafPage, buffer)
		if err == nil && p.isLeaf() {
			return r.leaf(p, low, high)
		}
		if err == nil {
			p, err = r.withKeys(p)
		}
		switch {
		case err != nil:
			return span{}, err
		case p.count == 0 || headerSize+elementSize*p.count > len(p.data):
			return span{}, fmt.Errorf("page %d: a branch of %d", at, p.count)
		}
		i := max(0, sort.Search(p.count, func(i int) bool { return bytes.Compare(p.key(i), k) > 0 })-1)
		for _, j := range []int{i - 1, i + 1} {
			if !beside || j < 0 || j >= p.count {
				continue
			}
			next, err := r.tree(p.child(j))
			if err == nil {
				err = next.within(p.bounds(j, high))
			}
			if err != nil {
				return span{}, err
			}
		}
		low, high = p.bounds(i, high)
		low, high = bytes.Clone(low), bytes.Clone(high)
		at = p.child(i)
	}
	return span{}, fmt.Errorf("page %d: it is %d levels deep", at, deepest)
}

// leaf returns the span of a leaf that is in order and has results only.
func (r pageReader) leaf(p page, low, high []byte) (span, error) {
	p, err := r.inOrder(p)
	if err == nil {
		err = p.within(low, high)
	}
	if err == nil && p.count == 0 && low != nil {
		err = fmt.Errorf("page %d: a leaf without results", p.id)
	}
	if err != nil {
		return span{}, err
	}
	for i := range p.count {
		if p.flag(i) != 0 || len(p.key(i)) != 8 {
			return span{}, fmt.Errorf("page %d: element %d, with the key %x, is no result", p.id, i, p.key(i))
		}
	}
	s := span{all: high == nil}
	if low != nil {
		if s.first, err = parseKey(low); err != nil {
			return span{}, err
		}
	}
	if !s.all {
		next, err := parseKey(high)
		if err != nil {
			return span{}, err
		}
		s.last = next - 1
	}
	return s, nil
}
