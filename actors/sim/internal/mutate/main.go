// Command mutate plants bugs in the client, one at a time, and sees to it that the swarm of simulated worlds, or a seed that was kept, catches each. The sources stay as they are: a patched copy is
// laid over them while the test is built.
//
//	go run ./actors/sim/internal/mutate [-seeds N] [-only NAME]
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// mutation is a bug: in file, old becomes new.
type mutation struct{ name, file, old, new string }

// ofGroups are bugs that the swarm of groups must catch, most of them of a group's members.
var ofGroups = []mutation{
	{"commit by a fenced member", "coordinator/internal/member/commits.go",
		"case c.member && (c.generation < 0 || !c.owns(k.Partition) && c.leaving == nil):", "case false:"},
	{"revoke without waiting for the listener", "coordinator/internal/member/classic.go",
		"\tc.become(Giving)\n\tc.gave", "\tc.become(Giving)\n\tdefer c.become(Joining)\n\tc.gave"},
	{"heartbeat stopped behind a slow handler", "coordinator/internal/member/classic.go",
		"(c.state == Stable || c.state == Giving || c.state == Taking || c.state == Assigning)", "c.pending == nil && c.state == Stable"},
	{"generation not checked", "coordinator/internal/member/member.go",
		"\tcase m.Call != c.call:\n", "\tcase m.Call.Kind == LeaveCall:\n"},
	{"assignment applied before revocation", "coordinator/internal/member/consumer.go",
		"\tr := c.change(target)\n", "\tr := c.change(target)\n\tr.Revoke = nil\n"},
	{"position of a revoked partition kept", "api/rebalance.go",
		"c.unassign(r.Revoke)\n\t}\n\tif len(r.Assign) > 0 {\n\t\tc.fetcher.Hold(r.Assign...)", "_ = r.Revoke\n\t}\n\tif len(r.Assign) > 0 {\n\t\t_ = c.begin(r.Assign, c.fetcher.Assignment(), fetcher.AtDefault)"},
	{"commit of the record at hand", "api/commit.go",
		"if hand.each {", "if false {"},
	{"partitions kept in an eager rebalance", "coordinator/internal/member/classic.go",
		"give := slices.Clone(c.owned)\n", "give := slices.Clone(c.owned[:0])\n"},
	{"refused commit told as done", "coordinator/internal/member/commits.go",
		"\t\tcode, answered := codes[k.answered(m.Version)]\n", "\t\tcode, answered := codes[k.answered(m.Version)]\n\t\tcode, answered = protocol.None, true\n"},
	{"nothing told of what was lost", "coordinator/internal/member/leaving.go",
		"case len(c.owned) > 0:\n\t\tc.offer(&Rebalance{Lost: true", "case len(c.owned) > 1000:\n\t\tc.offer(&Rebalance{Lost: true"},
	{"commit of what is being handled", "api/internal/lanes/lanes.go",
		"return p.open[0].Offset, p.open[0].Before, true", "return p.open[len(p.open)-1].Offset, p.open[0].Before, true"},
	{"two records of a key handled at a time", "api/internal/lanes/lanes.go",
		"case len(l.queue) == 1 && !l.running:", "case len(l.queue) == 1:"},
	{"partition given up while a record is being handled", "api/work_end.go",
		"return w.core.Running(parts...) == 0 })", "return true })"},
	{"what was not handled is not read again", "api/work_end.go",
		"if len(back) > 0 {", "if false {"},
	{"leader older than the position believed", "fetcher/internal/plan/plan.go",
		"epoch < max(p.lastEpoch, p.under) && p.stale < staleLimit", "false"},
	{"sent on a link that is closed", "broker/internal/conn/conn.go",
		"out.Send = out.Send[:0]\n}", "}"},
	{"rest of a batch that was put aside not read", "fetcher/chunk.go",
		"c.rest, c.inBatch, c.it = c.back, false", "c.rest, c.inBatch, c.it = c.rest, false"},
	{"partition that was full never fetched again", "api/work_room.go",
		"\t\tif !w.waits(tp) {\n", "\t\tif !w.waits(tp) && w.core.Paused(tp) {\n"},
	{"rebalance forgotten whose commit outlasts a poll", "api/rebalance.go",
		"!ended {\n\t\t\treturn err", "!ended {\n\t\t\tc.giving.Store(nil)\n\t\t\treturn err"},
	{"leader epoch of a position that nothing was read from lost", "fetcher/buffer.go",
		"next.epoch.Store(epoch)", "next.epoch.Store(-1)"},
	{"commit without a leader epoch taken for one of epoch 0", "coordinator/internal/member/commits.go",
		"k.LeaderEpoch.Int(), wire.Ptr(k.Metadata)", "max(k.LeaderEpoch.Int(), 0), wire.Ptr(k.Metadata)"},
	{"records given out after max.poll.interval.ms", "coordinator/internal/member/leaving.go",
		"c.state != Losing && c.state != Expired && c.state != Failed", "c.state != Losing && c.state != Failed"},
	{"heartbeat after a lost one does not say what is owned", "coordinator/internal/member/consumer.go",
		"c.remote.told.owned, c.remote.unsure = false, false, true\n\t\treturn\n\t}\n\twhy", "c.remote.told.owned, c.remote.unsure = false, true, false\n\t\treturn\n\t}\n\twhy"},
	{"pause kept of what another member has had", "api/rebalance.go",
		"if !r.Back && (r.Given || r.Lost) {", "if false {"},
	{"partition whose offset was refused once not read any more", "coordinator/internal/member/fetches.go",
		"b.trouble.Met(now, kindOf(code, passes), code, c.backoff())", "b.trouble.Met(now, kindOf(code, passes), code, trouble.Backoff{First: time.Hour, Max: time.Hour})"},
	{"group whose offsets were refused once not read any more", "coordinator/internal/member/fetches.go",
		"if o.trouble.Met(now, kindOf(err, passing), err, c.backoff()) {", "if o.begins = nil; o.trouble.Met(now, kindOf(err, passing), err, c.backoff()) {"},
}

