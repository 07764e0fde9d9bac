package fetcher

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kactor-go/kactor/fetcher/internal/plan"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// counted is a buffer whose every byte is counted: a reader takes chunks of some partitions and reads of them as it likes, while partitions are paused, moved, given up and made room of.
type counted struct {
	*bench
	r      *rand.Rand
	w      *workers
	gens   map[cluster.TopicPartition]uint64
	next   map[cluster.TopicPartition]int64
	kinds  []batchKind
	sizes  map[batchAt]int // of the batches, decompressed
	frames int             // put in
	bytes  int64           // of what was put in and not given back
	used   int64           // charged
	k      *Chunk          // in the reader's hands
}

// batchKind is a batch that is put in at any offset.
type batchKind struct {
	raw     []byte
	records int64
	size    int // decompressed
}

// batchKinds are batches of one to four small and large records.
func batchKinds(t *testing.T) (kinds []batchKind) {
	for _, codec := range []compress.Codec{compress.None, compress.LZ4, compress.Zstd, compress.Snappy} {
		for records := range int32(4) {
			for _, size := range []int{1, 700, 1500, 3000} {
				one := make([]byte, record.Overhead)
				for i := range records + 1 {
					one = record.AppendRecord(one, i, 0, nil, make([]byte, size), nil)
				}
				unpacked := len(one) - record.Overhead
				if codec != compress.None {
					packed, err := codec.Compress(make([]byte, record.Overhead), one[record.Overhead:], compress.DefaultLevel)
					if err != nil {
						t.Fatal(err)
					}
					one = packed
				}
				record.Seal(one, &record.Info{Magic: 2, Codec: codec, LastOffsetDelta: records, Count: records + 1})
				kinds = append(kinds, batchKind{one, int64(records + 1), unpacked})
			}
		}
	}
	return kinds
}

type batchAt struct {
	gen  uint64
	base int64
}

// TestWhatIsCountedIsWhatIsHeld has random lives of a buffer: after each step the bytes of its chunks are counted, and the memory of every large batch that is open, and nothing else; when all was read, dropped or unassigned, nothing is.
func TestWhatIsCountedIsWhatIsHeld(t *testing.T) {
	w, kinds := newWorkers(t), batchKinds(t)
	for seed := range uint64(150) {
		c := &counted{r: rand.New(rand.NewPCG(seed, 1)), gens: map[cluster.TopicPartition]uint64{}, next: map[cluster.TopicPartition]int64{}, sizes: map[batchAt]int{}, w: w, kinds: kinds}
		c.bench = newBenchIn(t, c.w)
		if seed%2 == 0 {
			c.buf.world = alone{c.w}
		}
		c.buf.large = 2 << 10
		c.buf.hold = func(n int64) { c.used += n }
		c.buf.give = func(taken []plan.Taking) {
			for i := range taken {
				c.bytes -= taken[i].Bytes
			}
		}
		for i := range int32(3) {
			c.assign(cluster.TopicPartition{Topic: "t", Partition: i}, 0)
		}
		for step := range 150 {
			what := c.random()
			c.w.do()
			c.check(seed, step, what)
		}
		for tp := range c.gens {
			c.finish(tp)
		}
		c.w.do()
		c.take(nil)
		c.check(seed, 0, "the end")
		if c.used != 0 || c.bytes != 0 || c.net.freed != c.frames || c.buf.current != nil {
			t.Fatalf("seed %d: in the end %d bytes are charged, %d not given back, and of %d frames %d", seed, c.used, c.bytes, c.frames, c.frames-c.net.freed)
		}
	}
}

// check holds what is counted against what there is.
func (c *counted) check(seed uint64, step int, what string) {
	c.t.Helper()
	var bytes, charged int64
	held := map[*frame]bool{}
	for _, p := range c.buf.order {
		for _, k := range p.chunks {
			bytes += k.bytes
			charged += k.charged
			held[k.frame] = true
			size := 0
			if k.inBatch && k.batch.Codec != compress.None {
				size = c.sizes[batchAt{k.gen, k.batch.BaseOffset}]
			}
			if large := int64(size) > c.buf.large; large && k.charged < int64(size) || size == 0 && k.charged != 0 {
				c.t.Fatalf("seed %d, step %d, %s: of %s %d bytes are decompressed, and %d charged", seed, step, what, p.tp, size, k.charged)
			}
		}
	}
	if k := c.buf.current; k != nil && k.left { // until the reader goes on
		charged += k.charged
		held[k.frame] = true
	}
	if c.used != charged || c.bytes != bytes || c.frames-c.net.freed != len(held) {
		c.t.Fatalf("seed %d, step %d, %s: charged are %d of %d, counted %d of %d bytes, and %d frames of %d", seed, step, what, c.used, charged, c.bytes, bytes, c.frames-c.net.freed, len(held))
	}
}

