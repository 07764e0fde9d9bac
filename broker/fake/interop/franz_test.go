package interop

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kactor-go/kactor/broker/fake"
)

const records = 2000

func listen(t *testing.T, release string) *fake.Server {
	t.Helper()
	server, err := fake.Listen(fake.Config{Nodes: 3, Release: release, Topics: []fake.Topic{{Name: "events", Partitions: 4}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

func TestFranzGo(t *testing.T) {
	for _, release := range []string{"0.11", "2.1", "2.8", "3.9", "4.3"} {
		for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression()} {
			t.Run(fmt.Sprint(release, codec), func(t *testing.T) { franz(t, release, codec) })
		}
	}
	t.Run("4.3 zstd", func(t *testing.T) { franz(t, "4.3", kgo.ZstdCompression()) })
}

func franz(t *testing.T, release string, codec kgo.CompressionCodec) {
	server := listen(t, release)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	producer, err := kgo.NewClient(kgo.SeedBrokers(server.Addrs()...), kgo.DefaultProduceTopic("events"), kgo.ProducerBatchCompression(codec))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for i := range records {
		producer.Produce(ctx, &kgo.Record{Key: fmt.Appendf(nil, "k%d", i%100), Value: fmt.Append(nil, i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := producer.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(server.Addrs()...), kgo.ConsumeTopics("events"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	seen := map[string]int{}
	last := map[string]string{}
	for len(seen) < records {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d records: %v", len(seen), err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			seen[string(r.Value)]++
			if before := last[string(r.Key)]; len(before) > len(r.Value) || len(before) == len(r.Value) && before >= string(r.Value) {
				t.Errorf("key %s: %s comes after %s", r.Key, r.Value, before)
			}
			last[string(r.Key)] = string(r.Value)
		})
	}
	for v, n := range seen {
		if n != 1 {
			t.Errorf("record %s came %d times", v, n)
		}
	}
}
