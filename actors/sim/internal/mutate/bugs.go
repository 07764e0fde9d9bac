package main

// mutation is a bug: in file, old becomes new.
type mutation struct{ name, file, old, new string }

// suites are all bugs, by the tests that must catch them, in the order in which these are asked.
var suites = []suite{
	{[]string{"TestSwarm$", "TestKeptSeeds$"}, ofClients},
	{[]string{"TestGroups$", "TestKeptSeeds$"}, ofGroups},
	{[]string{"TestTransactions$", "TestKeptSeeds$"}, ofTransactions},
	{[]string{"TestLives$", "TestKeptSeeds$"}, ofLives},
	{[]string{"TestAnActorThatFails$"}, ofFailing},
	{[]string{"TestACall", "TestChanges", "TestATopic", "TestACommit"}, ofRoutes},
	{[]string{"TestAPartition"}, ofRooms},
	{[]string{"TestTampered$"}, ofWords},
	{[]string{"TestAtWorkAgainAfterAnOutage$"}, ofOutages},
}

// ofOutages are bugs of who does not go on when brokers do.
var ofOutages = []mutation{
	{"what one broker lacks is lacking for good", "broker/internal/survey/survey.go",
		"case c.offered(n):\n\t\tout.Verdicts = append(out.Verdicts, Verdict{Owner: owner})", "case c.offered(n):\n\t\tout.Verdicts = append(out.Verdicts, Verdict{Owner: owner, Final: true})"},
}

// ofWords are bugs of who believes brokers too much, or asks them in a hurry.
var ofWords = []mutation{
	{"who gets no further asks in a hurry", "protocol/trouble/pace.go",
		"p.vain++; p.vain > Free", "p.vain++; p.vain > 1<<30"},
	{"what a broker speaks never asked again", "broker/internal/conn/versions.go",
		"return c.asking != unasked && !now.Before(c.doubtAt)", "return false"},
	{"topic without partitions taken as it is told", "broker/internal/meta/topics.go",
		"garbled := !fits && t.Err == protocol.None", "garbled := false"},
}

type suite struct {
	tests []string
	bugs  []mutation
}

// ofGroups are bugs that the swarm of groups must catch, most of them of a group's members.
var ofGroups = []mutation{
	{"commit by a fenced member", "coordinator/internal/member/commits.go",
		"if c.member && (c.generation < 0 || c.leaving == nil && !r.owned(k.TopicPartition)) {", "if false {"},
	{"revoke without waiting for the listener", "coordinator/internal/member/classic.go",
		"\tc.become(Giving)\n\tc.gave", "\tc.become(Giving)\n\tdefer c.become(Joining)\n\tc.gave"},
	{"loss of what is being taken over not told", "coordinator/internal/member/application.go",
		"\tc.owned = with(without(c.owned, r.Revoke), r.Assign)\n", "\tif c.owned = without(c.owned, r.Revoke); c.state == Taking {\n\t\tc.owned = with(c.owned, r.Assign)\n\t}\n"},
	{"heartbeat stopped behind a slow handler", "coordinator/internal/member/classic.go",
		"(c.state == Stable || c.state == Giving || c.state == Taking || c.state == Assigning)", "c.pending == nil && c.state == Stable"},
	{"generation not checked", "coordinator/internal/member/member.go",
		"\tcase m.Call != c.call:\n", "\tcase m.Call.Kind == LeaveCall:\n"},
	{"assignment applied before revocation", "coordinator/internal/member/consumer.go",
		"\tr := c.change(slices.Compact(target))\n", "\tr := c.change(slices.Compact(target))\n\tr.Revoke = nil\n"},
	{"position of a revoked partition kept", "api/rebalance.go",
		"c.unassign(r.Revoke)\n\t}\n\tif len(r.Assign) > 0 {\n\t\tc.fetcher.Hold(r.IDs, r.Assign...)", "_ = r.Revoke\n\t}\n\tif len(r.Assign) > 0 {\n\t\t_ = c.begin(r.Assign, c.fetcher.Assignment(), -3)"},
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
	{"rest of a batch that was put aside not read", "fetcher/chunk.go",
		"c.rest, c.inBatch, c.it = c.back, false", "c.rest, c.inBatch, c.it = c.rest, false"},
	{"rebalance forgotten whose commit outlasts a poll", "api/rebalance.go",
		"!ended {\n\t\t\treturn err", "!ended {\n\t\t\tc.giving.Store(nil)\n\t\t\treturn err"},
	{"commit without a leader epoch taken for one of epoch 0", "coordinator/internal/member/commits.go",
		"k.LeaderEpoch.Int(), wire.Ptr(k.Metadata)", "max(k.LeaderEpoch.Int(), 0), wire.Ptr(k.Metadata)"},
	{"records given out after max.poll.interval.ms", "coordinator/internal/member/leaving.go",
		"c.state != Losing && c.state != Expired && c.state != Failed", "c.state != Losing && c.state != Failed"},
	{"heartbeat after a lost one does not say what is owned", "coordinator/internal/member/consumer.go",
		"c.remote.told.topics, c.remote.told.owned, c.remote.unsure = false, false, true", "c.remote.told.topics, c.remote.told.owned, c.remote.unsure = false, true, false"},
	{"pause kept of what another member has had", "api/rebalance.go",
		"if !r.Back && (r.Given || r.Lost) {", "if false {"},
	{"group whose offsets were refused once not read any more", "coordinator/internal/member/fetches.go",
		"if o.trouble.Met(now, kindOf(err, passing), err, c.backoff()) {", "if o.begins = nil; o.trouble.Met(now, kindOf(err, passing), err, c.backoff()) {"},
}

