package member

import "github.com/kactor-go/kactor/protocol/cluster"

const (
	// mostNew is how many partitions a topic may have that metadata does not tell of yet: an assignment may be made of later news.
	mostNew = 10_000
	// mostUntold is how many a topic may have of which metadata tells nothing.
	mostUntold = 100_000
)

// extent is up to where there are partitions of a topic. Four bytes of an assignment name one, and each that is taken costs some two kilobytes: a million of a topic that has one were 1.1 GiB, and Close came back ten seconds late.
type extent struct {
	topic string
	end   int32
}

// has tells whether there can be such a partition. It is quick for partitions in order.
func (e *extent) has(snap *cluster.Snapshot, p Partition) bool {
	if e.topic != p.Topic || e.end == 0 {
		e.topic, e.end = p.Topic, mostUntold
		if t := snap.Topic(p.Topic); t != nil && len(t.Partitions) > 0 {
			e.end = int32(min(len(t.Partitions)+mostNew, 1<<31-1))
		}
	}
	return p.Partition >= 0 && p.Partition < e.end
}