// ofRoutes are bugs that the tests of moving_test.go must catch.
var ofRoutes = []mutation{
	{"topic that is produced to forgotten", "sender/actor.go",
		"\t\t\tsnap.Topic(b.To.Topic).Touch()\n", ""},
	{"topic that is read forgotten", "broker/place.go",
		"\t\ts.Topic(r.Partitions[i].Topic).Touch()\n", "\t\ts.Topic(r.Partitions[i].Topic)\n"},
	{"call to a coordinator that stands still does not move", "broker/place.go",
		"case r.Replayable && r.coordinated != nil:", "case false:"},
	{"call that must not be handled twice moves", "broker/place.go",
		"case r.Replayable && r.coordinated != nil:", "case r.coordinated != nil:"},
	{"nobody else asked for a coordinator", "broker/internal/meta/peers.go",
		"if k.node == id && k.placed > 0 {", "if false {"},
	{"older epochs never believed", "broker/internal/meta/topics.go",
		"if k.count >= contraryAnswers && (", "if false && ("},
	{"commit behind produce requests", "broker/place.go",
		"if purpose == Calls && r.coordinated != nil {", "if false {"},
	{"controller that is none any more told to the caller", "broker/router.go",
		"return code == protocol.NotController || code", "return code"},
}

// ofFailing are bugs that TestAnActorThatFails must catch.
var ofFailing = []mutation{
	{"message at which an actor failed answered by nobody", "actors/role/host.go",
		"\t\th.refuse(m) // the core", "\t\t// the core"},
	{"decisions of an actor that failed thrown away", "actors/role/host.go",
		"\t\th.guard(h.flush)\n", "\t\th.reset(&h.out)\n"},
}

