package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/record"
	"github.com/kactor-go/kactor/protocol/wire"
)

// probe tells how long the cluster itself is silent: again and again it asks a broker that is well who leads, and writes to each partition on a fresh connection, with acks=all. It has nothing of the client but the codec.
type probe struct {
	flow                 // acked
	commits flow         // acked: of one partition, that of the offsets topic
	hosts   []string     // of the brokers 1, 2, ...
	away    atomic.Int32 // the broker that is not asked; 0: all are well
	topic   string
	group   string

	stop context.CancelFunc
	over sync.WaitGroup
}

// pace is how often the probe begins anew, also while it waits for an answer.
const pace = 150 * time.Millisecond

// patience is how long an attempt of the probe waits.
const patience = 10 * time.Second

// probed is the value of the probe's records.
const probed = "a record of the probe"

// startProbe probes a topic and the commits of a group.
func startProbe(ctx context.Context, hosts []string, topic string, partitions int32, group string) *probe {
	p := &probe{hosts: hosts, topic: topic, group: group}
	p.widen(partitions)
	p.commits.widen(1)
	ctx, p.stop = context.WithCancel(ctx)
	p.over.Go(func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for turn := 0; ctx.Err() == nil; turn++ {
			p.over.Go(func() { p.produce(ctx, turn) })
			p.over.Go(func() { p.commit(ctx, turn) })
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	return p
}

func (p *probe) end() {
	p.stop()
	p.over.Wait()
}

// well gives the address of a broker that is not away.
func (p *probe) well(turn int) string {
	away := int(p.away.Load())
	for i := range p.hosts {
		if at := (turn + i) % len(p.hosts); at+1 != away {
			return p.hosts[at]
		}
	}
	return p.hosts[0]
}

// produce writes to every partition. What fails is no event: the next turn comes soon.
func (p *probe) produce(ctx context.Context, turn int) {
	leaders, err := leadersOf(ctx, p.well(turn), p.topic)
	if err != nil {
		return
	}
	for partition, addr := range leaders {
		if int(partition) >= len(p.acked) {
			continue
		}
		p.over.Go(func() {
			if offset, err := produceTo(ctx, addr, p.topic, partition); err == nil {
				p.mu.Lock()
				p.acked[partition].event(time.Now(), offset)
				p.mu.Unlock()
			}
		})
	}
}

// leadersOf asks a broker for the addresses of a topic's leaders.
func leadersOf(ctx context.Context, addr, topic string) (map[int32]string, error) {
	var resp msg.MetadataResponse
	req := &msg.MetadataRequest{}
	req.SetDefaults()
	req.Topics, req.AllowAutoTopicCreation = []msg.MetadataRequestMetadataRequestTopic{{Name: &topic}}, false
	if err := ask(ctx, addr, req, &resp, 9); err != nil {
		return nil, err
	}
	at := map[int32]string{}
	for _, b := range resp.Brokers {
		at[b.NodeID] = net.JoinHostPort(b.Host, fmt.Sprint(b.Port))
	}
	out := map[int32]string{}
	for _, t := range resp.Topics {
		for _, l := range t.Partitions {
			if addr, ok := at[l.LeaderID]; ok && l.ErrorCode == 0 {
				out[l.PartitionIndex] = addr
			}
		}
	}
	return out, nil
}

// produceTo writes one record.
func produceTo(ctx context.Context, addr, topic string, partition int32) (int64, error) {
	now := time.Now().UnixMilli()
	batch := record.AppendRecord(make([]byte, record.Overhead), 0, 0, nil, []byte(probed), nil)
	record.Seal(batch, &record.Info{Magic: 2, LeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, Count: 1, BaseTimestamp: now, MaxTimestamp: now})
	req := &msg.ProduceRequest{Acks: -1, TimeoutMs: int32(patience.Milliseconds()), TopicData: []msg.ProduceRequestTopicProduceData{{Name: topic,
		PartitionData: []msg.ProduceRequestPartitionProduceData{{Index: partition, Records: batch}}}}}
	var resp msg.ProduceResponse
	if err := ask(ctx, addr, req, &resp, 9); err != nil {
		return -1, err
	}
	if len(resp.Responses) == 0 || len(resp.Responses[0].PartitionResponses) == 0 {
		return -1, errors.New("no answer for the partition")
	}
	r := resp.Responses[0].PartitionResponses[0]
	return r.BaseOffset, protocol.Code(r.ErrorCode).Err()
}

// commit commits an offset of the group.
func (p *probe) commit(ctx context.Context, turn int) {
	_, addr, err := coordinatorOf(ctx, p.well(turn), p.group)
	if err != nil {
		return
	}
	k := msg.OffsetCommitRequestOffsetCommitRequestPartition{}
	k.SetDefaults()
	k.CommittedOffset = int64(turn)
	req := &msg.OffsetCommitRequest{GroupID: p.group, GenerationIDOrMemberEpoch: -1, RetentionTimeMs: -1,
		Topics: []msg.OffsetCommitRequestOffsetCommitRequestTopic{{Name: p.topic, Partitions: []msg.OffsetCommitRequestOffsetCommitRequestPartition{k}}}}
	var resp msg.OffsetCommitResponse
	if err := ask(ctx, addr, req, &resp, 8); err != nil || len(resp.Topics) == 0 || len(resp.Topics[0].Partitions) == 0 || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		return
	}
	p.commits.mu.Lock()
	p.commits.acked[0].event(time.Now(), int64(turn))
	p.commits.mu.Unlock()
}

// coordinatorOf asks a broker for a group's coordinator.
func coordinatorOf(ctx context.Context, addr, group string) (node int32, at string, err error) {
	var resp msg.FindCoordinatorResponse
	if err := ask(ctx, addr, &msg.FindCoordinatorRequest{CoordinatorKeys: []string{group}}, &resp, 4); err != nil {
		return -1, "", err
	}
	if len(resp.Coordinators) == 0 {
		return -1, "", errors.New("no coordinator is named")
	}
	c := resp.Coordinators[0]
	return c.NodeID, net.JoinHostPort(c.Host, fmt.Sprint(c.Port)), protocol.Code(c.ErrorCode).Err()
}

// controllerOf asks a broker which node leads the quorum of controllers.
func controllerOf(ctx context.Context, addr string) (int32, error) {
	var resp msg.DescribeQuorumResponse
	req := &msg.DescribeQuorumRequest{Topics: []msg.DescribeQuorumRequestTopicData{{TopicName: "__cluster_metadata", Partitions: []msg.DescribeQuorumRequestPartitionData{{}}}}}
	if err := ask(ctx, addr, req, &resp, 0); err != nil {
		return -1, err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			return p.LeaderID, nil
		}
	}
	return -1, protocol.Code(resp.ErrorCode)
}

// ask sends one request on a connection of its own.
func ask(ctx context.Context, addr string, req protocol.Request, resp protocol.Response, version int16) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	frame, err := protocol.AppendRequest(nil, req, version, 1, wire.Ptr("probe"))
	if err != nil {
		return err
	}
	if _, err := c.Write(frame); err != nil {
		return err
	}
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, body); err != nil {
		return err
	}
	return protocol.ReadResponse(resp, body, version)
}

// slotOf is the partition of the offsets topic that a group's commits are in: the hash is that of Java's strings.
func slotOf(group string, partitions int32) int32 {
	var h int32
	for _, c := range []byte(group) {
		h = 31*h + int32(c)
	}
	return (h & 0x7fffffff) % partitions
}

// alike gives a group's name that begins with prefix and whose commits are in the same partition as those of another.
func alike(prefix, group string, partitions int32) string {
	for i := 0; ; i++ {
		if name := prefix + strings.Repeat("x", i%7) + fmt.Sprint(i); slotOf(name, partitions) == slotOf(group, partitions) {
			return name
		}
	}
}
