package sim_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

const (
	// outage is how long nothing goes right.
	outage = 10 * time.Minute
	// again is within which all are at work again after it.
	again = 2 * time.Second
)

// TestAtWorkAgainAfterAnOutage has brokers that answer nothing but errors for ten minutes, or nothing at all: with the default configuration everybody is at work again within two seconds of the first good answer there could be, and asks
// no more often meanwhile than all worlds allow.
func TestAtWorkAgainAfterAnOutage(t *testing.T) {
	seized := func(f func(c *fake.Cluster, r fake.Request) fake.Action) func(*sim.Network, *fake.Cluster) func() {
		return func(_ *sim.Network, c *fake.Cluster) func() {
			release := c.Seize(fake.AnyKey, func(r fake.Request) fake.Action {
				if r.Key == msg.ApiVersionsAPI {
					return fake.Action{}
				}
				return f(c, r)
			})
			return func() {
				release()
				c.ClearFailures()
			}
		}
	}
	kinds := append(lackings(), []outageKind{
		{name: "refused connections", begin: func(n *sim.Network, _ *fake.Cluster) func() {
			for id := range int32(3) {
				n.Refuse(id + 1)
				n.Reset(id + 1)
			}
			return n.Heal
		}},
		{name: "connections that end at once", begin: seized(func(*fake.Cluster, fake.Request) fake.Action { return fake.Action{Cut: true} })},
		{name: "empty answers", begin: seized(func(_ *fake.Cluster, r fake.Request) fake.Action {
			return fake.Action{Reply: protocol.NewResponse(r.Key)}
		})},
	}...)
	some := func(f func(c *fake.Cluster, r fake.Request) fake.Action) func(*fake.Cluster, fake.Request) fake.Action {
		return func(c *fake.Cluster, r fake.Request) fake.Action {
			if r.Key == msg.MetadataAPI || r.Key == msg.FindCoordinatorAPI {
				return fake.Action{}
			}
			return f(c, r)
		}
	}
	for _, codes := range [][2]protocol.Code{ // of a leader, and of a coordinator
		{protocol.UnknownServerError, protocol.UnknownServerError},
		{protocol.RequestTimedOut, protocol.RequestTimedOut},
		{protocol.NotLeaderOrFollower, protocol.NotCoordinator},
		{protocol.LeaderNotAvailable, protocol.CoordinatorNotAvailable},
		{protocol.UnknownTopicOrPartition, protocol.CoordinatorLoadInProgress},
		{protocol.UnknownTopicID, protocol.UnknownMemberID},
		{protocol.KafkaStorageError, protocol.NotCoordinator},
		{protocol.FencedLeaderEpoch, protocol.CoordinatorLoadInProgress},
	} {
		all := func(c *fake.Cluster, r fake.Request) fake.Action {
			code := codes[1]
			switch r.Key {
			case msg.ProduceAPI, msg.FetchAPI, msg.ListOffsetsAPI, msg.MetadataAPI, msg.OffsetForLeaderEpochAPI:
				code = codes[0]
			}
			c.ClearFailures()
			c.FailNext(r.Key, code)
			return fake.Action{}
		}
		name := fmt.Sprint(codes[0].Name(), ", ", codes[1].Name())
		kinds = append(kinds, outageKind{name: name, begin: seized(all)}, outageKind{name: name + ", metadata is well", begin: seized(some(all))})
	}
	plays := max(1, *seeds/300)
	for _, role := range []string{"producer", "consumer", "classic member", "member"} {
		for _, k := range kinds {
			worst := time.Duration(0)
			for seed := *fromSeed; seed < *fromSeed+uint64(plays); seed++ {
				o := &outagePlay{role: role, lasts: cmp.Or(k.lasts, outage), begin: k.begin}
				if err := sim.Run(seed, o.run); err != nil || o.took > again {
					t.Errorf("%s, %s, seed %d: at work again after %s (%v)\nreplay: go test ./actors/sim -run '%s$' -from %[3]d -seeds 1", role, k.name, seed, o.took, err, t.Name())
				}
				worst = max(worst, o.took)
			}
			t.Logf("%-16s %-75s %s", role, k.name, worst.Round(time.Millisecond))
		}
	}
}

// outageKind is what goes wrong.
type outageKind struct {
	name  string
	lasts time.Duration // zero: outage
	begin func(n *sim.Network, c *fake.Cluster) (end func())
}

// lackings are brokers that do not tell of APIs which the client has used, as one that is set back for a while, or behind a proxy that changes answers. Connections are new at the beginning, and stay at the end.
func lackings() (kinds []outageKind) {
	groups := []int16{msg.JoinGroupAPI, msg.ConsumerGroupHeartbeatAPI, msg.OffsetCommitAPI, msg.InitProducerIdAPI}
	for _, lasts := range []time.Duration{3 * time.Second, time.Minute, outage} {
		for _, k := range []struct {
			name string
			apis []int16
			node int32 // 0: all
		}{
			{"APIs of groups", groups, 0},
			{"APIs of groups, their coordinator", groups, 1},
			{"all of groups", append(groups, msg.SyncGroupAPI, msg.HeartbeatAPI, msg.OffsetFetchAPI, msg.FindCoordinatorAPI), 0},
			{"reading and writing", []int16{msg.ProduceAPI, msg.FetchAPI, msg.ListOffsetsAPI}, 0},
			{"everything", nil, 0},
		} {
			if lasts == outage && k.apis != nil {
				continue
			}
			name := fmt.Sprintf("lacking for %s: %s", lasts, k.name)
			kinds = append(kinds, outageKind{name, lasts, func(n *sim.Network, c *fake.Cluster) func() { return lack(n, c, k.apis, k.node) }})
		}
	}
	return kinds
}

