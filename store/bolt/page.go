package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// What bbolt writes, as far as it has to be known to find out whether it is still what bbolt
// has written. bbolt itself takes much on trust: a number that has changed leads it round in
// circles, beyond the end of the file, or past results.
const (
	headerSize  = 16 // of a page: its ID, flags, how many elements, how many further pages
	elementSize = 16 // of a branch, and of a leaf

	branchPage = 0x01
	leafPage   = 0x02
	metaPage   = 0x04
	freePage   = 0x10

	bucketElement = 0x01 // of a leaf: its value is a bucket

	longestKey = 1 << 15 // that bbolt takes

	deepest = 64 // levels: far more than a file can have
)

// A pageReader reads pages and finds out whether they are in order. It allocates no more
// than the file has.
type pageReader struct {
	file io.ReaderAt
	size int64  // of a page
	end  uint64 // the first page behind those that are in use
}

// A page is one with those that it goes on in.
type page struct {
	id     uint64
	flags  uint16
	count  int
	length uint64   // of all its pages
	data   []byte   // of the first one, or more
	keys   [][]byte // of its elements, if they are not all in data
}

// head reads a page that should have one of the flags into buffer, but not those that it goes
// on in.
func (r pageReader) head(id uint64, flags uint16, buffer []byte) (page, error) {
	if id < 2 || id >= r.end {
		return page{}, fmt.Errorf("page %d: there is none", id)
	}
	if err := r.read(buffer, id, 0); err != nil {
		return page{}, err
	}
	e := binary.NativeEndian
	p := page{id: e.Uint64(buffer), flags: e.Uint16(buffer[8:]), count: int(e.Uint16(buffer[10:])), data: buffer}
	if p.id != id || p.flags&flags == 0 || p.flags&(p.flags-1) != 0 {
		return page{}, fmt.Errorf("page %d: it says that it is page %d, with the flags %#x", id, p.id, p.flags)
	}
	further := uint64(e.Uint32(buffer[12:]))
	if further >= r.end-id {
		return page{}, fmt.Errorf("page %d: %d further pages, beyond the end", id, further)
	}
	p.length = (further + 1) * uint64(r.size)
	return p, nil
}

