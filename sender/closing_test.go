package sender

import (
	"context"
	"errors"
	"testing"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// A caller that had looked whether the producer is closed just before it was opened a batch that nobody took any more: the record never had an outcome, and its memory never came back.
func TestNoBatchIsOpenedWhenTheLastIsTaken(t *testing.T) {
	w := role.NewSystem(nil, nil, nil)
	defer w.Close()
	cfg := DefaultConfig()
	b := &buffer{cfg: &cfg, world: w, credits: role.NewCredits(w, cfg.BufferMemory), wake: func() {}}
	b.pool.whole = cfg.BatchSize
	open := func(partition int32) error {
		p := &partitionBuffer{to: cluster.TopicPartition{Topic: "t", Partition: partition}}
		p.mu.Lock()
		defer p.mu.Unlock()
		return b.makeRoom(context.Background(), p, 100, waits)
	}
	if err := open(0); err != nil {
		t.Fatal(err)
	}
	used := b.credits.Used()
	b.end()
	if err := open(1); !errors.Is(err, ErrClosed) {
		t.Errorf("a batch is opened behind the last: %v", err)
	}
	if b.credits.Used() != used {
		t.Errorf("%d bytes of buffer.memory are in use, %d before", b.credits.Used(), used)
	}
	if ready := b.collect(); len(ready) != 1 || ready[0].To.Partition != 0 {
		t.Errorf("the last of them are %v", ready)
	}
}

// Mail of an actor that is gone is lost: a producer that was closed behind it waited for ever.
func TestAProducerIsClosedBehindItsActor(t *testing.T) {
	client, s := unreached(t, DefaultConfig())
	if err := errors.Join(client.Stop(context.Background()), s.Stop(context.Background()), s.Close(context.Background())); err != nil {
		t.Error(err)
	}
}

// A caller had put a record into a batch of which the actor had not heard yet when it was stopped: nobody gave the record an outcome any more.
func TestNoRecordIsLeftWhenTheActorIsStopped(t *testing.T) {
	client, s := unreached(t, DefaultConfig())
	topic, err := s.buf.topic("t")
	if err != nil {
		t.Fatal(err)
	}
	p := topic.at(topic.grown(1), 0)
	p.mu.Lock()
	if err := s.buf.makeRoom(t.Context(), p, 100, waits); err != nil {
		t.Fatal(err)
	}
	end := role.NewPromise[struct{}](s.world)
	p.open.Append(0, nil, nil, nil, told{end})
	p.mu.Unlock()
	if err := errors.Join(client.Stop(t.Context()), s.Stop(t.Context())); err != nil {
		t.Error(err)
	}
	if _, err := end.Get(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
