package wire

import "slices"

// Tag is a tagged field that this client does not know: it is kept, and written again.
type Tag struct {
	ID   uint32
	Data []byte
}

// tagState is where the walk is among tagged fields.
type tagState struct {
	open  int    // how many tagged fields it is inside of
	left  int    // reading: fields to come in this struct
	id    uint32 // reading: the present one
	last  int64  // reading: the one before, -1 for none
	end   int    // reading: where the present one ends
	start int    // writing: where its data begins
	all   []byte // reading: the whole input, while a field narrows it
}

// Tags walks the tagged fields of a struct that knows none.
func (c *Codec) Tags(unknown *[]Tag) {
	switch c.mode {
	case reading:
		t := c.OpenTags()
		for c.NextTag() {
			c.KeepTag(unknown)
		}
		c.CloseTags(t)
	case writing:
		c.TagCount(len(*unknown))
		c.PutTags(*unknown)
	}
}

// TagState is what a struct's tagged fields interrupt.
type TagState struct{ t tagState }

// OpenTags begins to read tagged fields.
func (c *Codec) OpenTags() TagState {
	s := TagState{c.tag}
	c.tag = tagState{open: s.t.open, left: c.uvarint("tagged fields"), last: -1}
	if c.err == nil && c.tag.left > c.left()/2 {
		c.failAt("tagged fields", ErrLength)
	}
	return s
}

// CloseTags ends the reading of tagged fields.
func (c *Codec) CloseTags(s TagState) { c.tag = s.t }

// NextTag goes on to the next tagged field; false when there is none.
func (c *Codec) NextTag() bool {
	t := &c.tag
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

// Tag is the id of the present tagged field.
func (c *Codec) Tag() uint32 { return c.tag.id }

// KeepTag keeps the present tagged field as it is.
func (c *Codec) KeepTag(unknown *[]Tag) {
	*unknown = append(*unknown, Tag{c.tag.id, c.take("tagged field", c.left())})
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
func (c *Codec) PutTags(unknown []Tag) {
	if c.mode != writing {
		return
	}
	for _, t := range unknown {
		c.b = AppendUvarint(c.b, uint64(t.ID))
		c.b = AppendUvarint(c.b, uint64(len(t.Data)))
		c.b = append(c.b, t.Data...)
	}
}
