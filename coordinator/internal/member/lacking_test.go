package member

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

var errLacks = errors.New("JoinGroup is not among its APIs")

// lacks answers a call as a broker that does not have it: nobody does, or another.
func (b *bench) lacks(c *Call, nobody bool) Effects {
	return b.step(&Answer{Call: c, Err: errLacks, Lacks: true, Unsupported: nobody})
}

// TestACoordinatorThatLacksAnAPIForAWhile is one that is upgraded, or set back: the member goes on as soon as it has it, and says meanwhile why it does not.
func TestACoordinatorThatLacksAnAPIForAWhile(t *testing.T) {
	for _, proto := range []Protocol{Classic, Consumer, Auto} {
		kind := ConsumerCall
		if proto == Classic {
			kind = JoinCall
		}
		b := newBench(t, func(c *Config) { c.Protocol = proto })
		out := b.step(&Subscribe{Topics: []string{"work"}})
		call, told, asked := b.call(out, kind), 0, 0
		for began := b.now; b.now.Before(began.Add(time.Minute)); asked++ {
			out = b.lacks(call, false)
			for len(out.Calls) == 0 {
				told += len(out.Errors)
				if len(out.Errors) > 0 && !errors.Is(out.Errors[0], errLacks) {
					t.Fatalf("%v: %v", proto, out.Errors)
				}
				out = b.later(b.c.Next().Sub(b.now))
			}
			call = b.call(out, kind)
		}
		if told < 4 || told > 6 || asked > 80 {
			t.Errorf("%v: told %d times, asked %d times", proto, told, asked)
		}
		b.is(Joining)
		if proto == Classic {
			b.assigned(call, 1, 0)
			continue
		}
		b.answer(call, &msg.ConsumerGroupHeartbeatResponse{MemberEpoch: 1, HeartbeatIntervalMs: 5000})
		b.is(Stable)
	}
}

// TestTopicsThatNothingIsKnownOf are told while a member waits for them: that nothing is known of them to the application, that they are not there to the log. It was silent.
func TestTopicsThatNothingIsKnownOf(t *testing.T) {
	for _, k := range []struct {
		name   string
		topics []*cluster.Topic
		want   error // told to the application; nil: noted
		none   bool  // nothing is told
	}{
		{"no metadata", nil, ErrBlind, false},
		{"unknown", []*cluster.Topic{{Name: "a", Err: protocol.UnknownTopicOrPartition}, {Name: "b", Err: protocol.UnknownTopicOrPartition}}, nil, false},
		{"not allowed", []*cluster.Topic{{Name: "a", Err: protocol.TopicAuthorizationFailed}, {Name: "b", Err: protocol.TopicAuthorizationFailed}}, protocol.TopicAuthorizationFailed, false},
		{"there", []*cluster.Topic{{Name: "a", Partitions: make([]cluster.Partition, 1)}, {Name: "b", Partitions: make([]cluster.Partition, 1)}}, nil, true},
	} {
		b := newBench(t, nil)
		b.step(&Changed{Snapshot: cluster.New(cluster.Snapshot{}, k.topics...)})
		b.step(&Subscribe{Topics: []string{"a", "b"}})
		tell := func() (errs, notes int) {
			for begin := b.now; b.now.Before(begin.Add(time.Minute)); {
				out := b.later(100 * time.Millisecond)
				for _, err := range out.Errors {
					if errs++; !errors.Is(err, k.want) || !strings.Contains(err.Error(), "a and 1 more topics") {
						t.Errorf("%s: %v", k.name, err)
					}
				}
				notes += len(out.Notes)
			}
			return errs, notes
		}
		b.later(0)
		if why := b.c.Awaits(); (why == nil) != k.none || k.want != nil && !errors.Is(why, k.want) {
			t.Errorf("%s: it waits for %v", k.name, why)
		}
		errs, notes := tell()
		if told := max(errs, notes); k.none != (told == 0) || !k.none && (told < 5 || told > 6) || min(errs, notes) > 0 || (k.want != nil) != (errs > 0) {
			t.Errorf("%s: %d errors, %d notes", k.name, errs, notes)
		}
		b.step(&Changed{Snapshot: cluster.New(cluster.Snapshot{}, &cluster.Topic{Name: "a", Partitions: make([]cluster.Partition, 1)}, &cluster.Topic{Name: "b", Partitions: make([]cluster.Partition, 1)})})
		if errs, notes := tell(); errs+notes > 0 || b.c.Awaits() != nil {
			t.Errorf("%s: when they are there, %d errors, %d notes", k.name, errs, notes)
		}
	}
}

