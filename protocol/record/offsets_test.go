package record_test

import (
	"errors"
	"math"
	"testing"

	"github.com/kactor-go/kactor/protocol/record"
)

// TestOffsetsOfABatchHaveTheirRange: no checksum guards the base offset, and the sum of both may pass 2^63.
func TestOffsetsOfABatchHaveTheirRange(t *testing.T) {
	for _, c := range []struct {
		base  int64
		delta int32
		well  bool
	}{
		{0, 0, true}, {0, math.MaxInt32, true}, {record.MaxOffset, 0, true}, {record.MaxOffset - 7, 7, true}, {record.MaxOffset - 7, 8, false}, {record.MaxOffset + 1, 0, false}, {math.MaxInt64, 0, false},
		{math.MaxInt64, math.MaxInt32, false}, {-1, 0, false}, {-1, 5, false}, {math.MinInt64, math.MaxInt32, false},
	} {
		b := record.Batch{Info: record.Info{Magic: 2, BaseOffset: c.base, LastOffsetDelta: c.delta}}
		if err := b.CheckOffsets(); (err == nil) != c.well || err != nil && !errors.Is(err, record.ErrRecord) {
			t.Errorf("from %d, %d more: %v", c.base, c.delta, err)
		}
	}
}
