package fake

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/kactor-go/kactor/protocol/compress"
)

// settings are what the configurations of a topic come to, for one broker.
type settings struct {
	compact, remove  bool            // cleanup.policy
	appendTime       bool            // message.timestamp.type
	codec            *compress.Codec // compression.type; nil: the producer's
	maxMessage       int
	minISR           int
	before, after    int64 // how far behind and ahead of the broker's clock records may be, in milliseconds
	retentionMs      int64
	retentionBytes   int64
	segmentMs        int64 // of topics that are compacted at most max.compaction.lag.ms (LogConfig.maxSegmentMs)
	segmentBytes     int64
	indexInterval    int64 // index.interval.bytes
	deleteRetention  int64 // delete.retention.ms
	minCompactionLag int64
	converts         bool // records for old clients (message.downconversion.enable)
	maxCompactionLag int64
	dirtyRatio       float64 // min.cleanable.dirty.ratio
}

// unbounded is how far records may be from the broker's clock where no configuration says how far.
const unbounded = math.MaxInt64

// own gives what a topic is at a broker: brokers may be configured one by one.
func (t *topic) own(node int32) *settings {
	if s := t.at[node]; s != nil {
		return s
	}
	return &t.set
}

// settle works out again what the configurations of a topic come to.
func (c *Cluster) settle(t *topic) {
	t.set = c.settings(t, 0)
	t.at = nil
	for _, n := range c.nodes {
		if len(c.dynamic[strconv.Itoa(int(n.id))]) > 0 {
			if t.at == nil {
				t.at = map[int32]*settings{}
			}
			s := c.settings(t, n.id)
			t.at[n.id] = &s
		}
	}
}

func (c *Cluster) settings(t *topic, node int32) (s settings) {
	text := func(name string) string {
		p := c.ofTopics.find(name)
		if p == nil {
			return ""
		}
		v, _ := c.effective(t, p, node)
		return p.told(v)
	}
	long := func(name string) int64 {
		n, _ := strconv.ParseInt(text(name), 10, 64)
		return n
	}
	policies := list(text("cleanup.policy"))
	s.compact, s.remove = slices.Contains(policies, "compact"), slices.Contains(policies, "delete")
	s.converts = text("message.downconversion.enable") != "false"
	s.appendTime = text("message.timestamp.type") == "LogAppendTime"
	if v := text("compression.type"); v != "producer" {
		codec, err := compress.Parse(strings.Replace(v, "uncompressed", "none", 1))
		if err == nil {
			s.codec = &codec
		}
	}
	s.maxMessage, s.minISR = int(long("max.message.bytes")), int(long("min.insync.replicas"))
	s.retentionMs, s.retentionBytes = long("retention.ms"), long("retention.bytes")
	s.segmentMs, s.segmentBytes, s.indexInterval = long("segment.ms"), long("segment.bytes"), long("index.interval.bytes")
	s.deleteRetention, s.minCompactionLag = long("delete.retention.ms"), long("min.compaction.lag.ms")
	s.maxCompactionLag = unbounded
	if text("max.compaction.lag.ms") != "" {
		s.maxCompactionLag = long("max.compaction.lag.ms")
	}
	if s.compact {
		s.segmentMs = min(s.segmentMs, s.maxCompactionLag)
	}
	s.dirtyRatio, _ = strconv.ParseFloat(text("min.cleanable.dirty.ratio"), 64)
	s.before, s.after = unbounded, unbounded
	if text("message.timestamp.difference.max.ms") != "" {
		s.before = long("message.timestamp.difference.max.ms")
		s.after = s.before
	}
	// KIP-937: from 3.6 on there are two; the one of before counts for each that is not set, until 4.0
	if n := long("message.timestamp.before.max.ms"); text("message.timestamp.before.max.ms") != "" && n != unbounded {
		s.before = n
	}
	if n := long("message.timestamp.after.max.ms"); text("message.timestamp.after.max.ms") != "" && n != unbounded {
		s.after = n
	}
	return s
}

// list reads a list of values.
func list(v string) (out []string) {
	for _, w := range strings.Split(v, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}