var mutations = []mutation{
	{"follower believed that there is no such offset", "fetcher/internal/plan/fetch.go",
		"case p.near: // the leader may have it", "case p.replica == m.Request.Node: // the leader may have it"},
	{"partition ended by a refusal", "fetcher/internal/plan/troubles.go",
		"\tif p.trouble.Met(now, kind, err,", "\tif kind == trouble.Lasting {\n\t\tc.fail(now, p, err, out)\n\t\treturn\n\t}\n\tif p.trouble.Met(now, kind, err,"},
	{"aborted transaction begun behind its marker", "fetcher/chunk.go",
		"for len(c.aborted) > 0 && c.aborted[0].first", "for !b.Control && len(c.aborted) > 0 && c.aborted[0].first"},
	{"aborted transaction that outlives its marker", "fetcher/chunk.go",
		"\t\tdelete(c.active, b.ProducerID)\n", ""},
	{"aborted transaction read", "fetcher/chunk.go",
		"return b.Transactional && c.active[b.ProducerID]", "return false"},
	{"sequence reset on metadata loss", "sender/internal/drain/drain.go",
		"moved = append(moved, p)\n", "moved = append(moved, p)\n\t\t\tp.seq = sequence{}\n"},
	{"buffer freed early", "sender/internal/drain/drain.go",
		"if b.Settled && b.OnWire == 0 && !b.Packing && !b.Freed {", "if b.Settled && !b.Packing && !b.Freed {"},
	{"retry out of order", "sender/internal/drain/repeat.go",
		"p.queue = slices.Insert(p.queue, i, batches...)\n", "_ = i\n\tp.queue = append(p.queue, batches...)\n\tc.ids = plain{c}\n\tfor _, b := range batches {\n\t\tb.Numbered, b.Sealed, b.ProducerID = false, false, -1\n\t}\n"},
	{"position past undelivered records", "fetcher/chunk.go",
		"if b.LastOffset() < c.from {", "if b.LastOffset() <= c.from {"},
	{"promise completed twice", "sender/internal/drain/drain.go",
		"if b.Settled {\n\t\tc.free(b, out)\n\t\treturn\n\t}\n", "if b.Settled && err != nil {\n\t\tc.free(b, out)\n\t\treturn\n\t}\n"},
	{"answer of the broker taken for another's", "broker/internal/conn/calls.go",
		"if lost { // its answer", "if lost && false { // its answer"},
	{"acknowledged when sent", "sender/internal/drain/answer.go",
		"\tb.LastErr = m.Err\n", "\tif m.Sent {\n\t\tc.land(b)\n\t\tc.settle(b, -1, -1, nil, out)\n\t\treturn\n\t}\n\tb.LastErr = m.Err\n"},
	{"uncertain told as rejected", "sender/internal/drain/send.go",
		"if b.Maybe {\n\t\treturn fmt.Errorf(\"%w: %w\", ErrUncertain, err)\n\t}\n\treturn err", "return err"},
	{"appended without enough replicas told as rejected", "sender/internal/drain/codes.go",
		"protocol.NotEnoughReplicasAfterAppend - firstCode: unsure", "protocol.NotEnoughReplicasAfterAppend - firstCode: again"},
	{"appended by a leader that is none any more told as rejected", "sender/internal/drain/codes.go",
		"protocol.NotLeaderOrFollower - firstCode:          unsure", "protocol.NotLeaderOrFollower - firstCode:          again"},
	{"appended, and the disk failed, told as rejected", "sender/internal/drain/codes.go",
		"protocol.KafkaStorageError - firstCode:            unsure", "protocol.KafkaStorageError - firstCode:            again"},
	{"unknown error told as rejected", "sender/internal/drain/codes.go",
		"protocol.UnknownServerError - firstCode:                 doubtful", "protocol.UnknownServerError - firstCode:                 refused"},
	{"silence of a leader not minded", "sender/internal/drain/idempotent.go",
		"|| now.Sub(s.heard) >= silence)", ")"},
	{"epochs of a producer id go on behind the last", "sender/internal/drain/idempotent.go",
		"if s.epoch >= lastEpoch {", "if false {"},
	{"good records fail with a bad one", "sender/internal/drain/answer.go",
		"if says == refused && len(a.RecordErrors) > 0 && c.spoilt(", "if false && c.spoilt("},
	{"duplicate sequence number told as an error", "sender/internal/drain/codes.go",
		"protocol.DuplicateSequenceNumber - firstCode: written", "protocol.DuplicateSequenceNumber - firstCode: refused"},
	{"one broker that tells an older epoch believed", "broker/internal/meta/topics.go",
		"len(k.by) >= min(contraryBrokers, c.most)", "len(k.by) >= 1"},
	{"older metadata believed", "broker/internal/meta/topics.go",
		"old.Partitions[q.Index].LeaderEpoch > q.LeaderEpoch {", "false {"},
	{"fetch session kept after an error", "fetcher/internal/plan/fetch.go",
		"\tif m.Err != nil {\n\t\tif !m.Request.Aside {", "\tif m.Err != nil {\n\t\tif false {"},
	{"partition forgotten when its batch comes back", "sender/internal/drain/answer.go",
		"\tfor _, b := range r.Batches {\n\t\tc.activate(of(b))", "\tfor _, b := range r.Batches[1:] {\n\t\tc.activate(of(b))"},
	{"second batch before the first is confirmed", "sender/internal/drain/idempotent.go",
		"(renew || !s.sure || p.led != s.under)", "renew"},
	{"records left in the memory of the answer", "fetcher/chunk.go",
		"c.it.Own()\n\t\t}\n\t\treturn true", "}\n\t\treturn true"},
	{"what expires in flight told as rejected", "sender/internal/drain/send.go",
		"b.Maybe = true\n\t\t\tc.settle(", "c.settle("},
	{"call that was moved answered twice", "broker/internal/conn/calls.go",
		"m.ghost = true\n\t\t\tc.end(now, m, End{Err: ErrMoved", "c.end(now, m, End{Err: ErrMoved"},
	{"position at the last record instead of behind it", "fetcher/internal/plan/fetch.go",
		"p.offset, p.under = end+1, p.epoch", "p.offset, p.under = max(p.offset, end), p.epoch"},
	{"what is in flight at the end told as rejected", "sender/internal/drain/drain.go",
		"for _, b := range p.flight {\n\t\t\tc.settle(b, -1, -1, fmt.Errorf(\"%w: %w\", ErrUncertain, err), out)", "for _, b := range p.flight {\n\t\t\tc.settle(b, -1, -1, err, out)"},
	{"records before the position given out", "fetcher/chunk.go",
		"if v.Offset >= c.from {", "if c.buf != nil {"},
	{"answer of another position taken", "fetcher/internal/plan/fetch.go",
		"p.flight != m.Request.flight || p.state != Fetching || p.offset != p.wanted", "p.state != Fetching"},
	{"what is behind a damaged batch read before it", "fetcher/buffer.go",
		"if t.Back {", "if false {"},
	{"offset of a damaged batch believed", "fetcher/internal/plan/plan.go",
		"p.doubt = p.buffered > 0", "p.doubt = false"},
	{"version of ApiVersions that ends the connection asked for ever", "broker/internal/conn/setup.go",
		"if c.state != Negotiating ||", "if true ||"},
	{"throttled for as long as the broker says", "broker/internal/conn/calls.go",
		"now.Add(min(out.Throttle, c.cfg.ThrottleMax))", "now.Add(out.Throttle)"},
	{"limit of frames never raised", "broker/internal/conn/setup.go",
		"out.Up, out.Raise = true, true", "out.Up = true"},
	{"what may still come to a broker begun anew", "sender/internal/drain/idempotent.go",
		"case b.Maybe && b.Numbered:", "case false:"},
	{"told as written when it is handed over", "broker/internal/conn/calls.go",
		"\tif !m.OneWay { // a one-way call ends when it is written\n", "\tif m.OneWay {\n\t\tm.ghost = true\n\t\tc.end(now, m, End{Version: version, Sent: true}, out)\n\t} else {\n"},
	{"record taken although its context has ended", "sender/buffer.go",
		"if err := ctx.Err(); err != nil {\n\t\treturn false, fmt", "if err := ctx.Err(); err != nil && false {\n\t\treturn false, fmt"},
	{"flush does not wait for records that wait for their topic", "sender/actor.go",
		"held := s.buf.holds.flushed(s.world); held != nil {\n\t\ts.hurry()", "held := s.buf.holds.flushed(s.world); held != nil && ctx == nil {\n\t\ts.hurry()"},
	{"record whose topic does not become known forgotten", "sender/hold.go",
		"\t\tb.refused(h, err)\n", "\t\t_ = b.refused\n"},
	{"reset to the wrong end", "fetcher/internal/plan/reset.go",
		"case c.cfg.Policy == ResetEarliest:\n\t\treturn earliest", "case c.cfg.Policy == ResetEarliest:\n\t\treturn latest"},
}

