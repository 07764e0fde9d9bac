package sim_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// TestGroups plays seeds: a group whose members join, leave, crash, dawdle and come back while brokers and coordinators fail. Nothing may be skipped, no member may commit what was not
// handled, none may own what another member of the group owns, and in the end everything is owned by one.
func TestGroups(t *testing.T) {
	if playOne(t, func(s script) (string, fmt.Stringer, error) {
		p := groupSeed(s, true)
		return p.summary(), &p.log, p.err
	}) {
		return
	}
	playSeeds(t, func(s script) (tally, error) {
		p := groupSeed(s, false)
		return tally{"records": p.handled, "assignments": p.assignments, "faults": p.storm.Count}, p.err
	})
}

const (
	groupName = "workers"
	groupWork = "work"
)

// groupPlay is one seed of a group.
type groupPlay struct {
	w           *sim.World
	script      script
	n           *sim.Network
	c           *fake.Cluster
	storm       *sim.Storm
	rng         *rand.Rand
	partitions  int32
	props       map[string]string
	mixed       bool // members of both protocols: the group goes from one to the other and back
	static      bool // members have a group.instance.id: that of their slot
	workers     sim.Group
	failed      []error
	over        bool // the storm: members stay from now on
	calm        bool // there is no storm, and no handler is slower than it may be: nobody loses anything
	done        bool
	dawdled     time.Time
	sending     int
	seen        map[int32]map[int64]bool // handled to the end
	low         map[int32]int64          // everything below was handled
	had         map[string]time.Time     // when a member had a partition, by both
	owners      map[int32][]*groupMember // who thinks that it owns a partition
	last        map[int32]*groupMember   // who was assigned it last
	epochs      map[string]epochs        // of members of the consumer protocol
	overdue     map[string]bool          // members whose last heartbeat came so late that it may be fenced
	handled     int
	assignments int
	err         error
	log         strings.Builder
	behind      string
}

// groupMember is a member, as its listener and its handler see it.
type groupMember struct {
	name    string
	dead    bool          // it cannot go on
	closing bool          // it does not matter any more what it owns
	id      func() string // in the group
	rests   func() []api.TopicPartition
	ids     []string // that it has had
	own     map[int32]bool
	joined  map[int32]uint64          // by which membership it was assigned
	next    map[int32]int64           // the offset expected next; -1: any
	floor   map[int32]int64           // what was committed when it was assigned
	era     map[int32]int             // how often it was assigned
	polled  time.Time                 // when Poll has returned
	paused  map[int32]bool            // what it has paused, and must let go on
	active  map[*api.Record]time.Time // since when records are being handled
}

func (p *groupPlay) summary() string {
	return fmt.Sprintf("%d handled, %d assignments, %d faults, %s of virtual time", p.handled, p.assignments, p.storm.Count, p.w.Now().Sub(sim.Epoch))
}

func groupSeed(s script, tracing bool) *groupPlay {
	w := sim.New(s.seed)
	p := &groupPlay{w: w, script: s, seen: map[int32]map[int64]bool{}, low: map[int32]int64{}, had: map[string]time.Time{}, owners: map[int32][]*groupMember{}, last: map[int32]*groupMember{}, epochs: map[string]epochs{}, overdue: map[string]bool{}}
	if tracing {
		w.Trace(&p.log)
	}
	p.err = w.Run(p.run)
	if p.err != nil {
		p.err = fmt.Errorf("seed %d, after %s, %v, mixed: %v, static: %v: %w", s.seed, p.w.Now().Sub(sim.Epoch), p.props, p.mixed, p.static, p.err)
	}
	return p
}

func (p *groupPlay) fail(format string, args ...any) {
	p.failed = append(p.failed, fmt.Errorf(format, args...))
}

