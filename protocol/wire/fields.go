package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Bool walks a field of one byte.
func (c *Codec) Bool(name string, v *bool) {
	switch c.mode {
	case writing:
		b := byte(0)
		if *v {
			b = 1
		}
		c.b = append(c.b, b)
	case reading:
		if p := c.take(name, 1); p != nil {
			*v = p[0] != 0
		}
	case printing:
		c.key(name)
		c.b = strconv.AppendBool(c.b, *v)
	case parsing:
		jsonBool(c, name, v)
	}
}

// Int8 walks a field of one byte.
func (c *Codec) Int8(name string, v *int8) {
	switch c.mode {
	case writing:
		c.b = append(c.b, byte(*v))
	case reading:
		if p := c.take(name, 1); p != nil {
			*v = int8(p[0])
		}
	default:
		jsonInt(c, name, v)
	}
}

// Int16 walks a field of two bytes.
func (c *Codec) Int16(name string, v *int16) {
	switch c.mode {
	case writing:
		c.b = binary.BigEndian.AppendUint16(c.b, uint16(*v))
	case reading:
		if p := c.take(name, 2); p != nil {
			*v = int16(binary.BigEndian.Uint16(p))
		}
	default:
		jsonInt(c, name, v)
	}
}

// Uint16 walks a field of two bytes.
func (c *Codec) Uint16(name string, v *uint16) {
	switch c.mode {
	case writing:
		c.b = binary.BigEndian.AppendUint16(c.b, *v)
	case reading:
		if p := c.take(name, 2); p != nil {
			*v = binary.BigEndian.Uint16(p)
		}
	default:
		jsonInt(c, name, v)
	}
}

// Int32 walks a field of four bytes.
func (c *Codec) Int32(name string, v *int32) {
	switch c.mode {
	case writing:
		c.b = binary.BigEndian.AppendUint32(c.b, uint32(*v))
	case reading:
		if p := c.take(name, 4); p != nil {
			*v = int32(binary.BigEndian.Uint32(p))
		}
	default:
		jsonInt(c, name, v)
	}
}

// Uint32 walks a field of four bytes.
func (c *Codec) Uint32(name string, v *uint32) {
	switch c.mode {
	case writing:
		c.b = binary.BigEndian.AppendUint32(c.b, *v)
	case reading:
		if p := c.take(name, 4); p != nil {
			*v = binary.BigEndian.Uint32(p)
		}
	default:
		jsonInt(c, name, v)
	}
}

// Int64 walks a field of eight bytes.
func (c *Codec) Int64(name string, v *int64) {
	switch c.mode {
	case writing:
		c.b = binary.BigEndian.AppendUint64(c.b, uint64(*v))
	case reading:
		if p := c.take(name, 8); p != nil {
			*v = int64(binary.BigEndian.Uint64(p))
		}
	default:
		jsonInt(c, name, v)
	}
}

// Float64 walks a field of eight bytes, IEEE 754.
func (c *Codec) Float64(name string, v *float64) {
	switch c.mode {
	case writing:
		c.b = binary.BigEndian.AppendUint64(c.b, math.Float64bits(*v))
	case reading:
		if p := c.take(name, 8); p != nil {
			*v = math.Float64frombits(binary.BigEndian.Uint64(p))
		}
	default:
		jsonFloat(c, name, v)
	}
}

// UUID walks a field of sixteen bytes.
func (c *Codec) UUID(name string, v *UUID) {
	switch c.mode {
	case writing:
		c.b = append(c.b, v[:]...)
	case reading:
		if p := c.take(name, 16); p != nil {
			*v = UUID(p)
		}
	default:
		jsonUUID(c, name, v)
	}
}

// String walks a field of text that is never null.
func (c *Codec) String(name string, v *string) {
	switch c.mode {
	case writing:
		c.putString(name, *v)
	case reading:
		n := c.stringLen(name)
		if n < 0 {
			c.failAt(name, ErrNull)
		} else {
			*v = c.text(name, n)
		}
	default:
		p := v
		jsonString(c, name, &p, false)
		if p != nil {
			*v = *p
		}
	}
}

// NullString walks a field of text; it may be null where nullable is set.
func (c *Codec) NullString(name string, v **string, nullable bool) {
	switch c.mode {
	case writing:
		switch {
		case *v != nil:
			c.putString(name, **v)
		case !nullable:
			c.failAt(name, ErrNull)
		case c.Flex:
			c.b = append(c.b, 0)
		default:
			c.b = append(c.b, 0xff, 0xff)
		}
	case reading:
		n := c.stringLen(name)
		if n < 0 {
			*v = nil
			if !nullable {
				c.failAt(name, ErrNull)
			}
		} else if s := c.text(name, n); c.pay(name, 1, textHead) {
			*v = &s
		}
	default:
		jsonString(c, name, v, nullable)
	}
}

func (c *Codec) putString(name, s string) {
	if err := CheckText(s); err != nil {
		c.fail(fmt.Errorf("%s: %w", name, err))
		return
	}
	if c.Flex {
		c.b = AppendUvarint(c.b, uint64(len(s))+1)
	} else {
		c.b = binary.BigEndian.AppendUint16(c.b, uint16(len(s)))
	}
	c.b = append(c.b, s...)
}

// MaxText is how many bytes a text may have. Compact encodings could have more, but no broker reads more.
const MaxText = math.MaxInt16

// CheckText tells whether a text can be sent: ErrLength if it is longer than MaxText, ErrText if it is not UTF-8. A broker ends the connection at the one, and reads something else at the other.
func CheckText(s string) error {
	switch {
	case len(s) > MaxText:
		return fmt.Errorf("%w: %d bytes of text, more than %d", ErrLength, len(s), MaxText)
	case !utf8.ValidString(s):
		return ErrText
	}
	return nil
}

