package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/examples/internal/cluster"
)

func TestTheFileOfAJavaConsumer(t *testing.T) {
	brokers, client := cluster.Start(t, "orders")
	cluster.Write(t, client, "orders", "tea")
	file := filepath.Join(t.TempDir(), "consumer.properties")
	text := fmt.Sprintf(`# as Java reads it
bootstrap.servers = %s
group.id = billing
key.deserializer = org.apache.kafka.common.serialization.StringDeserializer
value.deserializer = org.apache.kafka.common.serialization.StringDeserializer
auto.offset.reset = earliest
partition.assignment.strategy = \
    org.apache.kafka.clients.consumer.CooperativeStickyAssignor
`, strings.Join(brokers, ","))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var got string
	if err := run(ctx, file, func(r *api.Record) { got = string(r.Value); stop() }); got != "tea" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
