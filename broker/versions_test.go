package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// TestWhatNodesSpeakIsForgottenWithThem: where each broker that is replaced gets a new id, as with some operators, what each of them has ever told stayed for as long as the client.
func TestWhatNodesSpeakIsForgottenWithThem(t *testing.T) {
	if err := sim.Run(1, replaceNodes); err != nil {
		t.Error(err)
	}
}

func replaceNodes(w *sim.World) error {
	server, err := fake.NewCluster(fake.Config{Seed: w.Seed()})
	if err != nil {
		return err
	}
	id := int32(1)
	server.Seize(msg.MetadataAPI, func(fake.Request) fake.Action {
		return fake.Action{Reply: &msg.MetadataResponse{ControllerID: id, ClusterID: wire.Ptr("c"), ClusterAuthorizedOperations: -2147483648,
			Brokers: []msg.MetadataResponseMetadataResponseBroker{{NodeID: id, Host: "broker-1", Port: 9092}}}}
	})
	sim.NewNetwork(w, server)
	cfg := broker.Default()
	cfg.Bootstrap = []string{"broker-1:9092"}
	client, err := broker.Start(role.NewTree(w, "client", nil), cfg, broker.Hooks{}, nil)
	if err != nil {
		return err
	}
	ctx := context.Background()
	for ; id < 50; id++ {
		if _, err := broker.Metadata(ctx, client); err != nil {
			return err
		}
		reply, err := broker.Call(ctx, client, broker.Route{To: broker.Target{Kind: broker.ToController}, Req: &msg.ListGroupsRequest{}})
		if err != nil {
			return err
		}
		if _, known := client.Versions(reply.Node); !known || reply.Node != id {
			return fmt.Errorf("node %d answers, and what it speaks is known: %v", reply.Node, known)
		}
	}
	for old := range id - 2 { // the last but one may still be on its way out
		if _, known := client.Versions(old - 1); known {
			return fmt.Errorf("what node %d speaks is still known", old-1)
		}
	}
	return client.Stop(ctx)
}

// TestWhatOneBrokerLacks: it is final only if all say so, twice and once more five seconds later, and none has ever said anything else; else a call goes on, and when its context ends it says why.
func TestWhatOneBrokerLacks(t *testing.T) {
	for seed := range uint64(20) {
		for _, c := range []lackingPlay{
			{name: "all from the beginning", lacks: []int32{1, 2, 3}, final: true},
			{name: "all that can be reached", lacks: []int32{1, 2, 3}, away: 3, final: true},
			{name: "one", lacks: []int32{1}},
			{name: "all but one", lacks: []int32{1, 2}},
			{name: "all, after they had it", lacks: []int32{1, 2, 3}, before: true},
			{name: "one on its first connection", lacks: []int32{1}, once: true},
			{name: "all, for three seconds", lacks: []int32{1, 2, 3}, mends: 3 * time.Second},
		} {
			if err := sim.Run(seed+1, c.run); err != nil {
				t.Errorf("%s, seed %d: %v", c.name, seed+1, err)
			}
		}
	}
}

type lackingPlay struct {
	name   string
	lacks  []int32
	away   int32
	before bool // they had it before
	once   bool // they lack it on their first connection only
	final  bool
	mends  time.Duration // after that they have it
}

func (p *lackingPlay) run(w *sim.World) error {
	server, err := fake.NewCluster(fake.Config{Nodes: 3, Seed: w.Seed()})
	if err != nil {
		return err
	}
	n := sim.NewNetwork(w, server)
	cfg := broker.Default()
	cfg.Bootstrap = []string{"broker-1:9092", "broker-2:9092"}
	client, err := broker.Start(role.NewTree(w, "client", nil), cfg, broker.Hooks{}, nil)
	if err != nil {
		return err
	}
	ctx := context.Background()
	ask := func(ctx context.Context) error {
		_, err := broker.Insist(ctx, client, 0, func() broker.Route {
			return broker.Route{To: broker.Target{Kind: broker.ToNode, Node: 1}, Req: &msg.ListGroupsRequest{}}
		}, func(broker.Reply) protocol.Code { return protocol.None })
		return err
	}
	lack := func() (release func()) {
		told := map[fake.ConnID]bool{}
		return server.Seize(msg.ApiVersionsAPI, func(r fake.Request) fake.Action {
			if told[r.Conn] = true; !slices.Contains(p.lacks, r.Node) || p.once && len(told) > 1 {
				return fake.Action{}
			}
			return fake.Action{Reply: &msg.ApiVersionsResponse{FinalizedFeaturesEpoch: -1, ApiKeys: []msg.ApiVersionsResponseApiVersion{{ApiKey: msg.ApiVersionsAPI, MaxVersion: 4}, {ApiKey: msg.MetadataAPI, MaxVersion: 12}}}}
		})
	}
	var release func()
	if !p.before {
		n.Do(func(*fake.Cluster) { release = lack() })
	}
	if _, err := broker.Metadata(ctx, client); err != nil {
		return err
	}
	if p.before {
		if err := ask(ctx); err != nil {
			return err
		}
		n.Do(func(*fake.Cluster) { release = lack() })
		n.Reset(1)
		_ = w.Sleep(ctx, 100*time.Millisecond)
	}
	if p.away != 0 {
		n.Refuse(p.away)
		n.Reset(p.away)
	}
	began := w.Now()
	if p.mends > 0 {
		w.After(p.mends, "brokers have it", func() { n.Do(func(*fake.Cluster) { release() }) })
	}
	some, cancel := w.WithTimeout(ctx, 7*time.Second)
	defer cancel()
	err = ask(some)
	took := w.Now().Sub(began)
	switch {
	case p.once:
		if err != nil || took > time.Second {
			return fmt.Errorf("%w after %s", err, took)
		}
	case p.mends > 0:
		if err != nil || took > p.mends+3*time.Second {
			return fmt.Errorf("%w after %s", err, took)
		}
	case p.final: // what else they have is of a release that has it, so that they are asked again
		if !errors.Is(err, broker.ErrNobody) || !errors.Is(err, broker.ErrUnsupported) || errors.Is(err, broker.ErrOlder) || took < 5*time.Second || took > 6500*time.Millisecond {
			return fmt.Errorf("expected to be final after five seconds: %w after %s", err, took)
		}
	default:
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, broker.ErrUnsupported) || errors.Is(err, broker.ErrNobody) || took != 7*time.Second {
			return fmt.Errorf("expected to go on: %w after %s", err, took)
		}
		for _, part := range []string{"ListGroups", "broker-1", "v0 to v"} {
			if !strings.Contains(err.Error(), part) {
				return fmt.Errorf("does not say %q: %w", part, err)
			}
		}
		n.Do(func(*fake.Cluster) { release() })
		began = w.Now()
		if err := ask(ctx); err != nil || w.Now().Sub(began) > 2*time.Second {
			return fmt.Errorf("it has it again: %w after %s", err, w.Now().Sub(began))
		}
	}
	return client.Stop(ctx)
}
