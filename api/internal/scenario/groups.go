package scenario

import (
	"context"
	"errors"
	"fmt"
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
		var patient api.ConsumerOption = props()
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
		var short api.ConsumerOption = props()
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
		a.k.Listen(api.RebalanceListener{OnRevoked: func(_ context.Context, parts []api.TopicPartition) {
			mu.Lock()
			gone = append(gone, parts...)
			mu.Unlock()
			a.listen(&a.revoked, parts, false)
		}, OnAssigned: func(_ context.Context, parts []api.TopicPartition) { a.listen(&a.assigned, parts, true) }})
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
	grouped("the admin lists and describes groups", 2, func(g *G) {
		a, b := g.joins(), g.joins()
		g.share(map[*member]int{a: 1, b: 1})
		admin := g.client.Admin()
		kind := "classic"
		if g.modern() {
			kind = "consumer"
		}
		var d api.GroupDescription
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
		find := func(f api.GroupFilter) (found api.GroupListing) {
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
	grouped("the listener may seek and ask for positions", 1, func(g *G) {
		g.write(1, 0, 10)
		tp := parts(g.topic, 1)[0]
		var position int64
		var failed error
		k := g.consumer()
		k.Listen(api.RebalanceListener{OnAssigned: func(ctx context.Context, got []api.TopicPartition) {
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
		g.ok(alive.Shutdown(g.ctx, api.LeaveGroup))
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
		err := slow.Commit(g.ctx, api.OffsetAndMetadata{TopicPartition: tp[0], Offset: 1}, api.OffsetAndMetadata{TopicPartition: tp[1], Offset: 1})
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
