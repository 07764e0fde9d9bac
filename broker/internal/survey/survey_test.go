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

// What is lacking everywhere is final: at once where the brokers are of a release without it, else if the next survey finds the same; where a broker has it, had it, or does not answer each time, it is not.
func TestVerdicts(t *testing.T) {
	type answer struct {
		id   int32
		told protocol.Ranges // not Known: it does not answer
	}
	beat := need(msg.ConsumerGroupHeartbeatAPI, 0, 1)
	with := speaks(msg.ConsumerGroupHeartbeatAPI, 0, 1)
	old, err := protocol.Release("2.8")
	if err != nil {
		t.Fatal(err)
	}
	none := protocol.Ranges{}
	for _, c := range []struct {
		name    string
		need    Need
		before  protocol.Ranges
		answers []answer // nil: nobody is asked
		at      int      // the survey that is final; 0: none
		older   bool
	}{
		{"nobody has it, nor does their release", beat, old, []answer{{1, old}, {1, old}, {2, old}, {2, old}}, 1, true},
		{"one is of a newer release", beat, old, []answer{{1, old}, {1, old}, {2, newer(t)}, {2, newer(t)}}, 2, false},
		{"their release did not have it any more", need(msg.ProduceAPI, 0, 2), newer(t), []answer{{1, newer(t)}, {1, newer(t)}, {2, newer(t)}, {2, newer(t)}}, 1, true},
		{"nobody has it", beat, without, []answer{{1, without}, {1, without}, {2, without}, {2, without}}, 2, false},
		{"another has it", beat, without, []answer{{1, without}, {1, without}, {2, with}, {2, with}}, 0, false},
		{"another has it on one connection", beat, without, []answer{{1, without}, {1, without}, {2, with}, {2, without}}, 0, false},
		{"it has it itself, asked again", beat, without, []answer{{1, with}, {1, without}, {2, without}, {2, without}}, 0, false},
		{"another cannot be reached", beat, without, []answer{{1, without}, {1, without}, {2, none}, {2, none}}, 2, false},
		{"another was reached once", beat, without, []answer{{1, without}, {1, without}, {2, without}, {2, none}}, 0, false},
		{"nobody is reached", beat, without, []answer{{1, none}, {1, none}, {2, none}, {2, none}}, 0, false},
		{"it was there before", beat, with, nil, 0, false},
		{"only older ones were", need(msg.ConsumerGroupHeartbeatAPI, 1, 1), speaks(msg.ConsumerGroupHeartbeatAPI, 0, 0), []answer{{1, without}, {1, without}, {2, without}, {2, without}}, 2, false},
		{"only newer ones are", need(msg.ProduceAPI, 3, 12), speaks(msg.ProduceAPI, 13, 14), []answer{{1, without}, {1, without}, {2, without}, {2, without}}, 2, false},
		{"no version would do", need(msg.MetadataAPI, 14, 13), without, nil, 1, false},
		{"what is told is nonsense", beat, speaks(msg.ConsumerGroupHeartbeatAPI, 1, 0), []answer{{1, without}, {1, without}, {2, without}, {2, without}}, 2, false},
	} {
		core := New()
		core.Told(c.before)
		for round := 1; round <= 2 && (round == 1 || c.at != 1 && c.answers != nil); round++ {
			out, now := Effects{}, start.Add(time.Duration(round-1)*pause)
			core.Refused(now, c.need, "call", []int32{1, 2}, &out)
			if again := round > 1 && len(out.Verdicts) > 0; !again && (len(out.Ask) > 0) != (c.answers != nil) {
				t.Errorf("%s: asks %v", c.name, out.Ask)
			}
			core.Refused(now, c.need, "another", []int32{1, 2}, &out) // waits, too
			if len(out.Ask) > 0 {
				for i, a := range c.answers {
					if len(out.Verdicts) > 0 || out.Ask[i] != a.id {
						t.Fatalf("%s: %+v before answer %d", c.name, out, i)
					}
					core.Told(a.told)
					core.Answered(a.id, a.told.Known(), &out)
				}
			}
			final := round == c.at
			if len(out.Verdicts) != 2 || out.Verdicts[0].Owner != "call" || out.Verdicts[0].Final != final || out.Verdicts[1].Final != final || out.Verdicts[0].Older != c.older || core.Waiting() {
				t.Errorf("%s, survey %d: %+v", c.name, round, out.Verdicts)
			}
		}
	}
}

// newer are the versions of a release that has dropped what is old.
func newer(t *testing.T) protocol.Ranges {
	r, err := protocol.Release("4.0")
	if err != nil {
		t.Fatal(err)
	}
	r.Set(msg.ConsumerGroupHeartbeatAPI, protocol.Range{Min: 1, Max: 0})
	return r
}

// Surveys follow each other later and later; in between what was found holds, until a broker offers it. What may still come is final from the second on.
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
		if len(out.Verdicts) != 1 || out.Verdicts[0].Final != (now.Sub(start) >= pause) {
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