func (c *counted) random() string {
	tp := cluster.TopicPartition{Topic: "t", Partition: c.r.Int32N(3)}
	switch k := c.r.IntN(24); {
	case k < 6:
		c.fill(tp)
		return "put"
	case k < 11:
		c.take(nil)
		return "take"
	case k < 13:
		some := c.r.Int32N(3)
		c.take(func(tp cluster.TopicPartition) bool { return tp.Partition != some })
		return "take of some"
	case k < 19:
		c.reads(1 + c.r.IntN(4))
		return "read"
	case k == 19 && c.k != nil:
		var v record.View
		c.k.Peek().Next(&v)
		return "peek"
	case k == 20:
		c.assign(tp, c.next[tp]/2)
		return "seek"
	case k == 21:
		c.revoke(tp)
		return "unassign"
	case k == 22:
		c.buf.put(&plan.Effects{Evict: []plan.Eviction{{TopicPartition: tp, Gen: c.gens[tp]}}})
		return "evict"
	case c.buf.byTP[tp] != nil:
		c.buf.byTP[tp].pause(asked, c.r.IntN(2) == 0)
		return "pause or resume"
	default:
		c.assign(tp, 0)
		return "assign"
	}
}

// fill puts an answer in, where the buffer wants it.
func (c *counted) fill(tp cluster.TopicPartition) {
	p := c.buf.byTP[tp]
	if p == nil {
		return
	}
	if p.again >= 0 {
		c.next[tp] = p.again
	}
	c.back = p.backs // the core has heard it all
	begin := c.next[tp]
	var raw []byte
	for range 1 + c.r.IntN(3) {
		k := c.kinds[c.r.IntN(len(c.kinds))]
		one := slices.Clone(k.raw)
		record.SetOffset(one, c.next[tp], 0)
		c.sizes[batchAt{c.gens[tp], c.next[tp]}] = k.size
		c.next[tp] += k.records
		raw = append(raw, one...)
	}
	c.frames++
	c.bytes += int64(len(raw))
	c.putOf(tp, c.gens[tp], begin, raw)
}

func (c *counted) take(open func(cluster.TopicPartition) bool) {
	k, err := c.buf.take(open)
	if err != nil {
		c.t.Fatal(err)
	}
	c.k = k
}

// reads reads some records of the chunk at hand.
func (c *counted) reads(n int) {
	if c.k == nil {
		return
	}
	if c.r.IntN(2) == 0 {
		c.k.Reuse()
	} else {
		c.k.Keep()
	}
	var v record.View
	for range n {
		if !c.k.Next(&v) {
			if err := c.k.Err(); err != nil {
				c.t.Fatal(err)
			}
			return
		}
		if v.Value[0] != 0 {
			c.t.Fatal("what is read was given back already")
		}
	}
}

func (c *counted) assign(tp cluster.TopicPartition, offset int64) {
	gen, dropped := c.buf.assign(tp, offset, -1)
	c.gens[tp], c.next[tp] = gen, offset
	c.buf.give(dropped)
}

func (c *counted) revoke(tp cluster.TopicPartition) {
	dropped, _ := c.buf.revoke(tp)
	c.buf.give(dropped)
}

// finish reads a partition to its end, or drops what there is of it.
func (c *counted) finish(tp cluster.TopicPartition) {
	p := c.buf.byTP[tp]
	switch {
	case p == nil:
	case c.r.IntN(3) == 0:
		c.revoke(tp)
	case c.r.IntN(2) == 0:
		c.assign(tp, 0)
	default:
		p.pause(asked, false)
		for len(p.chunks) > 0 {
			c.take(func(o cluster.TopicPartition) bool { return o == tp })
			c.reads(1000)
			c.w.do()
		}
	}
}
