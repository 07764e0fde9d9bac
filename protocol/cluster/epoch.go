package cluster

import (
	"fmt"
	"strconv"
)

// LeaderEpoch counts the leaders that a partition has had: each record belongs to the epoch of the leader that wrote it (KIP-101, KIP-320). The zero value says that the epoch is not known, which is -1 in
// Kafka's protocol. EpochOf makes one of a number.
type LeaderEpoch struct{ next int32 } // one more than the epoch, so that zero is free

// EpochOf is the leader epoch of that number. A negative number says that the epoch is not known.
func EpochOf(n int32) LeaderEpoch {
	if n < 0 {
		return LeaderEpoch{}
	}
	return LeaderEpoch{n + 1}
}

// Known tells whether the epoch is known.
func (e LeaderEpoch) Known() bool { return e.next != 0 }

// Int gives the number, and -1 if the epoch is not known.
func (e LeaderEpoch) Int() int32 { return e.next - 1 }

// String is the number, or "unknown".
func (e LeaderEpoch) String() string {
	if !e.Known() {
		return "unknown"
	}
	return strconv.Itoa(int(e.Int()))
}

// MarshalText is the number as text; nothing if the epoch is not known.
func (e LeaderEpoch) MarshalText() ([]byte, error) {
	if !e.Known() {
		return []byte{}, nil
	}
	return strconv.AppendInt(nil, int64(e.Int()), 10), nil
}

// UnmarshalText reads what MarshalText has written.
func (e *LeaderEpoch) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*e = LeaderEpoch{}
		return nil
	}
	n, err := strconv.ParseInt(string(b), 10, 32)
	if err != nil {
		return fmt.Errorf("leader epoch: %w", err)
	}
	*e = EpochOf(int32(n))
	return nil
}
