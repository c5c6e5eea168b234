package bolt

import (
	"encoding/binary"
	"hash/crc32"
)

// seal returns data with a checksum. bbolt has checksums in its meta pages only: of a bit
// that has changed on the disk nothing would tell. Results have that of package codec.
func seal(data []byte) []byte {
	return binary.LittleEndian.AppendUint32(data, sum(data))
}

// unseal returns the data, and whether they are as they were.
func unseal(sealed []byte) (data []byte, ok bool) {
	if len(sealed) < 4 {
		return nil, false
	}
	data, end := sealed[:len(sealed)-4], sealed[len(sealed)-4:]
	return data, binary.LittleEndian.Uint32(end) == sum(data)
}

func sum(data []byte) uint32 { return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) }
