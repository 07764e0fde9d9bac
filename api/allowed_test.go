package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// dialled is a network that notes who is dialled.
type dialled struct {
	role.Network
	to []string
}

func (n *dialled) Dial(address, host string, sink role.Sink) role.Link {
	n.to = append(n.to, address)
	return n.Network.Dial(address, host, sink)
}

// logged collects what is logged, and tells when it was told of the end.
type logged struct {
	mu    sync.Mutex
	lines []string
	end   chan struct{}
}

func (*logged) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler             { return l }
func (l *logged) WithGroup(string) slog.Handler                  { return l }
func (l *logged) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "the end" {
		close(l.end)
		return nil
	}
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, text)
	return nil
}

// TestOnlyAllowedBrokersAreConnectedTo has a cluster that says of one of its three brokers that it is somewhere else, or whose broker is: it is not dialled, what is for it has an error that names it and the option, and the others are used.
func TestOnlyAllowedBrokersAreConnectedTo(t *testing.T) {
	for _, c := range []struct {
		name    string
		allowed []string
		host    string // of broker 2, as the cluster says
		want    string // in the error; empty: none
		log     string
	}{
		{"no option", nil, "broker-2", "", ""},
		{"names", []string{"broker-1", "broker-2", "*.example.com", "broker-3"}, "broker-2", "", ""},
		{"another name", []string{"broker-1", "broker-3", "*.example.com"}, "evil.example.org", "broker 2, advertised as evil.example.org:9092: not an address that allowed.brokers has", "[evil.example.org:9092]"},
		{"a name with control characters", []string{"broker-1", "broker-3"}, "evil\n\x1b[31m", `broker 2, advertised as evil\n\x1b[31m:9092: not an address that allowed.brokers has`, `[evil\n\x1b[31m:9092]`},
		{"an address beside names", []string{"broker-1", "broker-3"}, "169.254.169.254", "broker 2, advertised as 169.254.169.254:9092: not an address", "[169.254.169.254:9092]"},
		{"a bootstrap server is allowed", []string{"broker-2", "broker-3"}, "broker-2", "", ""},
		{"a network", []string{"10.0.0.0/24"}, "broker-2", "", ""},
		{"an address of another network", []string{"10.0.0.0/24"}, "127.0.0.1", "broker 2, advertised as 127.0.0.1:9092: not an address", "[127.0.0.1:9092]"},
		{"a name that leads elsewhere", []string{"10.0.0.1", "10.0.0.3/32"}, "broker-2", "broker-2 is at 10.0.0.2: not an address that allowed.brokers has", "[broker-2:9092]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &logged{end: make(chan struct{})}
			var to *dialled
			var log *slog.Logger
			if err := sim.Run(1, func(w *sim.World) error {
				cluster, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "t", Partitions: 3}}})
				if err != nil {
					return err
				}
				sim.NewNetwork(w, cluster)
				to = &dialled{Network: w.Network()}
				w.SetNetwork(&altered{to, func(_, _ int16, resp protocol.Response) bool {
					m, ok := resp.(*msg.MetadataResponse)
					if !ok {
						return false
					}
					for i := range m.Brokers {
						if b := &m.Brokers[i]; b.NodeID == 2 {
							b.Host, b.Port = c.host, 9092
						}
					}
					return true
				}})
				options := []api.ClientOption{api.World(w), api.Brokers("broker-1:9092"), api.Logger(slog.New(l)), api.Property("delivery.timeout.ms", "5s"), api.Property("request.timeout.ms", "2s")}
				if c.allowed != nil {
					options = append(options, api.AllowedBrokers(c.allowed...))
				}
				ctx, cancel := w.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				client, err := api.Dial(ctx, options...)
				if err != nil {
					return err
				}
				log = client.System().Logger()
				p, err := client.Producer()
				if err != nil {
					return err
				}
				parts, err := p.Partitions(ctx, "t")
				if err != nil {
					return err
				}
				for _, part := range parts {
					_, err := p.Produce(ctx, &api.Record{Topic: "t", Partition: part.Index, Fixed: true})
					switch {
					case part.Leader != 2 || c.want == "":
						if err != nil {
							return fmt.Errorf("partition %d, of broker %d: %w", part.Index, part.Leader, err)
						}
					case err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, broker.ErrNotAllowed):
						t.Errorf("what is for broker 2 ends with %v", err)
					}
				}
				d, err := api.Diagnose(ctx, options...)
				if err != nil {
					return err
				}
				if text := d.String(); (d.Err() == nil) != (c.want == "") || strings.Contains(text, "allowed.brokers") != (c.want != "") || strings.ContainsAny(text, "\x1b") {
					t.Errorf("the diagnosis is\n%s", text)
				}
				return client.Shutdown(ctx)
			}); err != nil {
				t.Fatal(err)
			}
			log.Warn("the end")
			<-l.end
			found := false
			for _, line := range l.lines {
				found = found || strings.Contains(line, "allowed.brokers") && strings.Contains(line, c.log)
			}
			if found != (c.want != "") {
				t.Errorf("logged is %q", l.lines)
			}
			for _, address := range to.to {
				if c.want != "" && !strings.HasPrefix(address, "10.0.0.1:") && !strings.HasPrefix(address, "10.0.0.3:") {
					t.Errorf("%s is dialled", address)
				}
			}
		})
	}
	if _, err := api.Dial(t.Context(), api.Brokers("b:1"), api.AllowedBrokers()); err == nil {
		t.Error("an empty list allows all")
	}
}
