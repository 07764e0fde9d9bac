package wire

import (
	"slices"
	"unsafe"
)

// Tags are the tagged fields of a struct that this client does not know: they are kept as they came, and written again.
type Tags struct {
	Count int
	Raw   []byte // each with its tag and its size
}

// Len is how many there are; nil has none.
func (t *Tags) Len() int {
	if t == nil {
		return 0
	}
	return t.Count
}

// tagState is where the walk is among tagged fields.
type tagState struct {
	open   int    // how many tagged fields it is inside of
	left   int    // reading: fields to come in this struct
	id     uint32 // reading: the present one
	last   int64  // reading: the one before, -1 for none
	start  int    // reading: where the present one begins; writing: where its data begins
	end    int    // reading: where the present one ends
	kept   int    // reading: where the first one that was kept begins, -1 for none
	all    []byte // reading: the whole input, while a field narrows it
	size   int    // reading loosely: what is told of its size
	inside bool   // reading loosely: there is a present one
}

// Tags walks the tagged fields of a struct that knows none.
func (c *Codec) Tags(unknown **Tags) {
	switch c.mode {
	case reading:
		if c.err == nil && c.off < len(c.b) && c.b[c.off] == 0 { // none came
			c.off++
			return
		}
		t := c.OpenTags()
		for c.NextTag() {
			c.KeepTag(unknown)
		}
		c.CloseTags(t)
	case writing:
		c.TagCount((*unknown).Len())
		c.PutTags(*unknown)
	}
}

// TagState is what a struct's tagged fields interrupt.
type TagState struct{ t tagState }

// OpenTags begins to read tagged fields.
func (c *Codec) OpenTags() TagState {
	s := TagState{c.tag}
	c.tag = tagState{open: s.t.open, left: c.uvarint("tagged fields"), last: -1, kept: -1}
	if c.tag.left = max(c.tag.left, 0); c.err == nil && c.tag.left > c.left()/2 {
		c.failAt("tagged fields", ErrLength)
	}
	if c.brief {
		c.pay("tagged fields", c.tag.left, 16)
	}
	return s
}

// CloseTags ends the reading of tagged fields.
func (c *Codec) CloseTags(s TagState) { c.tag = s.t }

// NextTag goes on to the next tagged field; false when there is none.
func (c *Codec) NextTag() bool {
	t := &c.tag
	if c.loose {
		return c.nextLoose(t)
	}
	if t.all != nil {
		if c.off != t.end && c.err == nil {
			c.failAt("tagged field", ErrTrailing)
		}
		c.b, t.all = t.all, nil
		t.open--
	}
	if c.err != nil || t.left == 0 {
		return false
	}
	t.left--
	t.start = c.off
	id := c.uvarint("tag")
	size := c.uvarint("size of tagged field")
	switch {
	case c.err != nil:
	case int64(id) <= t.last:
		c.failAt("tag", ErrTags)
	case size > c.left():
		c.failAt("tagged field", ErrLength)
	}
	if c.err != nil {
		return false
	}
	t.id, t.last, t.end = uint32(id), int64(id), c.off+size
	t.all = c.b
	t.open++
	c.b = c.b[:t.end] // a field must not read past its end
	return true
}

// nextLoose goes on as brokers do: to whatever follows what was read of the field before. A size counts for fields that are not known only.
func (c *Codec) nextLoose(t *tagState) bool {
	if t.id, t.size = 0, 0; t.inside {
		t.inside = false
		t.open--
	}
	if c.err != nil || t.left == 0 {
		return false
	}
	t.left--
	id := c.uvarint("tag")
	t.id, t.size = uint32(id), c.uvarint("size of tagged field")
	if c.err != nil {
		return false
	}
	t.inside = true
	t.open++
	return true
}

// Tag is the id of the present tagged field.
func (c *Codec) Tag() uint32 { return c.tag.id }

// KeepTag keeps the present tagged field as it is. In no version there is a known one behind an unknown one: all that are kept stand together.
func (c *Codec) KeepTag(unknown **Tags) {
	t := &c.tag
	if c.loose { // nobody writes a request again that a broker has read
		c.take("tagged field", t.size)
		return
	}
	c.off = t.end
	if t.kept < 0 {
		if !c.pay("tagged fields", 1, int(unsafe.Sizeof(Tags{}))) {
			return
		}
		t.kept, *unknown = t.start, new(Tags)
	}
	u := *unknown
	u.Count, u.Raw = u.Count+1, c.b[t.kept:t.end:t.end]
}

// TagCount writes how many tagged fields follow.
func (c *Codec) TagCount(n int) {
	if c.mode == writing {
		c.b = AppendUvarint(c.b, uint64(n))
	}
}

// OpenTag begins a tagged field to be written.
func (c *Codec) OpenTag(id uint32) (s TagState) {
	if c.mode == writing {
		s.t = c.tag
		c.b = AppendUvarint(c.b, uint64(id))
		c.tag = tagState{open: s.t.open + 1, start: len(c.b)}
	}
	return s
}

// CloseTag puts the size before what was written since OpenTag.
func (c *Codec) CloseTag(s TagState) {
	if c.mode != writing {
		return
	}
	size := uint64(len(c.b) - c.tag.start)
	var room [5]byte
	c.b = slices.Insert(c.b, c.tag.start, AppendUvarint(room[:0], size)...)
	c.tag = s.t
}

// PutTags writes unknown fields that were kept.
func (c *Codec) PutTags(unknown *Tags) {
	if c.mode == writing && unknown != nil {
		c.b = append(c.b, unknown.Raw...)
	}
}
