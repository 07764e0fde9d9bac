package main

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// packs are how keys and values are read with -s: as numbers and text, in the letters of Python's struct that kcat takes. Empty: as they are.
type packs struct{ key, value string }

// packSizes are the bytes of a letter.
var packSizes = map[byte]int{'b': 1, 'B': 1, 'c': 1, 'h': 2, 'H': 2, 'i': 4, 'I': 4, 'q': 8, 'Q': 8}

// set reads one -s.
func (p *packs) set(text string) error {
	what, pack, both := "key and value", text, true
	for _, one := range []string{"key", "value"} {
		if rest, ok := strings.CutPrefix(text, one+"="); ok {
			what, pack, both = one, rest, false
		}
	}
	if pack == "avro" {
		return fmt.Errorf("-s %s: Avro is not available", text)
	}
	for i := range len(pack) {
		if c := pack[i]; packSizes[c] == 0 && !strings.ContainsRune("<>s$ ", rune(c)) {
			return fmt.Errorf("invalid token '%c' in %s pack-format, see -s usage", c, what)
		}
	}
	if both || what == "key" {
		p.key = pack
	}
	if both || what == "value" {
		p.value = pack
	}
	return nil
}

// unpack prints what a field has by a pack string. Numbers are little-endian behind <, and big-endian behind > and without either.
func unpack(dst []byte, pack string, field []byte) ([]byte, error) {
	var order binary.ByteOrder = binary.BigEndian
	for i := range len(pack) {
		c := pack[i]
		switch c {
		case '<':
			order = binary.LittleEndian
		case '>':
			order = binary.BigEndian
		case ' ':
			dst = append(dst, ' ')
		case 's':
			dst, field = append(dst, field...), nil
		case '$':
			if len(field) > 0 {
				return dst, fmt.Errorf("expected value end-of-input, but %d bytes remaining", len(field))
			}
		default:
			n := packSizes[c]
			if len(field) < n {
				return dst, fmt.Errorf("expected %d bytes for '%c', but only %d bytes remaining", n, c, len(field))
			}
			dst, field = appendPacked(dst, c, order, field[:n]), field[n:]
		}
	}
	return dst, nil
}

func appendPacked(dst []byte, letter byte, order binary.ByteOrder, b []byte) []byte {
	switch letter {
	case 'b':
		return strconv.AppendInt(dst, int64(int8(b[0])), 10)
	case 'B':
		return strconv.AppendInt(dst, int64(b[0]), 10)
	case 'c':
		return append(dst, b[0])
	case 'h':
		return strconv.AppendInt(dst, int64(int16(order.Uint16(b))), 10)
	case 'H':
		return strconv.AppendInt(dst, int64(order.Uint16(b)), 10)
	case 'i':
		return strconv.AppendInt(dst, int64(int32(order.Uint32(b))), 10)
	case 'I':
		return strconv.AppendInt(dst, int64(order.Uint32(b)), 10)
	case 'q':
		return strconv.AppendInt(dst, int64(order.Uint64(b)), 10)
	}
	return strconv.AppendUint(dst, order.Uint64(b), 10)
}
