package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// metadata asks for the cluster, with all topics if none is named, and tells who has answered.
func (k *kcat) metadata(ctx context.Context, client *api.Client, topics ...string) (*msg.MetadataResponse, int32, error) {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	m := &msg.MetadataRequest{AllowAutoTopicCreation: true}
	for _, t := range topics {
		m.Topics = append(m.Topics, msg.MetadataRequestMetadataRequestTopic{Name: &t})
	}
	for {
		r, err := broker.Call(ctx, client.System().Cluster(), broker.Route{Req: m})
		if err == nil {
			err = r.Err
		}
		if err != nil {
			return nil, 0, fmt.Errorf("failed to acquire metadata: %w (Are the brokers reachable? Also try increasing the metadata timeout with -m <timeout>?)", err)
		}
		answer := r.Resp.(*msg.MetadataResponse)
		if !slices.ContainsFunc(answer.Topics, func(t msg.MetadataResponseMetadataResponseTopic) bool {
			return protocol.Code(t.ErrorCode) == protocol.LeaderNotAvailable
		}) {
			return answer, r.Node, nil
		}
		select { // it was created just now
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return answer, r.Node, nil
		}
	}
}

// The JSON of -L -J.
type (
	listing struct {
		Origin     origin        `json:"originating_broker"`
		Query      queried       `json:"query"`
		Controller int32         `json:"controllerid"`
		Brokers    []origin      `json:"brokers"`
		Topics     []listedTopic `json:"topics"`
	}
	origin struct {
		ID   int32  `json:"id"`
		Name string `json:"name"`
	}
	queried struct {
		Topic string `json:"topic"`
	}
	listedTopic struct {
		Topic      string            `json:"topic"`
		Error      string            `json:"error,omitempty"`
		Partitions []listedPartition `json:"partitions"`
	}
	listedPartition struct {
		Partition int32     `json:"partition"`
		Error     string    `json:"error,omitempty"`
		Leader    int32     `json:"leader"`
		Replicas  []replica `json:"replicas"`
		ISRs      []replica `json:"isrs"`
	}
	replica struct {
		ID int32 `json:"id"`
	}
)

func replicas(ids []int32) []replica {
	out := make([]replica, len(ids))
	for i, id := range ids {
		out[i].ID = id
	}
	return out
}

// list is -L.
func (k *kcat) list(ctx context.Context, client *api.Client) error {
	m, node, err := k.metadata(ctx, client, k.topics...)
	if err != nil {
		return err
	}
	l := listing{Query: queried{"*"}, Controller: m.ControllerID, Brokers: []origin{}, Topics: []listedTopic{}}
	if len(k.topics) > 0 {
		l.Query.Topic = strings.Join(k.topics, ",")
	}
	for _, b := range m.Brokers {
		l.Brokers = append(l.Brokers, origin{b.NodeID, fmt.Sprintf("%s:%d", b.Host, b.Port)})
	}
	if i := slices.IndexFunc(l.Brokers, func(b origin) bool { return b.ID == node }); i < 0 && len(l.Brokers) > 0 {
		node = l.Brokers[0].ID // a bootstrap address, whose id nobody knows
	}
	for _, b := range l.Brokers {
		if b.ID == node {
			l.Origin = origin{b.ID, fmt.Sprintf("%s/%d", b.Name, b.ID)}
		}
	}
	for _, t := range m.Topics {
		lt := listedTopic{Partitions: []listedPartition{}, Error: complaint(t.ErrorCode)}
		if t.Name != nil {
			lt.Topic = *t.Name
		}
		for _, p := range t.Partitions {
			lt.Partitions = append(lt.Partitions, listedPartition{p.PartitionIndex, complaint(p.ErrorCode), p.LeaderID, replicas(p.ReplicaNodes), replicas(p.IsrNodes)})
		}
		slices.SortFunc(lt.Partitions, func(a, b listedPartition) int { return cmp.Compare(a.Partition, b.Partition) })
		l.Topics = append(l.Topics, lt)
	}
	slices.SortFunc(l.Topics, func(a, b listedTopic) int { return cmp.Compare(a.Topic, b.Topic) })
	if k.json {
		text, err := json.Marshal(l)
		if err != nil {
			return err
		}
		_, err = k.out.Write(text)
		return err
	}
	return k.printList(l)
}