// textHead is the size of a string without its bytes.
const textHead = int(unsafe.Sizeof(""))

// text reads n bytes of text. What is not UTF-8 is given as question marks: what is read can be written, and is not longer.
func (c *Codec) text(name string, n int) string {
	p := c.take(name, n)
	if n < 2 && n == len(p) { // nothing is allocated for one byte
		if n == 1 && p[0] >= utf8.RuneSelf {
			if c.loose {
				return "\ufffd"
			}
			return "?"
		}
		return string(p)
	}
	if p == nil || !c.pay(name, n, 1) {
		return ""
	}
	if !utf8.Valid(p) {
		if c.loose && c.pay(name, 3*n, 1) {
			if s := replaced(p); len(s) <= MaxText {
				return s
			}
		}
		if !c.pay(name, n+1, 1) {
			return ""
		}
		return strings.ToValidUTF8(string(p), "?")
	}
	return string(p)
}

// replaced gives what is not UTF-8 as U+FFFD, once for each piece that begins as a character does and is none: as Java does it: with "substitution of maximal subparts" (Unicode, chapter 3.9), but for surrogates, which are one piece.
func replaced(p []byte) string {
	out := make([]byte, 0, 3*len(p))
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n == 1 {
			n = subpart(p)
		}
		out = utf8.AppendRune(out, r)
		p = p[n:]
	}
	return string(out)
}

// subpart is how many bytes begin as a character does; at least one.
func subpart(p []byte) int {
	lowest, highest, size := byte(0x80), byte(0xbf), 1
	switch b := p[0]; {
	case b >= 0xc2 && b <= 0xdf:
		size = 2
	case b >= 0xe0 && b <= 0xef:
		size = 3
	case b >= 0xf0 && b <= 0xf4:
		size = 4
	}
	switch p[0] { // the second byte has bounds of its own
	case 0xe0:
		lowest = 0xa0
	case 0xf0:
		lowest = 0x90
	case 0xf4:
		highest = 0x8f
	}
	n := 1
	for ; n < min(size, len(p)) && p[n] >= lowest && p[n] <= highest; n++ {
		lowest, highest = 0x80, 0xbf
	}
	return n
}

// stringLen reads the length of a text; -1 is null.
func (c *Codec) stringLen(name string) int {
	if c.Flex {
		n := c.compactLen(name)
		if n > MaxText {
			c.failAt(name, ErrLength)
		}
		return n
	}
	p := c.take(name, 2)
	if p == nil {
		return 0
	}
	n := int(int16(binary.BigEndian.Uint16(p)))
	if n < -1 && !c.loose {
		c.failAt(name, ErrLength)
	}
	return max(n, -1)
}

// uvarint reads a number that is not negative, but for brokers: they take it for one of 32 bits with a sign.
func (c *Codec) uvarint(name string) int {
	if c.err != nil {
		return 0
	}
	v, n := Uvarint32(c.b[c.off:])
	switch {
	case n == 0:
		c.failAt(name, ErrShort)
		return 0
	case n < 0 || v > math.MaxInt32 && !c.loose:
		c.failAt(name, ErrVarint)
		return 0
	}
	c.off += n
	return int(int32(v))
}

// compactLen reads a length that is written as one more; -1 is null.
func (c *Codec) compactLen(name string) int { return max(int(int32(c.uvarint(name))-1), -1) }

// length reads the length of bytes or an array; -1 is null.
func (c *Codec) length(name string) int {
	if c.Flex {
		return c.compactLen(name)
	}
	p := c.take(name, 4)
	if p == nil {
		return 0
	}
	n := int(int32(binary.BigEndian.Uint32(p)))
	if n < -1 && !c.loose {
		c.failAt(name, ErrLength)
		return 0
	}
	return max(n, -1)
}

func (c *Codec) putLength(n int) {
	if c.Flex {
		c.b = AppendUvarint(c.b, uint64(n+1))
	} else {
		c.b = binary.BigEndian.AppendUint32(c.b, uint32(n))
	}
}

// Bytes walks a field of bytes; nil is null where nullable is set, and empty where it is not.
func (c *Codec) Bytes(name string, v *[]byte, nullable bool) {
	switch c.mode {
	case writing:
		if *v == nil && nullable {
			c.putLength(-1)
			return
		}
		c.putLength(len(*v))
		c.b = append(c.b, *v...)
	case reading:
		n := c.length(name)
		if n >= 0 {
			*v = c.take(name, n)
			return
		}
		*v = nil
		if !nullable {
			c.failAt(name, ErrNull)
		}
	default:
		jsonBytes(c, name, v, nullable)
	}
}

// Records walks a field of records: bytes that may be long.
func (c *Codec) Records(name string, v *[]byte, nullable bool) {
	if c.mode == writing && c.splice && len(*v) >= spliceFrom {
		c.putLength(len(*v))
		c.parts = append(c.parts, Splice{At: len(c.b), Data: *v})
		return
	}
	c.Bytes(name, v, nullable)
}

// validText keeps JSON honest: what is not UTF-8 cannot be shown.
func validText(s string) bool { return utf8.ValidString(s) }

// Ptr gives a pointer to a text, for nullable fields.
func Ptr(s string) *string { return &s }

// Default gives a pointer to the default of a text that did not come.
func (c *Codec) Default(s string) *string {
	if c.mode == reading {
		c.pay("default", 1, textHead)
	}
	return &s
}

// Made makes a struct with its defaults.
func Made[T any](setDefaults func(*T)) *T {
	v := new(T)
	setDefaults(v)
	return v
}