func (p *groupPlay) run(w *sim.World) error {
	p.rng = w.Rand()
	rng := p.rng
	p.partitions = int32(1 + rng.IntN(6))
	flavours := []map[string]string{{"partition.assignment.strategy": "range"}, {"partition.assignment.strategy": "roundrobin"}, {"partition.assignment.strategy": "sticky"},
		{"partition.assignment.strategy": "cooperative-sticky"}, {"partition.assignment.strategy": "cooperative-sticky"}, {"group.protocol": "consumer"}, {"group.protocol": "consumer"}, {"group.protocol": "consumer"}}
	p.props = flavours[rng.IntN(len(flavours))]
	p.static = rng.IntN(6) == 0
	release := []string{"4.3", "4.0", "3.9", "2.8", "2.3", "1.1", "0.11"}[rng.IntN(7)]
	if p.static {
		release = []string{"4.3", "3.9", "2.3"}[rng.IntN(3)]
	}
	p.mixed = rng.IntN(6) == 0 && p.props["group.protocol"] == ""
	if p.props["group.protocol"] == "consumer" || p.mixed {
		release = []string{"4.3", "4.1", "4.0"}[rng.IntN(3)]
	}
	var err error
	if p.c, err = fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: groupWork, Partitions: int(p.partitions)}}, Seed: w.Seed(), Release: release,
		SessionTimeout: time.Duration(rng.IntN(5000)) * time.Millisecond, GroupMinSession: time.Second, GroupSession: time.Duration(5+rng.IntN(5)) * time.Second, GroupHeartbeat: 500 * time.Millisecond}); err != nil {
		return err
	}
	w.Tracef("release %s, %v, mixed: %v, static: %v, %d partitions", release, p.props, p.mixed, p.static, p.partitions)
	p.n = sim.NewNetwork(w, p.c)
	p.c.Observe(p.observed)
	p.storm = sim.NewStorm(w, p.n, groupName)
	w.OnWarning(p.warned)
	p.storm.Without = p.script.without
	ctx := context.Background()
	span := time.Duration(15+rng.IntN(30)) * time.Second
	p.calm = rng.IntN(6) == 0
	p.sending = 1
	p.workers.Go(w, "producer", func() { p.produce(ctx, span) })
	slots := 2 + rng.IntN(3)
	for i := range slots {
		p.workers.Go(w, fmt.Sprintf("slot-%d", i), func() { p.slot(ctx, fmt.Sprintf("slot-%d", i)) })
	}
	if p.calm {
		_ = w.Sleep(ctx, span)
	} else if err := p.storm.Blow(ctx, 5+rng.IntN(25), span); err != nil {
		return err
	}
	p.n.Do(func(c *fake.Cluster) { c.MoveCoordinator(groupName, -1) })
	p.over = true
	heal, cancel := w.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	patience, stop := w.WithTimeout(ctx, time.Minute)
	defer stop()
	for relieved := false; len(p.failed) == 0 && !p.settled() && heal.Err() == nil; _ = w.Sleep(heal, 200*time.Millisecond) {
		if !relieved && patience.Err() != nil && p.givenToNobody() {
			relieved = true
			w.Tracef("one more member, for what was given to nobody")
			p.workers.Go(w, "relief", func() { p.slot(ctx, "relief") })
		}
	}
	if heal.Err() != nil {
		state, members := p.c.DescribeGroup(groupName)
		p.fail("not settled after five minutes: %s\ngroup %s: %+v\n%s", p.behind, state, members, p.ownership())
	}
	p.done = true
	end, cancel2 := w.WithTimeout(ctx, 2*time.Minute)
	defer cancel2()
	if err := p.workers.Wait(end, w); err != nil {
		p.fail("members are still at work: %w", err)
	}
	return errors.Join(p.failed...)
}

// settled tells whether everything was handled and each partition has one owner.
func (p *groupPlay) settled() bool {
	if p.sending > 0 {
		p.behind = "the producer is at work"
		return false
	}
	for i := range p.partitions {
		_, end := p.c.Offsets(groupWork, i)
		if p.low[i] < end {
			p.behind = fmt.Sprintf("partition %d: handled up to %d of %d", i, p.low[i], end)
			return false
		}
		if n := len(p.owners[i]); n != 1 {
			p.behind = fmt.Sprintf("partition %d has %d owners", i, n)
			return false
		}
	}
	return true
}

// givenToNobody tells whether the group is at rest with a partition that no member took up. Kafka does that, as 4.3.0 was seen to (upgrade-static.txt among the scripts of broker/fake), in two ways: the only new member of a mixed
// group goes, and before the others have joined for what it had, another takes the place of a static one; or the new member that goes is replaced by an old one that is never told of the partitions that the group has for it.
// It lasts until a member comes.
func (p *groupPlay) givenToNobody() bool {
	if !p.mixed || !p.static {
		return false
	}
	state, members := p.c.DescribeGroup(groupName)
	given := 0
	for _, m := range members {
		for _, k := range m.Assigned {
			if p.ownedBy(m.ID, k.Index) {
				given++
			}
		}
	}
	return state == "Stable" && given < int(p.partitions)
}

