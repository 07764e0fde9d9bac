package api_test

import (
	"context"
	"flag"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/msg"
)

var cycles = flag.Int("cycles", 25, "how often clients are opened and closed")

// resources are what a process must not lose.
type resources struct {
	goroutines, descriptors int
	heap                    int64
}

func (r *resources) measure() {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.goroutines, r.heap = runtime.NumGoroutine(), int64(m.HeapAlloc)
	if files, err := os.ReadDir("/proc/self/fd"); err == nil {
		r.descriptors = len(files)
	}
}

// holds opens and closes again and again, and looks that nothing is left. What ends soon after, as a connection of the fake cluster does, is waited for.
func holds(t *testing.T, open func()) {
	t.Helper()
	for range 8 { // what is made once, as connections are that one client keeps
		open()
	}
	var before, after resources
	before.measure()
	for range *cycles {
		open()
	}
	const room = 1 << 20
	for range 500 {
		after.measure()
		if after.goroutines <= before.goroutines && after.descriptors <= before.descriptors && after.heap <= before.heap+room {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("%d cycles: %d goroutines, before %d; %d descriptors, before %d; %d bytes, before %d\n%s", *cycles, after.goroutines, before.goroutines, after.descriptors, before.descriptors,
		after.heap, before.heap, stacks[:runtime.Stack(stacks, true)])
}

func listen(t *testing.T) *fake.Server {
	t.Helper()
	server, err := fake.Listen(fake.Config{Nodes: 2, Topics: []fake.Topic{{Name: "t", Partitions: 4}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestClientsThatAreClosedLeaveNothing(t *testing.T) {
	server := listen(t)
	ctx := t.Context()
	holds(t, func() {
		client, err := api.Dial(ctx, api.Brokers(server.Addrs()...))
		if err != nil {
			t.Fatal(err)
		}
		producer, err := client.Producer()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := producer.Produce(ctx, &api.Record{Topic: "t", Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
		consumer, err := client.Consumer("g", api.Topics("t"), api.Property("auto.offset.reset", "latest"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := consumer.Poll(ended()); err == nil {
			t.Fatal("a poll whose context had ended gave records")
		}
		if err := client.Close(ctx); err != nil {
			t.Fatal(err)
		}
	})
}

func TestClientsThatAreClosedInTheMiddleOfAHandshakeLeaveNothing(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	go func() {
		for {
			c, err := mute.Accept()
			if err != nil {
				return
			}
			go func() { // it reads, and says nothing
				defer c.Close()
				_, _ = c.Read(make([]byte, 1<<10))
				_, _ = c.Read(make([]byte, 1))
			}()
		}
	}()
	holds(t, func() {
		client, err := api.Dial(t.Context(), api.Brokers(mute.Addr().String()), api.Lazy())
		if err != nil {
			t.Fatal(err)
		}
		producer, err := client.Producer()
		if err != nil {
			t.Fatal(err)
		}
		sent := make(chan error, 1)
		go func() {
			_, err := producer.Produce(context.Background(), &api.Record{Topic: "t", Value: []byte("v")})
			sent <- err
		}()
		time.Sleep(time.Millisecond)
		_ = client.Close(ended())
		if err := <-sent; err == nil {
			t.Fatal("a record was written although nobody has answered")
		}
	})
}

func TestClientsThatAreClosedInTheMiddleOfRequestsLeaveNothing(t *testing.T) {
	server := listen(t)
	var release func()
	server.Do(func(c *fake.Cluster) {
		release = c.Seize(msg.ProduceAPI, func(fake.Request) fake.Action { return fake.Action{Drop: true} })
	})
	defer server.Do(func(*fake.Cluster) { release() })
	ctx := t.Context()
	holds(t, func() {
		client, err := api.Dial(ctx, api.Brokers(server.Addrs()...))
		if err != nil {
			t.Fatal(err)
		}
		producer, err := client.Producer()
		if err != nil {
			t.Fatal(err)
		}
		outcomes := make(chan error, 10)
		for range 10 {
			if err := producer.Send(ctx, &api.Record{Topic: "t", Value: make([]byte, 100)}, func(_ api.Placed, err error) { outcomes <- err }); err != nil {
				t.Fatal(err)
			}
		}
		_ = client.Close(ended())
		for range 10 {
			if err := <-outcomes; err == nil {
				t.Fatal("a record was acknowledged by nobody")
			}
		}
	})
}

func TestClientsOfDeadBrokersLeaveNothing(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := dead.Addr().String()
	dead.Close()
	holds(t, func() {
		client, err := api.Dial(t.Context(), api.Brokers(address), api.Lazy())
		if err != nil {
			t.Fatal(err)
		}
		consumer, err := client.Consumer("")
		if err != nil {
			t.Fatal(err)
		}
		if err := consumer.Assign(api.TopicPartition{Topic: "t"}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := consumer.Poll(ctx); err == nil {
			t.Fatal("a poll of dead brokers gave records")
		}
		_ = client.Close(ended())
	})
}

// One client, many producers and consumers: those that are closed are gone before the client is.
func TestProducersAndConsumersThatAreClosedLeaveNothingInTheirClient(t *testing.T) {
	server := listen(t)
	ctx := t.Context()
	client, err := api.Dial(ctx, api.Brokers(server.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(ctx)
	holds(t, func() {
		producer, err := client.Producer()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := producer.Produce(ctx, &api.Record{Topic: "t", Value: make([]byte, 10_000)}); err != nil {
			t.Fatal(err)
		}
		reader, err := client.Consumer("", api.Property("auto.offset.reset", "earliest"))
		if err != nil {
			t.Fatal(err)
		}
		if err := reader.Assign(api.TopicPartition{Topic: "t"}); err != nil {
			t.Fatal(err)
		}
		member, err := client.Consumer("g", api.Topics("t"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*api.Consumer{reader, member} {
			_, _ = c.Poll(ended())
			if err := c.Close(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := producer.Close(ctx); err != nil {
			t.Fatal(err)
		}
	})
}
