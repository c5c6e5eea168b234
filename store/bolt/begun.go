package bolt

import (
	"encoding/binary"
	"hash/fnv"
)

// begun reports whether data is all of a file that bbolt had begun to make when its
// process was killed or the power was cut: a part of what it writes first, and else
// zeros. bbolt refuses such a file. There is no result in it, since the first result
// comes with other meta pages.
func begun(data []byte, pageSize int) bool {
	first := firstPages(pageSize)
	if len(data) > len(first) {
		return false
	}
	some := false
	for i, b := range data {
		if b != 0 && b != first[i] {
			return false
		}
		some = some || b != 0
	}
	return some
}

// firstPages returns what bbolt writes to an empty file, as TestFirstPages proves: two
// meta pages, of transactions 0 and 1, an empty list of free pages and an empty root.
func firstPages(pageSize int) []byte {
	e := binary.NativeEndian
	data := make([]byte, 4*pageSize)
	for i, flags := range []uint16{0x04, 0x04, 0x10, 0x02} {
		page := data[i*pageSize:]
		e.PutUint64(page, uint64(i))
		e.PutUint16(page[8:], flags)
		if i >= 2 {
			continue
		}
		meta := page[16:]
		e.PutUint32(meta, 0xED0CDAED)
		e.PutUint32(meta[4:], 2)
		e.PutUint32(meta[8:], uint32(pageSize))
		e.PutUint64(meta[16:], 3) // the root
		e.PutUint64(meta[32:], 2) // the list of free pages
		e.PutUint64(meta[40:], 4) // where the file ends
		e.PutUint64(meta[48:], uint64(i))
		sum := fnv.New64a()
		sum.Write(meta[:56])
		e.PutUint64(meta[56:], sum.Sum64())
	}
	return data
}
