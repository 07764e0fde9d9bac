package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
)

// jsonState is the JSON half of a walk. Printing writes into b; parsing looks at node.
type jsonState struct {
	comma bool
	node  any            // parsing: the present value, where a name is not needed
	obj   map[string]any // parsing: the present struct
}

// AppendJSON writes a message as JSON behind dst. Fields have the schema's names with the first letter in lower case; ordinary fields of
// the version are all there, tagged fields only when they differ from their default; bytes are base64, ids 22 characters.
func AppendJSON(dst []byte, m Message, version int16) ([]byte, error) {
	c := Codec{mode: printing, b: append(dst, '{')}
	if err := c.walk(m, version); err != nil {
		return dst, err
	}
	return append(c.b, '}'), nil
}

// ReadJSON fills a message from JSON. Absent fields get their defaults; unknown members are an error.
func ReadJSON(m Message, text []byte, version int16) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("%s: %w", m.MessageName(), err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%s: more than one JSON value", m.MessageName())
	}
	c := Codec{mode: parsing}
	obj, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: not a JSON object", m.MessageName())
	}
	c.json.obj = obj
	m.SetDefaults()
	if err := c.walk(m, version); err != nil {
		return err
	}
	if err := c.unused(obj); err != nil {
		return fmt.Errorf("%s v%d: %w", m.MessageName(), version, err)
	}
	return nil
}

// used marks a member that a field has taken.
type used struct{}

func (c *Codec) unused(obj map[string]any) error {
	least := ""
	for k, v := range obj {
		if _, ok := v.(used); !ok && (least == "" || k < least) {
			least = k
		}
	}
	if least != "" {
		return fmt.Errorf("there is no field %q in this version", least)
	}
	return nil
}

// ---- printing

func (c *Codec) key(name string) {
	if name == "" { // an element
		return
	}
	if c.json.comma {
		c.b = append(c.b, ',')
	}
	c.json.comma = true
	c.b = append(append(append(c.b, '"'), name...), '"', ':')
}

func (c *Codec) openStruct() { c.b = append(c.b, '{'); c.json.comma = false }

func (c *Codec) closeStruct() { c.b = append(c.b, '}'); c.json.comma = true }

func (c *Codec) openArray(name string, null bool) {
	c.key(name)
	if null {
		c.b = append(c.b, "null"...)
		return
	}
	c.b = append(c.b, '[')
	c.json.comma = false
}

func (c *Codec) element() {
	if c.json.comma {
		c.b = append(c.b, ',')
	}
	c.json.comma = true
}

func (c *Codec) closeArray(null bool) {
	if !null {
		c.b = append(c.b, ']')
	}
	c.json.comma = true
}

func (c *Codec) print(name string, v any) {
	c.key(name)
	b, err := json.Marshal(v)
	if err != nil {
		c.fail(fmt.Errorf("%s: %w", name, err))
	}
	c.b = append(c.b, b...)
}

// ---- parsing

// member gives the value of a field, and whether there is one.
func (c *Codec) member(name string) (any, bool) {
	if c.err != nil {
		return nil, false
	}
	if name == "" {
		return c.json.node, true
	}
	v, ok := c.json.obj[name]
	if ok {
		c.json.obj[name] = used{}
	}
	return v, ok
}

func (c *Codec) mismatch(name, want string, v any) {
	c.fail(fmt.Errorf("%s: %s wanted, not %.40q", name, want, fmt.Sprint(v)))
}

// enter calls found with the value of a struct field as the present one, or null where it is null.
func (c *Codec) enter(name string, nullable bool, found, null func()) {
	v, ok := c.member(name)
	if !ok {
		return
	}
	if v == nil {
		if !nullable {
			c.fail(fmt.Errorf("%s: %w", name, ErrNull))
			return
		}
		null()
		return
	}
	old := c.json.node
	c.json.node = v
	found()
	c.json.node = old
}

