package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// Storm is a time of faults: which ones, how many and when follows from the seed. Each seed has only some kinds of them, because faults that come together hide each other.
type Storm struct {
	w     *World
	n     *Network
	rng   *rand.Rand // of the fault at hand
	kinds []fault
	Count int // faults so far
	blown int // those that were left out, too
	// Without are faults that are left out, by their number from 0: the others stay as they are. What is left of a failing seed is found this way.
	Without []int

	groups []string
	errs   []failing
}

// fault does something to the cluster or the network; undo, if not nil, ends it after some time.
type fault struct {
	name string
	do   func(s *Storm) (undo func())
}

var faults = []fault{
	{"stop a broker", func(s *Storm) func() {
		id := s.node()
		s.n.Do(func(c *fake.Cluster) { c.Stop(s.w.Now(), id) })
		return func() { s.n.Do(func(c *fake.Cluster) { c.Start(s.w.Now(), id) }) }
	}},
	{"pause a broker", func(s *Storm) func() {
		id := s.node()
		s.n.Do(func(c *fake.Cluster) { c.Pause(s.w.Now(), id) })
		return func() { s.n.Do(func(c *fake.Cluster) { c.Resume(s.w.Now(), id) }) }
	}},
	{"cut a broker off", func(s *Storm) func() {
		nodes := []int32{s.node()}
		if s.rng.IntN(4) == 0 {
			nodes = s.nodes()
		}
		for _, id := range nodes {
			s.n.Cut(id)
		}
		return func() {
			for _, id := range nodes {
				s.n.Mend(id)
			}
		}
	}},
	{"refuse connections", func(s *Storm) func() {
		id := s.node()
		s.n.Refuse(id)
		s.n.Reset(id)
		return func() { s.n.Mend(id) }
	}},
	{"reset connections", func(s *Storm) func() { s.n.Reset(s.node()); return nil }},
	{"half-open connections", func(s *Storm) func() {
		up := s.rng.IntN(2) == 0
		s.n.HalfOpen(s.node(), up, !up || s.rng.IntN(2) == 0)
		return nil
	}},
	{"slow network", func(s *Storm) func() {
		s.n.Latency(10*time.Millisecond, time.Duration(50+s.rng.IntN(1500))*time.Millisecond)
		return func() { s.n.Latency(100*time.Microsecond, 2*time.Millisecond) }
	}},
	{"no names", func(s *Storm) func() {
		if s.rng.IntN(2) == 0 {
			s.n.Readdress(s.node())
			return nil
		}
		s.n.DNS(false)
		return func() { s.n.DNS(true) }
	}},
	{"move leaders", func(s *Storm) func() {
		s.n.Do(func(c *fake.Cluster) {
			for _, p := range c.Partitions() {
				if s.rng.IntN(2) == 0 {
					_ = c.MoveLeader(p.Topic, p.Index, s.node()) // it may not be in sync: then nothing moves
				}
			}
		})
		return nil
	}},
	{"elect preferred leaders", func(s *Storm) func() { s.n.Do((*fake.Cluster).ElectLeaders); return nil }},
	{"stale metadata", func(s *Storm) func() {
		id := s.node()
		s.n.Do(func(c *fake.Cluster) {
			if c.Informed() > 1 { // what all brokers say is believed in the end
				c.FreezeMetadata(id)
			}
		})
		return func() { s.n.Do(func(c *fake.Cluster) { c.Thaw(id) }) }
	}},
	{"move coordinators", func(s *Storm) func() {
		group := s.groups[s.rng.IntN(len(s.groups))]
		s.n.Do(func(c *fake.Cluster) { c.MoveCoordinator(group, s.node()) })
		return nil
	}},
	{"throttle", func(s *Storm) func() {
		id, d := s.node(), time.Duration(s.rng.IntN(2000))*time.Millisecond
		switch s.rng.IntN(8) {
		case 0:
			d = 30 * time.Second
		case 1: // a quota that was set wrong, or an answer that was
			d = 24 * time.Hour
		}
		s.n.Do(func(c *fake.Cluster) { c.Throttle(id, d) })
		return func() { s.n.Do(func(c *fake.Cluster) { c.Throttle(id, 0) }) }
	}},
	{"slow broker", func(s *Storm) func() {
		id := s.node()
		s.n.Do(func(c *fake.Cluster) { c.Delay(id, time.Duration(s.rng.IntN(3000))*time.Millisecond) })
		return func() { s.n.Do(func(c *fake.Cluster) { c.Delay(id, 0) }) }
	}},
	{"errors", func(s *Storm) func() {
		codes := s.errs[s.rng.IntN(len(s.errs))]
		s.n.Do(func(c *fake.Cluster) {
			for range 1 + s.rng.IntN(4) {
				c.FailNext(codes.key, codes.codes[s.rng.IntN(len(codes.codes))])
			}
			if s.rng.IntN(4) == 0 { // nothing else for as long as it lasts
				for range 100 {
					c.FailNext(codes.key, codes.codes[s.rng.IntN(len(codes.codes))])
				}
			}
		})
		return func() { s.n.Do((*fake.Cluster).ClearFailures) }
	}},
	{"lost answers", func(s *Storm) func() {
		return s.answers([]fake.Action{{LoseReply: true}, {Cut: true}, {Drop: true}, {Delay: time.Duration(s.rng.IntN(8000)) * time.Millisecond}}[s.rng.IntN(4)],
			[]int16{msg.ProduceAPI, msg.FetchAPI, msg.MetadataAPI, fake.AnyKey}[s.rng.IntN(4)])
	}},
	{"cut a broker off from the others", func(s *Storm) func() {
		id := s.node()
		s.n.Do(func(c *fake.Cluster) {
			if c.Informed() > 1 {
				c.Isolate(s.w.Now(), id)
			}
		})
		return func() { s.n.Do(func(c *fake.Cluster) { c.Join(s.w.Now(), id) }) }
	}},
	{"a follower falls behind", func(s *Storm) func() {
		id := s.node()
		s.n.Do(func(c *fake.Cluster) { c.FallBehind(id) })
		return func() { s.n.Do(func(c *fake.Cluster) { c.CatchUp(id) }) }
	}},
	{"turned bits in records", func(s *Storm) func() { s.n.Spoil(1 + s.rng.IntN(15)); return nil }},
	{"the clients stand still", func(s *Storm) func() {
		d := time.Duration(s.rng.Int64N(int64(20 * time.Second)))
		if s.rng.IntN(4) == 0 {
			d *= 3
		}
		s.w.Stall(d)
		s.n.Do(func(*fake.Cluster) {}) // the brokers do not
		return nil
	}},
	{"the wall clock jumps", func(s *Storm) func() {
		s.w.Skew(time.Duration(s.rng.Int64N(int64(2*time.Hour))) - time.Hour)
		return func() { s.w.Skew(0) }
	}},
	{"answers that hide what was done", func(s *Storm) func() {
		codes := []protocol.Code{protocol.NotEnoughReplicasAfterAppend, protocol.RequestTimedOut, protocol.DuplicateSequenceNumber, protocol.NotLeaderOrFollower, protocol.KafkaStorageError, protocol.UnknownServerError}
		return s.answers(fake.Action{Code: codes[s.rng.IntN(len(codes))]}, msg.ProduceAPI)
	}},
}