func main() {
	seeds := flag.Int("seeds", 2000, "seeds for each bug")
	only := flag.String("only", "", "plant only the bugs whose names match this expression")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
	missed := 0
	for i, m := range slices.Concat(mutations, ofGroups, ofFailing, ofRoutes) {
		if !match.MatchString(m.name) {
			continue
		}
		test := "TestSwarm$|TestKeptSeeds$"
		switch {
		case i >= len(mutations)+len(ofGroups)+len(ofFailing):
			test = "TestACall|TestChanges|TestATopic|TestACommit"
		case i >= len(mutations)+len(ofGroups):
			test = "TestAnActorThatFails$"
		case i >= len(mutations):
			test = "TestGroups$|TestKeptSeeds$"
		}
		how, err := plant(m, test, *seeds)
		switch {
		case err != nil:
			fmt.Printf("error   %s: %v\n", m.name, err)
			missed++
		case how == "":
			fmt.Printf("missed  %s: %d seeds passed\n", m.name, *seeds)
			missed++
		default:
			fmt.Printf("caught  %s: %s\n", m.name, how)
		}
	}
	if missed > 0 {
		os.Exit(1)
	}
}

var failing = regexp.MustCompile(`(?m)^\s*(?:seeds|script|failing|moving)_test\.go:\d+: ((?:seed|swarm|groups) [^\n]*(?:\n\s+\S[^\n]*)?)`)