// ofTransactions are bugs that the swarm of transactions must catch: most of them are the fake's, because the client has no transactional producer, and the checker is to know what their consumers must never see.
var ofTransactions = []mutation{
	{"isolation level not told with a fetch", "fetcher/requests.go",
		"f.cfg.Rack\n\tif f.cfg.Committed {", "f.cfg.Rack\n\tif false {"},
	{"records given out before their transaction is decided", "broker/fake/01_fetch.go",
		"\t\tend = p.lastStable()\n", "\t\tend = max(end, p.lastStable())\n"},
	{"marker that says otherwise than the transaction", "broker/fake/transaction_coordinator.go",
		"\tc.mark(p, m)\n", "\tc.mark(p, marker{m.producer, m.epoch, m.commit && tp.partition != 1, m.coordinator})\n"},
	{"partition whose leader was away gets no marker", "broker/fake/transaction_coordinator.go",
		"\tif err != nil {\n\t\treturn false\n\t}\n\tif c.fences", "\tif err != nil {\n\t\treturn true\n\t}\n\tif c.fences"},
	{"what a producer has begun is not ended for the next one", "broker/fake/22_init_producer_id.go",
		"case t.state == transactionOngoing: // the epoch", "case false: // the epoch"},
	{"epoch not raised with the end of a transaction", "broker/fake/transaction_coordinator.go",
		"\t\tt.lastEpoch, t.epoch = t.epoch, t.epoch+1\n\t}\n\tt.markersAt", "\t}\n\tt.markersAt"},
}

// ofLives are bugs of what was committed of a topic that was deleted and created again.
var ofLives = []mutation{
	{"offsets of a topic that is deleted kept", "broker/fake/faults.go",
		"\t\tg.forgetTopic(name)\n", "\t\t_ = g\n"},
	{"what was read of a deleted topic committed for the next", "coordinator/internal/member/commits.go",
		"\t\t\terr := r.of(&k)\n\t\t\tif err == nil && !now", "\t\t\terr := r.of(&k)\n\t\t\tif t := c.snap.Topic(k.Topic); c.replaced(k) && t != nil {\n\t\t\t\tk.TopicID, err = t.ID, nil\n\t\t\t}\n\t\t\tif err == nil && !now"},
	{"position in a deleted topic kept in the next", "fetcher/internal/plan/plan.go",
		"case !p.byID && p.another(is):", "case false:"},
	{"new topic of the name read before the group has given it", "fetcher/internal/plan/assign.go",
		"p.topic, p.byID = s.ID, s.ID != (wire.UUID{})", "p.topic = s.ID"},
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

// ofRooms are bugs of who handles records one after the other.
var ofRooms = []mutation{
	{"partition that was full never fetched again", "api/work_room.go",
		"\t\tif !w.waits(tp) {\n", "\t\tif !w.waits(tp) && w.core.Paused(tp) {\n"},
}

// ofClients are bugs that the swarm must catch.
var ofClients = []mutation{
	{"follower believed that there is no such offset", "fetcher/internal/plan/fetched.go",
		"case p.near: // the leader may have it", "case p.replica == m.Request.Node: // the leader may have it"},
	{"partition ended by a refusal", "fetcher/internal/plan/troubles.go",
		"\tif p.trouble.Met(now, kind, err,", "\tif kind == trouble.Lasting {\n\t\tc.fail(now, p, err, out)\n\t\treturn\n\t}\n\tif p.trouble.Met(now, kind, err,"},
	{"aborted transaction begun behind its marker", "fetcher/chunk.go",
		"range c.aborted.until(b.LastOffset(), &c.work)", "range c.aborted.until(map[bool]int64{true: -1, false: b.LastOffset()}[b.Control], &c.work)"},
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
	{"batch of a producer that was forgotten taken for a repetition", "sender/internal/drain/codes.go",
		"protocol.UnknownProducerID - firstCode:        misnumbered", "protocol.UnknownProducerID - firstCode:        written"},
	{"one broker that tells an older epoch believed", "broker/internal/meta/topics.go",
		"len(k.by) >= brokers", "len(k.by) >= 1"},
	{"older metadata believed", "broker/internal/meta/topics.go",
		"odd = ahead || was.LeaderEpoch > q.LeaderEpoch", "odd = ahead"},
	{"fetch session kept after an error", "fetcher/internal/plan/fetched.go",
		"\tif m.Err != nil {\n\t\tif m.Request.inTurn() {", "\tif m.Err != nil {\n\t\tif false {"},
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
	{"position at the last record instead of behind it", "fetcher/internal/plan/fetched.go",
		"p.offset, p.under, p.readEpoch = end+1, p.epoch, -1", "p.offset, p.under, p.readEpoch = max(p.offset, end), p.epoch, -1"},
	{"what is in flight at the end told as rejected", "sender/internal/drain/drain.go",
		"for _, b := range p.flight {\n\t\t\tc.settle(b, -1, -1, fmt.Errorf(\"%w: %w\", ErrUncertain, err), out)", "for _, b := range p.flight {\n\t\t\tc.settle(b, -1, -1, err, out)"},
	{"records before the position given out", "fetcher/chunk.go",
		"if v.Offset >= c.from {", "if c.buf != nil {"},
	{"answer of another position taken", "fetcher/internal/plan/fetched.go",
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
	{"record whose topic does not become known forgotten", "sender/place.go",
		"\t\tb.refused(h, err)\n", "\t\t_ = b.refused\n"},
	{"reset to the wrong end", "fetcher/internal/plan/reset.go",
		"case c.cfg.Policy == ResetEarliest:\n\t\treturn earliest", "case c.cfg.Policy == ResetEarliest:\n\t\treturn latest"},
}