// answers lets something happen to the next answers of an API.
func (s *Storm) answers(action fake.Action, key int16) (release func()) {
	left := 1 + s.rng.IntN(5)
	s.n.Do(func(c *fake.Cluster) {
		release = c.Seize(key, func(fake.Request) fake.Action {
			if left == 0 {
				return fake.Action{}
			}
			left--
			return action
		})
	})
	return release
}

// failing are errors that brokers give for a while.
type failing struct {
	key   int16
	codes []protocol.Code
}

var errorsOf = []failing{
	{msg.ProduceAPI, []protocol.Code{protocol.NotLeaderOrFollower, protocol.NotEnoughReplicas, protocol.RequestTimedOut, protocol.LeaderNotAvailable, protocol.UnknownTopicOrPartition, protocol.KafkaStorageError, protocol.UnknownServerError}},
	{msg.FetchAPI, []protocol.Code{protocol.NotLeaderOrFollower, protocol.UnknownTopicOrPartition, protocol.UnknownServerError, protocol.KafkaStorageError, protocol.OffsetNotAvailable, protocol.TopicAuthorizationFailed, protocol.CorruptMessage, protocol.UnknownTopicID}},
	{msg.ListOffsetsAPI, []protocol.Code{protocol.NotLeaderOrFollower, protocol.LeaderNotAvailable, protocol.OffsetNotAvailable, protocol.TopicAuthorizationFailed, protocol.UnknownServerError, protocol.CorruptMessage}},
	{msg.OffsetForLeaderEpochAPI, []protocol.Code{protocol.NotLeaderOrFollower, protocol.TopicAuthorizationFailed, protocol.UnknownServerError, protocol.FencedLeaderEpoch}},
	{msg.MetadataAPI, []protocol.Code{protocol.LeaderNotAvailable, protocol.UnknownTopicOrPartition}},
	{msg.InitProducerIdAPI, []protocol.Code{protocol.CoordinatorLoadInProgress, protocol.NotEnoughReplicas}},
}

