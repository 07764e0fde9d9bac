package sim_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/actors/sim"
)

// TestAHistoryOfTransactions has two records of a transaction in two partitions, one consumer of what is committed and one of all there is.
func TestAHistoryOfTransactions(t *testing.T) {
	parts := []sim.Partition{{Topic: "a"}, {Topic: "a", Index: 1}}
	for _, c := range []struct {
		name    string
		outcome sim.TransactionOutcome
		aborted [2]bool // in the logs
		there   [2]bool
		read    bool // by the consumer of what is committed
		want    []string
	}{
		{"committed", sim.Committed, [2]bool{}, [2]bool{true, true}, true, nil},
		{"committed, and not there", sim.Committed, [2]bool{}, [2]bool{}, false, []string{"lost", "lost"}},
		{"committed, and a part aborted", sim.Committed, [2]bool{false, true}, [2]bool{true, true}, true, []string{"lost", "torn"}},
		{"aborted", sim.Aborted, [2]bool{true, true}, [2]bool{true, true}, false, nil},
		{"aborted, and not there", sim.Aborted, [2]bool{}, [2]bool{}, false, nil},
		{"aborted, and committed in a log", sim.Aborted, [2]bool{false, true}, [2]bool{true, true}, true, []string{"aborted, but in the log"}},
		{"aborted, and read", sim.Aborted, [2]bool{true, true}, [2]bool{true, true}, true, []string{"read what was aborted"}},
		{"undecided, and all there", sim.Undecided, [2]bool{}, [2]bool{true, true}, true, nil},
		{"undecided, and nothing there", sim.Undecided, [2]bool{}, [2]bool{}, false, nil},
		{"undecided, and torn", sim.Undecided, [2]bool{}, [2]bool{true, false}, true, []string{"torn"}},
	} {
		h, logs := sim.NewHistory(), map[sim.Partition][]sim.Logged{}
		h.ReadCommitted("committed")
		txn := h.Transaction()
		for i, p := range parts {
			for _, consumer := range []string{"committed", "all"} {
				h.Begin(consumer, p, 0)
			}
			s, value := h.SendWithin(txn, "p", "a", 0)
			h.Done(s, sim.Acked, p.Index, 0)
			if !c.there[i] {
				continue
			}
			logs[p] = []sim.Logged{{Value: string(value), Aborted: c.aborted[i]}}
			h.Read("all", p, 0, value)
			if c.read && i == 0 {
				h.Read("committed", p, 0, value)
			}
		}
		txn.Outcome = c.outcome
		found := h.VerifyLogs(logs, false)
		if !slices.EqualFunc(found, c.want, strings.HasPrefix) {
			t.Errorf("%s: %q", c.name, found)
		}
	}
}
