package scenario

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/protocol"
)

var groups = slices.Concat(
	grouped("a member reads everything, and the next one goes on where it was", 2, func(g *G) {
		g.write(2, 0, 50)
		m := g.joins()
		g.until("100 records", func() bool { return g.ledger.total() == 100 })
		m.leave()
		g.write(2, 50, 60)
		k := g.consumer(api.Topics(g.topic))
		records := g.read(k, 20)
		for _, r := range records {
			if r.Offset < 50 {
				g.Failf("offset %d was read again", r.Offset)
			}
		}
		g.none(k)
	}),
	grouped("two members share the partitions", 4, func(g *G) {
		a, b := g.joins(), g.joins()
		g.share(map[*member]int{a: 2, b: 2})
		g.write(4, 0, 50)
		g.until("200 records", func() bool { return g.ledger.total() == 200 })
		equal(g.T, "distinct records", g.ledger.distinct(), 200)
		a.leave()
		b.leave()
	}),
	grouped("members may share a client", 4, func(g *G) {
		g.shared = g.dial()
		var patient api.Option = props("client.id", "shared")
		if !g.modern() { // a join that waits for another member's must not do so on its connection
			patient = props("session.timeout.ms", fmt.Sprint((g.most(limit) - time.Second).Milliseconds()))
		}
		a, b := g.joins(patient), g.joins(patient)
		g.share(map[*member]int{a: 2, b: 2})
		g.write(4, 0, 10)
		g.until("40 records", func() bool { return g.ledger.total() == 40 })
		b.leave()
		g.share(map[*member]int{a: 4})
		a.leave()
	}),
	grouped("a member that leaves gives its partitions to the others", 4, func(g *G) {
		a, b := g.joins(), g.joins()
		g.share(map[*member]int{a: 2, b: 2})
		g.write(4, 0, 20)
		g.until("80 records", func() bool { return g.ledger.total() == 80 })
		b.leave()
		g.share(map[*member]int{a: 4})
		g.write(4, 20, 40)
		g.until("160 records", func() bool { return g.ledger.total() >= 160 })
		equal(g.T, "records read", g.ledger.total(), 160)
		equal(g.T, "distinct records", g.ledger.distinct(), 160)
		a.leave()
	}),
	grouped("members come while records flow, and nothing is lost", 6, func(g *G) {
		a := g.joins()
		g.share(map[*member]int{a: 6})
		flow := g.goes("flow", func() error { g.write(6, 0, 100); return nil })
		b := g.joins()
		c := g.joins()
		g.share(map[*member]int{a: 2, b: 2, c: 2})
		flow.wait()
		g.until("600 records", func() bool { return g.ledger.distinct() == 600 })
		if n := g.ledger.total(); n != 600 { // what was handled was committed before it changed hands
			g.Failf("%d records were read, 600 written", n)
		}
		a.leave()
		b.leave()
		c.leave()
	}),
	grouped("a member that falls silent loses its partitions", 2, func(g *G) {
		var short api.Option = props("client.id", "short")
		if !g.modern() {
			short = props("session.timeout.ms", "6000")
		}
		a, b := g.joins(short), g.joins(short)
		g.share(map[*member]int{a: 1, b: 1})
		b.leave(api.RemainInGroup)
		g.until("the other has all", func() bool { return a.owns() == 2 })
		g.write(2, 0, 10)
		g.until("20 records", func() bool { return g.ledger.distinct() == 20 })
		a.leave()
	}),
	grouped("the listener is told what comes and what goes", 4, func(g *G) {
		a := g.joins()
		g.share(map[*member]int{a: 4})
		b := g.joins()
		g.share(map[*member]int{a: 2, b: 2})
		assigned, revoked, lost := a.counts()
		if revoked != 1 || lost != 0 || assigned < 1 {
			g.Failf("assigned %d times, revoked %d times, lost %d times", assigned, revoked, lost)
		}
		if _, revoked, _ := b.counts(); revoked != 0 {
			g.Failf("the new member had %d revocations", revoked)
		}
		a.leave()
		_, revoked, _ = a.counts()
		equal(g.T, "revocations after closing", revoked, 2)
		b.leave()
	}),
	grouped("what did not move is not revoked", 4, func(g *G) {
		a := g.joins()
		g.share(map[*member]int{a: 4})
		var mu sync.Mutex
		var gone []api.TopicPartition
		a.k.Listen(api.RebalanceListener{Revoked: func(_ context.Context, parts []api.TopicPartition) {
			mu.Lock()
			gone = append(gone, parts...)
			mu.Unlock()
			a.listen(&a.revoked, parts, false)
		}, Assigned: func(_ context.Context, parts []api.TopicPartition) { a.listen(&a.assigned, parts, true) }})
		b := g.joins()
		g.share(map[*member]int{a: 2, b: 2})
		mu.Lock()
		n := len(gone)
		mu.Unlock()
		if g.incremental() {
			equal(g.T, "revoked partitions", n, 2)
		} else {
			equal(g.T, "revoked partitions", n, 4)
		}
		a.leave()
		b.leave()
	}),
	grouped("offsets are committed and told", 2, func(g *G) {
		g.write(2, 0, 10)
		k := g.consumer(api.Topics(g.topic), props("enable.auto.commit", "false"))
		g.read(k, 20)
		all := parts(g.topic, 2)
		none, err := k.Committed(g.ctx, all...)
		g.ok(err)
		equal(g.T, "offsets before a commit", len(none), 0)
		g.ok(k.Commit(g.ctx))
		g.ok(k.Commit(g.ctx, api.Offset{Partition: all[1], Offset: 7, Metadata: "by hand"}))
		got, err := k.Committed(g.ctx, all...)
		g.ok(err)
		equal(g.T, "offset of partition 0", got[all[0]].Offset, 10)
		equal(g.T, "offset of partition 1", got[all[1]].Offset, 7)
		equal(g.T, "metadata", got[all[1]].Metadata, "by hand")
		equal(g.T, "leader epoch that was not named", got[all[1]].LeaderEpoch, api.LeaderEpoch{})
		g.ok(k.Close(g.ctx))
		again := g.consumer(api.Topics(g.topic))
		records := g.read(again, 3)
		equal(g.T, "values", values(records), "7 8 9")
		g.none(again)
	}),
	grouped("asynchronous commits end in order, where the consumer polls", 1, func(g *G) {
		g.write(1, 0, 30)
		tell, outcomes := &told{}, 0
		k := g.consumer(api.Topics(g.topic), props("enable.auto.commit", "false", "max.poll.records", "1"), api.ConsumerInterceptors(tell), api.OnCommit(func(offsets []api.Offset, err error) {
			g.ok(err)
			outcomes += len(offsets)
		}))
		var done []int
		for i := range 20 {
			g.read(k, 1)
			g.ok(k.CommitAsync(func(err error) {
				g.ok(err)
				done = append(done, i)
			}))
		}
		g.ok(k.CommitAsync(nil, api.Offset{Partition: parts(g.topic, 1)[0], Offset: 20}))
		g.ok(k.Commit(g.ctx))
		g.read(k, 1)
		equal(g.T, "outcomes without a function of their own", outcomes, 1)
		if !slices.IsSorted(done) || len(done) != 20 {
			g.Failf("the outcomes came as %v", done)
		}
		got, err := k.Committed(g.ctx, parts(g.topic, 1)...)
		g.ok(err)
		equal(g.T, "offset", got[parts(g.topic, 1)[0]].Offset, 20)
		equal(g.T, "commits that the interceptor saw", len(strings.Split(tell.text(), "committed"))-1, 22)
	}),
	grouped("asynchronous commits are told when the consumer is closed", 1, func(g *G) {
		g.write(1, 0, 3)
		tp := parts(g.topic, 1)[0]
		closed := func(ctx context.Context, left int) (told []error) {
			k := g.consumer(api.Topics(g.topic), props("enable.auto.commit", "false"))
			g.read(k, left)
			for i := range int64(3) {
				g.ok(k.CommitAsync(func(err error) { told = append(told, err) }, api.Offset{Partition: tp, Offset: i}))
			}
			err := k.Close(ctx)
			if ctx.Err() == nil {
				g.ok(err)
			}
			equal(g.T, "outcomes", len(told), 3)
			_, err = k.Poll(g.ctx)
			g.is(err, api.ErrClosed)
			equal(g.T, "outcomes in the end", len(told), 3)
			return told
		}
		g.ok(errors.Join(closed(g.ctx, 3)...))
		got, err := g.consumer().Committed(g.ctx, tp)
		g.ok(err)
		equal(g.T, "offset", got[tp].Offset, 2)
		over, cancel := context.WithCancel(g.ctx)
		cancel()
		closed(over, 1)
	}),
	grouped("what was not finished is read again", 1, func(g *G) {
		g.write(1, 0, 10)
		k := g.consumer(api.Topics(g.topic))
		n := 0
		for r, err := range k.Records(g.ctx) {
			g.ok(err)
			if n++; n == 5 {
				equal(g.T, "the record at hand", string(r.Value), "4")
				break
			}
		}
		g.ok(k.Close(g.ctx))
		again := g.consumer(api.Topics(g.topic))
		equal(g.T, "values", values(g.read(again, 6)), "4 5 6 7 8 9")
	}),
	grouped("the admin lists and describes groups", 2, func(g *G) {
		a, b := g.joins(), g.joins()
		g.share(map[*member]int{a: 1, b: 1})
		admin := g.client.Admin()
		kind := "classic"
		if g.modern() {
			kind = "consumer"
		}
		var d api.DescribedGroup
		g.until("the group is stable", func() bool {
			groups, err := admin.DescribeGroups(g.ctx, g.group)
			g.ok(err)
			d = groups[g.group]
			g.ok(d.Err)
			return d.State == "Stable"
		})
		equal(g.T, "type", d.Type, kind)
		equal(g.T, "members", len(d.Members), 2)
		var all []api.TopicPartition
		for _, m := range d.Members {
			equal(g.T, "client", m.Client, "scenario")
			equal(g.T, "topics", strings.Join(m.Topics, " "), g.topic)
			if g.modern() {
				equal(g.T, "epoch", m.Epoch, d.Epoch)
				equal(g.T, "target", fmt.Sprint(m.Target), fmt.Sprint(m.Assigned))
			}
			all = append(all, m.Assigned...)
		}
		slices.SortFunc(all, api.TopicPartition.Compare)
		equal(g.T, "assigned", fmt.Sprint(all), fmt.Sprint(parts(g.topic, 2)))
		find := func(f api.GroupFilter) (found api.ListedGroup) {
			list, err := admin.ListGroups(g.ctx, f)
			g.ok(err)
			for _, l := range list {
				if l.Group == g.group {
					found = l
				}
			}
			return found
		}
		l := find(api.GroupFilter{Types: []string{kind}, States: []string{"stable"}})
		equal(g.T, "listed", fmt.Sprint(l.ProtocolType, l.State, l.Type), "consumerStable"+kind)
		equal(g.T, "a filter for others", find(api.GroupFilter{States: []string{"Empty"}}).Group, "")
		none, err := admin.DescribeGroups(g.ctx, "no-such-group")
		g.ok(err)
		g.is(none["no-such-group"].Err, protocol.GroupIDNotFound)
		a.leave()
		b.leave()
	}),
	grouped("nobody commits for what is another's", 2, func(g *G) {
		a := g.joins()
		g.share(map[*member]int{a: 2})
		b := g.joins()
		g.share(map[*member]int{a: 1, b: 1})
		a.mu.Lock()
		var other api.TopicPartition
		for _, tp := range parts(g.topic, 2) {
			if !a.own[tp] {
				other = tp
			}
		}
		a.mu.Unlock()
		g.is(a.k.Commit(g.ctx, api.Offset{Partition: other, Offset: 5}), api.ErrNotOwned)
		got, err := b.k.Committed(g.ctx, other)
		g.ok(err)
		if got[other].Offset == 5 {
			g.Failf("the commit of who does not own %s was taken", other)
		}
		a.leave()
		b.leave()
	}),
	grouped("a pause survives a rebalance", 2, func(g *G) {
		g.write(2, 0, 5)
		a := g.joins()
		g.until("10 records", func() bool { return g.ledger.total() == 10 })
		g.ok(a.k.Pause(parts(g.topic, 2)...))
		b := g.joins()
		g.share(map[*member]int{a: 1, b: 1})
		b.leave()
		g.share(map[*member]int{a: 2})
		if len(a.k.Paused()) == 0 {
			g.Failf("nothing is paused after the rebalance")
		}
		g.write(2, 5, 6)
		g.ok(a.k.Resume(a.k.Paused()...))
		g.until("12 records", func() bool { return g.ledger.distinct() == 12 })
		a.leave()
	}),
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
		k := g.consumer(api.Topics(late), props("allow.auto.create.topics", "false"))
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
	grouped("the listener may seek and ask for positions", 1, func(g *G) {
		g.write(1, 0, 10)
		tp := parts(g.topic, 1)[0]
		var position int64
		var failed error
		k := g.consumer()
		k.Listen(api.RebalanceListener{Assigned: func(ctx context.Context, got []api.TopicPartition) {
			if len(got) == 0 {
				return
			}
			if failed = k.Seek(tp, 6); failed == nil {
				position, failed = k.Position(ctx, tp)
			}
		}})
		g.ok(k.Subscribe(g.topic))
		equal(g.T, "values", values(g.read(k, 4)), "6 7 8 9")
		g.ok(failed)
		equal(g.T, "position", position, 6)
	}),
	grouped("what is committed while partitions are given up counts", 2, func(g *G) {
		g.write(2, 0, 10)
		var committed error
		a := g.consumer(props("enable.auto.commit", "false"))
		a.Listen(api.RebalanceListener{Revoked: func(ctx context.Context, got []api.TopicPartition) {
			for _, tp := range got {
				if n, err := a.Position(ctx, tp); err == nil {
					committed = errors.Join(committed, a.Commit(ctx, api.Offset{Partition: tp, Offset: n}))
				}
			}
		}})
		g.ok(a.Subscribe(g.topic))
		g.read(a, 20)
		g.ok(a.Close(g.ctx))
		g.ok(committed)
		b := g.consumer(api.Topics(g.topic))
		g.none(b)
	}),
	grouped("a static member that is back has its partitions again", 2, func(g *G) {
		b := g.joins(props("group.instance.id", "b"))
		g.share(map[*member]int{b: 2}) // so that it has said more of itself, when a joins, than it will say when it is back
		a := g.joins(props("group.instance.id", "a"))
		g.share(map[*member]int{a: 1, b: 1})
		assigned, revoked, _ := a.counts()
		b.leave()
		b = g.joins(props("group.instance.id", "b"))
		g.share(map[*member]int{a: 1, b: 1})
		g.write(2, 0, 5)
		g.until("10 records", func() bool { return g.ledger.distinct() == 10 })
		if assigned2, revoked2, _ := a.counts(); assigned2 != assigned || revoked2 != revoked {
			g.Failf("the other member noticed: assigned %d then %d times, revoked %d then %d times", assigned, assigned2, revoked, revoked2)
		}
		a.leave(api.LeaveGroup)
		b.leave(api.LeaveGroup)
	}),
	grouped("one instance id has one member", 1, func(g *G) {
		first := g.consumer(api.Topics(g.topic), props("group.instance.id", "one"))
		g.write(1, 0, 1)
		g.read(first, 1)
		second := g.consumer(api.Topics(g.topic), props("group.instance.id", "one"))
		fenced, alive := first, second
		if g.modern() { // the new one is refused, with the classic protocol the old one goes
			fenced, alive = second, first
		}
		other := g.goes("alive", func() error {
			g.write(1, 1, 2)
			for {
				if records, err := alive.Poll(g.ctx); len(records) > 0 || err != nil {
					return err
				}
			}
		})
		if !g.modern() {
			other.wait()
		}
		var e *api.GroupError
		for {
			_, err := fenced.Poll(g.ctx)
			if errors.As(err, &e) {
				break
			}
			g.ok(err)
		}
		if g.modern() {
			g.is(e, protocol.UnreleasedInstanceID)
			other.wait()
		} else {
			g.is(e, protocol.FencedInstanceID)
		}
		g.ok(alive.Close(g.ctx, api.LeaveGroup))
	}),
	grouped("an application that does not poll loses its partitions, and is back when it does", 2, func(g *G) {
		a := g.joins()
		slow := g.consumer(api.Topics(g.topic), props("max.poll.interval.ms", "3000", "max.poll.records", "1"))
		for len(slow.Assignment()) != 1 || a.owns() != 1 {
			ctx, cancel := g.within(50 * time.Millisecond)
			_, _ = slow.Poll(ctx)
			cancel()
		}
		writer := g.goes("writer", func() error { g.write(2, 0, 4); return nil })
		g.read(slow, 1)
		writer.wait()
		g.until("the other has all", func() bool { return a.owns() == 2 })
		tp := parts(g.topic, 2)
		err := slow.Commit(g.ctx, api.Offset{Partition: tp[0], Offset: 1}, api.Offset{Partition: tp[1], Offset: 1})
		g.is(err, api.ErrNotOwned)
		back := g.goes("back", func() error {
			for a.owns() == 2 {
				ctx, cancel := g.within(200 * time.Millisecond)
				_, err := slow.Poll(ctx)
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					return err
				}
			}
			return nil
		})
		back.wait()
		a.leave()
	}),
	grouped("a group goes on when its coordinator fails", 2, func(g *G) {
		a, b := g.joins(), g.joins()
		g.share(map[*member]int{a: 1, b: 1})
		g.write(2, 0, 10)
		g.until("20 records", func() bool { return g.ledger.distinct() == 20 })
		for n := range int32(g.Nodes) {
			g.Cluster.Stop(n + 1)
			g.sleep(time.Second)
			g.Cluster.Start(n + 1)
			g.sleep(time.Second)
		}
		g.write(2, 10, 20)
		g.until("40 records", func() bool { return g.ledger.distinct() == 40 })
		g.share(map[*member]int{a: 1, b: 1})
		a.leave()
		b.leave()
	}),
	grouped("partitions assigned by hand begin where the group has committed", 2, func(g *G) {
		g.write(2, 0, 10)
		k := g.consumer(props("enable.auto.commit", "false"))
		tp := parts(g.topic, 2)
		g.ok(k.Assign(tp...))
		g.read(k, 20)
		g.ok(k.Commit(g.ctx, api.Offset{Partition: tp[0], Offset: 8}))
		g.is(k.Subscribe(g.topic), api.ErrIllegalState)
		g.ok(k.Close(g.ctx))
		again := g.consumer()
		g.ok(again.Assign(tp[0]))
		equal(g.T, "values", values(g.read(again, 2)), "8 9")
	}),
	grouped("calls that do not fit are refused", 1, func(g *G) {
		k := g.consumer(api.Topics(g.topic))
		tp := parts(g.topic, 1)
		g.is(k.Assign(tp...), api.ErrIllegalState)
		g.is(k.IncrementalAssign(tp...), api.ErrIllegalState)
		g.is(k.Unassign(tp...), api.ErrIllegalState)
		alone, err := g.client.Consumer("")
		g.ok(err)
		g.is(alone.Subscribe(g.topic), api.ErrIllegalState)
		g.is(alone.Commit(g.ctx), api.ErrIllegalState)
		if err := k.Commit(g.ctx, api.Offset{Partition: tp[0], Offset: -1}); err == nil {
			g.Failf("a negative offset was committed")
		}
		g.ok(k.Close(g.ctx))
		g.ok(k.Close(g.ctx))
		_, err = k.Poll(g.ctx)
		g.is(err, api.ErrClosed)
	}),
	grouped("where auto.offset.reset begins is told, and committed at once", 1, func(g *G) {
		g.write(1, 0, 3)
		var told []api.PositionReset
		k := g.consumer(api.Topics(g.topic), props("auto.offset.reset", "latest", "auto.commit.interval.ms", "3600000"), api.OnReset(func(r api.PositionReset) { told = append(told, r) }))
		for len(told) == 0 {
			ctx, cancel := g.within(100 * time.Millisecond)
			_, _ = k.Poll(ctx)
			cancel()
			g.ok(g.ctx.Err())
		}
		tp := parts(g.topic, 1)
		if r := told[0]; r.TopicPartition != tp[0] || r.From != -1 || r.To != 3 || r.Cause == "" {
			g.Failf("told: %+v", r)
		}
		other := g.consumer()
		g.until("it is committed", func() bool {
			got, err := other.Committed(g.ctx, tp...)
			g.ok(err)
			return got[tp[0]].Offset == 3
		})
		g.ok(k.Close(g.ctx))
	}),
	grouped("a consumer can be woken, and may be left waiting only so long", 1, func(g *G) {
		k := g.consumer(api.Topics(g.topic), props("consumer.timeout.ms", "500"))
		waker := g.goes("waker", func() error { g.sleep(50 * time.Millisecond); k.Wakeup(); return nil })
		_, err := k.Poll(g.ctx)
		g.is(err, api.ErrWakeup)
		waker.wait()
		g.write(1, 0, 3)
		n := 0
		for n < 3 { // a loaded broker may need longer than that for a group's first round
			for _, err := range k.Records(g.ctx) {
				g.ok(err)
				n++
			}
			g.ok(g.ctx.Err())
		}
		if n > 3 {
			g.Failf("%d records instead of 3", n)
		}
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
