package record

import (
	"encoding/binary"
	"fmt"
)

// ControlType says what a control record means.
type ControlType int16

// The control types.
const (
	Abort          ControlType = 0
	Commit         ControlType = 1
	LeaderChange   ControlType = 2
	SnapshotHeader ControlType = 3
	SnapshotFooter ControlType = 4
	KRaftVersion   ControlType = 5
	KRaftVoters    ControlType = 6
)

var controlNames = [...]string{"ABORT", "COMMIT", "LEADER_CHANGE", "SNAPSHOT_HEADER", "SNAPSHOT_FOOTER", "KRAFT_VERSION", "KRAFT_VOTERS"}

// String is Kafka's name.
func (t ControlType) String() string {
	if t < 0 || int(t) >= len(controlNames) {
		return fmt.Sprintf("UNKNOWN(%d)", int16(t))
	}
	return controlNames[t]
}

// Control reads a record of a control batch: its type, and of a transaction marker the epoch of the coordinator that wrote it (-1 for others).
func Control(v *View) (t ControlType, coordinatorEpoch int32, err error) {
	if len(v.Key) < 4 {
		return 0, -1, fmt.Errorf("control record at offset %d: %w: a key of %d bytes", v.Offset, ErrRecord, len(v.Key))
	}
	t = ControlType(binary.BigEndian.Uint16(v.Key[2:]))
	if (t == Abort || t == Commit) && len(v.Value) >= 6 {
		return t, int32(binary.BigEndian.Uint32(v.Value[2:])), nil
	}
	return t, -1, nil
}
