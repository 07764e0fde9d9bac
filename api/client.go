// Package api is the blocking face of the client: every method makes a message, tells it to an actor, and waits for the answer or for its context.
//
//	client, err := api.Dial(ctx, api.Brokers("localhost:9092"))
//	defer client.Close()
//	producer, err := client.Producer()
//	placed, err := producer.Produce(ctx, &api.Record{Topic: "orders", Value: []byte("paid")})
//	consumer, err := client.Consumer("billing", api.Topics("orders"), api.FromStart())
//	for record, err := range consumer.Records(ctx) { ... }
//
//	client.go  Dial, Client      producer.go  Producer      consumer.go  Consumer     poll.go  Poll, Records, Batches; take.go: what they wait for
//	group.go   its group, subscribe.go: Subscribe, rebalance.go: what the group gives and takes, commit.go: Commit
//	admin.go   Admin: topics     record.go    Record        errors.go    what can go wrong
//	handle.go  Handle: several records at a time; handle_options.go; passing.go: retry and dead-letter topics; internal/lanes: what runs when
//	work.go    Handle while it runs; work_room.go: which partitions are read, work_taking.go: records that come in, work_handler.go: those that are handled, work_end.go: partitions that are given up, and the end
//	options.go Option, options_client.go, options_producer.go, options_consumer.go; properties.go: options by name, whose table is made from schemas/options.json; setters.go: what they set; profiles.go: defaults of other clients; file.go: properties files; effective.go: what holds; lint.go: what is rarely meant
//
// Everything waits through the client's World, so a program on this package runs in a simulated world unchanged.
package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/actors"
	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
)

// Client is a connection to a cluster. It is safe for concurrent use.
type Client struct {
	settings *settings // as they were set: see finished
	system   *actors.System
	members  members
}

// dialTimeout is how long Dial looks for a broker, unless its context is shorter.
const dialTimeout = 10 * time.Second

// Dial makes a client and waits until a broker has answered: at most ten seconds, as long as ctx lasts, and not where no retry can help (broker.ErrFatal). The error says what was tried. With the option Lazy it
// does not wait. End the client with [Client.Close].
func Dial(ctx context.Context, opts ...ClientOption) (*Client, error) {
	s := defaults()
	if err := apply(s, opts); err != nil {
		return nil, err
	}
	set, err := s.finished()
	if err != nil {
		return nil, err
	}
	system, err := actors.Start(set.system, set.config())
	if err != nil {
		return nil, err
	}
	s.tell()
	c := &Client{settings: s, system: system}
	if s.lazy {
		return c, nil
	}
	if err := c.reach(ctx); err != nil {
		done, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancel()
		_ = c.system.Close(done)
		return nil, err
	}
	return c, nil
}

// reach asks for the cluster until somebody answers.
func (c *Client) reach(ctx context.Context) error {
	w := c.system.World()
	begun := w.Now()
	var last error
	wait, cancel := w.WithTimeout(ctx, dialTimeout)
	defer cancel()
	for {
		reply, err := broker.Call(wait, c.system.Cluster(), broker.Route{Req: metadataProbe(), Deadline: w.Now().Add(dialTimeout), Replayable: true})
		if err == nil && reply.Err == nil {
			if _, err = broker.Metadata(wait, c.system.Cluster()); err == nil {
				return nil
			}
		}
		if call := new(broker.CallError); errors.As(err, &call) || last == nil { // that the time is over tells less
			last = err
		}
		t := role.NewWaiter()
		w.NewTimer(func() { w.Wake(t) }).Set(w.Now().Add(c.settings.broker.ReconnectFirst))
		if c.system.Cluster().Fatal() || w.Park(wait, t) != nil || ctx.Err() != nil {
			return &DialError{Addrs: c.settings.broker.Bootstrap, Within: w.Now().Sub(begun), Causes: c.system.Cluster().Failures(), Err: last, secure: c.settings.network.TLS != nil}
		}
	}
}

// Ping asks the cluster, whichever broker answers first, for its brokers, and returns nil when an answer has come: the client can reach it. The error tells which addresses cannot be connected to, and why. It takes as long as ctx lasts
// at most, and request.timeout.ms.
func (c *Client) Ping(ctx context.Context) error {
	reply, err := broker.Call(ctx, c.system.Cluster(), broker.Route{Req: metadataProbe(), Deadline: c.system.World().Now().Add(c.settings.broker.RequestTimeout), Replayable: true})
	if err == nil {
		err = reply.Err
	}
	if err != nil {
		return fmt.Errorf("ping: %w", public(c.system.Cluster().Because(err)))
	}
	return nil
}

// System gives the actors behind the client.
func (c *Client) System() *actors.System { return c.system }

// Close is [Client.Shutdown] within close.timeout.ms, 10 s by default: the natural line behind [Dial] is defer client.Close(), which is right also where the program's own context has ended.
func (c *Client) Close() error { return within(c.system.World(), c.settings.closing, c.Shutdown) }

// Shutdown ends the client with its producers and consumers, in this order: producers send what they hold; consumers finish what they are handling, commit it (unless enable.auto.commit is false), call [RebalanceListener].OnRevoked and leave
// their groups; connections close. It returns when all is over, at the latest shortly after ctx has ended: producers get half of the time first, and of each consumer's an eighth is kept for leaving. Records that could not be sent
// have their outcome then ([ErrUncertain] for those that may have been written). Without a deadline producers have delivery.timeout.ms, and the last commit is repeated for session.timeout.ms.
//
// Where two goroutines shut a client down, the one with less time decides. Within the callback of a record, and within a partitioner for which records are held, it changes nothing and returns [ErrIllegalState].
func (c *Client) Shutdown(ctx context.Context) error {
	if err := c.system.Closable(); err != nil {
		return public(fmt.Errorf("close: %w", err))
	}
	if err := c.members.closable(); err != nil {
		return err
	}
	return public(c.system.CloseAfter(ctx, c.members.close))
}

// within calls a function that takes as long as its context with one that takes so long.
func within(w role.World, d time.Duration, f func(context.Context) error) error {
	ctx, cancel := w.WithTimeout(context.Background(), d)
	defer cancel()
	return f(ctx)
}

// with gives the client's settings with more options of a producer or a consumer.
func with[O setting](c *Client, of string, opts []O) (*settings, error) {
	s := c.settings.clone()
	s.of = of
	if err := s.byDefault(s.profiled[of]); err != nil {
		return nil, err
	}
	if err := apply(s, opts); err != nil {
		return nil, err
	}
	s.tell()
	s, err := s.finished()
	if err != nil {
		return nil, err
	}
	s.tell()
	s.panics = role.NewPanics(c.system.World())
	return s, nil
}