// errorsOfGroups are those of coordinators.
var errorsOfGroups = []failing{
	{msg.FindCoordinatorAPI, []protocol.Code{protocol.CoordinatorNotAvailable}},
	{msg.JoinGroupAPI, []protocol.Code{protocol.CoordinatorLoadInProgress, protocol.NotCoordinator, protocol.UnknownMemberID, protocol.RebalanceInProgress}},
	{msg.SyncGroupAPI, []protocol.Code{protocol.RebalanceInProgress, protocol.UnknownMemberID, protocol.IllegalGeneration, protocol.NotCoordinator, protocol.CoordinatorNotAvailable}},
	{msg.HeartbeatAPI, []protocol.Code{protocol.UnknownMemberID, protocol.IllegalGeneration, protocol.RebalanceInProgress, protocol.CoordinatorNotAvailable, protocol.NotCoordinator}},
	{msg.ConsumerGroupHeartbeatAPI, []protocol.Code{protocol.FencedMemberEpoch, protocol.UnknownMemberID, protocol.NotCoordinator, protocol.CoordinatorLoadInProgress, protocol.CoordinatorNotAvailable}},
	{msg.OffsetCommitAPI, []protocol.Code{protocol.CoordinatorLoadInProgress, protocol.NotCoordinator, protocol.RequestTimedOut, protocol.UnknownTopicOrPartition, protocol.RebalanceInProgress, protocol.UnknownServerError, protocol.TopicAuthorizationFailed}},
	{msg.OffsetFetchAPI, []protocol.Code{protocol.CoordinatorLoadInProgress, protocol.NotCoordinator, protocol.UnstableOffsetCommit, protocol.CoordinatorNotAvailable, protocol.UnknownServerError, protocol.TopicAuthorizationFailed, protocol.GroupAuthorizationFailed}},
}

// NewStorm makes a storm with some of the faults there are; those of coordinators are for the groups that are named.
func NewStorm(w *World, n *Network, groups ...string) *Storm {
	s := &Storm{w: w, n: n, rng: w.Rand(), groups: groups, errs: errorsOf}
	if len(groups) > 0 {
		s.errs = slices.Concat(errorsOf, errorsOfGroups)
	}
	for len(s.kinds) == 0 {
		for _, f := range faults {
			if f.name == "move coordinators" && len(groups) == 0 {
				continue
			}
			if s.rng.IntN(3) == 0 {
				s.kinds = append(s.kinds, f)
			}
		}
	}
	return s
}

// Has tells whether a kind of fault is among those of the storm.
func (s *Storm) Has(name string) bool {
	return slices.ContainsFunc(s.kinds, func(f fault) bool { return f.name == name })
}

func (s *Storm) node() int32 { return int32(s.rng.IntN(s.n.cluster.Nodes())) + 1 }

func (s *Storm) nodes() (all []int32) {
	for i := range s.n.cluster.Nodes() {
		all = append(all, int32(i)+1)
	}
	return all
}

// Blow lets count faults happen within span; each lasts a while. At the end all is healed.
func (s *Storm) Blow(ctx context.Context, count int, span time.Duration) error {
	var undos []func()
	all := s.rng
	for range count {
		i := s.blown
		s.blown++
		if err := s.w.Sleep(ctx, time.Duration(all.Int64N(int64(2*span)/int64(count)+1))); err != nil {
			return err
		}
		f, lasts := s.kinds[all.IntN(len(s.kinds))], time.Duration(all.Int64N(int64(span/4)+1))
		s.rng = rand.New(rand.NewPCG(all.Uint64(), uint64(i))) // what a fault draws for itself does not change the next
		if slices.Contains(s.Without, i) {
			continue
		}
		s.w.Tracef("fault %d: %s", i, f.name)
		s.Count++
		undo := f.do(s)
		if undo == nil {
			continue
		}
		over := false
		once := func() {
			if !over {
				over = true
				s.w.Tracef("fault %d over: %s", i, f.name)
				undo()
			}
		}
		undos = append(undos, once)
		s.w.After(lasts, "fault over", once)
	}
	for _, undo := range undos {
		undo()
	}
	s.n.Heal()
	s.w.Tracef("healed")
	return nil
}
