package api

import (
	"slices"
	"strings"
	"testing"
)

// Each combination is found by properties that make it, and gone with those that do not; by default there is none.
func TestLint(t *testing.T) {
	seen := map[string]bool{}
	lint := func(props string) []string {
		p := map[string]string{"bootstrap.servers": "localhost:9092"}
		for kv := range strings.FieldsSeq(props) {
			name, value, _ := strings.Cut(kv, "=")
			p[name] = value
		}
		found, err := Lint(Properties(p))
		if err != nil {
			t.Errorf("%s: %v", props, err)
		}
		var list []string
		for _, f := range found {
			list = append(list, strings.Join(f.Options, ",")+" "+map[bool]string{true: "!", false: "-"}[f.Dangerous])
			seen[f.Text+strings.Join(f.Options, ",")] = true
		}
		return list
	}
	for _, c := range []struct{ bad, good, options string }{
		{"acks=1 enable.idempotence=false retries=1", "acks=all", "acks !"},
		{"acks=0", "", "acks !"},
		{"retries=0", "retries=5", "retries !"},
		{"enable.idempotence=false", "enable.idempotence=true", "enable.idempotence,retries,max.in.flight.requests.per.connection !"},
		{"enable.idempotence=false max.in.flight=1", "max.in.flight=1", "enable.idempotence,retries,max.in.flight.requests.per.connection !"},
		{"max.request.size=2MiB", "max.request.size=1MiB", "max.request.size -"},
		{"batch.size=2MiB", "batch.size=1MiB", "batch.size,max.request.size -"},
		{"batch.size=0 compression.type=lz4", "batch.size=0", "batch.size,compression.type -"},
		{"compression.gzip.level=3", "compression.gzip.level=3 compression.type=gzip", "compression.gzip.level,compression.type -"},
		{"compression.lz4.level=3 compression.type=zstd", "compression.lz4.level=3 compression.type=lz4", "compression.lz4.level,compression.type -"},
		{"compression.zstd.level=3", "compression.zstd.level=3 compression.type=zstd", "compression.zstd.level,compression.type -"},
		{"partitioner.ignore.keys=true partitioner.class=murmur2", "partitioner.ignore.keys=true", "partitioner.ignore.keys,partitioner.class -"},
		{"session.timeout.ms=8s", "session.timeout.ms=9s", "session.timeout.ms,heartbeat.interval.ms !"},
		{"session.timeout.ms=5s heartbeat.interval.ms=1s", "session.timeout.ms=6s heartbeat.interval.ms=1s", "session.timeout.ms !"},
		{"group.id=g max.poll.interval.ms=30s", "group.id=g max.poll.interval.ms=50s", "max.poll.interval.ms,session.timeout.ms !"},
		{"group.instance.id=a session.timeout.ms=20s", "group.instance.id=a", "group.instance.id,session.timeout.ms -"},
		{"enable.auto.commit=false auto.commit.interval.ms=3s", "enable.auto.commit=false", "enable.auto.commit,auto.commit.interval.ms -"},
		{"auto.commit.interval.ms=1", "auto.commit.interval.ms=1s", "enable.auto.commit,auto.commit.interval.ms -"},
		{"auto.commit.interval.ms=1h", "auto.commit.interval.ms=1h enable.auto.commit=false", "auto.commit.interval.ms !"},
		{"check.crcs=false", "check.crcs=true", "check.crcs !"},
		{"fetch.min.bytes=60MiB", "fetch.min.bytes=1MiB", "fetch.min.bytes,fetch.max.bytes -"},
		{"fetch.max.bytes=1000", "fetch.max.bytes=2MiB", "fetch.max.bytes,max.partition.fetch.bytes -"},
		{"max.partition.fetch.bytes=50MB", "max.partition.fetch.bytes=30MB", "max.partition.fetch.bytes,receive.budget.bytes -"},
		{"default.api.timeout.ms=5s", "default.api.timeout.ms=30s", "default.api.timeout.ms,request.timeout.ms -"},
		{"connections.max.idle.ms=-1", "connections.max.idle.ms=1m", "connections.max.idle.ms -"},
		{"metadata.max.age.ms=1s", "metadata.max.age.ms=10s", "metadata.max.age.ms -"},
		{"reconnect.backoff.max.ms=5m", "reconnect.backoff.max.ms=10s", "reconnect.backoff.max.ms !"},
		{"broker.version=2.8", "", "broker.version -"},
		{"metadata.recovery.strategy=none", "metadata.recovery.strategy=rebootstrap", "metadata.recovery.strategy !"},
	} {
		if got := lint(c.bad); !slices.Contains(got, c.options) {
			t.Errorf("%s: %q, expected %q", c.bad, got, c.options)
		}
		if got := lint(c.good); slices.Contains(got, c.options) {
			t.Errorf("%s: %q", c.good, got)
		}
	}
	if got := lint(""); len(got) > 0 {
		t.Errorf("by default: %q", got)
	}
	if got := lint("key.serializer=x"); !slices.Equal(got, []string{"key.serializer -"}) {
		t.Errorf("%q", got)
	}
	if got := lint("config.strict=false nonsense=1"); !slices.Equal(got, []string{"config.strict -"}) {
		t.Errorf("%q", got)
	}
	for _, r := range combinations {
		if !seen[r.text+strings.Join(r.options, ",")] {
			t.Errorf("nothing has shown %v", Finding{r.options, r.dangerous, r.text})
		}
	}
	if _, err := Lint(Property("acks", "2")); err == nil {
		t.Error("what would be refused is none of its findings")
	}
}

// Those of other clients' defaults that surprise are told by their profiles.
func TestLintOfProfiles(t *testing.T) {
	for name := range profiles {
		found, err := Lint(Profile(name), Brokers("localhost"))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		text := ""
		for _, f := range found {
			text += f.String() + "\n"
		}
		if risky := name != "java-4.3" && name != "low-latency" && name != "high-throughput" && name != "kafka-python-3.x"; risky != strings.Contains(text, "dangerous") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}
