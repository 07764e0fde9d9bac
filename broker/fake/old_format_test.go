package fake

import (
	"testing"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// A batch that cannot be converted ends an answer: what it would have is filled up, or the broker fails if that takes more than one piece (differential, seed 84085 on 2.8).
func TestAnAnswerThatCannotBeConvertedToItsEnd(t *testing.T) {
	c, err := NewCluster(Config{Release: "2.8"})
	if err != nil {
		t.Fatal(err)
	}
	pack := func(codec compress.Codec, size int) []byte {
		body := record.AppendRecord(nil, 0, 0, nil, make([]byte, size), nil)
		if codec != compress.None {
			packed, err := codec.Compress(nil, body, compress.DefaultLevel)
			if err != nil {
				t.Fatal(err)
			}
			body = packed
		}
		raw := append(make([]byte, record.Overhead), body...)
		record.Seal(raw, &record.Info{Magic: 2, Codec: codec, Count: 1, BaseTimestamp: 1, MaxTimestamp: 1, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1})
		return raw
	}
	for _, tt := range []struct {
		behind int
		breaks bool
	}{{1000, false}, {120 << 10, false}, {140 << 10, true}} {
		q := &call{}
		raw := append(append(pack(compress.None, 10), pack(compress.Zstd, 10)...), pack(compress.None, tt.behind)...)
		set, code := c.oldFormat(q, raw, 0)
		if code != protocol.None || len(set) != len(raw) || q.breaks != tt.breaks {
			t.Errorf("%d bytes behind it: %s, %d of %d bytes, breaks: %t", tt.behind, code, len(set), len(raw), q.breaks)
		}
	}
}
