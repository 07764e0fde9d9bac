package fake

import (
	"regexp"
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// describeProducers answers DescribeProducers (61): what partitions know of producers.
func (c *Cluster) describeProducers(q *call) {
	req := q.Req.(*msg.DescribeProducersRequest)
	resp := &msg.DescribeProducersResponse{}
	injected := c.injected(q.Key)
	for _, in := range req.Topics {
		out := msg.DescribeProducersResponseTopicResponse{Name: in.Name}
		t, code := c.lookup(in.Name, protocol.UUID{}, false)
		if !legal(in.Name) {
			code = protocol.InvalidTopicException
		}
		for _, index := range in.PartitionIndexes {
			r := msg.DescribeProducersResponsePartitionResponse{PartitionIndex: index}
			got, p := or(injected, code), (*partition)(nil)
			if got == protocol.None {
				p, got = c.led(q, t, index)
			}
			if r.ErrorCode = int16(got); got == protocol.None {
				r.ActiveProducers = c.active(p)
			}
			out.Partitions = append(out.Partitions, r)
		}
		resp.Topics = append(resp.Topics, out)
	}
	c.reply(q, resp)
}

// active tells of the producers that a partition knows, by id.
func (c *Cluster) active(p *partition) (out []msg.DescribeProducersResponseProducerState) {
	for id, k := range p.producers {
		first, open := p.open[id]
		if !open {
			first = -1
		}
		if !open && k.expired(c.now, &c.rules) {
			continue
		}
		out = append(out, msg.DescribeProducersResponseProducerState{ProducerID: id, ProducerEpoch: int32(k.epoch), LastSequence: k.last(), LastTimestamp: k.newest, CoordinatorEpoch: k.coordinator, CurrentTxnStartOffset: first})
	}
	slices.SortFunc(out, func(a, b msg.DescribeProducersResponseProducerState) int { return int(a.ProducerID - b.ProducerID) })
	return out
}

// describeTransactions answers DescribeTransactions (65).
func (c *Cluster) describeTransactions(q *call) {
	req := q.Req.(*msg.DescribeTransactionsRequest)
	resp := &msg.DescribeTransactionsResponse{}
	injected := c.injected(q.Key)
	for _, id := range req.TransactionalIDs {
		out := msg.DescribeTransactionsResponseTransactionState{}
		out.SetDefaults()
		out.TransactionalID = id
		t := c.transaction(id)
		code := injected
		switch {
		case code != protocol.None:
		case id == "":
			code = protocol.InvalidRequest
		default:
			if code = c.coordinatesTransaction(q, id); code == protocol.None && t == nil {
				code = protocol.TransactionalIDNotFound
			}
		}
		if out.ErrorCode = int16(code); code == protocol.None {
			t.describe(&out)
		}
		resp.TransactionStates = append(resp.TransactionStates, out)
	}
	c.reply(q, resp)
}

func (t *transaction) describe(out *msg.DescribeTransactionsResponseTransactionState) {
	out.TransactionState, out.ProducerID, out.ProducerEpoch, out.TransactionTimeoutMs = t.state.String(), t.producer, t.epoch, int32(t.timeout.Milliseconds())
	out.TransactionStartTimeMs = t.startedMs()
	for _, tp := range t.partitions {
		i := len(out.Topics) - 1
		if i < 0 || out.Topics[i].Topic != tp.topic {
			out.Topics = append(out.Topics, msg.DescribeTransactionsResponseTopicData{Topic: tp.topic})
			i++
		}
		out.Topics[i].Partitions = append(out.Topics[i].Partitions, tp.partition)
	}
}

// startedMs is when the transaction under way, or the latest, has begun; -1: there was none.
func (t *transaction) startedMs() int64 {
	if t.started.IsZero() {
		return -1
	}
	return t.started.UnixMilli()
}

// setOf gives what is in a list.
func setOf[T comparable](list []T) map[T]bool {
	set := make(map[T]bool, len(list))
	for _, v := range list {
		set[v] = true
	}
	return set
}

// listTransactions answers ListTransactions (66): those that the broker coordinates.
func (c *Cluster) listTransactions(q *call) {
	req := q.Req.(*msg.ListTransactionsRequest)
	resp := &msg.ListTransactionsResponse{ErrorCode: int16(c.injected(q.Key)), TransactionStates: []msg.ListTransactionsResponseTransactionState{}}
	states, producers := setOf(req.StateFilters), setOf(req.ProducerIDFilters)
	unknown := map[string]bool{}
	for _, s := range req.StateFilters {
		if !slices.Contains(transactionStates[:], s) && s != "Dead" && s != "PrepareEpochFence" && !unknown[s] {
			resp.UnknownStateFilters = append(resp.UnknownStateFilters, s)
			unknown[s] = true
		}
	}
	var pattern *regexp.Regexp
	if req.TransactionalIDPattern != nil && *req.TransactionalIDPattern != "" {
		var err error
		if pattern, err = regexp.Compile("^(?:" + *req.TransactionalIDPattern + ")$"); err != nil {
			resp.ErrorCode, resp.UnknownStateFilters = int16(protocol.InvalidRegularExpression), nil
		}
	}
	for _, t := range c.transactions {
		lasts := c.now.UnixMilli() - t.startedMs() // who has never begun one has been at it since 1970, for Kafka
		switch {
		case resp.ErrorCode != 0 || c.coordinatesTransaction(q, t.id) != protocol.None:
		case len(states) > 0 && !states[t.state.String()]:
		case len(producers) > 0 && !producers[t.producer]:
		case q.Version >= 1 && req.DurationFilter >= 0 && lasts <= req.DurationFilter:
		case pattern != nil && !pattern.MatchString(t.id):
		default:
			resp.TransactionStates = append(resp.TransactionStates, msg.ListTransactionsResponseTransactionState{TransactionalID: t.id, ProducerID: t.producer, TransactionState: t.state.String()})
		}
	}
	c.reply(q, resp)
}
