package differ

import (
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// Groups are listed in the order of hash maps, and those of all scripts: a script compares its own.
func TestListsOfGroupsAreCompared(t *testing.T) {
	list := func(ids ...string) []line {
		r := &msg.ListGroupsResponse{}
		for _, id := range ids {
			r.Groups = append(r.Groups, msg.ListGroupsResponseListedGroup{GroupID: id, GroupState: "Empty"})
		}
		return flatten("ListGroups", r, newWorld("d1-", time.Now(), protocol.NewRanges()))
	}
	if d := differences(list("d1-g", "d2-g", "d1-h"), list("d1-h", "d1-g", "ready")); len(d) > 0 {
		t.Errorf("the same groups: %v", d)
	}
	if d := differences(list("d1-g", "d1-h"), list("d1-g", "d1-k")); !slices.Equal(d, []differing{{"ListGroups.Groups[1].GroupID", `"h"`, `"k"`}}) {
		t.Errorf("different groups: %v", d)
	}
}

func TestAllLinesThatDifferAreTold(t *testing.T) {
	for _, tt := range []struct {
		name        string
		kafka, fake []line
		want        []differing
	}{
		{"equal", []line{{"A.X", "1"}}, []line{{"A.X", "1"}}, nil},
		{"two fields", []line{{"A.X", "1"}, {"A.Y", "1"}, {"A.Z", "1"}}, []line{{"A.X", "2"}, {"A.Y", "1"}, {"A.Z", "2"}}, []differing{{"A.X", "1", "2"}, {"A.Z", "1", "2"}}},
		{"a longer list", []line{{"A.L.len", "1"}, {"A.L[0].X", "1"}, {"A.Z", "1"}}, []line{{"A.L.len", "2"}, {"A.L[0].X", "2"}, {"A.L[1].X", "2"}, {"A.Z", "2"}}, []differing{{"A.L.len", "1", "2"}, {"A.Z", "1", "2"}}},
		{"a list in a list", []line{{"A.L.len", "1"}, {"A.L[0].M.len", "0"}}, []line{{"A.L.len", "1"}, {"A.L[0].M.len", "1"}, {"A.L[0].M[0]", "7"}}, []differing{{"A.L[0].M.len", "0", "1"}}},
		{"more room", []line{{"A.R", "[1] ..."}}, []line{{"A.R", "[1] [2] ..."}}, nil},
		{"other batches", []line{{"A.R", "[1] [3] ..."}}, []line{{"A.R", "[1] [2] ..."}}, []differing{{"A.R", "[1] [3] ...", "[1] [2] ..."}}},
		{"less on one side only", []line{{"A.R", "[1]"}}, []line{{"A.R", "[1] [2] ..."}}, []differing{{"A.R", "[1]", "[1] [2] ..."}}},
		{"nothing", []line{{"A.P", "null"}}, []line{{"A.P.X", "1"}, {"A.P.Y", "1"}}, []differing{{"A.P", "null", "-"}}},
		{"something", []line{{"A.P.X", "1"}}, []line{{"A.P", "null"}}, []differing{{"A.P", "-", "null"}}},
		{"a closed connection", []line{{"A.closed", "true"}}, []line{{"A.X", "1"}}, []differing{{"A.closed", "true", "-"}}},
	} {
		if got := differences(tt.kafka, tt.fake); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, not %v", tt.name, got, tt.want)
		}
	}
}

// Where both sides have refused, they still have the same.
func TestRefusals(t *testing.T) {
	kafka := []line{{"A.T[0].ErrorCode", "UNKNOWN_MEMBER_ID"}, {"A.T[0].X", "1"}, {"A.T[1].ErrorCode", "NONE"}, {"A.T[1].X", "1"}}
	fake := []line{{"A.T[0].ErrorCode", "ILLEGAL_GENERATION"}, {"A.T[0].X", "2"}, {"A.T[1].ErrorCode", "UNKNOWN_MEMBER_ID"}, {"A.T[1].X", "2"}}
	for path, want := range map[string]bool{"A.T[0].ErrorCode": true, "A.T[0].X": true, "A.T[1].ErrorCode": false, "A.T[1].X": false} {
		if refused(path, kafka, fake) != want {
			t.Errorf("refused(%s) is not %v", path, want)
		}
	}
	whole := []line{{"A.ErrorCode", "UNKNOWN_MEMBER_ID"}, {"A.T.len", "0"}}
	if !refused("A.T.len", whole, whole) {
		t.Error("what is refused as a whole")
	}
}
