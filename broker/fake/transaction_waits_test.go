package fake_test

import (
	"testing"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// told sends a request whose answer comes at once.
func told[R protocol.Response](b *bench, k fake.ConnID, req protocol.Request, resp R, version int16) R {
	b.t.Helper()
	b.send(k, req, version)
	m, ok := answer(b, resp, version)
	if !ok {
		b.t.Fatalf("%T is not answered", req)
	}
	return m
}

// TestMarkersThatWait are written as soon as what they wait for is back, whatever that is, and nothing else has to happen.
func TestMarkersThatWait(t *testing.T) {
	for what, c := range map[string]struct{ stop, back func(b *bench) }{
		"a leader that is paused":                      {func(b *bench) { b.c.Pause(b.at, 2) }, func(b *bench) { b.c.Resume(b.at, 2) }},
		"a leader that is away":                        {func(b *bench) { b.c.Isolate(b.at, 2) }, func(b *bench) { b.c.Join(b.at, 2) }},
		"a leader in whose place one leads":            {func(b *bench) { b.c.Pause(b.at, 2) }, func(b *bench) { _ = b.c.MoveLeader("t", 0, 3) }},
		"replicas that are too few":                    {func(b *bench) { _ = b.c.SetMinISR("t", 4) }, func(b *bench) { _ = b.c.SetMinISR("t", 1) }},
		"a coordinator in whose place one coordinates": {func(b *bench) { b.c.Pause(b.at, 1) }, func(b *bench) { b.c.MoveTransactionCoordinator("a", 3) }},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t, fake.Config{Nodes: 3, TransactionVersion: 1, SessionTimeout: time.Hour, MarkerDelay: 10 * time.Millisecond, Topics: []fake.Topic{{Name: "t", Replicas: 3}}})
			b.c.MoveTransactionCoordinator("a", 1)
			if err := b.c.MoveLeader("t", 0, 2); err != nil {
				t.Fatal(err)
			}
			k := b.connect(1)
			init := &msg.InitProducerIdRequest{}
			init.SetDefaults()
			init.TransactionalID, init.TransactionTimeoutMs = wire.Ptr("a"), 60_000
			id := told(b, k, init, &msg.InitProducerIdResponse{}, 4)
			add := &msg.AddPartitionsToTxnRequest{V3AndBelowTransactionalID: "a", V3AndBelowProducerID: id.ProducerID, V3AndBelowProducerEpoch: id.ProducerEpoch,
				V3AndBelowTopics: []msg.AddPartitionsToTxnRequestAddPartitionsToTxnTopic{{Name: "t", Partitions: []int32{0}}}}
			told(b, k, add, &msg.AddPartitionsToTxnResponse{}, 3)
			end := told(b, k, &msg.EndTxnRequest{TransactionalID: "a", ProducerID: id.ProducerID, ProducerEpoch: id.ProducerEpoch, Committed: true}, &msg.EndTxnResponse{}, 3)
			b.code("end", end.ErrorCode, protocol.None)
			c.stop(b)
			b.later(20 * time.Millisecond)
			if s := fake.TransactionState(b.c, "a"); s != "PrepareCommit" {
				t.Fatalf("before, it is %s", s)
			}
			c.back(b)
			if s := fake.TransactionState(b.c, "a"); s != "CompleteCommit" {
				t.Errorf("then it is %s", s)
			}
		})
	}
}
