//go:build others

package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/record"
)

// event is a line of the tools that Kafka's system tests are made of.
type event struct {
	Name         string
	Acked, Count int
}

// events runs one of these tools to its end.
func events(t *testing.T, class string, args ...string) (all []event) {
	t.Helper()
	for line := range strings.Lines(run(t, nil, "../../../.ci/kafka", append([]string{"run", *kafka, "org.apache.kafka.tools." + class}, args...)...)) {
		var e event
		if json.Unmarshal([]byte(line), &e) == nil {
			all = append(all, e)
		}
	}
	return all
}

// Java's VerifiableProducer writes records, TransactionalMessageCopier copies them in transactions of which it aborts some, and VerifiableConsumer reads each copy once.
func TestJavaCopies(t *testing.T) {
	config := filepath.Join(t.TempDir(), "consumer.properties")
	if err := os.WriteFile(config, []byte("isolation.level=read_committed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, release := range []string{"3.9", "4.3"} {
		t.Run(release, func(t *testing.T) {
			server, err := fake.Listen(fake.Config{Nodes: 3, Release: release, Topics: []fake.Topic{{Name: "events"}, {Name: "copies", Partitions: 2}}})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			hosts := strings.Join(server.Addrs(), ",")
			written := events(t, "VerifiableProducer", "--bootstrap-server", hosts, "--topic", "events", "--max-messages", fmt.Sprint(records), "--acks", "-1")
			if i := slices.IndexFunc(written, func(e event) bool { return e.Name == "tool_data" }); i < 0 || written[i].Acked != records {
				t.Fatalf("not all is acknowledged: %+v", written[max(0, len(written)-1):])
			}
			events(t, "TransactionalMessageCopier", "--broker-list", hosts, "--input-topic", "events", "--input-partition", "0", "--output-topic", "copies", "--consumer-group", "copiers",
				"--transactional-id", "copier", "--transaction-size", "100", "--max-messages", fmt.Sprint(records), "--enable-random-aborts", "--use-group-metadata")
			read := 0
			for _, e := range events(t, "VerifiableConsumer", "--bootstrap-server", hosts, "--topic", "copies", "--group-id", "readers", "--max-messages", fmt.Sprint(records), "--command-config", config) {
				if e.Name == "records_consumed" {
					read += e.Count
				}
			}
			copies := ""
			server.Do(func(c *fake.Cluster) {
				for p := range int32(2) {
					for _, value := range committed(t, c, "copies", p) {
						copies += value + "\n"
					}
				}
				if got := c.Committed("copiers", "events", 0); got != records || read != records {
					t.Errorf("%d copies were read, and offset %d is committed, of %d records", read, got, records)
				}
			})
			complete(t, copies)
		})
	}
}

// committed gives the records of a partition that are in no aborted transaction: their values by offset.
func committed(t *testing.T, c *fake.Cluster, topic string, partition int32) map[int64]string {
	t.Helper()
	values := map[int64]string{}
	aborted := c.AbortedTransactions(topic, partition)
	for _, b := range c.Log(topic, partition) {
		if b.Control || slices.ContainsFunc(aborted, func(a fake.Aborted) bool {
			return a.Producer == b.ProducerID && a.First <= b.BaseOffset && b.BaseOffset < a.Last
		}) {
			continue
		}
		it, _, err := b.Records(nil, compress.Limit{Bytes: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for v := (record.View{}); it.Next(&v); {
			values[v.Offset] = string(v.Value)
		}
	}
	return values
}
