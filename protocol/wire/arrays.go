package wire

import (
	"unsafe"
)

// maxBlowUp is how many bytes an array may allocate at once for each byte that is left to read; what is larger grows as it is read.
const maxBlowUp = 4

// Array walks an array of structs; nil is null where nullable is set.
func Array[T any](c *Codec, name string, v *[]T, walk func(*T, *Codec), nullable bool) {
	switch c.mode {
	case writing:
		if *v == nil && nullable {
			c.putLength(-1)
			return
		}
		c.putLength(len(*v))
		for i := range *v {
			walk(&(*v)[i], c)
		}
	case reading:
		*v = readArray(c, name, walk, nullable)
	case printing:
		c.openArray(name, *v == nil && nullable)
		for i := range *v {
			c.element()
			c.openStruct()
			walk(&(*v)[i], c)
			c.closeStruct()
		}
		c.closeArray(*v == nil && nullable)
	case parsing:
		*v = parseArray(c, name, *v, nullable, func(e *T) { c.inStruct(name, func() { walk(e, c) }) })
	}
}

// startCap is how many elements to make room for at once.
func startCap[T any](n, left int) int {
	var e T
	size := int(unsafe.Sizeof(e))
	if size == 0 {
		size = 1
	}
	return min(n, left*maxBlowUp/size+1)
}

// count reads the number of elements and holds it against the bytes that are left: an element takes at least one.
func (c *Codec) count(name string, nullable bool, least int) int {
	n := c.length(name)
	if c.err != nil {
		return -1
	}
	if n < 0 {
		if !nullable {
			c.failAt(name, ErrNull)
		}
		return -1
	}
	if n*least > c.left() {
		c.failAt(name, ErrLength)
		return -1
	}
	return n
}

func readArray[T any](c *Codec, name string, walk func(*T, *Codec), nullable bool) []T {
	n := c.count(name, nullable, 1)
	if n < 0 {
		return nil
	}
	a := make([]T, 0, startCap[T](n, c.left()))
	for range n {
		var zero T
		a = append(a, zero)
		walk(&a[len(a)-1], c)
		if c.err != nil {
			return nil
		}
	}
	return a
}

// Plain walks an array of fields that each take at least least bytes.
func Plain[T any](c *Codec, name string, v *[]T, walk func(*Codec, string, *T), nullable bool, least int) {
	switch c.mode {
	case writing:
		if *v == nil && nullable {
			c.putLength(-1)
			return
		}
		c.putLength(len(*v))
		for i := range *v {
			walk(c, name, &(*v)[i])
		}
	case reading:
		n := c.count(name, nullable, least)
		if n < 0 {
			*v = nil
			return
		}
		a := make([]T, 0, startCap[T](n, c.left()))
		for range n {
			var zero T
			a = append(a, zero)
			walk(c, name, &a[len(a)-1])
			if c.err != nil {
				return
			}
		}
		*v = a
	case printing:
		c.openArray(name, *v == nil && nullable)
		for i := range *v {
			c.element()
			walk(c, "", &(*v)[i])
		}
		c.closeArray(*v == nil && nullable)
	case parsing:
		*v = parseArray(c, name, *v, nullable, func(e *T) { walk(c, "", e) })
	}
}

// Int8s walks an array of int8.
func (c *Codec) Int8s(name string, v *[]int8, nullable bool) {
	Plain(c, name, v, (*Codec).Int8, nullable, 1)
}

// Int16s walks an array of int16.
func (c *Codec) Int16s(name string, v *[]int16, nullable bool) {
	Plain(c, name, v, (*Codec).Int16, nullable, 2)
}

// Int32s walks an array of int32.
func (c *Codec) Int32s(name string, v *[]int32, nullable bool) {
	Plain(c, name, v, (*Codec).Int32, nullable, 4)
}

// Int64s walks an array of int64.
func (c *Codec) Int64s(name string, v *[]int64, nullable bool) {
	Plain(c, name, v, (*Codec).Int64, nullable, 8)
}

// Strings walks an array of text.
func (c *Codec) Strings(name string, v *[]string, nullable bool) {
	Plain(c, name, v, (*Codec).String, nullable, 1)
}

// UUIDs walks an array of ids.
func (c *Codec) UUIDs(name string, v *[]UUID, nullable bool) {
	Plain(c, name, v, (*Codec).UUID, nullable, 16)
}

// Struct walks a struct that is never null.
func Struct[T any](c *Codec, name string, v *T, walk func(*T, *Codec)) {
	switch c.mode {
	case printing:
		c.key(name)
		c.openStruct()
		walk(v, c)
		c.closeStruct()
	case parsing:
		c.enter(name, false, func() { c.inStruct(name, func() { walk(v, c) }) }, nil)
	default:
		walk(v, c)
	}
}

// NullStruct walks a struct that may be null where nullable is set (KIP-893). In a tagged field the marker is an unsigned varint.
func NullStruct[T any](c *Codec, name string, v **T, walk func(*T, *Codec), nullable bool) {
	switch c.mode {
	case writing:
		if nullable {
			switch {
			case *v == nil && c.tag.open > 0:
				c.b = append(c.b, 0)
			case *v == nil:
				c.b = append(c.b, 0xff)
			default:
				c.b = append(c.b, 1)
			}
		}
		if *v != nil {
			walk(*v, c)
		} else if !nullable {
			c.failAt(name, ErrNull)
		}
	case reading:
		if nullable {
			p := c.take(name, 1)
			if p == nil {
				return
			}
			if p[0] == 0xff || p[0] == 0 && c.tag.open > 0 {
				*v = nil
				return
			}
		}
		*v = new(T)
		walk(*v, c)
	case printing:
		c.key(name)
		if *v == nil {
			c.b = append(c.b, "null"...)
			return
		}
		c.openStruct()
		walk(*v, c)
		c.closeStruct()
	case parsing:
		c.enter(name, nullable, func() {
			*v = new(T)
			c.inStruct(name, func() { walk(*v, c) })
		}, func() { *v = nil })
	}
}
