package sim_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
)

func TestTimePassesOnlyWhenNothingElseCanHappen(t *testing.T) {
	err := sim.Run(1, func(w *sim.World) error {
		begun := w.Now()
		var order []string
		var g sim.Group
		for _, d := range []time.Duration{3 * time.Hour, time.Hour, 2 * time.Hour} {
			g.Go(w, d.String(), func() {
				_ = w.Sleep(context.Background(), d)
				order = append(order, d.String())
			})
		}
		if err := g.Wait(context.Background(), w); err != nil {
			return err
		}
		if got := strings.Join(order, " "); got != "1h0m0s 2h0m0s 3h0m0s" || w.Now().Sub(begun) != 3*time.Hour {
			return fmt.Errorf("%s, at %s", got, w.Now().Sub(begun))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestContextsEndInVirtualTime(t *testing.T) {
	err := sim.Run(1, func(w *sim.World) error {
		outer, cancel := w.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		inner, cancelInner := w.WithTimeout(outer, time.Hour)
		defer cancelInner()
		derived, cancelDerived := context.WithCancel(inner)
		defer cancelDerived()
		err := w.Sleep(derived, 2*time.Hour)
		if !errors.Is(err, context.DeadlineExceeded) || w.Now().Sub(sim.Epoch) != time.Minute {
			return fmt.Errorf("%w at %s", err, w.Now().Sub(sim.Epoch))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestARunEndsWithWhatWentWrong(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name string
		main func(w *sim.World) error
		want error
	}{
		{"an error", func(*sim.World) error { return boom }, boom},
		{"nothing can happen", func(w *sim.World) error { return w.Park(context.Background(), role.NewWaiter()) }, sim.ErrStuck},
		{"a bug that is reported", func(w *sim.World) error { w.Report(boom); return w.Sleep(context.Background(), time.Second) }, boom},
		{"an invariant that breaks", func(w *sim.World) error {
			w.Check(func() error {
				if w.Now().After(sim.Epoch) {
					return boom
				}
				return nil
			})
			return w.Sleep(context.Background(), time.Second)
		}, boom},
	} {
		if err := sim.Run(1, c.main); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestHistoriesAreHeldAgainstLogs plants every anomaly in a history and expects it to be found.
func TestHistoriesAreHeldAgainstLogs(t *testing.T) {
	tp := sim.Partition{Topic: "a"}
	for _, c := range []struct {
		name string
		do   func(h *sim.History, produce func(value []byte) int64)
		want string // "" for none
	}{
		{"nothing", func(h *sim.History, produce func([]byte) int64) {
			s, v := h.Send("p", "a", 0)
			h.Begin("c", tp, 0)
			at := produce(v)
			h.Done(s, sim.Acked, 0, at)
			h.Read("c", tp, at, v)
		}, ""},
		{"lost", func(h *sim.History, _ func([]byte) int64) {
			s, _ := h.Send("p", "a", 0)
			h.Done(s, sim.Acked, 0, 0)
		}, "lost"},
		{"twice", func(h *sim.History, produce func([]byte) int64) {
			s, v := h.Send("p", "a", 0)
			h.Done(s, sim.Uncertain, -1, -1)
			produce(v)
			produce(v)
		}, "twice"},
		{"out of order", func(h *sim.History, produce func([]byte) int64) {
			a, v := h.Send("p", "a", 0)
			b, u := h.Send("p", "a", 0)
			h.Done(b, sim.Uncertain, -1, -1)
			h.Done(a, sim.Uncertain, -1, -1)
			produce(u)
			produce(v)
		}, "order"},
		{"rejected, and there", func(h *sim.History, produce func([]byte) int64) {
			s, v := h.Send("p", "a", 0)
			produce(v)
			h.Done(s, sim.Rejected, -1, -1)
		}, "rejected, but in the log"},
		{"a wrong topic", func(h *sim.History, produce func([]byte) int64) {
			s, v := h.Send("p", "b", 0)
			produce(v)
			h.Done(s, sim.Uncertain, -1, -1)
		}, "wrong topic"},
		{"a wrong place", func(h *sim.History, produce func([]byte) int64) {
			s, v := h.Send("p", "a", 0)
			h.Done(s, sim.Acked, 0, produce(v)+1)
		}, "told a wrong place"},
		{"never completed", func(h *sim.History, produce func([]byte) int64) {
			_, v := h.Send("p", "a", 0)
			produce(v)
		}, "never completed"},
		{"completed twice", func(h *sim.History, produce func([]byte) int64) {
			s, v := h.Send("p", "a", 0)
			at := produce(v)
			h.Done(s, sim.Acked, 0, at)
			h.Done(s, sim.Acked, 0, at)
		}, "completed twice"},
		{"from nowhere", func(_ *sim.History, produce func([]byte) int64) { produce([]byte("garbage")) }, "unknown record"},
		{"skipped", func(h *sim.History, produce func([]byte) int64) {
			for i := range 3 {
				s, v := h.Send("p", "a", 0)
				at := produce(v)
				h.Done(s, sim.Acked, 0, at)
				if i == 0 {
					h.Begin("c", tp, 0)
				}
				if i != 1 {
					h.Read("c", tp, at, v)
				}
			}
		}, "skipped"},
		{"read again", func(h *sim.History, produce func([]byte) int64) {
			s, v := h.Send("p", "a", 0)
			at := produce(v)
			h.Done(s, sim.Acked, 0, at)
			h.Begin("c", tp, 0)
			h.Read("c", tp, at, v)
			h.Read("c", tp, at, v)
		}, "read again"},
		{"read what is not there", func(h *sim.History, _ func([]byte) int64) {
			h.Begin("c", tp, 0)
			h.Read("c", tp, 5, []byte("x"))
		}, "read what is not there"},
		{"unseen", func(h *sim.History, produce func([]byte) int64) {
			s, v := h.Send("p", "a", 0)
			h.Done(s, sim.Acked, 0, produce(v))
		}, "unseen"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := sim.Run(1, func(w *sim.World) error {
				s, err := begin(w, fake.Config{Topics: []fake.Topic{{Name: "a"}}})
				if err != nil {
					return err
				}
				ctx := context.Background()
				defer s.client.Shutdown(ctx)
				h := sim.NewHistory()
				c.do(h, func(value []byte) int64 {
					placed, err := s.producer.Produce(ctx, &api.Record{Topic: "a", Value: value})
					if err != nil {
						t.Error(err)
					}
					return placed.Offset
				})
				found := strings.Join(h.Verify(s.cluster, map[string]int{"a": 1}, true), "\n")
				if c.want == "" && found != "" || !strings.Contains(found, c.want) {
					t.Errorf("found %q, expected %q", found, c.want)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestWhatIsUnfencedMayComeBehindAnotherId has a record that was given up come behind a later one: that of another id cannot be known as old.
func TestWhatIsUnfencedMayComeBehindAnotherId(t *testing.T) {
	for _, c := range []struct {
		unfenced bool
		outcome  sim.Outcome
		id       int64
		want     string
	}{{true, sim.Uncertain, 7, ""}, {true, sim.Uncertain, 8, "order"}, {true, sim.Acked, 7, "order"}, {false, sim.Uncertain, 7, "order"}} {
		h := sim.NewHistory()
		h.Unfenced = c.unfenced
		a, v := h.Send("p", "a", 0)
		b, u := h.Send("p", "a", 0)
		h.Done(a, c.outcome, 0, -1)
		h.Done(b, sim.Acked, 0, 0)
		found := strings.Join(h.VerifyLogs(map[sim.Partition][]sim.Logged{{Topic: "a"}: {{Offset: 0, Value: string(u), ID: 8}, {Offset: 1, Value: string(v), ID: c.id}}}, false), "\n")
		if c.want == "" && found != "" || !strings.Contains(found, c.want) {
			t.Errorf("%+v: found %q", c, found)
		}
	}
}

// small is a cluster, and a client with a producer.
type small struct {
	cluster  *fake.Cluster
	network  *sim.Network
	client   *api.Client
	producer *api.Producer
}

// begin starts both. Who calls it closes the client.
func begin(w *sim.World, cfg fake.Config) (s small, err error) {
	if s.cluster, err = fake.NewCluster(cfg); err != nil {
		return s, err
	}
	s.network = sim.NewNetwork(w, s.cluster)
	if s.client, err = api.Dial(context.Background(), api.World(w), api.Brokers("broker-1:9092")); err != nil {
		return s, err
	}
	s.producer, err = s.client.Producer()
	return s, err
}

// A service runs against a cluster in virtual time: an hour passes in a moment, and the same seed always gives the same history.
func ExampleRun() {
	err := sim.Run(42, func(w *sim.World) error {
		cluster, err := fake.NewCluster(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "orders"}}})
		if err != nil {
			return err
		}
		network := sim.NewNetwork(w, cluster)
		ctx := context.Background()
		client, err := api.Dial(ctx, api.World(w), api.Brokers("broker-1:9092"))
		if err != nil {
			return err
		}
		defer client.Shutdown(ctx)
		producer, err := client.Producer(api.Property("delivery.timeout.ms", "2h"), api.Property("max.block.ms", "2h"))
		if err != nil {
			return err
		}
		network.Do(func(c *fake.Cluster) { // all brokers stop, and come back after an hour
			for id := range int32(3) {
				c.Stop(w.Now(), id+1)
			}
		})
		w.After(time.Hour, "the brokers come back", func() {
			network.Do(func(c *fake.Cluster) {
				for id := range int32(3) {
					c.Start(w.Now(), id+1)
				}
			})
		})
		placed, err := producer.Produce(ctx, &api.Record{Topic: "orders", Value: []byte("patience")})
		fmt.Println(placed.Offset, err, w.Now().Sub(sim.Epoch) > time.Hour)
		return nil
	})
	fmt.Println(err)
	// Output:
	// 0 <nil> true
	// <nil>
}
