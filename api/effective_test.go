package api

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/sender"
)

// What is told to hold has, given as properties, the effect of the settings that it was told of: by default, and by every profile.
func TestEffectiveHolds(t *testing.T) {
	for name := range profiles {
		client, err := Dial(context.Background(), Lazy(), Profile(name), Brokers("localhost:9092"), Property("batch.size", "1MB"), Property("retry.backoff.ms", "7ms"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p, err := client.Producer()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		k, err := client.Consumer("")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for role, list := range map[string][]Setting{ofProducer: p.Effective(), ofConsumer: k.Effective()} {
			props := map[string]string{}
			for _, s := range append(client.Effective(), list...) { // those of the role come last
				if _, own := map[string]bool{"batch.size": true, "retry.backoff.ms": true, "bootstrap.servers": true}[s.Name]; own != (s.Source == byCode) {
					t.Errorf("%s: %v", name, s)
				}
				if s.Name == "enable.idempotence" && s.Value == "true" { // to ask for it is more than to have it
					continue
				}
				if s.Source != byDefault || s.Name != "linger.ms" && !strings.HasPrefix(s.Name, "compression.") { // which adapts as long as it is not set, and levels of codecs
					props[s.Name] = s.Value
				}
			}
			want := defaults()
			if err := apply(want, []Option{Properties(props)}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if want, err = want.finished(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			set, got := map[string]*settings{ofProducer: p.set, ofConsumer: k.set}[role], ""
			show := func(s *settings) string {
				if role == ofProducer {
					s.sender.Partitioner = nil // functions cannot be compared; the name is
					return fmt.Sprintf("%+v %s %v", s.sender, s.class, s.keyless)
				}
				return fmt.Sprintf("%+v %+v %d %s", s.fetcher, s.group, s.poll, s.patience)
			}
			if got = show(set); got != show(want) {
				t.Errorf("%s, %s:\n%s\nexpected:\n%s", name, role, got, show(want))
			}
		}
		if err := client.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// It is told where a value comes from.
func TestEffectiveTellsTheSource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "client.properties")
	if err := os.WriteFile(path, []byte("client.id = billing\nfetch.min.bytes=2KiB\nenable.auto.commit=False\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := Dial(context.Background(), Lazy(), Profile("sarama"), File(path), Brokers("a:1", "b"), TLS(&tls.Config{}), Property("connections.max.idle.ms", "90s"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Shutdown(context.Background())
	p, err := client.Producer(Acks(AcksAll), Property("request.timeout.ms", "200s"), Partitioner(sender.RoundRobin()))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := client.Producer(Acks(AcksLeader))
	if err != nil {
		t.Fatal(err)
	}
	k, err := client.Consumer("g", FromStart(), Assignors(assign.Sticky{}))
	if err != nil {
		t.Fatal(err)
	}
	all := func(list []Setting) string {
		var lines []string
		for _, s := range list {
			lines = append(lines, s.String())
		}
		return "\n" + strings.Join(lines, "\n") + "\n"
	}
	for _, c := range []struct {
		list []Setting
		has  []string
		not  []string
	}{
		{client.Effective(), []string{"client.id=billing (file " + path + ")", "bootstrap.servers=a:1,b (code)", "security.protocol=SSL (code)", "connections.max.idle.ms=90000 (code)", "socket.keepalive.enable=true (default)"}, []string{"acks", "group.id"}},
		{p.Effective(), []string{"acks=all (code)", "partitioner.class=(a function) (code)", "request.timeout.ms=200000 (code)", "delivery.timeout.ms=200000 (linger.ms and request.timeout.ms)", "retries=3 (profile sarama)"}, []string{"client.id", "group.id"}},
		{plain.Effective(), []string{"acks=1 (code)"}, nil},
		{k.Effective(), []string{"fetch.min.bytes=2048 (file " + path + ")", "enable.auto.commit=false (file " + path + ")", "group.id=g (code)", "auto.offset.reset=earliest (code)", "partition.assignment.strategy=sticky (code)", "max.poll.records=500 (default)"}, []string{"acks", "client.id"}},
	} {
		text := all(c.list)
		for _, line := range c.has {
			if !strings.Contains(text, "\n"+line+"\n") {
				t.Errorf("%s is not in:%s", line, text)
			}
		}
		for _, name := range c.not {
			if strings.Contains(text, "\n"+name+"=") {
				t.Errorf("%s is in:%s", name, text)
			}
		}
	}
	own, err := Dial(context.Background(), Lazy(), Brokers("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer own.Shutdown(context.Background())
	q, err := own.Producer(Acks(AcksLeader), Linger(1500*time.Microsecond))
	if err != nil {
		t.Fatal(err)
	}
	if text := all(q.Effective()); !strings.Contains(text, "\nenable.idempotence=false (acks or retries)\n") || !strings.Contains(text, "\nlinger.ms=1.5ms (code)\n") {
		t.Error(text)
	}
}