// keeping is what the test says of a failing seed that was made smaller.
var keeping = regexp.MustCompile(`keep it as a line of (testdata/seeds\.txt: [^\n]*)`)

// patched gives the file with the bug in it; root is where the module is.
func (m mutation) patched(root string) (string, error) {
	source, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		return "", fmt.Errorf("%s has changed: what is to be replaced is there %d times", m.file, n)
	}
	return strings.Replace(string(source), m.old, m.new, 1), nil
}

// plant builds and runs the swarm with one bug. how is the first report of a failing seed; empty when all passed.
func plant(m mutation, test string, seeds int) (how string, err error) {
	source, err := m.patched(".")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	patched := filepath.Join(dir, "patched.go")
	if err := os.WriteFile(patched, []byte(source), 0o600); err != nil {
		return "", err
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(here, m.file): patched}})
	if err != nil {
		return "", err
	}
	table := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(table, overlay, 0o600); err != nil {
		return "", err
	}
	out, err := exec.Command("go", "test", "-overlay", table, "-count=1", "./actors/sim", "-run", test, "-seeds", fmt.Sprint(seeds)).CombinedOutput()
	if err == nil {
		return "", nil
	}
	if found := failing.FindSubmatch(out); found != nil {
		how = strings.Join(strings.Fields(string(found[1])), " ")
		if kept := keeping.FindSubmatch(out); kept != nil {
			how += "\n        " + string(kept[1])
		}
		return how, nil
	}
	return "", fmt.Errorf("the test could not be run: %w\n%s", err, out)
}
