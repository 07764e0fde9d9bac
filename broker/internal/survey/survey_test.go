package survey

import (
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

func speaks(key int16, least, most int16) protocol.Ranges {
	r := protocol.NewRanges()
	r.Set(key, protocol.Range{Min: least, Max: most})
	return r
}

func need(key int16, least, most int16) Need { return Need{key, protocol.Range{Min: least, Max: most}} }

var (
	start   = time.Unix(1000, 0)
	without = speaks(msg.MetadataAPI, 0, 13)
)

// What is lacking everywhere is final; where a broker has it, had it, or does not answer each time, it is not.
func TestVerdicts(t *testing.T) {
	type answer struct {
		id   int32
		told protocol.Ranges // not Known: it does not answer
	}
	beat := need(msg.ConsumerGroupHeartbeatAPI, 0, 1)
	with := speaks(msg.ConsumerGroupHeartbeatAPI, 0, 1)
	none := protocol.Ranges{}
	for _, c := range []struct {
		name    string
		need    Need
		before  protocol.Ranges
		answers []answer // nil: nobody is asked
		final   bool
	}{
		{"nobody has it", beat, without, []answer{{1, without}, {1, without}, {2, without}, {2, without}}, true},
		{"another has it", beat, without, []answer{{1, without}, {1, without}, {2, with}, {2, with}}, false},
		{"another has it on one connection", beat, without, []answer{{1, without}, {1, without}, {2, with}, {2, without}}, false},
		{"it has it itself, asked again", beat, without, []answer{{1, with}, {1, without}, {2, without}, {2, without}}, false},
		{"another cannot be reached", beat, without, []answer{{1, without}, {1, without}, {2, none}, {2, none}}, true},
		{"another was reached once", beat, without, []answer{{1, without}, {1, without}, {2, without}, {2, none}}, false},
		{"nobody is reached", beat, without, []answer{{1, none}, {1, none}, {2, none}, {2, none}}, false},
		{"it was there before", beat, with, nil, false},
		{"only older ones were", need(msg.ConsumerGroupHeartbeatAPI, 1, 1), speaks(msg.ConsumerGroupHeartbeatAPI, 0, 0), []answer{{1, without}, {1, without}, {2, without}, {2, without}}, true},
		{"only newer ones are", need(msg.ProduceAPI, 3, 12), speaks(msg.ProduceAPI, 13, 14), []answer{{1, without}, {1, without}, {2, without}, {2, without}}, true},
		{"no version would do", need(msg.MetadataAPI, 14, 13), without, nil, true},
		{"what is told is nonsense", beat, speaks(msg.ConsumerGroupHeartbeatAPI, 1, 0), []answer{{1, without}, {1, without}, {2, without}, {2, without}}, true},
	} {
		core, out := New(), Effects{}
		core.Told(c.before)
		core.Refused(start, c.need, "call", []int32{1, 2}, &out)
		if (len(out.Ask) > 0) != (c.answers != nil) {
			t.Errorf("%s: asks %v", c.name, out.Ask)
		}
		core.Refused(start, c.need, "another", []int32{1, 2}, &out) // waits, too
		for i, a := range c.answers {
			if len(out.Verdicts) > 0 || out.Ask[i] != a.id {
				t.Fatalf("%s: %+v before answer %d", c.name, out, i)
			}
			core.Told(a.told)
			core.Answered(a.id, a.told.Known(), &out)
		}
		if len(out.Verdicts) != 2 || out.Verdicts[0].Owner != "call" || out.Verdicts[0].Final != c.final || out.Verdicts[1].Final != c.final || core.Waiting() {
			t.Errorf("%s: %+v", c.name, out.Verdicts)
		}
	}
}

// Surveys follow each other later and later; in between what was found holds, until a broker offers it.
func TestSurveysHavePauses(t *testing.T) {
	core, out := New(), Effects{}
	n := need(msg.InitProducerIdAPI, 0, 5)
	var asked []time.Duration
	for now := start; now.Before(start.Add(time.Hour)); now = now.Add(time.Second) {
		out.Reset()
		core.Refused(now, n, 1, []int32{7}, &out)
		if len(out.Ask) > 0 {
			asked = append(asked, now.Sub(start))
		}
		for _, id := range slices.Clone(out.Ask) {
			core.Answered(id, true, &out)
		}
		if len(out.Verdicts) != 1 || !out.Verdicts[0].Final {
			t.Fatalf("after %s: %+v", now.Sub(start), out)
		}
	}
	if len(asked) < 10 || len(asked) > 20 || asked[1] != pause {
		t.Errorf("asked after %v", asked)
	}
	out.Reset()
	core.Told(speaks(msg.InitProducerIdAPI, 0, 4))
	if core.Refused(start, n, 1, []int32{7}, &out); len(out.Verdicts) != 1 || out.Verdicts[0].Final || len(out.Ask) > 0 {
		t.Errorf("a broker has it now: %+v", out)
	}
}

// A large cluster is not asked as a whole, and what waits ends with the core.
func TestTheEndOfASurvey(t *testing.T) {
	core, out := New(), Effects{}
	core.Refused(start, need(msg.InitProducerIdAPI, 0, 5), 1, make([]int32, 1000), &out)
	if len(out.Ask) != MostAsked*Times {
		t.Errorf("%d questions", len(out.Ask))
	}
	core.Abort(&out)
	core.Answered(0, true, &out)
	if len(out.Verdicts) != 1 || out.Verdicts[0].Final {
		t.Errorf("%+v", out.Verdicts)
	}
}
