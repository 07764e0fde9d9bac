package fetcher

import (
	"testing"

	"github.com/kactor-go/kactor/actors/sim/explore"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// forgotten are what decides nothing, or cannot be looked into: nobody waits here.
var forgotten = []string{"fetcher.world.log", "fetcher.world.rules", "fetcher.world.wanted", "plan.Core.cfg", "fetcher.Fetcher.cfg", "role.Waiter.ch", "fetcher.buffer.ratio", "fetcher.Chunk.work"}

// names are how requests and lives are known to be of the present.
var names = []string{"plan.Core.stamp", "plan.Request.stamp"}

// plain is a log without transactions.
func plain(l *txnLog) {
	l.add(-1, false, 2, 0, "committed")
	l.add(-1, false, 2, 0, "committed")
}

// aborts has an aborted transaction, and a committed one of the same producer behind it.
func aborts(l *txnLog) {
	l.abort(1, 1)
	l.add(1, true, 1, 0, "committed")
	l.add(1, true, 0, record.Commit, "")
}

// mixed has two producers' transactions, one within the other.
func mixed(l *txnLog) {
	first := l.add(1, true, 1, 0, "aborted")
	l.add(2, true, 2, 0, "committed")
	at := l.add(1, true, 0, record.Abort, "")
	l.aborted = append(l.aborted, txnRange{1, first, at})
	l.add(1, true, 1, 0, "committed")
	l.add(2, true, 0, record.Commit, "")
	l.add(1, true, 0, record.Commit, "")
}

func (l *txnLog) abort(producer int64, n int32) {
	first := l.add(producer, true, n, 0, "aborted")
	l.aborted = append(l.aborted, txnRange{producer, first, l.add(producer, true, 0, record.Abort, "")})
}

var worlds = []struct {
	rules rules
	size  string // what there is
}{
	{rules{name: "a seek", log: plain, seeks: []int64{1}, most: 2}, "3102 states, 7005 transitions, depth 24"},
	{rules{name: "a pause", log: plain, pauses: 2, most: 2}, "3984 states, 11119 transitions, depth 23"},
	{rules{name: "reading begins within a batch", log: plain, begin: 1, most: 2, cuts: true}, "83 states, 160 transitions, depth 14"},
	{rules{name: "records are damaged", log: plain, most: 2, damages: 2}, "2524 states, 4590 transitions, depth 30"},
	{rules{name: "memory is used again", log: plain, codec: compress.LZ4, most: 2, reuse: true, seeks: []int64{1}}, "2652 states, 6030 transitions, depth 22"},
	{rules{name: "an aborted transaction", log: aborts, committed: true, most: 4, sparse: true}, "271 states, 573 transitions, depth 19"},
	{rules{name: "an aborted transaction, and a seek", log: aborts, committed: true, most: 3, seeks: []int64{1}}, "9107 states, 21731 transitions, depth 33"},
	{rules{name: "transactions within each other, and a pause", log: mixed, committed: true, most: 2, pauses: 1}, "6288 states, 17650 transitions, depth 33"},
	{rules{name: "uncommitted records are read", log: aborts, most: 4, pauses: 1}, "3420 states, 9121 transitions, depth 24"},
	{rules{name: "batches are cut off", log: plain, most: 1, parts: 2}, "285 states, 607 transitions, depth 23"},
}

// TestWorlds plays each small world in every order.
func TestWorlds(t *testing.T) {
	for i := range worlds {
		c := &worlds[i]
		explore.Check(t, c.rules.name, explore.Plan{New: func() explore.World { return newWorld(&c.rules) }, Forget: forgotten, Names: names}, c.size, "")
	}
}
