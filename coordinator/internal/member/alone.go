package member

import (
	"slices"

	"github.com/kactor-go/kactor/protocol/wire"
)

// alone is what a consumer without a group knows of the topics that it subscribes to. It reads all their partitions, also those that are added, and asks no coordinator for anything.
type alone struct {
	stale bool                 // what there is to read is to be looked for anew
	ids   map[string]wire.UUID // of the topics that were seen: one that was made anew has the partitions that it has now
	added map[Partition]bool   // partitions of topics that were there before, being taken: nothing of them was missed
}

// driveAlone lets the application take what there is of its topics, and give up what it does not subscribe to any more. What metadata does not tell of stays: a broker that does not know a topic takes no position away.
func (c *Core) driveAlone(out *Effects) {
	if c.state == Unjoined && c.sub.any() && (c.sub.pattern == nil || !c.sub.listing) {
		c.become(Joining)
		c.become(Stable)
		c.alone.stale = true
	}
	if c.state != Stable || c.pending != nil || !c.alone.stale {
		return
	}
	c.alone.stale = false
	var target []Partition
	added, ids := map[Partition]bool{}, map[string]wire.UUID{}
	for _, name := range c.sub.topics {
		var kept []Partition // they stay, whatever is known
		at, _ := slices.BinarySearchFunc(c.owned, Partition{Topic: name}, Partition.Compare)
		for at < len(c.owned) && c.owned[at].Topic == name {
			kept = append(kept, c.owned[at])
			at++
		}
		before, seen := c.alone.ids[name]
		t := c.snap.Topic(name)
		if t == nil || len(t.Partitions) == 0 {
			if seen {
				ids[name] = before
			}
			target = append(target, kept...)
			continue
		}
		ids[name] = t.ID
		if seen && before != t.ID {
			kept = slices.DeleteFunc(kept, func(p Partition) bool { return int(p.Partition) >= len(t.Partitions) })
		}
		target = append(target, kept...)
		for i := range t.Partitions {
			p := Partition{Topic: name, Partition: int32(i)}
			if _, owned := slices.BinarySearchFunc(kept, p, Partition.Compare); !owned {
				target = append(target, p)
				if seen {
					added[p] = true
				}
			}
		}
	}
	c.alone.ids, c.alone.added = ids, added
	slices.SortFunc(target, Partition.Compare)
	if r := c.change(target); len(r.Assign) > 0 || len(r.Revoke) > 0 {
		r.Given = len(r.Assign) > 0
		c.become(Taking)
		c.offer(r, out)
	}
}

// beginAlone reads new partitions from where auto.offset.reset says, and those that were added to a topic from their start: what is in them was written since the topic was subscribed to.
func (c *Core) beginAlone(parts []Partition, out *Effects) {
	for _, p := range parts {
		if c.alone.added[p] {
			out.Starts = append(out.Starts, p)
		} else {
			out.Begins = append(out.Begins, Offset{TopicPartition: p, Offset: -1})
		}
	}
	c.alone.added = nil
}
