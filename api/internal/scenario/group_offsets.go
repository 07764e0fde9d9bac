package scenario

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/api"
)

// groupOffsets are about what members commit.
var groupOffsets = slices.Concat(
	grouped("offsets are committed and told", 2, func(g *G) {
		g.write(2, 0, 10)
		k := g.consumer(api.Topics(g.topic), props("enable.auto.commit", "false"))
		g.read(k, 20)
		all := parts(g.topic, 2)
		none, err := k.Committed(g.ctx, all...)
		g.ok(err)
		equal(g.T, "offsets before a commit", len(none), 0)
		g.ok(k.Commit(g.ctx))
		g.ok(k.Commit(g.ctx, api.OffsetAndMetadata{TopicPartition: all[1], Offset: 7, Metadata: "by hand"}))
		got, err := k.Committed(g.ctx, all...)
		g.ok(err)
		equal(g.T, "offset of partition 0", got[all[0]].Offset, 10)
		equal(g.T, "offset of partition 1", got[all[1]].Offset, 7)
		equal(g.T, "metadata", got[all[1]].Metadata, "by hand")
		equal(g.T, "leader epoch that was not named", got[all[1]].LeaderEpoch, api.LeaderEpoch{})
		g.ok(k.Shutdown(g.ctx))
		again := g.consumer(api.Topics(g.topic))
		records := g.read(again, 3)
		equal(g.T, "values", values(records), "7 8 9")
		g.none(again)
	}),
	grouped("asynchronous commits end in order, where the consumer polls", 1, func(g *G) {
		g.write(1, 0, 30)
		tell, outcomes := &told{}, 0
		k := g.consumer(api.Topics(g.topic), props("enable.auto.commit", "false", "max.poll.records", "1"), api.ConsumerInterceptors(tell), api.OnCommit(func(offsets []api.OffsetAndMetadata, err error) {
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
		g.ok(k.CommitAsync(nil, api.OffsetAndMetadata{TopicPartition: parts(g.topic, 1)[0], Offset: 20}))
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
				g.ok(k.CommitAsync(func(err error) { told = append(told, err) }, api.OffsetAndMetadata{TopicPartition: tp, Offset: i}))
			}
			err := k.Shutdown(ctx)
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
		g.ok(k.Shutdown(g.ctx))
		again := g.consumer(api.Topics(g.topic))
		equal(g.T, "values", values(g.read(again, 6)), "4 5 6 7 8 9")
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
		g.is(a.k.Commit(g.ctx, api.OffsetAndMetadata{TopicPartition: other, Offset: 5}), api.ErrNotOwned)
		got, err := b.k.Committed(g.ctx, other)
		g.ok(err)
		if got[other].Offset == 5 {
			g.Failf("the commit of who does not own %s was taken", other)
		}
		a.leave()
		b.leave()
	}),
	grouped("what is committed while partitions are given up counts", 2, func(g *G) {
		g.write(2, 0, 10)
		var committed error
		a := g.consumer(props("enable.auto.commit", "false"))
		a.Listen(api.RebalanceListener{OnRevoked: func(ctx context.Context, got []api.TopicPartition) {
			for _, tp := range got {
				if n, err := a.Position(ctx, tp); err == nil {
					committed = errors.Join(committed, a.Commit(ctx, api.OffsetAndMetadata{TopicPartition: tp, Offset: n}))
				}
			}
		}})
		g.ok(a.Subscribe(g.topic))
		g.read(a, 20)
		g.ok(a.Shutdown(g.ctx))
		g.ok(committed)
		b := g.consumer(api.Topics(g.topic))
		g.none(b)
	}),
	grouped("partitions assigned by hand begin where the group has committed", 2, func(g *G) {
		g.write(2, 0, 10)
		k := g.consumer(props("enable.auto.commit", "false"))
		tp := parts(g.topic, 2)
		g.ok(k.Assign(tp...))
		g.read(k, 20)
		g.ok(k.Commit(g.ctx, api.OffsetAndMetadata{TopicPartition: tp[0], Offset: 8}))
		g.is(k.Subscribe(g.topic), api.ErrIllegalState)
		g.ok(k.Shutdown(g.ctx))
		again := g.consumer()
		g.ok(again.Assign(tp[0]))
		equal(g.T, "values", values(g.read(again, 2)), "8 9")
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
		g.ok(k.Shutdown(g.ctx))
	}),
)