// lack lets brokers tell that they do not have APIs; nil: they have none but those for versions and metadata.
func lack(n *sim.Network, c *fake.Cluster, apis []int16, node int32) (end func()) {
	if node != 0 {
		c.MoveCoordinator("g", node)
	}
	release := c.Seize(msg.ApiVersionsAPI, func(r fake.Request) fake.Action {
		if node != 0 && r.Node != node {
			return fake.Action{}
		}
		m := &msg.ApiVersionsResponse{FinalizedFeaturesEpoch: -1}
		for _, key := range protocol.APIKeys() {
			basic := key == msg.ApiVersionsAPI || key == msg.MetadataAPI
			if v, ok := protocol.Own(key); ok && (basic || apis != nil && !slices.Contains(apis, key)) {
				m.ApiKeys = append(m.ApiKeys, msg.ApiVersionsResponseApiVersion{ApiKey: key, MinVersion: v.Min, MaxVersion: v.Max})
			}
		}
		return fake.Action{Reply: m}
	})
	for id := range int32(3) {
		n.Reset(id + 1)
	}
	return release
}

// outagePlay is one client in one role.
type outagePlay struct {
	role  string
	lasts time.Duration
	begin func(n *sim.Network, c *fake.Cluster) (end func())
	w     *sim.World
	news  time.Time // it has got further last
	over  bool
	took  time.Duration
}

func (o *outagePlay) run(w *sim.World) error {
	o.w = w
	c, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "t", Partitions: 3}}, Seed: w.Seed()})
	if err != nil {
		return err
	}
	n := sim.NewNetwork(w, c)
	ctx := context.Background()
	client, err := api.Dial(ctx, api.World(w), api.Lazy(), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"))
	if err != nil {
		return err
	}
	work := o.consume
	if o.role == "producer" {
		work = o.produce
	}
	var workers sim.Group
	workers.Go(w, o.role, func() { work(ctx, client) })
	workers.Go(w, "feeder", func() { o.feed(ctx) })
	if err := w.Sleep(ctx, 10*time.Second); err != nil {
		return err
	}
	if o.news.IsZero() {
		return fmt.Errorf("it has never been at work")
	}
	var end func()
	n.Do(func(c *fake.Cluster) { end = o.begin(n, c) })
	_ = w.Sleep(ctx, o.lasts+time.Duration(w.Rand().IntN(5000))*time.Millisecond)
	n.Do(func(*fake.Cluster) { end() })
	well := w.Now()
	workers.Go(w, "another feeder", func() { o.feed(ctx) })
	for !o.news.After(well) && w.Now().Sub(well) < time.Minute {
		_ = w.Sleep(ctx, 10*time.Millisecond)
	}
	o.took = w.Now().Sub(well)
	o.over = true
	_ = client.Shutdown(ctx)
	return workers.Wait(ctx, w)
}

func (o *outagePlay) produce(ctx context.Context, client *api.Client) {
	producer, err := client.Producer()
	for err == nil && !o.over {
		if _, err := producer.Produce(ctx, &api.Record{Topic: "t", Value: []byte("v")}); err == nil {
			o.news = o.w.Now()
		}
		_ = o.w.Sleep(ctx, 50*time.Millisecond)
	}
}

func (o *outagePlay) consume(ctx context.Context, client *api.Client) {
	group, opts := "g", []api.ConsumerOption{api.Property("auto.offset.reset", "earliest")}
	switch o.role {
	case "consumer":
		group = ""
	case "member":
		opts = append(opts, api.Property("group.protocol", "consumer"))
	}
	consumer, err := client.Consumer(group, opts...)
	if err == nil && group == "" {
		err = consumer.Assign(api.TopicPartition{Topic: "t"}, api.TopicPartition{Topic: "t", Partition: 1}, api.TopicPartition{Topic: "t", Partition: 2})
	} else if err == nil {
		err = consumer.Subscribe("t")
	}
	for err == nil && !o.over {
		some, cancel := o.w.WithTimeout(ctx, time.Second)
		if records, _ := consumer.Poll(some); len(records) > 0 {
			o.news = o.w.Now()
		}
		cancel()
		_ = o.w.Sleep(ctx, time.Millisecond)
	}
}

// feed is another client, which produces for a while.
func (o *outagePlay) feed(ctx context.Context) {
	client, err := api.Dial(ctx, api.World(o.w), api.Lazy(), api.ClientID("feeder"), api.Brokers("broker-1:9092", "broker-2:9092", "broker-3:9092"))
	if err != nil {
		return
	}
	producer, err := client.Producer()
	for until := o.w.Now().Add(5 * time.Second); err == nil && o.w.Now().Before(until) && !o.over; {
		_, _ = producer.Produce(ctx, &api.Record{Topic: "t", Value: []byte("fed")})
		_ = o.w.Sleep(ctx, 20*time.Millisecond)
	}
	_ = client.Shutdown(ctx)
}
