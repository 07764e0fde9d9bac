package scenario

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/api"
)

// groupHandling is Handle in groups.
var groupHandling = slices.Concat(
	grouped("handled records are handled once, whoever comes and goes", 6, func(g *G) {
		begin := func() (*api.Consumer, func(), *running, *notes) {
			own := &notes{}
			k := g.consumer(api.Topics(g.topic), api.OnRebalance(api.RebalanceListener{OnAssigned: func(_ context.Context, parts []api.TopicPartition) {
				for _, tp := range parts {
					own.add("%d", tp.Partition)
				}
			}}))
			stop, run := g.handles(k, func(_ context.Context, r *api.Record) error {
				g.sleep(2 * time.Millisecond)
				g.ledger.add(r)
				return nil
			}, api.OrderBy(api.ByKey), api.Concurrency(4), api.DrainTimeout(time.Minute))
			return k, stop, run, own
		}
		a, stopA, runA, ownA := begin()
		g.until("the first has partitions", func() bool { return ownA.count() >= 6 })
		writer := g.goes("writer", func() error { g.write(6, 0, 60); return nil })
		b, stopB, runB, ownB := begin()
		g.until("the second has partitions", func() bool { return ownB.count() >= 3 })
		writer.wait()
		stopA()
		runA.wait()
		g.ok(a.Shutdown(g.ctx))
		g.write(6, 60, 80)
		g.until("all", func() bool { return g.ledger.distinct() == 480 })
		stopB()
		runB.wait()
		g.ok(b.Shutdown(g.ctx))
		equal(g.T, "records handled", g.ledger.total(), 480)
	}),
	grouped("what has not begun is not handled when its partition is given up", 1, func(g *G) {
		g.write(1, 0, 20)
		slow, seen := g.gate(), &notes{}
		gone := false
		var wrong error
		k := g.consumer(api.Topics(g.topic), api.OnRebalance(api.RebalanceListener{OnRevoked: func(context.Context, []api.TopicPartition) { gone = true }}))
		ctx, stop := context.WithCancel(g.ctx)
		defer stop()
		run := g.goes("handle", func() error {
			return k.Handle(ctx, func(ctx context.Context, r *api.Record) error {
				if gone {
					wrong = fmt.Errorf("%d is handled, and the partition is gone", r.Offset)
				}
				seen.add("%d", r.Offset)
				return slow.wait(ctx)
			}, api.Concurrency(1))
		})
		g.until("the first", func() bool { return seen.count() == 1 })
		given := &asked{Context: g.ctx}
		leaving := g.goes("leaving", func() error { return k.Unsubscribe(given) })
		g.until("it waits for the handler, and how long it may is known", given.deadline.Load)
		slow.open()
		leaving.wait()
		_, err := run.done.Get(g.ctx)
		g.is(err, api.ErrIllegalState) // nothing is subscribed to
		g.ok(wrong)
		equal(g.T, "handled", seen.sorted(), "0")
		g.ok(k.Subscribe(g.topic))
		equal(g.T, "next", values(g.read(k, 19)[:2]), "1 2")
		g.ok(k.Shutdown(g.ctx))
	}),
)
