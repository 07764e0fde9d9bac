package sender

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
)

// unreached gives a producer whose client reaches no broker. Who begins it ends both.
func unreached(t *testing.T, cfg Config) (*broker.Client, *Sender) {
	t.Helper()
	w := role.NewSystem(nil, broker.NewNetwork(broker.NetworkConfig{}), nil)
	t.Cleanup(w.Close)
	tree := role.NewTree(w, "client", nil)
	of := broker.Default()
	of.Bootstrap = []string{"127.0.0.1:1"}
	client, err := broker.Start(tree, of, broker.Hooks{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(tree, client, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return client, s
}

// The goroutine that places records took the locks of all and of a topic in the other order than those who hand records over: now and then both waited for ever. Only real threads can show it.
func TestRecordsAreHandedOverWhileOthersArePlaced(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxBlock = time.Nanosecond // nobody knows the topic: each is refused as soon as it is looked at
	client, s := unreached(t, cfg)
	const callers, each = 4, 2000
	var wrong, told atomic.Int64
	done := completed(func(_ RecordMetadata, err error) {
		told.Add(1)
		if !errors.Is(err, ErrUnknownTopic) {
			wrong.Add(1)
		}
	})
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				if err := s.Append(context.Background(), &Record{Topic: "t", Partition: AnyPartition}, done); err != nil {
					wrong.Add(1)
				}
			}
		})
	}
	all.Wait()
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := client.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if told.Load() != callers*each || wrong.Load() != 0 {
		t.Errorf("%d of %d records have an outcome, %d a wrong one", told.Load(), callers*each, wrong.Load())
	}
}

// A certificate or a password that was wrong for a moment made the producer refuse every topic that it did not know yet, for ever and without asking.
func TestATopicIsAskedForAgainAfterAFatalErrorThatPasses(t *testing.T) {
	client, s := unreached(t, DefaultConfig())
	outcomes := make(chan error, 1)
	done := completed(func(_ RecordMetadata, err error) { outcomes <- err })
	s.buf.holds.refuse(s.world, broker.ErrFatal) // nothing is held
	for range 3 {
		if err := s.Append(context.Background(), &Record{Topic: "t", Partition: AnyPartition}, done); err != nil {
			t.Fatalf("a record is refused at once: %v", err)
		}
		s.buf.holds.refuse(s.world, fmt.Errorf("no broker: %w", broker.ErrFatal))
		if err := <-outcomes; !errors.Is(err, broker.ErrFatal) {
			t.Errorf("the outcome is %v", err)
		}
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Close(over)
	if err := client.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// What a fatal error was told of are the records that were held: one that came before they were ended was refused as if the producer were closed.
func TestWhatComesAfterAFatalErrorIsHeld(t *testing.T) {
	w := role.NewSystem(nil, nil, nil)
	defer w.Close()
	o := holds{running: true, wait: role.NewWaiter()}
	before, after, last := &held{}, &held{}, &held{}
	if _, err := o.add(before, &topicBuffer{}); err != nil {
		t.Fatal(err)
	}
	o.refuse(w, broker.ErrFatal)
	if _, err := o.add(after, &topicBuffer{}); err != nil {
		t.Fatalf("a record is refused at once: %v", err)
	}
	if first, second := o.refused.of(before), o.refused.of(after); !errors.Is(first, broker.ErrFatal) || second != nil {
		t.Errorf("the one before is told %v, the one behind %v", first, second)
	}
	o.refuse(w, ErrClosed)
	o.refuse(w, broker.ErrFatal)
	if _, err := o.add(last, &topicBuffer{}); !errors.Is(err, ErrClosed) || !errors.Is(o.refused.of(after), ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

type completed func(RecordMetadata, error)

func (f completed) Done(at RecordMetadata, err error) { f(at, err) }
