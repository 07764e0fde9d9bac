package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/protocol"
)

// groupSubscriptions are about what members subscribe to.
var groupSubscriptions = slices.Concat(
	grouped("a topic that gets more partitions is read whole", 1, func(g *G) {
		m := g.joins(props("metadata.max.age.ms", "1000"))
		g.share(map[*member]int{m: 1})
		results, err := g.client.Admin().CreatePartitions(g.ctx, map[string]int32{g.topic: 3})
		g.ok(err)
		g.ok(results[g.topic])
		g.led(g.client, g.topic, 3)
		g.share(map[*member]int{m: 3})
		g.write(3, 0, 5)
		g.until("15 records", func() bool { return g.ledger.distinct() == 15 })
		m.leave()
	}),
	grouped("a topic that does not exist yet is read when it does", 1, func(g *G) {
		late := g.T.name()
		g.shared = g.dial(props("allow.auto.create.topics", "false"))
		k := g.consumer(api.Topics(late))
		g.none(k)
		g.create(g.client, late, 1)
		p := g.producer(g.client)
		g.fill(p, late, 0, 5)
		g.inOrder(g.read(k, 5))
	}),
	grouped("a pattern finds topics that come later", 1, func(g *G) {
		prefix := g.T.name()
		g.create(g.client, prefix+"-a", 1)
		k := g.consumer(props("metadata.max.age.ms", "1000"))
		g.ok(k.SubscribePattern(regexp.MustCompile("^" + regexp.QuoteMeta(prefix) + "-[a-z]$")))
		p := g.producer(g.client)
		g.fill(p, prefix+"-a", 0, 3)
		g.read(k, 3)
		g.create(g.client, prefix+"-b", 1)
		g.create(g.client, prefix+"-other", 1)
		g.fill(p, prefix+"-b", 0, 3)
		g.fill(p, prefix+"-other", 0, 3)
		equal(g.T, "the topic", g.read(k, 3)[0].Topic, prefix+"-b")
		g.none(k)
	}),
	grouped("another subscription replaces the one before", 1, func(g *G) {
		second := g.T.topic(g.client, 1)
		g.write(1, 0, 3)
		p := g.producer(g.client)
		g.fill(p, second, 0, 4)
		k := g.consumer(api.Topics(g.topic))
		g.read(k, 3)
		g.ok(k.Subscribe(second))
		for _, r := range g.read(k, 4) {
			equal(g.T, "topic", r.Topic, second)
		}
		equal(g.T, "subscription", strings.Join(k.Subscription(), " "), second)
		equal(g.T, "assignment", fmt.Sprint(k.Assignment()), fmt.Sprint(parts(second, 1)))
	}),
	grouped("who unsubscribes has nothing, and may subscribe again", 1, func(g *G) {
		g.write(1, 0, 3)
		k := g.consumer(api.Topics(g.topic))
		g.read(k, 3)
		g.ok(k.Unsubscribe(g.ctx))
		equal(g.T, "partitions", len(k.Assignment()), 0)
		_, err := k.Poll(g.ctx)
		g.is(err, api.ErrIllegalState)
		g.write(1, 3, 5)
		g.ok(k.Subscribe(g.topic))
		equal(g.T, "values", values(g.read(k, 2)), "3 4")
	}),
	grouped("calls that do not fit are refused", 1, func(g *G) {
		k := g.consumer(api.Topics(g.topic))
		tp := parts(g.topic, 1)
		g.is(k.Assign(tp...), api.ErrIllegalState)
		g.is(k.IncrementalAssign(tp...), api.ErrIllegalState)
		g.is(k.Unassign(tp...), api.ErrIllegalState)
		alone, err := g.client.Consumer("")
		g.ok(err)
		g.is(alone.SubscribeRE2J(g.topic), api.ErrIllegalState)
		g.ok(alone.Subscribe(g.topic)) // all its partitions
		g.is(alone.Assign(tp...), api.ErrIllegalState)
		g.is(alone.Commit(g.ctx), api.ErrIllegalState)
		if err := k.Commit(g.ctx, api.OffsetAndMetadata{TopicPartition: tp[0], Offset: -1}); err == nil {
			g.Failf("a negative offset was committed")
		}
		g.ok(k.Shutdown(g.ctx))
		g.ok(k.Shutdown(g.ctx))
		_, err = k.Poll(g.ctx)
		g.is(err, api.ErrClosed)
	}),
)