// inStruct walks the fields of the present value.
func (c *Codec) inStruct(name string, walk func()) {
	obj, ok := c.json.node.(map[string]any)
	if !ok {
		c.mismatch(name, "an object", c.json.node)
		return
	}
	old := c.json.obj
	c.json.obj = obj
	walk()
	c.json.obj = old
	if c.err == nil {
		if err := c.unused(obj); err != nil {
			c.fail(fmt.Errorf("%s: %w", name, err))
		}
	}
}

func parseArray[T any](c *Codec, name string, present []T, nullable bool, element func(*T)) []T {
	v, ok := c.member(name)
	if !ok {
		return present
	}
	if v == nil {
		if !nullable {
			c.fail(fmt.Errorf("%s: %w", name, ErrNull))
		}
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		c.mismatch(name, "an array", v)
		return nil
	}
	a := make([]T, len(list))
	old := c.json.node
	for i := range list {
		c.json.node = list[i]
		element(&a[i])
	}
	c.json.node = old
	return a
}

func jsonBool(c *Codec, name string, v *bool) {
	if m, ok := c.member(name); ok {
		if b, ok := m.(bool); ok {
			*v = b
		} else {
			c.mismatch(name, "true or false", m)
		}
	}
}

func jsonInt[T int8 | int16 | uint16 | int32 | uint32 | int64](c *Codec, name string, v *T) {
	if c.mode == printing {
		c.key(name)
		c.b = strconv.AppendInt(c.b, int64(*v), 10)
		return
	}
	m, ok := c.member(name)
	if !ok {
		return
	}
	n, ok := m.(json.Number)
	if !ok {
		c.mismatch(name, "a number", m)
		return
	}
	i, err := strconv.ParseInt(n.String(), 10, 64)
	if err != nil || int64(T(i)) != i {
		c.mismatch(name, fmt.Sprintf("a number that fits %T", *v), m)
		return
	}
	*v = T(i)
}

func jsonFloat(c *Codec, name string, v *float64) {
	if c.mode == printing {
		c.print(name, *v)
		return
	}
	m, ok := c.member(name)
	if !ok {
		return
	}
	n, ok := m.(json.Number)
	if !ok {
		c.mismatch(name, "a number", m)
		return
	}
	f, err := n.Float64()
	if err != nil {
		c.mismatch(name, "a number", m)
		return
	}
	*v = f
}

func jsonUUID(c *Codec, name string, v *UUID) {
	if c.mode == printing {
		c.print(name, v.String())
		return
	}
	m, ok := c.member(name)
	if !ok {
		return
	}
	s, _ := m.(string)
	u, err := ParseUUID(s)
	if err != nil {
		c.mismatch(name, "an id of 22 characters", m)
		return
	}
	*v = u
}

func jsonString(c *Codec, name string, v **string, nullable bool) {
	if c.mode == printing {
		if *v != nil && !validText(**v) {
			c.fail(fmt.Errorf("%s is not UTF-8 and cannot be shown as JSON", name))
		}
		c.print(name, *v)
		return
	}
	m, ok := c.member(name)
	if !ok {
		return
	}
	switch s := m.(type) {
	case nil:
		if !nullable {
			c.fail(fmt.Errorf("%s: %w", name, ErrNull))
		}
		*v = nil
	case string:
		*v = &s
	default:
		c.mismatch(name, "text", m)
	}
}

func jsonBytes(c *Codec, name string, v *[]byte, nullable bool) {
	if c.mode == printing {
		if *v == nil && !nullable {
			c.print(name, "")
			return
		}
		c.print(name, *v)
		return
	}
	m, ok := c.member(name)
	if !ok {
		return
	}
	switch s := m.(type) {
	case nil:
		if !nullable {
			c.fail(fmt.Errorf("%s: %w", name, ErrNull))
		}
		*v = nil
	case string:
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			c.mismatch(name, "base64", m)
			return
		}
		*v = b
	default:
		c.mismatch(name, "base64", m)
	}
}
