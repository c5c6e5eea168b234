package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
)

// An inspection finds out whether a file is as bbolt has left it. Without entry it reads the
// meta pages, the list of free pages and all branches, which is one page of some hundred:
// enough that bbolt does not go round in circles, and writes to no page that is in use, but
// for a leaf of more than one. With entry it reads all pages, and all that is in them.
type inspection struct {
	pageReader
	entry func(bucket, key, value []byte) error // of each key and value; nil: leaves are not read
	taken []uint64                              // a bit for each page: something refers to it, or it is free
	found []error
}

// most is how many faults an error tells of.
const most = 8

// inspect returns an error that says what is wrong, if anything is.
func inspect(file io.ReaderAt, pageSize int, entry func(bucket, key, value []byte) error) error {
	in := &inspection{pageReader: pageReader{file: file, size: int64(pageSize)}, entry: entry}
	m, err := in.newest()
	if err != nil {
		return err
	}
	in.end = m.end
	in.taken = make([]uint64, m.end/64+1)
	in.take(0, 2)
	listed := in.freeList(m.free)
	in.tree(nil, m.root, true)
	if listed && in.entry != nil && len(in.found) == 0 {
		in.allTaken()
	}
	if n := len(in.found); n > most {
		in.found = append(in.found[:most], fmt.Errorf("and %d more", n-most))
	}
	return join(in.found)
}

func (in *inspection) fail(format string, args ...any) {
	in.found = append(in.found, fmt.Errorf(format, args...))
}

// A meta is what a meta page says. It has a checksum.
type meta struct {
	root, free, end, tx uint64
}

const noFreeList = 1<<64 - 1 // another program has left it out

// newest returns the meta page that counts. The other one is that of the transaction before:
// bbolt uses it if the newer one is damaged, and so takes the last transaction back.
func (in *inspection) newest() (m meta, err error) {
	var bad []error
	for i := range uint64(2) {
		got, err := in.meta(i)
		switch {
		case err != nil:
			bad = append(bad, err)
		case m.end == 0 || got.tx > m.tx:
			m = got
		}
	}
	if len(bad) == 2 {
		return meta{}, join(bad)
	}
	if len(bad) == 1 && in.entry != nil {
		in.fail("%w; if it was the newer one, what was written last is gone", bad[0])
	}
	return m, nil
}

func (in *inspection) meta(i uint64) (meta, error) {
	data := make([]byte, headerSize+64)
	if _, err := in.file.ReadAt(data, int64(i)*in.size); err != nil {
		return meta{}, fmt.Errorf("meta page %d: %w", i, err)
	}
	e := binary.NativeEndian
	data = data[headerSize:]
	sum := fnv.New64a()
	sum.Write(data[:56])
	if sum.Sum64() != e.Uint64(data[56:]) || int64(e.Uint32(data[8:])) != in.size {
		return meta{}, fmt.Errorf("meta page %d has changed", i)
	}
	return meta{e.Uint64(data[16:]), e.Uint64(data[32:]), e.Uint64(data[40:]), e.Uint64(data[48:])}, nil
}

// take notes that pages are in use, or free. None is so twice.
func (in *inspection) take(id, n uint64) bool {
	if id >= in.end || n > in.end-id {
		in.fail("page %d: there is none", id)
		return false
	}
	for i := id; i < id+n; i++ {
		if in.taken[i/64]&(1<<(i%64)) != 0 {
			in.fail("page %d: it is in use twice, or in use and free", i)
			return false
		}
		in.taken[i/64] |= 1 << (i % 64)
	}
	return true
}

// freeList reads the list of free pages, if there is one. If there is none, bbolt has to read
// all others to make it, and so they are read here first.
func (in *inspection) freeList(id uint64) (listed bool) {
	if id == noFreeList {
		if in.entry == nil {
			in.entry = func(_, _, _ []byte) error { return nil }
		}
		return false
	}
	p, err := in.head(id, freePage, in.buffer())
	var list []byte
	if err == nil {
		list, err = in.whole(p)
	}
	if err != nil {
		in.fail("the list of free pages: %w", err)
		return false
	}
	e := binary.NativeEndian
	n := uint64(p.count)
	list = list[headerSize:]
	if p.count == 0xFFFF {
		n, list = e.Uint64(list), list[8:]
	}
	pages := p.pages(in.size)
	if n > uint64(len(list))/8 || pages > (headerSize+8*(n+pages+1))/uint64(in.size)+1 {
		in.fail("page %d: a list of %d free pages does not take %d", id, n, pages)
		return false
	}
	ok := in.take(id, pages)
	for before := uint64(1); n > 0 && ok; n, list = n-1, list[8:] {
		free := e.Uint64(list)
		if free <= before {
			in.fail("page %d: in the list of free pages, %d comes after %d", id, free, before)
			return false
		}
		ok = in.take(free, 1)
		before = free
	}
	return ok
}

