package fake

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/protocol/wire"
)

// divideByMoves is the uniform assignor for members that read different topics before 4.0 (UniformHeterogeneousAssignmentBuilder of Kafka 3.9). Everybody keeps what it has of topics that it reads; what is free goes to the
// readers with the fewest partitions; then each partition goes once to the reader with the fewest, if its owner has two more than somebody who reads it, until no partition does.
// It tells whether that came to an end: Kafka fails where a partition would go one way after another of its topic has gone the other way, and nobody is given anything then.
func (c *Cluster) divideByMoves(x *modernGroup) bool {
	d := &byMoves{members: x.hashed(), readers: map[wire.UUID][]int{}, owners: map[topicIDPartition]int{}, gone: map[move]bool{}}
	d.counts, d.most, d.has = make([]int, len(d.members)), make([]int, len(d.members)), make([]set, len(d.members))
	var all []topicIDPartition
	for _, t := range c.topics {
		n := x.counted[t.name].partitions
		for i, m := range d.members {
			if n > 0 && m.reads(t.name) {
				d.readers[t.id] = append(d.readers[t.id], i)
				d.most[i] += n
			}
		}
		for p := range int32(n) {
			if len(d.readers[t.id]) > 0 {
				all = append(all, idPartition(t, p))
			}
		}
	}
	for i, m := range d.members {
		d.has[i] = set{}
		for tp := range m.target {
			if m.reads(tp.topic) && x.divides(tp) {
				d.give(tp, i)
			}
		}
	}
	if d.all = d.sort(all); !d.handOut() || !d.balance() {
		return false
	}
	for i, m := range d.members {
		m.target = d.has[i]
	}
	return true
}

// byMoves is such a division under way. Members are known by their places.
type byMoves struct {
	members []*modernMember
	counts  []int // partitions that each has
	most    []int // partitions of all topics that it reads
	has     []set
	readers map[wire.UUID][]int
	owners  map[topicIDPartition]int
	all     []topicIDPartition // in the order in which they are looked at
	gone    map[move]bool
}

// move is that something of a topic has gone from one member to another.
type move struct {
	topic    wire.UUID
	from, to int
}

// sort puts those of topics that have the most partitions for each reader first, then those with the fewest readers; topics that are equal in both take turns, in the order of a java.util.HashSet.
func (d *byMoves) sort(all []topicIDPartition) []topicIDPartition {
	partitions := map[wire.UUID]int{}
	for _, tp := range all {
		partitions[tp.id]++
	}
	all = byHash(all, topicIDPartition.hash)
	slices.SortStableFunc(all, func(a, b topicIDPartition) int {
		ra, rb := len(d.readers[a.id]), len(d.readers[b.id])
		return cmp.Or(cmp.Compare(partitions[b.id]*ra, partitions[a.id]*rb), cmp.Compare(ra, rb), cmp.Compare(a.partition, b.partition))
	})
	return all
}

// hash is that of Kafka's TopicIdPartition.
func (a topicIDPartition) hash() uint32 {
	h := uint32(0)
	for i := 0; i < len(a.id); i += 4 {
		h ^= binary.BigEndian.Uint32(a.id[i:])
	}
	return 31*(31+h) + uint32(a.partition)
}

// handOut gives away what is free, and tells whether somebody could have it.
func (d *byMoves) handOut() bool {
	for _, tp := range d.all {
		if _, owned := d.owners[tp]; owned {
			continue
		}
		to := d.lightest(tp.id)
		if to == nobody {
			return false
		}
		d.give(tp, to)
	}
	return true
}

func (d *byMoves) give(tp topicIDPartition, to int) {
	d.owners[tp], d.has[to][tp] = to, true
	d.counts[to]++
}

// full tells whether a member has all that it reads: nobody is measured by it then.
func (d *byMoves) full(i int) bool { return d.counts[i] >= d.most[i] }

// lightest is who has the fewest partitions of those who read a topic.
func (d *byMoves) lightest(topic wire.UUID) int {
	to := nobody
	for _, i := range d.readers[topic] {
		if !d.full(i) && (to == nobody || cmp.Or(cmp.Compare(d.counts[i], d.counts[to]), strings.Compare(d.members[i].id, d.members[to].id)) < 0) {
			to = i
		}
	}
	return to
}

// balance moves partitions until none has to be, or nobody has two more than somebody who could have one of them: that is looked for behind each move, but for the last of a turn.
func (d *byMoves) balance() bool {
	left := slices.DeleteFunc(slices.Clone(d.all), func(tp topicIDPartition) bool { return len(d.readers[tp.id]) < 2 })
	for any := true; any; {
		any = false
		moved, turn := false, left
		left = nil
		for _, tp := range turn {
			if moved && d.balanced() {
				return true
			}
			if moved = d.outweighs(d.owners[tp], d.readers[tp.id]); !moved {
				left = append(left, tp)
				continue
			}
			if !d.move(tp) {
				return false
			}
			any = true
		}
	}
	return true
}

// outweighs tells whether a member has two partitions more than one of the others.
func (d *byMoves) outweighs(i int, others []int) bool {
	return slices.ContainsFunc(others, func(o int) bool { return d.counts[i] > d.counts[o]+1 })
}

func (d *byMoves) move(tp topicIDPartition) bool {
	from, to := d.owners[tp], d.lightest(tp.id)
	if to == nobody || d.gone[move{tp.id, to, from}] {
		return false
	}
	delete(d.has[from], tp)
	d.counts[from]--
	d.give(tp, to)
	d.gone[move{tp.id, from, to}] = true
	return true
}

// balanced tells whether nobody has two partitions more than somebody who could have one of them. Who has all that it reads has no say, unless it is asked whose a partition is.
func (d *byMoves) balanced() bool {
	least, most := -1, -1
	for i, n := range d.counts {
		if !d.full(i) {
			if least < 0 {
				least = n
			}
			least, most = min(least, n), max(most, n)
		}
	}
	if least >= most-1 {
		return true
	}
	return !slices.ContainsFunc(d.all, func(tp topicIDPartition) bool {
		return slices.ContainsFunc(d.readers[tp.id], func(i int) bool {
			return !d.full(i) && !d.has[i][tp] && d.counts[d.owners[tp]] > d.counts[i]+1
		})
	})
}