// TestAPatternWhoseTopicsAreNotToldSaysWhy for as long as it lasts.
func TestAPatternWhoseTopicsAreNotToldSaysWhy(t *testing.T) {
	b := newBench(t, nil)
	out := b.step(&Subscribe{Pattern: func(string) bool { return true }})
	told, lists := 0, 0
	for begin := b.now; b.now.Before(begin.Add(time.Minute)); {
		if out.List {
			lists++
			out = b.step(&Listed{Err: protocol.UnknownServerError})
			for _, err := range out.Errors {
				if told++; !errors.Is(err, protocol.UnknownServerError) {
					t.Error(err)
				}
			}
			continue
		}
		out = b.later(100 * time.Millisecond)
	}
	if told < 4 || told > 6 || lists > 61 {
		t.Errorf("told %d times, asked %d times", told, lists)
	}
}

// What no broker has is final.
func TestAnAPIThatNobodyHas(t *testing.T) {
	b := newBench(t, nil)
	b.lacks(b.call(b.step(&Subscribe{Topics: []string{"work"}}), JoinCall), true)
	b.is(Failed)
	b = newBench(t, func(c *Config) { c.Protocol = Consumer })
	out := b.lacks(b.call(b.step(&Subscribe{Topics: []string{"work"}}), ConsumerCall), true)
	b.is(Failed)
	if len(out.Errors) != 1 || !errors.Is(out.Errors[0], protocol.UnsupportedVersion) || !errors.Is(out.Errors[0], errLacks) {
		t.Errorf("%v", out.Errors)
	}
	b = newBench(t, func(c *Config) { c.Protocol = Auto })
	b.call(b.lacks(b.call(b.step(&Subscribe{Topics: []string{"work"}}), ConsumerCall), true), JoinCall)
}

// A coordinator may know the API and have the protocol switched off: that is believed when it is said twice, and of one that had it only by who may use the other protocol, after a while.
func TestUnsupportedVersionIsBelievedWhenItIsSaidTwice(t *testing.T) {
	refused := &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(protocol.UnsupportedVersion)}
	b := newBench(t, func(c *Config) { c.Protocol = Consumer })
	out := b.answer(b.call(b.step(&Subscribe{Topics: []string{"work"}}), ConsumerCall), refused)
	if b.is(Joining); !out.Forget {
		t.Error("the same coordinator is asked")
	}
	out = b.answer(b.call(b.later(time.Second), ConsumerCall), refused)
	if b.is(Failed); len(out.Errors) != 1 || !errors.Is(out.Errors[0], protocol.UnsupportedVersion) {
		t.Errorf("%v", out.Errors)
	}
	for _, proto := range []Protocol{Consumer, Auto} {
		b := reconciled(t, func(c *Config) { c.Protocol = proto }, 0)
		began := b.now
		for b.c.proto == Consumer && b.now.Sub(began) < 10*time.Minute {
			if out := b.later(b.c.Next().Sub(b.now)); len(out.Calls) > 0 {
				b.answer(b.call(out, ConsumerCall), refused)
			}
		}
		took := b.now.Sub(began)
		if fallen := b.c.proto == Classic; fallen != (proto == Auto) || fallen && (took < lacksFor || took > 2*lacksFor) || b.c.state == Failed {
			t.Errorf("%v: %s after %s, %v", proto, b.c.state, took, b.c.proto)
		}
	}
}

// Commits go on, too; one whose time is over says why.
func TestACommitThatACoordinatorLacks(t *testing.T) {
	b := newBench(t, nil)
	b.member(1, 0)
	out := b.lacks(b.call(b.commit(5, 0), CommitCall), false)
	if len(out.Results) > 0 {
		t.Fatalf("%+v", out.Results)
	}
	if out = b.answer(b.call(b.later(time.Second), CommitCall), committedAnswer(protocol.None, 0)); len(out.Results) != 1 || out.Results[0].Err != nil {
		t.Fatalf("%+v", out.Results)
	}
	call := b.call(b.step(&Commit{Offsets: []Offset{{TopicPartition: parts(0)[0], Offset: 6}}, Deadline: b.now.Add(4 * time.Second), Owner: 6}), CommitCall)
	for range 100 {
		if out = b.lacks(call, false); len(out.Results) > 0 {
			break
		}
		for len(out.Results) == 0 && !hasCommit(out) {
			out = b.later(b.c.Next().Sub(b.now))
		}
		if len(out.Results) > 0 {
			break
		}
		call = b.call(out, CommitCall)
	}
	if len(out.Results) != 1 || !errors.Is(out.Results[0].Err, ErrUncommitted) || !strings.Contains(out.Results[0].Err.Error(), errLacks.Error()) {
		t.Fatalf("%+v", out.Results)
	}
}

func hasCommit(out Effects) bool {
	for _, c := range out.Calls {
		if c.Kind == CommitCall {
			return true
		}
	}
	return false
}