func (r pageReader) read(data []byte, id, at uint64) error {
	if _, err := r.file.ReadAt(data, int64(id)*r.size+int64(at)); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// buffer returns one for head.
func (r pageReader) buffer() []byte { return make([]byte, r.size) }

// whole returns all bytes of a page.
func (r pageReader) whole(p page) ([]byte, error) {
	if p.length == uint64(r.size) {
		return p.data, nil
	}
	data := make([]byte, p.length)
	return data, r.read(data, p.id, 0)
}

// withKeys reads the keys of a branch or a leaf that goes on in further pages. It reads no
// values, which may have hundreds of megabytes.
func (r pageReader) withKeys(p page) (page, error) {
	elements := headerSize + elementSize*uint64(p.count)
	switch {
	case p.length == uint64(r.size):
		return p, nil
	case elements > p.length:
		return page{}, fmt.Errorf("page %d: %d elements are more than it has room for", p.id, p.count)
	case elements > uint64(r.size):
		p.data = make([]byte, elements)
		if err := r.read(p.data, p.id, 0); err != nil {
			return page{}, err
		}
	}
	p.keys = make([][]byte, p.count)
	for i := range p.keys {
		begin, key, _ := p.place(i)
		if key > longestKey || begin+key > p.length {
			return page{}, fmt.Errorf("page %d: element %d, with a key of %d bytes from %d on, is not where it should be",
				p.id, i, key, begin)
		}
		p.keys[i] = make([]byte, key)
		if err := r.read(p.keys[i], p.id, begin); err != nil {
			return page{}, err
		}
	}
	return p, nil
}

// value returns the value of a leaf's element, in a page that is in order.
func (r pageReader) value(p page, i int) ([]byte, error) {
	begin, key, value := p.place(i)
	if p.keys == nil {
		return p.data[begin+key : begin+key+value], nil
	}
	data := make([]byte, value)
	return data, r.read(data, p.id, begin+key)
}

// tree reads a branch or a leaf, with its elements in order and as close together as bbolt
// leaves them.
func (r pageReader) tree(id uint64) (page, error) {
	p, err := r.head(id, branchPage|leafPage, r.buffer())
	if err != nil {
		return page{}, err
	}
	return r.inOrder(p)
}

func (r pageReader) inOrder(p page) (page, error) {
	p, err := r.withKeys(p)
	if err != nil {
		return page{}, err
	}
	end, err := p.check()
	if err == nil && p.length-end >= uint64(r.size) {
		err = fmt.Errorf("page %d: it ends at %d of %d bytes", p.id, end, p.length)
	}
	return p, err
}

// pages is how many pages it is.
func (p page) pages(size int64) uint64 { return p.length / uint64(size) }

func (p page) isLeaf() bool { return p.flags == leafPage }

// check returns where the last element ends.
func (p page) check() (end uint64, err error) {
	end = uint64(headerSize + elementSize*p.count)
	if end > p.length {
		return 0, fmt.Errorf("page %d: %d elements are more than it has room for", p.id, p.count)
	}
	for i := range p.count {
		begin, key, value := p.place(i)
		if begin != end || key == 0 || key+value > p.length-end {
			return 0, fmt.Errorf("page %d: element %d, with %d bytes from %d on, is not where it should be", p.id, i, key+value, begin)
		}
		end += key + value
		if flags := p.flag(i); flags > bucketElement {
			return 0, fmt.Errorf("page %d: element %d has the flags %#x", p.id, i, flags)
		}
		if i > 0 && bytes.Compare(p.key(i-1), p.key(i)) >= 0 {
			return 0, fmt.Errorf("page %d: key %x comes after key %x", p.id, p.key(i), p.key(i-1))
		}
	}
	return end, nil
}

func (p page) element(i int) []byte { return p.data[headerSize+elementSize*i:] }

// place returns where the key of an element begins, and how long it and the value behind it
// are.
func (p page) place(i int) (begin, key, value uint64) {
	e, el := binary.NativeEndian, p.element(i)
	at := uint64(headerSize + elementSize*i)
	if p.isLeaf() {
		return at + uint64(e.Uint32(el[4:])), uint64(e.Uint32(el[8:])), uint64(e.Uint32(el[12:]))
	}
	return at + uint64(e.Uint32(el)), uint64(e.Uint32(el[4:])), 0
}

func (p page) key(i int) []byte {
	if p.keys != nil {
		return p.keys[i]
	}
	begin, key, _ := p.place(i)
	return p.data[begin : begin+key]
}

// flag returns the flags of a leaf's element.
func (p page) flag(i int) uint32 {
	if !p.isLeaf() {
		return 0
	}
	return binary.NativeEndian.Uint32(p.element(i))
}

// child is the page that an element of a branch leads to.
func (p page) child(i int) uint64 { return binary.NativeEndian.Uint64(p.element(i)[8:]) }

// within reports whether all keys are from low on and below high. nil is no bound.
func (p page) within(low, high []byte) error {
	if p.count == 0 {
		return nil
	}
	if first := p.key(0); low != nil && bytes.Compare(first, low) < 0 {
		return fmt.Errorf("page %d: key %x comes before %x, where the page begins", p.id, first, low)
	}
	if last := p.key(p.count - 1); high != nil && bytes.Compare(last, high) >= 0 {
		return fmt.Errorf("page %d: key %x comes after %x, where the page ends", p.id, last, high)
	}
	return nil
}

// bounds returns those of a branch's child, inside of those of the branch.
func (p page) bounds(i int, high []byte) (low, below []byte) {
	if i+1 < p.count {
		high = p.key(i + 1)
	}
	return p.key(i), high
}
