package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// lackers are what a client does, and the APIs that it needs for that.
var lackers = []struct {
	name string
	apis []int16
	do   func(ctx context.Context, client *api.Client) error // until it is done, or told for good that it cannot be
}{
	{"a producer that must be idempotent", []int16{msg.InitProducerIdAPI, msg.ProduceAPI}, func(ctx context.Context, client *api.Client) error {
		p, err := client.Producer(api.Idempotence(true))
		if err != nil {
			return err
		}
		defer p.Close()
		_, err = p.Produce(ctx, &api.Record{Topic: "t", Value: []byte("v")})
		return err
	}},
	{"a consumer", []int16{msg.FetchAPI, msg.ListOffsetsAPI}, func(ctx context.Context, client *api.Client) error {
		return readsOne(ctx, client, "", api.FromStart())
	}},
	{"a member", []int16{msg.FindCoordinatorAPI, msg.JoinGroupAPI, msg.SyncGroupAPI, msg.OffsetFetchAPI}, func(ctx context.Context, client *api.Client) error {
		return readsOne(ctx, client, "g", api.FromStart(), api.GroupProtocol(api.ProtocolClassic))
	}},
	{"a member of the consumer protocol", []int16{msg.FindCoordinatorAPI, msg.ConsumerGroupHeartbeatAPI, msg.OffsetFetchAPI}, func(ctx context.Context, client *api.Client) error {
		return readsOne(ctx, client, "g", api.FromStart(), api.GroupProtocol(api.ProtocolConsumer))
	}},
}

// readsOne reads a record. It polls on after what goes away by itself.
func readsOne(ctx context.Context, client *api.Client, group string, opts ...api.ConsumerOption) error {
	k, err := client.Consumer(group, append(opts, api.Topics("t"))...)
	if err != nil {
		return err
	}
	defer k.Close()
	for {
		records, err := k.Poll(ctx)
		if errors.Is(err, broker.ErrNobody) || ctx.Err() != nil {
			return err
		}
		if len(records) > 0 {
			return nil
		}
	}
}

// lacksAPI lets all brokers say that they do not support an API.
func lacksAPI(c *fake.Cluster, key int16) (release func()) {
	return c.Seize(msg.ApiVersionsAPI, func(r fake.Request) fake.Action {
		all, err := protocol.Release("4.3")
		if err != nil {
			panic(err)
		}
		resp := &msg.ApiVersionsResponse{}
		resp.SetDefaults()
		for _, k := range protocol.APIKeys() {
			if v, has := all.Get(k); has && k != key {
				resp.ApiKeys = append(resp.ApiKeys, msg.ApiVersionsResponseApiVersion{ApiKey: k, MinVersion: v.Min, MaxVersion: v.Max})
			}
		}
		return fake.Action{Reply: resp}
	})
}

func lackingRun(key int16, mends time.Duration, do func(ctx context.Context, client *api.Client) error) (took time.Duration, err error) {
	problem := sim.Run(1, func(w *sim.World) error {
		c, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "t"}}})
		if err != nil {
			return err
		}
		n := sim.NewNetwork(w, c)
		ctx, cancel := w.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		writer, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"))
		if err != nil {
			return err
		}
		if err := errors.Join(fills(ctx, writer, "t", "v", 1), writer.Shutdown(ctx)); err != nil {
			return err
		}
		var release func()
		n.Do(func(c *fake.Cluster) { release = lacksAPI(c, key) })
		began := w.Now()
		if mends > 0 {
			w.After(mends, "they have it", func() { n.Do(func(*fake.Cluster) { release() }) })
		}
		client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"))
		if err != nil {
			return err
		}
		err = do(ctx, client)
		took = w.Now().Sub(began)
		return errors.Join(err, client.Shutdown(ctx))
	})
	return took, problem
}

// TestWhatAllBrokersLackForAMoment: an API that no broker says that it supports, though their other versions are of releases that have it, is waited for; what lasts is told within ten seconds, by its name.
func TestWhatAllBrokersLackForAMoment(t *testing.T) {
	for _, l := range lackers {
		for _, key := range l.apis {
			name := fmt.Sprintf("%s, %s", l.name, protocol.APIName(key))
			if took, err := lackingRun(key, 3*time.Second, l.do); err != nil || took > 8*time.Second {
				t.Errorf("%s, for three seconds: after %s: %v", name, took, err)
			}
			took, err := lackingRun(key, 0, l.do)
			if !errors.Is(err, broker.ErrNobody) || took > 10*time.Second || !strings.Contains(err.Error(), protocol.APIName(key)) {
				t.Errorf("%s, for good: after %s: %v", name, took, err)
			}
		}
	}
}

// TestNothingIsWrittenWithoutAnIdBeforeThatIsDecided: a producer that need not be idempotent writes without ids only when brokers have said for five seconds that they have none.
func TestNothingIsWrittenWithoutAnIdBeforeThatIsDecided(t *testing.T) {
	produce := func(ctx context.Context, client *api.Client) error {
		p, err := client.Producer()
		if err != nil {
			return err
		}
		defer p.Close()
		_, err = p.Produce(ctx, &api.Record{Topic: "t", Value: []byte("v")})
		return err
	}
	for _, mends := range []time.Duration{0, 3 * time.Second} {
		took, err := lackingRun(msg.InitProducerIdAPI, mends, produce)
		if bounds := map[time.Duration][]time.Duration{0: {5 * time.Second, 8 * time.Second}, 3 * time.Second: {3 * time.Second, 6 * time.Second}}[mends]; err != nil || took < bounds[0] || took > bounds[1] {
			t.Errorf("lacking for %s: after %s: %v", mends, took, err)
		}
	}
}

// TestAContextThatEndsTellsWhatIsLacking: Produce names the API that brokers do not have, when its own time is over before that is decided.
func TestAContextThatEndsTellsWhatIsLacking(t *testing.T) {
	if err := sim.Run(1, func(w *sim.World) error {
		c, err := fake.NewCluster(fake.Config{Nodes: 1, Topics: []fake.Topic{{Name: "t"}}})
		if err != nil {
			return err
		}
		n := sim.NewNetwork(w, c)
		n.Do(func(c *fake.Cluster) { lacksAPI(c, msg.ProduceAPI) })
		ctx := context.Background()
		client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"))
		if err != nil {
			return err
		}
		defer client.Close()
		p, err := client.Producer()
		if err != nil {
			return err
		}
		short, cancel := w.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, err = p.Produce(short, &api.Record{Topic: "t", Value: []byte("v")})
		for _, part := range []string{"Produce", "broker-1:9092", "not among its APIs"} {
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), part) {
				t.Errorf("it does not say %q: %v", part, err)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
