package fake

import (
	"slices"

	"github.com/kactor-go/kactor/protocol/msg"
)

// There is no volume that a broker's one directory is on. A likely one has a terabyte, and room for half of that, less what is in the logs.
const volumeBytes, volumeRoom = 1 << 40, 1 << 39

// describeLogDirs answers DescribeLogDirs (35): the replicas that the broker has, in its first directory (log.dirs).
func (c *Cluster) describeLogDirs(q *call) {
	req := q.Req.(*msg.DescribeLogDirsRequest)
	resp := &msg.DescribeLogDirsResponse{ErrorCode: int16(c.injected(q.Key))}
	if resp.ErrorCode != 0 {
		c.reply(q, resp)
		return
	}
	wanted := map[string][]int32{}
	for _, t := range req.Topics {
		wanted[t.Topic] = append(wanted[t.Topic], t.Partitions...)
	}
	dirs := append(list(c.static["log.dirs"]), list(c.static["log.dir"])...)
	dir := msg.DescribeLogDirsResponseDescribeLogDirsResult{LogDir: append(dirs, "/tmp/kafka-logs")[0], TotalBytes: volumeBytes, UsableBytes: volumeRoom}
	for _, t := range c.topics {
		out := msg.DescribeLogDirsResponseDescribeLogDirsTopic{Name: t.name}
		has := false
		for _, p := range t.partitions {
			if !slices.Contains(p.replicas, q.Node) {
				continue
			}
			has = true
			for _, picture := range [][]*topic{q.conn.node.alone, q.conn.node.behind} {
				if had := pictured(picture, p); had != nil {
					p = had
				}
			}
			size := p.size()
			dir.UsableBytes -= size
			if req.Topics == nil || slices.Contains(wanted[t.name], p.index) {
				out.Partitions = append(out.Partitions, msg.DescribeLogDirsResponseDescribeLogDirsPartition{PartitionIndex: p.index, PartitionSize: size})
			}
		}
		if len(out.Partitions) > 0 || has && !c.kraft() { // 2.8.2 names all topics, and 3.9.1 those that were asked for
			dir.Topics = append(dir.Topics, out)
		}
	}
	resp.Results = append(resp.Results, dir)
	c.reply(q, resp)
}
