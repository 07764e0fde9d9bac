package interop

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kactor-go/kactor/broker/fake"
)

// A session of franz-go copies events in transactions, with the offsets of its group; every third is aborted, and done again. Each event is committed once.
func TestFranzGoTransactions(t *testing.T) {
	for _, cfg := range []fake.Config{{Release: "2.8"}, {Release: "3.9"}, {Release: "4.3", TransactionVersion: 1}, {Release: "4.3"}} {
		t.Run(fmt.Sprint(cfg.Release, " ", cfg.TransactionVersion), func(t *testing.T) {
			cfg.Nodes, cfg.Topics = 3, []fake.Topic{{Name: "events", Partitions: 4}, {Name: "copies", Partitions: 2}}
			server, err := fake.Listen(cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { server.Close() })
			copied(t, server)
		})
	}
}

func copied(t *testing.T, server *fake.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	producer, err := kgo.NewClient(kgo.SeedBrokers(server.Addrs()...), kgo.DefaultProduceTopic("events"))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for i := range records {
		producer.Produce(ctx, &kgo.Record{Value: fmt.Append(nil, i)}, nil)
	}
	if err := producer.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(server.Addrs()...), kgo.TransactionalID("copier"), kgo.ConsumerGroup("copiers"), kgo.ConsumeTopics("events"), kgo.DefaultProduceTopic("copies"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for done, n := 0, 0; done < records; n++ {
		fetches := session.PollRecords(ctx, 100)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d records: %v", done, err)
		}
		if err := session.Begin(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			session.Produce(ctx, &kgo.Record{Value: r.Value}, func(_ *kgo.Record, err error) {
				if err != nil && n%3 != 0 { // of those that are aborted some have not been sent yet
					t.Error(err)
				}
			})
		})
		committed, err := session.End(ctx, kgo.TransactionEndTry(n%3 != 0))
		if err != nil {
			t.Fatal(err)
		}
		if committed {
			done += fetches.NumRecords()
		}
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(server.Addrs()...), kgo.ConsumeTopics("copies"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	seen := map[string]int{}
	for len(seen) < records {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d copies: %v", len(seen), err)
		}
		fetches.EachRecord(func(r *kgo.Record) { seen[string(r.Value)]++ })
	}
	for v, n := range seen {
		if n != 1 {
			t.Errorf("record %s is copied %d times", v, n)
		}
	}
	server.Do(func(c *fake.Cluster) {
		if n := c.PendingOffsets("copiers"); n != 0 {
			t.Errorf("%d offsets wait for transactions", n)
		}
		sum := int64(0)
		for p := range int32(4) {
			sum += max(0, c.Committed("copiers", "events", p))
		}
		if sum != records {
			t.Errorf("offsets of %d records are committed, of %d", sum, records)
		}
	})
}
