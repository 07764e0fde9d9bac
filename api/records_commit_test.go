package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/api"
)

// CommitRecords commits what is behind the last of the records of each partition, with its leader epoch.
func TestCommitRecords(t *testing.T) {
	client := dialed(t)
	p, err := client.Producer()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := p.Produce(t.Context(), &api.Record{Topic: "t", Fixed: true}); err != nil {
			t.Fatal(err)
		}
	}
	k, err := client.Consumer(t.Name(), api.Topics("t"), api.AutoCommit(false))
	if err != nil {
		t.Fatal(err)
	}
	var read []*api.Record
	for len(read) < 3 {
		some, err := k.Poll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, some...)
	}
	at := func() string {
		found, err := k.Committed(t.Context(), read[0].TopicPartition())
		if err != nil {
			t.Fatal(err)
		}
		return found[read[0].TopicPartition()].String()
	}
	for _, c := range []struct {
		records []*api.Record
		want    string
	}{{nil, "/0 at 0, "}, {[]*api.Record{read[1], read[0]}, "t/0 at 2, leader epoch " + read[1].LeaderEpoch.String()}, {read, "t/0 at 3, leader epoch "}, {[]*api.Record{{Topic: "t", Offset: 0}}, "t/0 at 1, leader epoch unknown"}} {
		if err := k.CommitRecords(t.Context(), c.records...); err != nil {
			t.Fatal(err)
		}
		if got := at(); !strings.HasPrefix(got, c.want) {
			t.Errorf("committed is %q, expected %q", got, c.want)
		}
	}
	if !read[0].LeaderEpoch.Known() {
		t.Error("the leader epoch of a record is not known")
	}
	if err := k.CommitRecords(t.Context(), nil, read[0]); !errors.Is(err, api.ErrIllegalState) {
		t.Errorf("a nil record: %v", err)
	}
	own, err := client.Consumer("")
	if err != nil {
		t.Fatal(err)
	}
	if err := own.CommitRecords(t.Context(), read...); err == nil {
		t.Error("a consumer without a group has committed")
	}
}

// Ping is answered by a cluster that can be reached, and tells what stands in the way of another, as long as its context lasts.
func TestPing(t *testing.T) {
	server := listen(t)
	client, err := api.Dial(t.Context(), api.Brokers(server.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client.Ping(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	lost, err := api.Dial(t.Context(), api.Brokers("127.0.0.1:1"), api.Lazy(), api.Property("request.timeout.ms", "300"))
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	for told := ""; !strings.Contains(told, "127.0.0.1:1"); { // it may not have been tried before the first one ends
		err := lost.Ping(t.Context())
		if err == nil {
			t.Fatal("nobody is there")
		}
		told = err.Error()
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := client.Ping(t.Context()); !errors.Is(err, api.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
