package sim_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

// TestANewTopicOfTheNameIsReadWhenTheGroupHasGivenIt deletes the topic of a KIP-848 group's member, creates it again and writes to it before the member's next heartbeat: the group still gives the old topic. The records of the new
// one were read at once, and once more when the group had taken the old topic away and given the new one, because nothing had been committed of it. (Kafka 4.3 takes away in one answer and gives in the next.)
func TestANewTopicOfTheNameIsReadWhenTheGroupHasGivenIt(t *testing.T) {
	for seed := range uint64(min(*seeds, 50)) {
		if err := sim.Run(seed+1, reborn); err != nil {
			t.Fatalf("seed %d: %v", seed+1, err)
		}
	}
}

func reborn(w *sim.World) error {
	c, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "t", Partitions: 2}}, Seed: w.Seed(), GroupHeartbeat: 5 * time.Second})
	if err != nil {
		return err
	}
	n := sim.NewNetwork(w, c)
	ctx := context.Background()
	client, err := api.Dial(ctx, api.World(w), api.Lazy(), api.Brokers("broker-1:9092"), api.Property("auto.offset.reset", "earliest"))
	if err != nil {
		return err
	}
	defer client.Shutdown(ctx)
	var calls []string
	note := func(what string) func(context.Context, []api.TopicPartition) {
		return func(_ context.Context, parts []api.TopicPartition) {
			calls = append(calls, fmt.Sprint(what, len(parts)))
		}
	}
	k, err := client.Consumer("g", api.Topics("t"), api.Property("group.protocol", "consumer"), api.Property("enable.auto.commit", "false"),
		api.OnRebalance(api.RebalanceListener{OnAssigned: note("assigned "), OnRevoked: note("revoked "), OnLost: note("lost ")}))
	if err != nil {
		return err
	}
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	read := map[string]int{}
	for life := range 3 {
		if life > 0 {
			n.Do(func(c *fake.Cluster) {
				if err = c.DeleteTopic("t"); err == nil {
					err = c.CreateTopic(fake.Topic{Name: "t", Partitions: 2})
				}
			})
			if err != nil {
				return err
			}
		}
		for i := range 10 {
			if _, err := producer.Produce(ctx, &api.Record{Topic: "t", Partition: int32(i % 2), Fixed: true, Value: []byte(fmt.Sprint(life, i))}); err != nil {
				return err
			}
		}
		some, cancel := w.WithTimeout(ctx, 22*time.Second) // the next life begins between two heartbeats
		for some.Err() == nil {
			records, err := k.Poll(some)
			if err != nil && some.Err() == nil {
				return err
			}
			for _, r := range records {
				read[string(r.Value)]++
			}
		}
		cancel()
		for i := range 10 {
			if times := read[fmt.Sprint(life, i)]; times != 1 {
				return fmt.Errorf("record %d of life %d was read %d times", i, life, times)
			}
		}
	}
	if want := "[assigned 2 revoked 2 assigned 2 revoked 2 assigned 2]"; fmt.Sprint(calls) != want {
		return fmt.Errorf("the listener was told %v, not %s", calls, want)
	}
	return nil
}
