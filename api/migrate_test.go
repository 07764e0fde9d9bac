package api_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/api"
)

func TestMigrateConfig(t *testing.T) {
	got, notes := api.MigrateConfig(map[string]string{"group_id": "g", "session.timeout.ms": "10000", "heartbeat_interval_ms": "1000", "group.protocol.type": "consumer",
		"partition.assignment.strategy": "org.apache.kafka.clients.consumer.RangeAssignor,sticky", "max.poll.records": "10", "group.protocol": "classic"})
	want := map[string]string{"group_id": "g", "group.protocol": "consumer", "group.remote.assignor": "range", "max.poll.records": "10"}
	if !maps.Equal(got, want) {
		t.Fatalf("%v instead of %v", got, want)
	}
	said := strings.Join(notes, "\n")
	for _, part := range []string{"session.timeout.ms=10000", "consumer.session.timeout.ms", "group.consumer.heartbeat.interval.ms", "group.remote.assignor=range", "group.protocol.type=consumer"} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is not in\n%s", part, said)
		}
	}
	if got, _ := api.MigrateConfig(map[string]string{"partition.assignment.strategy": "cooperative-sticky"}); got["group.remote.assignor"] != "uniform" {
		t.Fatalf("%v", got)
	}
	client, end := cluster()
	defer end()
	consumer, err := client.Consumer("", api.Properties(want)) // what comes out can be used
	if err != nil {
		t.Fatal(err)
	}
	consumer.Shutdown(context.Background())
}
