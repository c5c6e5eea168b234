package bolt

import (
	"encoding/binary"
	"hash/crc32"
)

// seal returns data, which it may extend, with a checksum of it and of the key that it is stored under. bbolt
// has checksums in its meta pages only: of a bit that has changed on the disk, and of a
// key that has, nobody would hear. TestDamagedBit tries that.
func seal(key, data []byte) []byte {
	return binary.LittleEndian.AppendUint32(data, sum(key, data))
}

// unseal returns the data, and whether neither they nor the key have changed.
func unseal(key, sealed []byte) (data []byte, ok bool) {
	if len(sealed) < 4 {
		return nil, false
	}
	data, end := sealed[:len(sealed)-4], sealed[len(sealed)-4:]
	return data, binary.LittleEndian.Uint32(end) == sum(key, data)
}

func sum(key, data []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(key, table), table, data)
}
