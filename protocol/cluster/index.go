package cluster

import (
	"hash/maphash"
	"slices"

	"github.com/kactor-go/kactor/protocol/wire"
)

// index finds topics by the hash of a key: a tree by its bits, which does not change once it is published. With what is put in or taken out it is another tree, which shares everything but the way to it: a
// cluster with thousands of topics is not copied because one is new. nil is an empty one.
type index struct {
	kids *[fan]*index // nil: a leaf
	leaf []slot
	by   *edit // who has made it, and may change it until it is published
}

type slot struct {
	hash  uint64
	topic *Topic
}

// edit is one making of a snapshot from another.
type edit struct{ same func(a, b *Topic) bool }

const (
	fanBits = 6
	fan     = 1 << fanBits
	leafMax = 8 // more are divided, as long as there are bits
)

var seed = maphash.MakeSeed()

func hashName(name string) uint64 { return maphash.String(seed, name) }
func hashID(id *wire.UUID) uint64 { return maphash.Bytes(seed, id[:]) }
func sameName(a, b *Topic) bool   { return a.Name == b.Name }
func sameID(a, b *Topic) bool     { return a.ID == b.ID }

// find gives those that may have the key.
func (x *index) find(h uint64) []slot {
	for bits := h; x != nil; bits >>= fanBits {
		if x.kids == nil {
			return x.leaf
		}
		x = x.kids[bits&(fan-1)]
	}
	return nil
}

// own gives x, or a copy that e may change.
func (e *edit) own(x *index) *index {
	if x.by == e {
		return x
	}
	y := &index{leaf: slices.Clone(x.leaf), by: e}
	if x.kids != nil {
		kids := *x.kids
		y.kids = &kids
	}
	return y
}

func at(h uint64, depth int) uint64 { return h >> (depth * fanBits) & (fan - 1) }

// put is the index with s, instead of what has the same key.
func (e *edit) put(x *index, s slot, depth int) *index {
	if x == nil {
		return &index{leaf: []slot{s}, by: e}
	}
	x = e.own(x)
	if x.kids != nil {
		kid := &x.kids[at(s.hash, depth)]
		*kid = e.put(*kid, s, depth+1)
		return x
	}
	for i := range x.leaf {
		if x.leaf[i].hash == s.hash && e.same(x.leaf[i].topic, s.topic) {
			x.leaf[i] = s
			return x
		}
	}
	x.leaf = append(x.leaf, s)
	if len(x.leaf) <= leafMax || depth*fanBits >= 64 {
		return x
	}
	leaf := x.leaf
	x.leaf, x.kids = nil, &[fan]*index{}
	for _, s := range leaf {
		kid := &x.kids[at(s.hash, depth)]
		*kid = e.put(*kid, s, depth+1)
	}
	return x
}

// drop is the index without a topic.
func (e *edit) drop(x *index, s slot, depth int) *index {
	if x == nil {
		return nil
	}
	x = e.own(x)
	if x.kids != nil {
		kid := &x.kids[at(s.hash, depth)]
		if *kid = e.drop(*kid, s, depth+1); *kid == nil && *x.kids == ([fan]*index{}) {
			return nil
		}
		return x
	}
	x.leaf = slices.DeleteFunc(x.leaf, func(o slot) bool { return o.hash == s.hash && e.same(o.topic, s.topic) })
	if len(x.leaf) == 0 {
		return nil
	}
	return x
}

// each gives the topics, in no order, as long as yield wants more.
func (x *index) each(yield func(*Topic) bool) bool {
	if x == nil {
		return true
	}
	if x.kids != nil {
		for _, k := range x.kids {
			if !k.each(yield) {
				return false
			}
		}
	}
	for i := range x.leaf {
		if !yield(x.leaf[i].topic) {
			return false
		}
	}
	return true
}

// unshared appends the topics of both sides that are not in a part that they share, in no order.
func unshared(a, b *index, was, is []*Topic) (_, _ []*Topic) {
	switch {
	case a == b:
		return was, is
	case a != nil && b != nil && a.kids != nil && b.kids != nil:
		for i := range a.kids {
			was, is = unshared(a.kids[i], b.kids[i], was, is)
		}
		return was, is
	}
	a.each(func(t *Topic) bool { was = append(was, t); return true })
	b.each(func(t *Topic) bool { is = append(is, t); return true })
	return was, is
}
