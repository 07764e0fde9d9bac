package fake_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/msg"
)

// panics runs what is to panic, and looks for words in what it says.
func panics(t *testing.T, what string, f func(), words ...string) {
	t.Helper()
	defer func() {
		t.Helper()
		said := fmt.Sprint(recover())
		for _, w := range words {
			if !strings.Contains(said, w) {
				t.Errorf("%s: %s, expected %q", what, said, w)
			}
		}
	}()
	f()
}

// each are the methods of a Server that would wait for themselves in a function that the cluster calls.
var each = map[string]func(*fake.Server){
	"Do":     func(s *fake.Server) { s.Do(func(*fake.Cluster) {}) },
	"Stop":   func(s *fake.Server) { s.Stop(1) },
	"Start":  func(s *fake.Server) { s.Start(1) },
	"Pause":  func(s *fake.Server) { s.Pause(1) },
	"Resume": func(s *fake.Server) { s.Resume(1) },
	"Close":  func(s *fake.Server) { s.Close() },
	"Dial":   func(s *fake.Server) { s.Dial(context.Background(), "tcp", s.Addrs()[0]) },
}

// Who calls the server out of a function that the cluster calls is told, and the server goes on.
func TestServerTellsWhoWouldWaitForItself(t *testing.T) {
	server, other := pipes(t), pipes(t)
	defer server.Close()
	defer other.Close()
	misuse := func(where string) {
		for method, call := range each {
			panics(t, method+" in "+where, func() { call(server) }, "fake: Server."+method, "call the methods of the Cluster")
		}
		other.Do(func(*fake.Cluster) {}) // which is another's
	}
	server.Do(func(c *fake.Cluster) {
		misuse("Do")
		c.Seize(msg.MetadataAPI, func(fake.Request) fake.Action {
			misuse("a seizure")
			return fake.Action{}
		})
		c.Observe(func(fake.Request) { misuse("an observer") })
	})
	for range 2 {
		conn := dial(t, server)
		request(t, conn, &msg.MetadataRequest{}, 4)
		respond(t, conn, &msg.MetadataResponse{}, 4)
		conn.Close()
	}
}

// What a seizure may call are the methods of the cluster.
func TestSeizuresStopBrokers(t *testing.T) {
	server, err := fake.Pipes(fake.Config{Nodes: 2, Topics: []fake.Topic{{Name: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.Do(func(c *fake.Cluster) {
		c.Seize(msg.MetadataAPI, func(fake.Request) fake.Action {
			c.Stop(server.Now(), 2)
			c.Start(server.Now(), 2)
			c.Stop(server.Now(), 2)
			return fake.Action{}
		})
	})
	conn := dial(t, server)
	defer conn.Close()
	request(t, conn, &msg.MetadataRequest{}, 4)
	m := &msg.MetadataResponse{}
	if respond(t, conn, m, 4); len(m.Brokers) != 1 {
		t.Errorf("%+v", m.Brokers)
	}
}

// A Server that nothing has made, and functions that are none, are told by name.
func TestServerTellsWhatIsMissing(t *testing.T) {
	for method, call := range each {
		if method != "Dial" { // there is no address
			panics(t, method, func() { call(&fake.Server{}) }, "fake: Server."+method, "neither by Listen nor by Pipes")
		}
	}
	if _, err := new(fake.Server).Dial(context.Background(), "tcp", "x:1"); err == nil || !strings.Contains(err.Error(), "no broker has the address x:1") {
		t.Error(err)
	}
	server := pipes(t)
	defer server.Close()
	panics(t, "Do(nil)", func() { server.Do(nil) }, "fake: Server.Do: there is no function")
	server.Do(func(c *fake.Cluster) {
		panics(t, "Seize(nil)", func() { c.Seize(msg.MetadataAPI, nil) }, "fake: Cluster.Seize: there is no function")
	})
}

// Who closes a server again has no error, and nothing happens to it any more.
func TestServerIsClosedTwice(t *testing.T) {
	for name, server := range map[string]*fake.Server{"TCP": listen(t), "pipes": pipes(t)} {
		for range 2 {
			if err := server.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		server.Do(func(*fake.Cluster) { t.Errorf("%s: the server is closed", name) })
		server.Stop(1)
	}
}

// Where nothing is made nothing is left.
func TestNothingIsMadeOfWhatIsWrong(t *testing.T) {
	cfg := fake.Config{Topics: []fake.Topic{{Name: "a", Config: map[string]string{"no.such": "1"}}}}
	for name, begin := range map[string]func(fake.Config) (*fake.Server, error){"Listen": fake.Listen, "Pipes": fake.Pipes} {
		if server, err := begin(cfg); server != nil || err == nil || !strings.Contains(err.Error(), "no.such") {
			t.Errorf("%s: %v, %v", name, server, err)
		}
	}
}

// Names that collide are refused where a test makes a topic, too.
func TestTopicsCollide(t *testing.T) {
	b := newBench(t, fake.Config{Topics: []fake.Topic{{Name: "a.b"}}})
	if err := b.c.CreateTopic(fake.Topic{Name: "a_b"}); err == nil || !strings.Contains(err.Error(), `"a.b" and "a_b"`) {
		t.Error(err)
	}
	if err := b.c.SetTopicConfig("a.b", "retention.ms", "x"); err == nil || !strings.Contains(err.Error(), "retention.ms=x is not possible: it is a whole number") {
		t.Error(err)
	}
}
