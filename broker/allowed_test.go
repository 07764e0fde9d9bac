package broker

import (
	"errors"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/protocol/cluster"
)

func TestAllowed(t *testing.T) {
	const yes, no, byAddress = "yes", "no", "by address"
	names := []string{"kafka.example.com", "*.Kafka.Example.Com."}
	networks := []string{"10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "[::1]"}
	for _, c := range []struct {
		allowed []string
		host    string
		want    string
	}{
		{nil, "169.254.169.254", yes},
		{names, "kafka.example.com", yes},
		{names, "KAFKA.example.com.", yes},
		{names, "b1.kafka.example.com", yes},
		{names, "b1.eu.kafka.example.com", yes},
		{names, "evilkafka.example.com", no},
		{names, "kafka.example.com.evil.org", no},
		{names, ".kafka.example.com", no},
		{names, "169.254.169.254", no},
		{names, "", no},
		{names, "seed", yes},
		{names, "*.kafka.example.com\n", no},
		{networks, "10.1.2.3", yes},
		{networks, "11.1.2.3", no},
		{networks, "192.0.2.7", yes},
		{networks, "192.0.2.8", no},
		{networks, "2001:db8:1::1", yes},
		{networks, "2001:db9::1", no},
		{networks, "::1", yes},
		{networks, "::ffff:10.1.2.3", yes},
		{networks, "::ffff:169.254.169.254", no},
		{networks, "fe80::1%eth0", no},
		{networks, "b1.kafka.example.com", byAddress},
		{networks, "2130706433", byAddress}, // 127.0.0.1, as some resolvers read it
		{networks, "seed", yes},
		{append(names, networks...), "b1.kafka.example.com", yes},
		{append(names, networks...), "elsewhere", byAddress},
	} {
		cfg := Default()
		cfg.Bootstrap, cfg.Allowed = []string{"seed:9092"}, c.allowed
		a, err := newAllowed(&cfg)
		if err != nil || cfg.Validate() != nil {
			t.Fatalf("%q: %v, %v", c.allowed, err, cfg.Validate())
		}
		n := cluster.Node{ID: 5, Host: c.host, Port: 9092}
		got := yes
		if err := a.bar(n); err != nil {
			got = no
			if !errors.Is(err, ErrFatal) || !errors.Is(err, ErrNotAllowed) || strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("%q: %q", c.host, err)
			}
		} else if may := a.leads(n); may != nil {
			got = byAddress
			if !may("10.0.0.1") || may("127.0.0.1") || may("::ffff:127.0.0.1") || may("elsewhere") {
				t.Errorf("%q may be at another address", c.host)
			}
		}
		if got != c.want {
			t.Errorf("%q of %q is allowed: %s, expected %s", c.host, c.allowed, got, c.want)
		}
	}
	cfg := Default()
	cfg.Bootstrap, cfg.Allowed = []string{"seed:9092"}, names
	a, _ := newAllowed(&cfg)
	if a.bar(cluster.Node{Host: "seed", Port: 22}) == nil {
		t.Error("another port of a bootstrap server is allowed")
	}
}

func TestWhatIsNoHostCannotBeAllowed(t *testing.T) {
	for _, bad := range []string{"", "*", "*.", "*kafka", "a.*.b", "10.0.0.0/33", "host:9092", "10.0.0.1:9092", "a b", "\x1b[31m:"} {
		cfg := Default()
		cfg.Bootstrap, cfg.Allowed = []string{"seed:9092"}, []string{"good", bad}
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "allowed.brokers") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
