package fake_test

import (
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Behind max.connections of a broker connections are taken, and what is sent on them is answered when others end, the oldest first; so it is when there may be more (seen on Kafka 4.3.0).
func TestConnectionsWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := fake.Pipes(fake.Config{Nodes: 2, Broker: map[string]string{"max.connections": "2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		var heard []int32 // by clients, under the server's lock
		answered := func(want ...int32) {
			t.Helper()
			synctest.Wait()
			var got []int32
			server.Do(func(*fake.Cluster) { got = slices.Clone(heard) })
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("answered are %v, expected %v", got, want)
			}
		}
		begin := func(id int32) io.Closer {
			conn := dial(t, server)
			send(t, conn, frame(t, id))
			go func() {
				for {
					n, err := nextAnswer(conn)
					if err != nil {
						return
					}
					server.Do(func(*fake.Cluster) { heard = append(heard, n) })
				}
			}()
			return conn
		}
		first := begin(1)
		begin(2)
		third := begin(3)
		begin(4)
		begin(5)
		answered(1, 2)
		first.Close()
		answered(1, 2, 3)
		third.Close()
		answered(1, 2, 3, 4)
		server.Do(func(c *fake.Cluster) {
			k, _ := c.Connect(2) // another broker has none yet
			b := &bench{t: t, c: c, at: time.Now()}
			r := ask(b, k, &msg.IncrementalAlterConfigsRequest{Resources: []msg.IncrementalAlterConfigsRequestAlterConfigsResource{{ResourceType: brokerResource,
				Configs: []msg.IncrementalAlterConfigsRequestAlterableConfig{{Name: "max.connections", Value: wire.Ptr("3")}}}}}, &msg.IncrementalAlterConfigsResponse{}, 1)
			b.code("more", r.Responses[0].ErrorCode, 0)
		})
		answered(1, 2, 3, 4, 5)
	})
}

// A connection on which nothing is sent for connections.max.idle.ms is closed, also one whose request waits (seen on Kafka 4.3.0). Without being told none is.
func TestIdleConnectionsAreClosed(t *testing.T) {
	for _, idle := range []string{"", "2000"} {
		synctest.Test(t, func(t *testing.T) {
			cfg := fake.Config{Topics: []fake.Topic{{Name: "a"}}, Broker: map[string]string{}}
			if idle != "" {
				cfg.Broker["connections.max.idle.ms"] = idle
			}
			server, err := fake.Pipes(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			time.Sleep(time.Hour) // the cluster has heard of no time for long
			silent, busy, waiting := dial(t, server), dial(t, server), dial(t, server)
			send(t, waiting, framed(t, fetchRequest("a", 0, 0, 6000, 1), 12, 7))
			for i := range 4 {
				time.Sleep(1500 * time.Millisecond)
				send(t, busy, frame(t, int32(i)))
				if id, err := nextAnswer(busy); err != nil || id != int32(i) {
					t.Fatalf("answer %d, %v", id, err)
				}
			}
			id, err := nextAnswer(waiting)
			if synctest.Wait(); idle == "" {
				if n := fake.Served(server); id != 7 || err != nil || n != 3 {
					t.Errorf("answer %d, %v, and %d connections", id, err, n)
				}
				return
			}
			if n := fake.Served(server); err != io.EOF || n != 1 {
				t.Errorf("answer %d, %v, and %d connections", id, err, n)
			}
			if _, err := nextAnswer(silent); err != io.EOF {
				t.Error(err)
			}
		})
	}
}