// brokersMatch are for clusters that match patterns themselves.
var brokersMatch = []Scenario{
	{"the broker finds topics for a group", func(t *T) {
		c := t.dial()
		prefix := t.name()
		t.create(c, prefix+"-a", 1)
		k, err := c.Consumer("group-"+prefix, props("group.protocol", "consumer", "auto.offset.reset", "earliest"))
		t.ok(err)
		t.ok(k.SubscribeRE2J(regexp.QuoteMeta(prefix) + "-[a-z]"))
		if !t.Modern {
			_, err := k.Poll(t.ctx)
			t.is(err, protocol.UnsupportedVersion)
			return
		}
		p := t.producer(c)
		t.fill(p, prefix+"-a", 0, 3)
		equal(t, "topic", t.read(k, 3)[0].Topic, prefix+"-a")
	}},
	{"a group rolls from the classic protocol to the consumer protocol and back", func(t *T) {
		if !t.Modern {
			return
		}
		c := t.dial()
		for _, classic := range flavours[:2] {
			g := &G{T: t, flavour: classic, client: c, topic: t.topic(c, 4)}
			g.group = "group-" + g.topic
			a, b := g.joins(), g.joins()
			g.share(map[*member]int{a: 2, b: 2})
			written := 0
			for _, f := range []flavour{flavours[2], classic} {
				g.flavour = f
				for _, old := range []*member{a, b} {
					g.write(4, written, written+25)
					written += 25
					// What is committed is read once; who has not reached the group's epoch when it is a classic one again has to join anew, and reads again what it had not committed.
					g.until(fmt.Sprintf("%d records", 4*written), func() bool { return g.ledger.distinct() == 4*written })
					g.ok(a.k.Commit(g.ctx))
					g.ok(b.k.Commit(g.ctx))
					next := g.joins()
					other := a
					if old == a {
						other = b
					}
					old.leave()
					if old == a {
						a = next
					} else {
						b = next
					}
					g.share(map[*member]int{other: 2, next: 2})
				}
			}
			a.leave()
			b.leave()
			equal(t, "records that were read with "+classic.name, g.ledger.total(), 4*written)
		}
	}},
	{"a subscription may leave topics out", func(t *T) {
		c := t.dial()
		prefix := t.name()
		p := t.producer(c)
		for _, name := range []string{"-a", "-b", "-c"} {
			t.create(c, prefix+name, 1)
			t.produce(p, &api.Record{Topic: prefix + name, Value: []byte(name)})
		}
		k, err := c.Consumer("group-"+prefix, props("auto.offset.reset", "earliest"))
		t.ok(err)
		t.ok(k.SubscribeMatching("all but b", func(topic string) bool { return strings.HasPrefix(topic, prefix) && topic != prefix+"-b" }))
		got := t.read(k, 2)
		slices.SortFunc(got, func(a, b *api.Record) int { return strings.Compare(a.Topic, b.Topic) })
		equal(t, "records", values(got), "-a -c")
		equal(t, "subscription", strings.Join(k.Subscription(), " "), "all but b")
		t.none(k)
	}},
	{"a group uses the protocol that the cluster has", func(t *T) {
		c := t.dial()
		topic := t.topic(c, 1)
		k, err := c.Consumer("group-"+topic, api.Topics(topic), props("group.protocol", "auto", "auto.offset.reset", "earliest"))
		t.ok(err)
		t.fill(t.producer(c), topic, 0, 3)
		t.inOrder(t.read(k, 3))
		if modern := k.GroupMetadata().Protocol != 0; modern != t.Modern {
			t.Failf("the member is %+v", k.GroupMetadata())
		}
		t.ok(k.Commit(t.ctx))
	}},
}
