package api

import (
	"context"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// effect is what properties make of the settings of a role.
func effect(t *testing.T, role string, opts ...ClientOption) string {
	t.Helper()
	s := defaults()
	if err := apply(s, opts); err != nil {
		t.Fatal(err)
	}
	s = s.clone()
	s.of = role
	if err := s.byDefault(s.profiled[role]); err != nil {
		t.Fatal(err)
	}
	s.held, s.profile = nil, ""
	switch role {
	case ofProducer:
		return fmt.Sprintf("%+v %+v %+v %s %v", s.broker, s.network, s.sender, s.class, s.keyless)
	default:
		return fmt.Sprintf("%+v %+v %+v %+v %d %s", s.broker, s.network, s.fetcher, s.group, s.poll, s.patience)
	}
}

// A profile has the effect of all the properties that the client itself prints as its defaults.
func TestProfilesAreTheDefaultsOfTheClients(t *testing.T) {
	for _, c := range []struct {
		profile, file string
		leave         []string          // they are names, or apart for the roles
		more          map[string]string // what the other client has by another way
	}{
		{"java-4.3", "java-4.3.0", []string{"client.id", "receive.buffer.bytes"}, nil},
		{"kafka-python-3.x", "kafka-python-3.0.12", []string{"client_id", "bootstrap_servers"}, map[string]string{"partition.assignment.strategy": "range,roundrobin", "retries": "2147483647"}},
		// A request of librdkafka has socket.timeout.ms; its request.timeout.ms is what the broker waits for acks. What stands twice is said by the other name.
		{"librdkafka", "librdkafka-2.16.0", []string{"client.id", "max.in.flight", "topic.metadata.refresh.interval.ms", "request.timeout.ms", "connections.max.idle.ms", "socket.send.buffer.bytes", "socket.receive.buffer.bytes",
			"broker.version.fallback", "request.required.acks", "message.timeout.ms", "compression.codec"}, map[string]string{"connections.max.idle.ms": "-1"}},
	} {
		text, err := os.ReadFile("testdata/keys/" + c.file + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(c.more)
		if want == nil {
			want = map[string]string{}
		}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			if o, _ := lookUp(name); o != nil && value != "" && !slices.Contains(c.leave, name) {
				want[name] = value
			}
		}
		if len(want) < 30 {
			t.Fatalf("%s has %d properties", c.file, len(want))
		}
		for _, role := range []string{ofProducer, ofConsumer} {
			if a, b := effect(t, role, Profile(c.profile)), effect(t, role, Properties(want)); a != b {
				t.Errorf("%s, %s:\n%s\n%s says:\n%s", c.profile, role, a, c.file, b)
			}
		}
	}
}

// What is known of the others from their sources.
func TestProfiles(t *testing.T) {
	for _, c := range []struct {
		profile string
		acks    int16
		linger  time.Duration
		request [2]time.Duration // producer, consumer
		session time.Duration
		class   string
	}{
		{"kafka-python-1.2", 1, 0, [2]time.Duration{30 * time.Second, 40 * time.Second}, 30 * time.Second, "default"},
		{"kafka-python-2.x", 1, 0, [2]time.Duration{30 * time.Second, 305 * time.Second}, 10 * time.Second, "default"},
		{"pykafka-0.9", 1, 5 * time.Second, [2]time.Duration{30 * time.Second, 30 * time.Second}, 45 * time.Second, "random"},
		{"sarama", 1, 0, [2]time.Duration{30 * time.Second, 30 * time.Second}, 10 * time.Second, "fnv1a_random"},
		{"segmentio", 0, time.Second, [2]time.Duration{10 * time.Second, 10 * time.Second}, 30 * time.Second, "roundrobin"},
		{"low-latency", -1, 0, [2]time.Duration{30 * time.Second, 30 * time.Second}, 45 * time.Second, "default"},
		{"high-throughput", -1, 20 * time.Millisecond, [2]time.Duration{30 * time.Second, 30 * time.Second}, 45 * time.Second, "default"},
	} {
		client, err := Dial(context.Background(), Lazy(), Profile(c.profile), Brokers("localhost:9092"))
		if err != nil {
			t.Errorf("%s: %v", c.profile, err)
			continue
		}
		p, err := with[ProducerOption](client, ofProducer, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.profile, err)
		}
		k, err := with[ConsumerOption](client, ofConsumer, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.profile, err)
		}
		if got := [2]time.Duration{p.sender.RequestTimeout, k.fetcher.RequestTimeout}; p.sender.Acks != c.acks || p.sender.Linger != c.linger || got != c.request || k.group.Session != c.session || p.class != c.class {
			t.Errorf("%s: acks %d, linger %s, requests %s, session %s, partitioner %s", c.profile, p.sender.Acks, p.sender.Linger, got, k.group.Session, p.class)
		}
		if err := client.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
	for _, name := range slices.Collect(maps.Keys(profiles)) {
		client, err := Dial(context.Background(), Lazy(), Profile(name), Brokers("localhost:9092"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, producer := client.Producer()
		_, consumer := client.Consumer("")
		if producer != nil || consumer != nil {
			t.Errorf("%s: %v, %v", name, producer, consumer)
		}
		_ = client.Shutdown(context.Background())
	}
}

// What stands behind a profile changes it, also where it says something of one role only.
func TestAProfileIsChangedByWhatStandsBehindIt(t *testing.T) {
	for _, role := range []string{ofProducer, ofConsumer} {
		plain := effect(t, role, Profile("kafka-python-2.x"))
		changed := effect(t, role, Profile("kafka-python-2.x"), Property("request.timeout.ms", "1234"))
		before := effect(t, role, Property("request.timeout.ms", "1234"), Profile("kafka-python-2.x"))
		if plain == changed || !strings.Contains(changed, "RequestTimeout:1.234s") || strings.Contains(changed, "RequestTimeout:5m5s") {
			t.Errorf("%s: %s", role, changed)
		}
		if role == ofConsumer && !strings.Contains(before, "RequestTimeout:5m5s") {
			t.Errorf("the profile does not change what stands before it: %s", before)
		}
	}
	if _, err := Dial(context.Background(), Lazy(), Brokers("a"), Profile("kafka-go")); err == nil || !strings.Contains(err.Error(), "segmentio") {
		t.Errorf("a profile that is none: %v", err)
	}
	if a, b := defaults(), defaults(); Profile("java-4.3").set(a) != nil || reflect.DeepEqual(a, b) {
		t.Error("a profile changes nothing")
	}
}

// A profile is a set of defaults, and no wish: with it, too, acks=1 makes a producer that is not idempotent, group.protocol=consumer needs no assignors, and a delivery time-out follows that of requests. Each was an error.
func TestAProfileIsNoWish(t *testing.T) {
	for name := range profiles {
		client, err := Dial(context.Background(), Lazy(), Profile(name), Brokers("localhost:9092"), Properties(map[string]string{"acks": "1", "group.protocol": "consumer", "request.timeout.ms": "400000"}))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p, producer := with[ProducerOption](client, ofProducer, nil)
		_, consumer := with[ConsumerOption](client, ofConsumer, nil)
		if producer != nil || consumer != nil || p.sender.Idempotent {
			t.Errorf("%s: %v, %v", name, producer, consumer)
		}
		_ = client.Shutdown(context.Background())
	}
}
