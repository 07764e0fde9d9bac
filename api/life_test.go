package api_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/msg"
)

var cycles = flag.Int("cycles", 25, "how often clients are opened and closed")

// resources are what a process must not lose.
type resources [3]int64

var (
	names = [3]string{"goroutines", "descriptors", "bytes"}
	room  = resources{0, 0, 1 << 20} // what may be more by chance
)

func measured() (r resources) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r[0], r[2] = int64(runtime.NumGoroutine()), int64(m.HeapAlloc)
	if files, err := os.ReadDir("/proc/self/fd"); err == nil {
		r[1] = int64(len(files))
	}
	return r
}

// settled measures until nothing becomes less any more: what is about to end, as a connection of the fake cluster is, would hide as much that leaks.
func settled() resources {
	least := measured()
	for same := 0; same < 20; same++ {
		time.Sleep(10 * time.Millisecond)
		now := measured()
		for i := range now {
			if now[i]+room[i]/10 < least[i] {
				least, same = now, 0
			}
		}
	}
	return least
}

// rounds is how often in a row something must have grown to be a leak. What is made once, as a connection is that a client keeps, is made in any of them, as chance has it.
const rounds = 4

// leaks opens and closes again and again, and tells what grows in every round. What ends soon after is waited for, in the last round as long as patience.
func leaks(open func(), patience time.Duration) (report string) {
	for range 8 { // most of what is made once
		open()
	}
	seen := []resources{settled()}
	grows := [3]bool{true, true, true}
	for round := 1; round <= rounds; round++ {
		for range *cycles {
			open()
		}
		wait := patience
		if round < rounds {
			wait = min(wait, time.Second)
		}
		before, until := seen[round-1], time.Now().Add(wait)
		for {
			after, more := measured(), [3]bool{}
			for i := range after {
				more[i] = grows[i] && after[i] > before[i]+room[i]
			}
			if more == [3]bool{} {
				return ""
			}
			if !time.Now().Before(until) {
				seen, grows = append(seen, after), more
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	for i, name := range names {
		if grows[i] {
			report += fmt.Sprintf("after %d cycles each there are more %s:", *cycles, name)
			for _, r := range seen {
				report += fmt.Sprint(" ", r[i])
			}
			report += "\n"
		}
	}
	return report
}

// holds opens and closes again and again, and looks that nothing is left.
func holds(t *testing.T, open func()) {
	t.Helper()
	if report := leaks(open, time.Minute); report != "" {
		stacks := make([]byte, 1<<20)
		t.Errorf("%s%s", report, stacks[:runtime.Stack(stacks, true)])
	}
}

// TestLeaksAreFound plants a leak of each kind, of one a cycle, and things that are made once, late.
func TestLeaksAreFound(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	var kept [][]byte
	plant := map[string]func(){
		"goroutines": func() { go func() { <-end }() },
		"descriptors": func() {
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
		},
		"bytes": func() { kept = append(kept, make([]byte, 100<<10)) },
	}
	for what, leak := range plant {
		if what == "descriptors" && measured()[1] == 0 {
			continue // this system does not tell
		}
		report := ""
		for range 10 { // what another test has left may end meanwhile
			if report = leaks(leak, 0); report != "" {
				break
			}
		}
		if !strings.Contains(report, what) {
			t.Errorf("a leak of %s is not found: %q", what, report)
		}
	}
	done := 0
	if report := leaks(func() {
		if done++; done == 10 || done == 40 || done == 60 { // in the first rounds, and not in the last
			for range *cycles {
				for _, leak := range plant {
					leak()
				}
			}
		}
	}, time.Minute); report != "" {
		t.Errorf("what is made once is called a leak: %s", report)
	}
	runtime.KeepAlive(kept)
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
		_, _ = consumer.Poll(ended()) // it may find the record: the member before has committed where that begins
		if err := client.Shutdown(ctx); err != nil {
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
		_ = client.Shutdown(ended())
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
			if err := producer.Send(ctx, &api.Record{Topic: "t", Value: make([]byte, 100)}, func(_ api.RecordMetadata, err error) { outcomes <- err }); err != nil {
				t.Fatal(err)
			}
		}
		_ = client.Shutdown(ended())
		for range 10 {
			if err := <-outcomes; err == nil {
				t.Fatal("a record was acknowledged by nobody")
			}
		}
	})
}

func TestClientsOfDeadBrokersLeaveNothing(t *testing.T) {
	address := refusing(t)
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
		_ = client.Shutdown(ended())
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
	defer client.Shutdown(ctx)
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
			if err := c.Shutdown(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := producer.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
	})
}
