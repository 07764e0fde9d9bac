package member

import "github.com/kactor-go/kactor/protocol/cluster"

// Offset is a position to commit, or one that was committed.
type Offset = cluster.OffsetAndMetadata
