package fake

import (
	"bytes"
	"cmp"
	"slices"
)

// divideUnlike is the uniform assignor for members that read different topics (UniformHeterogeneousAssignmentBuilder of Kafka 4.3). Everybody keeps what it has of topics that it reads; what is free goes to the readers with the
// fewest partitions, beginning with the topics that have the most partitions for each reader; then topics move partitions from readers with many to readers with few.
func (c *Cluster) divideUnlike(x *modernGroup) {
	d := &unlike{members: x.hashed(), owners: map[string][]int{}, readers: map[string][]int{}}
	d.counts = make([]int, len(d.members))
	var topics []*topic
	for _, t := range c.topics {
		for i, m := range d.members {
			if x.counted[t.name].partitions > 0 && m.reads(t.name) {
				d.readers[t.name] = append(d.readers[t.name], i)
			}
		}
		if len(d.readers[t.name]) > 0 {
			topics = append(topics, t)
			d.owners[t.name] = slices.Repeat([]int{nobody}, x.counted[t.name].partitions)
		}
	}
	for i, m := range d.members {
		for tp := range m.target {
			if m.reads(tp.topic) && x.divides(tp) {
				d.owners[tp.topic][tp.partition] = i
				d.counts[i]++
			}
		}
		m.target = set{}
	}
	slices.SortFunc(topics, func(a, b *topic) int {
		ra, rb := len(d.readers[a.name]), len(d.readers[b.name])
		pa, pb := len(d.owners[a.name]), len(d.owners[b.name])
		return cmp.Or(cmp.Compare(pb*ra, pa*rb), cmp.Compare(ra, rb), bytes.Compare(a.id[:], b.id[:]))
	})
	for _, t := range topics {
		d.handOut(t.name)
	}
	d.balance(slices.DeleteFunc(topics, func(t *topic) bool { return len(d.readers[t.name]) < 2 }))
	for _, t := range c.topics {
		for p, owner := range d.owners[t.name] {
			d.members[owner].target[idPartition(t, int32(p))] = true
		}
	}
}

// unlike is a division under way. Members are known by their places.
type unlike struct {
	members []*modernMember
	counts  []int            // partitions that each has
	readers map[string][]int // of each topic
	owners  map[string][]int // of each partition of each topic
}

const nobody = -1

// handOut gives away what is free of a topic.
func (d *unlike) handOut(topic string) {
	scale := d.weigh(topic)
	for p, owner := range d.owners[topic] {
		if owner == nobody {
			d.own(topic, p, scale.lightest())
		}
	}
}

func (d *unlike) own(topic string, partition, member int) {
	owners := d.owners[topic]
	if owners[partition] != nobody {
		d.counts[owners[partition]]--
	}
	owners[partition] = member
	d.counts[member]++
}

// balance goes round the topics until none has moved anything since its last turn; sixteen times at most.
func (d *unlike) balance(topics []*topic) {
	last := -1
	for range 16 {
		for i, t := range topics {
			if i == last {
				return
			}
			if d.move(t.name) || last < 0 {
				last = i
			}
		}
	}
}

// move lets readers of a topic with many partitions give some of this topic to those with few, and tells whether they did.
func (d *unlike) move(topic string) (moved bool) {
	scale := d.weigh(topic)
	if scale.spread() <= 1 {
		return false
	}
	has := map[int][]int{} // what each can give, the last first
	for p, owner := range d.owners[topic] {
		has[owner] = append(has[owner], p)
	}
	for !scale.even() {
		from := scale.heaviest()
		for from != nobody && len(has[from]) == 0 {
			scale.leaveOut()
			from = scale.heaviest()
		}
		if from == nobody {
			break
		}
		own := has[from]
		has[from] = own[:len(own)-1]
		to := scale.lightest()
		if scale.even() {
			break
		}
		d.own(topic, own[len(own)-1], to)
		moved = true
	}
	return moved
}

// scale has the readers of a topic from the one with the fewest partitions to the one with the most, and takes from both ends: all that have as many get or give one before it is the turn of the next.
type scale struct {
	counts  []int
	readers []int
	// The light end: the first lightEnd readers have lightCount, those before nextLight one more already.
	lightCount, lightEnd, nextLight int
	// The heavy end: readers from heavyStart to heavyEnd have heavyCount, those behind nextHeavy one less already; those from heavyEnd on have nothing to give.
	heavyCount, heavyStart, heavyEnd, nextHeavy int
}

func (d *unlike) weigh(topic string) *scale {
	readers := slices.Clone(d.readers[topic])
	slices.SortFunc(readers, func(a, b int) int { return cmp.Or(cmp.Compare(d.counts[a], d.counts[b]), cmp.Compare(a, b)) })
	n := len(readers)
	return &scale{counts: d.counts, readers: readers, lightCount: d.counts[readers[0]] - 1, heavyCount: d.counts[readers[n-1]] + 1, heavyStart: n, heavyEnd: n, nextHeavy: n - 1}
}

// spread is how many partitions more the heaviest has than the lightest.
func (s *scale) spread() int {
	return s.counts[s.readers[len(s.readers)-1]] - s.counts[s.readers[0]]
}

func (s *scale) even() bool { return s.heavyCount-s.lightCount <= 1 }

// lightest gives who is to get the next partition.
func (s *scale) lightest() int {
	if s.nextLight >= s.lightEnd {
		s.lightCount++
		for s.lightEnd < len(s.readers) && s.counts[s.readers[s.lightEnd]] == s.lightCount {
			s.lightEnd++
		}
		s.nextLight = 0
	}
	s.nextLight++
	return s.readers[s.nextLight-1]
}

// heaviest gives who is to give the next partition; nobody, if none is left who could.
func (s *scale) heaviest() int {
	if s.nextHeavy < s.heavyStart {
		if s.heavyEnd <= s.heavyStart && s.heavyStart > 0 {
			s.heavyCount = s.counts[s.readers[s.heavyStart-1]]
		} else {
			s.heavyCount--
		}
		for s.heavyStart > 0 && s.counts[s.readers[s.heavyStart-1]] == s.heavyCount {
			s.heavyStart--
		}
		s.nextHeavy = s.heavyEnd - 1
	}
	if s.nextHeavy < 0 {
		return nobody
	}
	s.nextHeavy--
	return s.readers[s.nextHeavy+1]
}

// leaveOut takes the one that heaviest gave last off the heavy end.
func (s *scale) leaveOut() {
	s.heavyEnd--
	at := s.nextHeavy + 1
	s.readers[at], s.readers[s.heavyEnd] = s.readers[s.heavyEnd], s.readers[at]
}
