package sim_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// TestAMemberThatDoesNotGetInSaysWhy has a coordinator that says something else each time, or that nobody finds: a member that goes round in circles for ten seconds tells its application. It was silent for max.poll.interval.ms, or
// for ever. That it may not ask for the coordinator is told at once.
func TestAMemberThatDoesNotGetInSaysWhy(t *testing.T) {
	joining := func(code protocol.Code, id string) fake.Action {
		return fake.Action{Reply: &msg.JoinGroupResponse{ErrorCode: int16(code), MemberID: id, ProtocolName: new(string)}}
	}
	denied := func(_ int, r fake.Request) fake.Action {
		resp := &msg.FindCoordinatorResponse{}
		for _, k := range r.Req.(*msg.FindCoordinatorRequest).CoordinatorKeys {
			resp.Coordinators = append(resp.Coordinators, msg.FindCoordinatorResponseCoordinator{Key: k, NodeID: -1, Port: -1, ErrorCode: int16(protocol.GroupAuthorizationFailed)})
		}
		return fake.Action{Reply: resp}
	}
	for _, c := range []struct {
		name, protocol string
		key            int16
		answer         func(n int, r fake.Request) fake.Action
		why            protocol.Code // None: whatever it is
	}{
		{"no answer about the coordinator", "classic", msg.FindCoordinatorAPI, func(int, fake.Request) fake.Action { return fake.Action{Cut: true} }, protocol.None},
		{"no answer about the coordinator", "consumer", msg.FindCoordinatorAPI, func(int, fake.Request) fake.Action { return fake.Action{Cut: true} }, protocol.None},
		{"not allowed", "classic", msg.FindCoordinatorAPI, denied, protocol.GroupAuthorizationFailed},
		{"not allowed", "consumer", msg.FindCoordinatorAPI, denied, protocol.GroupAuthorizationFailed},
		{"another id, which nobody knows", "classic", msg.JoinGroupAPI, func(n int, r fake.Request) fake.Action {
			if r.Req.(*msg.JoinGroupRequest).MemberID == "" {
				return joining(protocol.MemberIDRequired, fmt.Sprint("member-", n))
			}
			return joining(protocol.UnknownMemberID, "")
		}, protocol.UnknownMemberID},
		{"an id is required", "classic", msg.JoinGroupAPI, func(n int, _ fake.Request) fake.Action {
			return joining(protocol.MemberIDRequired, fmt.Sprint("member-", n))
		}, protocol.MemberIDRequired},
		{"the id is not known", "classic", msg.JoinGroupAPI, func(int, fake.Request) fake.Action { return joining(protocol.UnknownMemberID, "") }, protocol.UnknownMemberID},
		{"the generation is over", "classic", msg.JoinGroupAPI, func(int, fake.Request) fake.Action { return joining(protocol.IllegalGeneration, "") }, protocol.IllegalGeneration},
		{"fenced", "consumer", msg.ConsumerGroupHeartbeatAPI, func(int, fake.Request) fake.Action {
			return fake.Action{Reply: &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(protocol.FencedMemberEpoch)}}
		}, protocol.FencedMemberEpoch},
		{"the id is not known", "consumer", msg.ConsumerGroupHeartbeatAPI, func(int, fake.Request) fake.Action {
			return fake.Action{Reply: &msg.ConsumerGroupHeartbeatResponse{ErrorCode: int16(protocol.UnknownMemberID)}}
		}, protocol.UnknownMemberID},
	} {
		if err := sim.Run(1, func(w *sim.World) error {
			cluster, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "t", Partitions: 1}}, Seed: w.Seed()})
			if err != nil {
				return err
			}
			n := 0
			sim.NewNetwork(w, cluster).Do(func(k *fake.Cluster) {
				k.Seize(c.key, func(r fake.Request) fake.Action { n++; return c.answer(n, r) })
			})
			ctx := context.Background()
			client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"), api.Property("request.timeout.ms", "5000"))
			if err != nil {
				return err
			}
			defer func() { _ = client.Shutdown(ctx) }()
			consumer, err := client.Consumer("g", api.Topics("t"), api.Property("group.protocol", c.protocol))
			if err != nil {
				return err
			}
			within := 25 * time.Second
			if c.why == protocol.GroupAuthorizationFailed {
				within = 5 * time.Second
			}
			some, cancel := w.WithTimeout(ctx, within)
			defer cancel()
			if _, err := consumer.Poll(some); err == nil || some.Err() != nil || c.why != protocol.None && !errors.Is(err, c.why) {
				return fmt.Errorf("after %d requests it is told: %w", n, err)
			}
			return nil
		}); err != nil {
			t.Errorf("%s, %s: %v", c.protocol, c.name, err)
		}
	}
}

// TestAReaderThatReachesNobodySaysWhy has addresses at which nobody listens: all that was told was that a partition has no leader.
func TestAReaderThatReachesNobodySaysWhy(t *testing.T) {
	if err := sim.Run(1, func(w *sim.World) error {
		cluster, err := fake.NewCluster(fake.Config{Nodes: 1, Topics: []fake.Topic{{Name: "t", Partitions: 1}}, Seed: w.Seed()})
		if err != nil {
			return err
		}
		n := sim.NewNetwork(w, cluster)
		n.Refuse(1)
		ctx := context.Background()
		client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"), api.Lazy())
		if err != nil {
			return err
		}
		defer func() { _ = client.Shutdown(ctx) }()
		consumer, err := client.Consumer("")
		if err != nil {
			return err
		}
		if err := consumer.Assign(api.TopicPartition{Topic: "t"}); err != nil {
			return err
		}
		some, cancel := w.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		_, err = consumer.Poll(some)
		if !errors.Is(err, protocol.LeaderNotAvailable) || !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("it is told %w", err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestAMemberThatWaitsForMetadataSaysSo: how long its application waits for records, the error of the call says what it has waited for.
func TestAMemberThatWaitsForMetadataSaysSo(t *testing.T) {
	for _, wait := range []time.Duration{3 * time.Second, 15 * time.Second} {
		if err := sim.Run(1, func(w *sim.World) error {
			cluster, err := fake.NewCluster(fake.Config{Nodes: 1, Seed: w.Seed()})
			if err != nil {
				return err
			}
			sim.NewNetwork(w, cluster)
			ctx := context.Background()
			client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"), api.Property("allow.auto.create.topics", "false"))
			if err != nil {
				return err
			}
			defer func() { _ = client.Shutdown(ctx) }()
			consumer, err := client.Consumer("g", api.Topics("nowhere"))
			if err != nil {
				return err
			}
			some, cancel := w.WithTimeout(ctx, wait)
			defer cancel()
			if _, err := consumer.Poll(some); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, protocol.UnknownTopicOrPartition) {
				return fmt.Errorf("it is told %w", err)
			}
			return nil
		}); err != nil {
			t.Errorf("after %s: %v", wait, err)
		}
	}
}
