package session

import (
	"math"
	"slices"
	"testing"

	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/wire"
)

func want(p int32, offset int64) Want {
	return Want{TopicPartition: cluster.TopicPartition{Topic: "a", Partition: p}, ID: wire.UUID{1}, Offset: offset}
}

func TestARequestTellsOnlyWhatIsDifferent(t *testing.T) {
	var s Session
	a := s.Next([]Want{want(0, 0), want(1, 0)})
	if a.ID != 0 || a.Epoch != 0 || len(a.Send) != 2 {
		t.Fatalf("the first: %+v", a)
	}
	s.Answered(9)
	if a = s.Next([]Want{want(0, 0), want(1, 0)}); a.ID != 9 || a.Epoch != 1 || len(a.Send) != 0 || len(a.Forget) != 0 {
		t.Fatalf("nothing is different: %+v", a)
	}
	s.Answered(9)
	a = s.Next([]Want{want(1, 5), want(2, 0)})
	if a.Epoch != 2 || !slices.Equal(a.Send, []Want{want(1, 5), want(2, 0)}) || !slices.Equal(a.Forget, []Want{want(0, 0)}) {
		t.Fatalf("one gone, one moved, one new: %+v", a)
	}
}

func TestATopicCreatedAgainIsForgottenAndToldAnew(t *testing.T) {
	var s Session
	s.Next([]Want{want(0, 7)})
	s.Answered(9)
	other := want(0, 0)
	other.ID = wire.UUID{2}
	if a := s.Next([]Want{other}); len(a.Send) != 1 || len(a.Forget) != 1 || a.Forget[0].ID != (wire.UUID{1}) {
		t.Fatalf("%+v", a)
	}
}

func TestSessionsEnd(t *testing.T) {
	var s Session
	s.Next([]Want{want(0, 0)})
	s.Answered(0) // the broker has made none
	if _, open := s.Open(); open {
		t.Fatal("it is open")
	}
	if a := s.Next([]Want{want(0, 0)}); a.Epoch != 0 || len(a.Send) != 1 {
		t.Fatalf("%+v", a)
	}
	s.Answered(9)
	if id, open := s.Open(); id != 9 || !open {
		t.Fatal("it is not open")
	}
	s.Reset()
	if a := s.Next([]Want{want(0, 0)}); a.ID != 9 || a.Epoch != 0 || len(a.Send) != 1 {
		t.Fatalf("the session before is to be closed: %+v", a)
	}
	s.Lost()
	if a := s.Next([]Want{want(0, 0)}); a.ID != 0 || a.Epoch != 0 || len(a.Send) != 1 {
		t.Fatalf("%+v", a)
	}
}

func TestEpochsWrapToOne(t *testing.T) {
	s := Session{id: 9, epoch: math.MaxInt32}
	s.Answered(9)
	if a := s.Next(nil); a.Epoch != 1 {
		t.Fatalf("epoch %d", a.Epoch)
	}
}

// A full request that names the session before may fail for just that: the broker has refused an id that it never gave, for as long as it was named.
func TestASessionThatCannotBeClosedIsForgotten(t *testing.T) {
	var s Session
	s.Next(nil)
	s.Answered(math.MaxInt32)
	s.Next(nil)
	s.Reset()
	if a := s.Next(nil); a.ID != math.MaxInt32 || a.Epoch != 0 {
		t.Errorf("what closes it is %+v", a)
	}
	s.Reset()
	if a := s.Next(nil); a.ID != 0 || a.Epoch != 0 {
		t.Errorf("behind that comes %+v", a)
	}
}