// complaint is what kcat says of a code.
func complaint(code int16) string {
	if code == 0 {
		return ""
	}
	return protocol.Code(code).Error()
}

func (k *kcat) printList(l listing) error {
	var b strings.Builder
	what := "all topics"
	if len(k.topics) > 0 {
		what = l.Query.Topic
	}
	fmt.Fprintf(&b, "Metadata for %s (from broker %d: %s):\n %d brokers:\n", what, l.Origin.ID, l.Origin.Name, len(l.Brokers))
	for _, br := range l.Brokers {
		controller := ""
		if br.ID == l.Controller {
			controller = " (controller)"
		}
		fmt.Fprintf(&b, "  broker %d at %s%s\n", br.ID, br.Name, controller)
	}
	fmt.Fprintf(&b, " %d topics:\n", len(l.Topics))
	for _, t := range l.Topics {
		fmt.Fprintf(&b, "  topic %q with %d partitions:", t.Topic, len(t.Partitions))
		if t.Error != "" {
			fmt.Fprintf(&b, " %s", t.Error)
		}
		b.WriteByte('\n')
		for _, p := range t.Partitions {
			fmt.Fprintf(&b, "    partition %d, leader %d, replicas: %s, isrs: %s", p.Partition, p.Leader, ids(p.Replicas), ids(p.ISRs))
			if p.Error != "" {
				fmt.Fprintf(&b, ", %s", p.Error)
			}
			b.WriteByte('\n')
		}
	}
	_, err := k.out.Write([]byte(b.String()))
	return err
}

func ids(r []replica) string {
	var out []string
	for _, one := range r {
		out = append(out, strconv.Itoa(int(one.ID)))
	}
	return strings.Join(out, ",")
}

// query is -Q: the offsets of times.
func (k *kcat) query(ctx context.Context, client *api.Client) error {
	times := map[api.TopicPartition]time.Time{}
	special := map[api.TopicPartition]int64{} // -1: the end, -2: the beginning
	for _, t := range k.topics {
		at := strings.LastIndexByte(t, ':')
		mid := strings.LastIndexByte(t[:max(at, 0)], ':')
		if mid < 1 {
			return errors.New(`-t: expected "topic:partition:offset_or_timestamp"`)
		}
		p, err1 := strconv.ParseInt(t[mid+1:at], 10, 32)
		ms, err2 := strconv.ParseInt(t[at+1:], 10, 64)
		if err1 != nil || err2 != nil || p < 0 || ms < -2 {
			return errors.New(`-t: expected "topic:partition:offset_or_timestamp"`)
		}
		tp := api.TopicPartition{Topic: t[:mid], Partition: int32(p)}
		if _, twice := times[tp]; twice || special[tp] != 0 {
			return fmt.Errorf("%s [%d] is named twice", tp.Topic, tp.Partition)
		}
		if ms < 0 {
			special[tp] = ms
		} else {
			times[tp] = time.UnixMilli(ms)
		}
	}
	consumer, err := client.Consumer("")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	found := map[api.TopicPartition]int64{}
	if len(times) > 0 {
		offsets, err := consumer.OffsetsForTimes(ctx, times)
		if err != nil {
			return fmt.Errorf("offsets_for_times failed: %w", err)
		}
		for tp := range times {
			found[tp] = -1
			if at, ok := offsets[tp]; ok {
				found[tp] = at.Offset
			}
		}
	}
	for tp, which := range special {
		ask := consumer.EndOffsets
		if which == -2 {
			ask = consumer.BeginningOffsets
		}
		offsets, err := ask(ctx, tp)
		if err != nil {
			return fmt.Errorf("offsets_for_times failed: %w", err)
		}
		found[tp] = offsets[tp]
	}
	parts := make([]api.TopicPartition, 0, len(found))
	for tp := range found {
		parts = append(parts, tp)
	}
	slices.SortFunc(parts, func(a, b api.TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	for _, tp := range parts {
		fmt.Fprintf(k.out, "%s [%d] offset %d\n", tp.Topic, tp.Partition, found[tp])
	}
	return nil
}
