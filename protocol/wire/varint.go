package wire

import "math/bits"

// AppendUvarint appends an unsigned varint.
func AppendUvarint(dst []byte, v uint64) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// AppendVarint appends a signed varint in zigzag form, as in record batches.
func AppendVarint(dst []byte, v int64) []byte {
	return AppendUvarint(dst, uint64(v)<<1^uint64(v>>63))
}

// UvarintLen is the size of an unsigned varint.
func UvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// VarintLen is the size of a signed varint.
func VarintLen(v int64) int { return UvarintLen(uint64(v)<<1 ^ uint64(v>>63)) }

// Uvarint32 reads an unsigned varint of at most 32 bits; n is its size, or 0 if b ends too early, or negative if it is too long: more than five bytes. Bits of the fifth that there is no room for do not count, as in Kafka.
func Uvarint32(b []byte) (v uint32, n int) {
	for i, c := range b {
		if i == 4 && c >= 0x80 {
			return 0, -1
		}
		v |= uint32(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// Uvarint64 is Uvarint32 for 64 bits, and ten bytes.
func Uvarint64(b []byte) (v uint64, n int) {
	for i, c := range b {
		if i == 9 && c >= 0x80 {
			return 0, -1
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// Varint32 reads a zigzag varint of at most 32 bits.
func Varint32(b []byte) (v int32, n int) {
	u, n := Uvarint32(b)
	return int32(u>>1) ^ -int32(u&1), n
}

// Varint64 reads a zigzag varint of at most 64 bits.
func Varint64(b []byte) (v int64, n int) {
	u, n := Uvarint64(b)
	return int64(u>>1) ^ -int64(u&1), n
}
