package fake

import "github.com/kactor-go/kactor/protocol/record"

// Leader gives the leader of a partition and its epoch; -1 where there is none.
func (c *Cluster) Leader(topic string, index int32) (node, epoch int32) {
	p, err := c.partition(topic, index)
	if err != nil {
		return -1, -1
	}
	return p.leader, p.epoch
}

// Log gives the batches of a partition as they stand in its log.
func (c *Cluster) Log(topic string, index int32) []record.Batch {
	p, err := c.partition(topic, index)
	if err != nil {
		return nil
	}
	var out []record.Batch
	for i := range p.log {
		b, _, _, _ := record.Next(p.log[i].bytes)
		out = append(out, b)
	}
	return out
}

// Offsets gives the first offset of a partition's log and the one after its last.
func (c *Cluster) Offsets(topic string, index int32) (start, end int64) {
	p, err := c.partition(topic, index)
	if err != nil {
		return 0, 0
	}
	return p.start, p.end
}

// Running tells whether a broker is neither stopped nor paused.
func (c *Cluster) Running(id int32) bool {
	n := c.node(id)
	return n != nil && !n.down && !n.paused
}

// Nodes is how many brokers there are.
func (c *Cluster) Nodes() int { return len(c.nodes) }

// Partition names a partition.
type Partition struct {
	Topic string
	Index int32
}

// Partitions gives all partitions, in order.
func (c *Cluster) Partitions() (out []Partition) {
	for _, t := range c.topics {
		for _, p := range t.partitions {
			out = append(out, Partition{t.name, p.index})
		}
	}
	return out
}