// tree reads a bucket. whole is for the one of the buckets.
func (in *inspection) tree(bucket []byte, root uint64, whole bool) {
	levels := in.levels(root, nil)
	if levels == 0 {
		_, err := in.pageReader.tree(root)
		if err == nil {
			err = errors.New("no way leads to one")
		}
		in.fail("none of the leaves below page %d can be read: %w", root, err)
		return
	}
	in.visit(bucket, root, levels, nil, nil, whole || in.entry != nil)
}

// levels returns how many levels there are from a page on, which is the same wherever one
// goes, and 0 if no way leads to a leaf.
func (in *inspection) levels(id uint64, above []uint64) int {
	p, err := in.pageReader.tree(id)
	if err != nil || len(above) == deepest {
		return 0
	}
	if p.isLeaf() {
		return 1
	}
	above = append(above, id)
	for i := range p.count {
		next := p.child(i)
		if slices.Contains(above, next) {
			continue
		}
		if n := in.levels(next, above); n > 0 {
			return n + 1
		}
	}
	return 0
}

// visit reads a page and those below it, and no page twice.
func (in *inspection) visit(bucket []byte, id uint64, levels int, low, high []byte, leaves bool) {
	if levels == 1 && !leaves {
		in.take(id, 1)
		return
	}
	p, err := in.pageReader.tree(id)
	if err == nil {
		err = p.within(low, high)
	}
	if err != nil {
		in.fail("%w", err)
		return
	}
	if p.isLeaf() != (levels == 1) || p.count == 0 && (low != nil || !p.isLeaf()) {
		in.fail("page %d: a page of another level, or without elements", id)
		return
	}
	if !in.take(id, p.pages(in.size)) {
		return
	}
	for i := range p.count {
		if !p.isLeaf() {
			low, high := p.bounds(i, high)
			in.visit(bucket, p.child(i), levels-1, low, high, leaves)
			continue
		}
		in.element(bucket, p, i)
	}
}

// element looks at what is in a leaf. Ours has buckets at the top only.
func (in *inspection) element(bucket []byte, p page, i int) {
	k := p.key(i)
	v, err := in.value(p, i)
	if err != nil {
		in.fail("%w", err)
		return
	}
	isBucket := p.flag(i) == bucketElement
	switch ours := bytes.Equal(bucket, resultsBucket) || bytes.Equal(bucket, metaBucket); {
	case isBucket && ours, !isBucket && bucket == nil:
		in.fail("page %d: element %d, with the key %x, has the wrong kind", p.id, i, k)
	case isBucket:
		in.bucket(k, p.id, v)
	case in.entry != nil:
		if err := in.entry(bucket, k, v); err != nil {
			in.fail("%w", err)
		}
	}
}

// bucket reads a bucket whose value is v. A small one is in there itself.
func (in *inspection) bucket(name []byte, id uint64, v []byte) {
	if len(v) < 16 {
		in.fail("page %d: a bucket of %d bytes", id, len(v))
		return
	}
	root, inside := binary.NativeEndian.Uint64(v), v[16:]
	if root != 0 {
		if len(inside) != 0 {
			in.fail("page %d: a bucket with %d bytes too many", id, len(inside))
			return
		}
		in.tree(name, root, false)
		return
	}
	if len(inside) < headerSize {
		in.fail("page %d: a bucket of %d bytes", id, len(v))
		return
	}
	e := binary.NativeEndian
	p := page{
		id: e.Uint64(inside), flags: e.Uint16(inside[8:]), count: int(e.Uint16(inside[10:])),
		length: uint64(len(inside)), data: inside,
	}
	end, err := uint64(0), error(nil)
	if p.id == 0 && p.isLeaf() && e.Uint32(inside[12:]) == 0 {
		end, err = p.check()
	}
	if err != nil || end != uint64(len(inside)) {
		in.fail("page %d: the bucket %q in it has changed", id, name)
		return
	}
	for i := range p.count {
		in.element(name, p, i)
	}
}

// allTaken looks for pages that nothing refers to.
func (in *inspection) allTaken() {
	n, first := 0, uint64(0)
	for id := range in.end {
		if in.taken[id/64]&(1<<(id%64)) == 0 {
			if n++; n == 1 {
				first = id
			}
		}
	}
	if n > 0 {
		in.fail("%d pages, page %d among them, are neither in use nor free", n, first)
	}
}

// join is errors.Join on one line.
func join(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	text := errs[0].Error()
	for _, err := range errs[1:] {
		text += "; " + err.Error()
	}
	return errors.New(text)
}
