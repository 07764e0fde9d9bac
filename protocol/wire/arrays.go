package wire

import "unsafe"

// Array walks an array of structs that each take at least least bytes; nil is null where nullable is set.
func Array[T any](c *Codec, name string, v *[]T, walk func(*T, *Codec), nullable bool, least int) {
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
		a := makeArray[T](c, name, nullable, least)
		for i := range a {
			if walk(&a[i], c); c.err != nil {
				return
			}
		}
		*v = a
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

// makeArray reads the number of elements and makes room for all of them at once; nil is null, or an error.
func makeArray[T any](c *Codec, name string, nullable bool, least int) []T {
	n := c.length(name)
	if c.err != nil {
		return nil
	}
	if n < 0 {
		if !nullable {
			c.failAt(name, ErrNull)
		}
		return nil
	}
	if int64(n)*int64(least) > int64(c.left()) {
		c.failAt(name, ErrLength)
		return nil
	}
	var e T
	if !c.pay(name, n, int(unsafe.Sizeof(e))) {
		return nil
	}
	return make([]T, n)
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
		a := makeArray[T](c, name, nullable, least)
		for i := range a {
			if walk(c, name, &a[i]); c.err != nil {
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
	least := 2
	if c.Flex {
		least = 1
	}
	Plain(c, name, v, (*Codec).String, nullable, least)
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
			if p[0] == 0xff || p[0] >= 0x80 && c.loose || p[0] == 0 && c.tag.open > 0 {
				*v = nil
				return
			}
		}
		var e T
		if !c.pay(name, 1, int(unsafe.Sizeof(e))) {
			return
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