func (p *groupPlay) ownership() string {
	var b strings.Builder
	for i := range p.partitions {
		fmt.Fprintf(&b, "partition %d:", i)
		for _, m := range p.owners[i] {
			fmt.Fprintf(&b, " %s", m.name)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// onItsWay is how long a commit may be on its way to a broker: it may arrive when another member has the partition, and the group then goes back a little. The time does not count in which the clients stand still.
const onItsWay = 30 * time.Second

func had(member string, partition int32) string { return fmt.Sprint(member, " ", partition) }

func (p *groupPlay) ownedBy(member string, partition int32) bool {
	return slices.ContainsFunc(p.owners[partition], func(m *groupMember) bool { return m.id() == member })
}

// observed looks at requests as they reach a broker: nobody commits what was not handled, or what is not his, and who comes with an old epoch may be fenced.
func (p *groupPlay) observed(r fake.Request) {
	if req, ok := r.Req.(*msg.ConsumerGroupHeartbeatRequest); ok {
		p.heard(req)
	}
	req, ok := r.Req.(*msg.OffsetCommitRequest)
	if !ok {
		return
	}
	for _, t := range req.Topics {
		for _, k := range t.Partitions {
			p.w.Tracef("%s commits %d of %d in generation %d", req.MemberID, k.CommittedOffset, k.PartitionIndex, req.GenerationIDOrMemberEpoch)
			if last, ever := p.had[had(req.MemberID, k.PartitionIndex)]; !ever || p.w.Awake().Sub(last) > onItsWay && !p.ownedBy(req.MemberID, k.PartitionIndex) {
				p.fail("%q commits for partition %d, which it has not owned since %s", req.MemberID, k.PartitionIndex, last)
			}
			if k.CommittedOffset > p.low[k.PartitionIndex] {
				p.fail("%s commits offset %d of partition %d, but only %d were handled", req.MemberID, k.CommittedOffset, k.PartitionIndex, p.low[k.PartitionIndex])
			}
		}
	}
}

// epochs are the last two that a member has had, and whether it has already come with one of the past.
type epochs struct {
	now, before int32
	behind      bool
}

// heard notes a heartbeat that comes so late that Kafka may fence it: the answers that told of the last two changes of the member were lost, one after the other. Kafka takes the epoch that was before the last change. That
// is the same epoch if the change was only one of partitions, so who comes with an old epoch for the second time may be too late although there was only one epoch in between (ConsumerGroupMember.updateMemberEpoch).
func (p *groupPlay) heard(req *msg.ConsumerGroupHeartbeatRequest) {
	_, members := p.c.DescribeGroup(groupName)
	i := slices.IndexFunc(members, func(g fake.GroupMember) bool { return g.ID == req.MemberID })
	if i < 0 {
		return
	}
	e := p.epochs[req.MemberID]
	if members[i].Epoch != e.now {
		e.now, e.before = members[i].Epoch, e.now
	}
	late := req.MemberEpoch > 0 && req.MemberEpoch < e.now
	p.overdue[req.MemberID] = late && (e.behind || req.MemberEpoch < e.before)
	e.behind = late
	p.epochs[req.MemberID] = e
}

// mayBeFenced takes one of the members that came too late.
func (p *groupPlay) mayBeFenced() bool {
	for _, id := range slices.Sorted(maps.Keys(p.overdue)) {
		if p.overdue[id] {
			p.overdue[id] = false
			return true
		}
	}
	return false
}

func (p *groupPlay) client(ctx context.Context, name string) (*api.Client, error) {
	return api.Dial(ctx, api.World(p.w), api.Lazy(), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"), api.Properties(map[string]string{"request.timeout.ms": "4000",
		"socket.connection.setup.timeout.ms": "2000", "fetch.max.wait.ms": "500", "auto.offset.reset": "earliest"}))
}

func (p *groupPlay) produce(ctx context.Context, span time.Duration) {
	defer func() { p.sending-- }()
	client, err := p.client(ctx, "producer")
	if err != nil {
		p.fail("producer: %w", err)
		return
	}
	producer, err := client.Producer()
	if err != nil {
		p.fail("producer: %w", err)
		return
	}
	count := 60 + p.rng.IntN(100)
	for i := range count {
		if i == p.script.records && i > 0 {
			break
		}
		_ = producer.Send(ctx, &api.Record{Topic: groupWork, Partition: int32(p.rng.IntN(int(p.partitions))), Fixed: true, Key: fmt.Append(nil, i%5), Value: fmt.Append(nil, i)}, nil)
		if p.rng.IntN(3) == 0 {
			_ = p.w.Sleep(ctx, time.Duration(p.rng.Int64N(int64(4*span)/int64(count)+1)))
		}
	}
	if err := producer.Flush(ctx); err != nil {
		p.fail("producer: flush: %w", err)
	}
	closing, cancel := p.w.WithTimeout(ctx, time.Minute) // clients may stand still for twenty seconds
	defer cancel()
	if err := client.Shutdown(closing); err != nil {
		p.fail("producer: close: %w", err)
	}
}

// slot has one member after the other.
func (p *groupPlay) slot(ctx context.Context, name string) {
	for n := 0; !p.done && len(p.failed) == 0; n++ {
		if !p.over && n > 0 {
			_ = p.w.Sleep(ctx, time.Duration(p.rng.IntN(4000))*time.Millisecond)
		}
		p.member(ctx, fmt.Sprintf("%s.%d", name, n))
	}
}

// member lives and ends.
func (p *groupPlay) member(ctx context.Context, name string) {
	m := &groupMember{name: name, own: map[int32]bool{}, joined: map[int32]uint64{}, next: map[int32]int64{}, floor: map[int32]int64{}, era: map[int32]int{}, paused: map[int32]bool{}, active: map[*api.Record]time.Time{}}
	client, err := p.client(ctx, name)
	if err != nil {
		p.fail("%s: %w", name, err)
		return
	}
	auto := p.rng.IntN(2) == 0
	dawdles := p.rng.IntN(3) == 0
	props := map[string]string{"enable.auto.commit": fmt.Sprint(auto), "auto.commit.interval.ms": "700", "max.poll.interval.ms": fmt.Sprint(maxPoll.Milliseconds()), "max.poll.records": fmt.Sprint(1 + p.rng.IntN(10))}
	maps.Copy(props, p.props)
	if p.mixed && p.rng.IntN(2) == 0 {
		delete(props, "partition.assignment.strategy")
		props["group.protocol"] = "consumer"
	}
	if p.static {
		props["group.instance.id"] = name[:strings.Index(name, ".")]
	}
	if props["group.protocol"] != "consumer" {
		props["session.timeout.ms"], props["heartbeat.interval.ms"] = fmt.Sprint(2500+p.rng.IntN(5500)), "600"
	}
	matching := p.rng.IntN(8) == 0
	topics, assignor := api.Topics(groupWork), api.ConsumerOption(api.Properties(nil))
	if matching {
		topics = api.Topics()
	}
	if props["partition.assignment.strategy"] == "range" {
		assignor = api.Assignors(slowRange{p: p})
	}
	consumer, err := client.Consumer(groupName, api.Properties(props), topics, assignor, api.OnRebalance(api.RebalanceListener{
		OnAssigned: func(_ context.Context, parts []api.TopicPartition) { p.assigned(m, parts) },
		OnRevoked:  func(_ context.Context, parts []api.TopicPartition) { p.gone(m, parts, false) },
		OnLost:     func(_ context.Context, parts []api.TopicPartition) { p.gone(m, parts, true) }}))
	if err != nil {
		p.fail("%s: %w", name, err)
		return
	}
	if matching {
		if err := consumer.SubscribeMatching("work", p.matches); err != nil {
			p.fail("%s: %w", name, err)
		}
	}
	m.id = func() string { return consumer.GroupMetadata().Member }
	m.rests = consumer.Paused
	life := time.Duration(2+p.rng.IntN(25)) * time.Second
	ends := p.w.Now().Add(life)
	alive := func() bool { return !m.dead && !p.done && (p.over || p.w.Now().Before(ends)) }
	loops := p.rng.IntN(2) == 0 && auto
	handles := auto && p.rng.IntN(3) == 0
	order := api.Order(p.rng.IntN(2))
	for alive() {
		some, cancel := p.w.WithTimeout(ctx, 2*time.Second)
		switch {
		case handles && p.rng.IntN(2) == 0: // as long as the member lives
			long, end := context.WithCancel(ctx)
			p.w.Go(name+" lives", func() {
				defer end()
				for alive() && long.Err() == nil {
					_ = p.w.Sleep(long, 500*time.Millisecond)
				}
			})
			p.handle(long, m, consumer, order, dawdles, alive)
			end()
		case handles:
			p.handle(some, m, consumer, order, dawdles, alive)
		case loops:
			p.readLoop(some, m, consumer, dawdles, alive)
		default:
			p.readPolls(ctx, some, m, consumer, auto, dawdles)
		}
		cancel()
	}
	m.closing = true
	closing, cancel := p.w.WithTimeout(ctx, time.Duration(2+p.rng.IntN(10))*time.Second)
	defer cancel()
	if !p.over && p.rng.IntN(3) == 0 { // a crash: nobody is told
		cancel()
		_ = client.System().Close(closing)
	} else if p.rng.IntN(2) == 0 {
		if err := consumer.Shutdown(closing); err != nil && p.done {
			p.w.Tracef("%s: close: %v", name, err)
		}
	}
	_ = client.Shutdown(closing)
	var rest []api.TopicPartition
	for _, i := range slices.Sorted(maps.Keys(m.own)) {
		rest = append(rest, api.TopicPartition{Topic: groupWork, Partition: i})
	}
	p.gone(m, rest, true)
}

// slowRange is an assignor of the application's that takes its time.
type slowRange struct {
	assign.Range
	p *groupPlay
}

func (s slowRange) UserData(parts []assign.Partition, generation int32) []byte {
	s.p.dally()
	return s.Range.UserData(parts, generation)
}

func (s slowRange) Assign(g assign.Group) (assign.Assignment, error) {
	s.p.dally()
	return s.Range.Assign(g)
}

// dally is a function of the application's that takes its time, while there is a storm.
func (p *groupPlay) dally() {
	if !p.calm && !p.over && p.rng.IntN(3) == 0 {
		_ = p.w.Sleep(context.Background(), time.Duration(p.rng.IntN(2000))*time.Millisecond)
	}
}

// matches is a pattern that takes its time, and panics now and then.
func (p *groupPlay) matches(topic string) bool {
	p.dally()
	if !p.calm && !p.over && p.rng.IntN(4) == 0 {
		panic("on purpose")
	}
	return topic == groupWork
}

func (p *groupPlay) assigned(m *groupMember, parts []api.TopicPartition) {
	p.assignments++
	_, present := p.c.DescribeGroup(groupName)
	member := func(m *groupMember) uint64 {
		i := slices.IndexFunc(present, func(g fake.GroupMember) bool { return g.ID == m.id() && g.Epoch >= 0 })
		if i < 0 {
			return 0
		}
		return present[i].Joined
	}
	for _, tp := range parts {
		i := tp.Partition
		p.w.Tracef("%s is assigned %d", m.name, i)
		if m.own[i] {
			p.fail("%s was assigned partition %d twice", m.name, i)
		}
		for _, o := range p.owners[i] {
			if !o.closing && member(m) > 0 && member(o) > 0 && member(o) == o.joined[i] { // who was expelled, also if it has joined anew, or was not waited for, may not know it yet
				p.fail("%s was assigned partition %d, and %s owns it, which the group has not expelled", m.name, i, o.name)
			}
		}
		if slices.Contains(m.rests(), tp) {
			if m.paused[i] = true; p.last[i] != m {
				p.fail("%s is assigned partition %d, which another member has had, and it is paused", m.name, i)
			}
		}
		p.last[i] = m
		p.had[had(m.id(), i)] = p.w.Awake()
		m.ids = append(m.ids, m.id())
		m.era[i]++
		m.joined[i] = member(m)
		m.own[i], m.next[i], m.floor[i] = true, -1, p.c.Committed(groupName, groupWork, i)
		p.owners[i] = append(p.owners[i], m)
	}
}

func (p *groupPlay) gone(m *groupMember, parts []api.TopicPartition, lost bool) {
	for _, tp := range parts {
		i := tp.Partition
		p.w.Tracef("%s gives up %d, lost: %v", m.name, i, lost)
		if !m.own[i] {
			p.fail("%s gives up partition %d, which it does not own", m.name, i)
		}
		if lost && p.calm && !p.mixed && !m.closing { // when a group is a classic one again, who has not reached its epoch must join anew
			p.fail("%s has lost partition %d, although nothing was wrong", m.name, i)
		}
		for r, since := range m.active {
			if r.Partition == i && !lost && p.w.Now().Sub(since) < drain {
				p.fail("%s gives up partition %d while %d is being handled, since %s", m.name, i, r.Offset, since)
			}
		}
		delete(m.own, i)
		delete(m.paused, i)
		for _, id := range m.ids {
			p.had[had(id, i)] = p.w.Awake()
		}
		p.owners[i] = slices.DeleteFunc(p.owners[i], func(o *groupMember) bool { return o == m })
	}
}

// begin notes that a record is at hand.
func (p *groupPlay) begin(m *groupMember, r *api.Record) {
	i := r.Partition
	switch {
	case !m.own[i]:
		p.fail("%s was given a record of partition %d, which it does not own", m.name, i)
	case m.next[i] < 0 && r.Offset < m.floor[i]:
		p.fail("%s reads partition %d from %d, but %d was committed when it was assigned", m.name, i, r.Offset, m.floor[i])
	case m.next[i] < 0 && r.Offset > p.low[i]:
		p.fail("%s reads partition %d from %d, but only %d were handled", m.name, i, r.Offset, p.low[i])
	case m.next[i] >= 0 && r.Offset != m.next[i]:
		p.fail("%s reads partition %d at %d, expected %d", m.name, i, r.Offset, m.next[i])
	}
	m.next[i] = r.Offset + 1
}

// end notes that a record was handled.
func (p *groupPlay) end(r *api.Record) {
	i := r.Partition
	if p.seen[i] == nil {
		p.seen[i] = map[int64]bool{}
	}
	p.seen[i][r.Offset] = true
	p.handled++
	for p.seen[i][p.low[i]] {
		p.low[i]++
	}
}

func (p *groupPlay) work(ctx context.Context, dawdles bool) {
	switch n := p.rng.IntN(60); {
	case (n == 0 || p.calm && n < 4) && dawdles && !p.over:
		d := time.Duration(1+p.rng.IntN(14)) * time.Second
		if p.calm { // one at a time, and within max.poll.interval.ms
			if p.w.Now().Before(p.dawdled) {
				return
			}
			d = min(d, 5*time.Second)
			p.dawdled = p.w.Now().Add(2 * d)
		}
		_ = p.w.Sleep(context.WithoutCancel(ctx), d)
	case n < 10:
		_ = p.w.Sleep(context.WithoutCancel(ctx), time.Duration(p.rng.IntN(100))*time.Millisecond)
	}
}

func (p *groupPlay) readLoop(ctx context.Context, m *groupMember, consumer *api.Consumer, dawdles bool, alive func() bool) {
	for r, err := range consumer.Records(ctx) {
		if err != nil {
			p.w.Tracef("%s: %v", m.name, err)
			if p.fatal(m, err) {
				return
			}
			continue
		}
		p.begin(m, r)
		p.work(ctx, dawdles)
		if !alive() { // what is at hand now is not handled
			break
		}
		p.end(r)
	}
}

// drain is how long a handler has when its partition is given up.
const drain = 3 * time.Second

// handle has several records at hand at a time: those of a partition one after the other, or only those of a key.
func (p *groupPlay) handle(ctx context.Context, m *groupMember, consumer *api.Consumer, order api.Order, dawdles bool, alive func() bool) {
	last := map[string]int64{}
	busy := map[string]bool{}
	workers := 1 + p.rng.IntN(6)
	opts := []api.HandleOption{api.OrderBy(order), api.Concurrency(workers), api.DrainTimeout(drain), api.OnHandleError(func(err error) { p.w.Tracef("%s: %v", m.name, err) })}
	if p.rng.IntN(2) == 0 { // some partitions are full now and then
		opts = append(opts, api.InFlight(workers+p.rng.IntN(10)))
	}
	if p.rng.IntN(4) == 0 {
		opts = append(opts, api.InFlightBytes(1+p.rng.IntN(20)))
	}
	err := consumer.Handle(ctx, func(_ context.Context, r *api.Record) error {
		lane := fmt.Sprint(r.Partition, " ", m.era[r.Partition], " ", string(r.Key))
		if order == api.ByPartition {
			p.begin(m, r)
			lane = fmt.Sprint(r.Partition, " ", m.era[r.Partition])
		} else if at, ever := last[lane]; ever && r.Offset <= at {
			p.fail("%s handles %d of partition %d after %d, which has the same key", m.name, r.Offset, r.Partition, at)
		}
		if !m.own[r.Partition] {
			p.fail("%s was given a record of partition %d, which it does not own", m.name, r.Partition)
		}
		if busy[lane] {
			p.fail("%s handles two records of %s at a time", m.name, lane)
		}
		busy[lane], last[lane], m.active[r] = true, r.Offset, p.w.Now()
		defer func() { busy[lane] = false; delete(m.active, r) }()
		p.work(ctx, dawdles)
		if !alive() {
			return errors.New("the member has ended")
		}
		p.end(r)
		return nil
	}, opts...)
	for i := range m.next {
		m.next[i] = -1 // what was not finished comes again
	}
	if err != nil {
		p.w.Tracef("%s: %v", m.name, err)
		p.fatal(m, err)
	}
}

// maxPoll is max.poll.interval.ms.
const maxPoll = 6 * time.Second

// warned takes the cause of a warning: nobody but a member that does not say what it owns, after an answer was lost, is fenced for its epoch. The groups of several protocols, and the instances of static
// members, are fenced when they change hands; and the storm has fences of its own.
func (p *groupPlay) warned(cause string) {
	if !p.mixed && !p.static && !p.storm.Has("errors") && strings.Contains(cause, protocol.FencedMemberEpoch.Name()) && !p.mayBeFenced() {
		p.fail("%s", cause)
	}
}

// pause pauses a partition from time to time, and lets what was paused go on.
func (p *groupPlay) pause(m *groupMember, consumer *api.Consumer) {
	for i := range p.partitions {
		tp := api.TopicPartition{Topic: groupWork, Partition: i}
		switch {
		case m.paused[i] && (p.over || p.rng.IntN(4) == 0):
			delete(m.paused, i)
			_ = consumer.Resume(tp)
		case m.own[i] && !p.over && p.rng.IntN(30) == 0:
			if err := consumer.Pause(tp); err == nil {
				m.paused[i] = true
			}
		}
	}
}

func (p *groupPlay) readPolls(ctx, some context.Context, m *groupMember, consumer *api.Consumer, auto, dawdles bool) {
	p.pause(m, consumer)
	late, era := !m.polled.IsZero() && p.w.Now().Sub(m.polled) >= maxPoll, maps.Clone(m.era)
	records, err := consumer.Poll(some)
	m.polled = p.w.Now()
	for _, r := range records {
		if late && m.era[r.Partition] == era[r.Partition] {
			p.fail("%s was given %d of partition %d, after max.poll.interval.ms, and was not told that it is lost", m.name, r.Offset, r.Partition)
		}
	}
	if err != nil && some.Err() == nil {
		p.w.Tracef("%s: %v", m.name, err)
		p.fatal(m, err)
	}
	handled := map[int32]int64{}
	for _, r := range records {
		p.begin(m, r)
		p.work(ctx, dawdles)
		p.end(r)
		handled[r.Partition] = r.Offset + 1
	}
	if !auto && len(records) > 0 {
		maps.DeleteFunc(handled, func(i int32, _ int64) bool { return !m.own[i] })
		commit, cancel := p.w.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		var counted []api.OffsetAndMetadata // an application may count itself, and knows of no leader epochs: then nothing protects it from a leader that has been cut off and has not noticed
		if p.rng.IntN(2) == 0 && !p.storm.Has("cut a broker off from the others") && !p.storm.Has("pause a broker") {
			for i := range p.partitions {
				if next, ok := handled[i]; ok {
					counted = append(counted, api.OffsetAndMetadata{TopicPartition: api.TopicPartition{Topic: groupWork, Partition: i}, Offset: next})
				}
			}
		}
		if err := consumer.Commit(commit, counted...); err != nil {
			p.w.Tracef("%s: commit: %v", m.name, err)
			return
		}
		for i, next := range handled {
			if at := p.c.Committed(groupName, groupWork, i); m.own[i] && at < next {
				p.fail("%s was told that %d of partition %d is committed, but it is %d", m.name, next, i, at)
			}
		}
	}
}

// fatal tells whether a consumer cannot go on. There is no reason for that but with static members: the request of one that has ended may arrive after its successor's, and a successor may come
// before the session of one that has crashed is over.
func (p *groupPlay) fatal(m *groupMember, err error) bool {
	var e *api.GroupError
	if !errors.As(err, &e) {
		return false
	}
	m.dead = true
	if p.static && (errors.Is(err, protocol.FencedInstanceID) || errors.Is(err, protocol.UnreleasedInstanceID)) {
		return true
	}
	p.fail("%s: %w", m.name, err)
	return true
}
