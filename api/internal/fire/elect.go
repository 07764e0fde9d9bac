package main

import (
	"context"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// controller sends a request to the controller.
func (l *load) controller(ctx context.Context, req protocol.Request) error {
	_, err := broker.Call(ctx, l.client.System().Cluster(), broker.Route{Req: req, To: broker.Target{Kind: broker.ToController}})
	return err
}

// rotate gives each partition its replicas in another order, and lets the first of them lead.
func (l *load) rotate(ctx context.Context) error {
	topics, err := l.client.Admin().DescribeTopics(ctx, l.topic)
	if err != nil {
		return err
	}
	d := topics[l.topic]
	if d.Err != nil {
		return d.Err
	}
	move := msg.AlterPartitionReassignmentsRequestReassignableTopic{Name: l.topic}
	elect := msg.ElectLeadersRequestTopicPartitions{Topic: l.topic}
	for _, p := range d.Topic.Partitions {
		order := append(append([]int32{}, p.Replicas[1:]...), p.Replicas[0])
		move.Partitions = append(move.Partitions, msg.AlterPartitionReassignmentsRequestReassignablePartition{PartitionIndex: p.Index, Replicas: order})
		elect.Partitions = append(elect.Partitions, p.Index)
	}
	if err := l.controller(ctx, &msg.AlterPartitionReassignmentsRequest{TimeoutMs: 30000, AllowReplicationFactorChange: true, Topics: []msg.AlterPartitionReassignmentsRequestReassignableTopic{move}}); err != nil {
		return err
	}
	return l.controller(ctx, &msg.ElectLeadersRequest{TimeoutMs: 30000, TopicPartitions: []msg.ElectLeadersRequestTopicPartitions{elect}})
}

// grow adds partitions, and writes to them.
func (l *load) grow(ctx context.Context, partitions int32) error {
	results, err := l.client.Admin().CreatePartitions(ctx, map[string]int32{l.topic: partitions})
	if err == nil {
		err = results[l.topic]
	}
	if err != nil {
		return err
	}
	l.widen(partitions)
	l.partitions.Store(partitions)
	return nil
}

func elect(ctx context.Context, s *settings, k *kafka, r *report) error {
	return with(ctx, s, k, r, func(l *load) error {
		w := r.row("reassignment and election of all partitions", 0, 3*time.Second)
		for i := range s.times(3, 20) {
			if err := l.fault(ctx, r, w, -1, func() error { return l.rotate(ctx) }, func() error { return nil }); err != nil {
				return fmt.Errorf("election %d: %w", i+1, err)
			}
		}
		begun := time.Now()
		if err := l.grow(ctx, l.partitions.Load()+3); err != nil {
			return fmt.Errorf("more partitions: %w", err)
		}
		if err := l.flowing(begun, hang); err != nil {
			return fmt.Errorf("after more partitions: %w", err)
		}
		w = r.row("until new partitions are written and read", 0, 8*time.Second) // the metadata's age, a heartbeat, a rebalance
		w.produce, w.consume = append(w.produce, time.Since(begun)), append(w.consume, time.Since(begun))
		r.faults++
		return nil
	}, api.Property("metadata.max.age.ms", "2000"))
}
