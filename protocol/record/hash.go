package record

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CRC32C is the checksum of batches of magic 2.
func CRC32C(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// CRC32 is the checksum of messages of magic 0 and 1.
func CRC32(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// Murmur2 is the hash by which Java's default partitioner spreads keys (seed 0x9747b28c).
func Murmur2(b []byte) int32 {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * m
		k ^= k >> r
		h = h*m ^ k*m
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h = (h ^ h>>13) * m
	return int32(h ^ h>>15)
}
