package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/protocol"
)

// again deletes a topic that is written and read, and creates it again with the same name: what is acknowledged afterwards must be in the new topic, once and where it was said to be, and a consumer must read all of the new topic.
func again(ctx context.Context, s *settings, k *kafka, r *report) error {
	for range s.times(1, 5) {
		if err := k.again(ctx, s, r); err != nil {
			return err
		}
		r.faults++
	}
	return nil
}

func (k *kafka) again(ctx context.Context, s *settings, r *report) error {
	client, err := api.Dial(ctx, api.Brokers(k.hosts...), api.Property("metadata.max.age.ms", "2000"))
	if err != nil {
		return err
	}
	defer client.Shutdown(ctx)
	const partitions = 6
	topic := fmt.Sprintf("again-%d", time.Now().UnixMilli())
	if err := create(ctx, client, topic, partitions, 3); err != nil {
		return err
	}
	old, err := topicID(ctx, client, topic)
	if err != nil {
		return err
	}
	p, err := client.Producer()
	if err != nil {
		return err
	}
	c, err := client.Consumer("group-"+topic, api.Topics(topic), api.Property("auto.offset.reset", "earliest"))
	if err != nil {
		return err
	}

	type place struct {
		partition int32
		offset    int64
	}
	var mu sync.Mutex
	acked := map[string]place{} // since the last turn
	read := map[place]string{}
	var refused int
	turn, made := 0, time.Time{} // of the topic
	writes, stop := context.WithCancel(ctx)
	reads, halt := context.WithCancel(ctx)
	defer halt()
	defer stop()
	var writing, reading sync.WaitGroup
	writing.Go(func() {
		for i := 0; writes.Err() == nil; i++ {
			value := fmt.Sprintf("%s/%d", topic, i)
			sent := time.Now()
			done := func(at api.RecordMetadata, err error) {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					refused++
				case turn == 1 && sent.After(made):
					acked[value] = place{at.Partition, at.Offset}
				}
			}
			if err := p.Send(writes, &api.Record{Topic: topic, Partition: int32(i % partitions), Fixed: true, Value: []byte(value)}, done); err != nil && writes.Err() == nil {
				done(api.RecordMetadata{}, err)
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	reading.Go(func() {
		for reads.Err() == nil {
			records, err := c.Poll(reads)
			mu.Lock()
			if err != nil && reads.Err() == nil && !errors.Is(err, protocol.UnknownTopicOrPartition) && !errors.Is(err, protocol.UnknownTopicID) {
				r.notes = append(r.notes, fmt.Sprintf("the consumer was told: %v", err))
			}
			for _, m := range records {
				read[place{m.Partition, m.Offset}] = string(m.Value) // what the old topic had there is overwritten
			}
			mu.Unlock()
		}
	})
	time.Sleep(3 * time.Second)
	if errs, err := client.Admin().DeleteTopics(ctx, topic); errors.Join(err, errs[topic]) != nil {
		return errors.Join(err, errs[topic])
	}
	time.Sleep(time.Second)
	for {
		err := create(ctx, client, topic, partitions, 3)
		if id, e := topicID(ctx, client, topic); err == nil && e == nil && id != old {
			break
		}
		if err != nil && !errors.Is(err, protocol.TopicAlreadyExists) {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
	mu.Lock()
	turn, made = 1, time.Now()
	mu.Unlock()
	enough := func() (parts int) {
		seen := map[int32]bool{}
		mu.Lock()
		defer mu.Unlock()
		for _, at := range acked {
			seen[at.partition] = true
		}
		return len(seen)
	}
	for end := time.Now().Add(hang); enough() < partitions; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("after a topic was created again, only %d of %d partitions are written within %s", enough(), partitions, hang)
		}
	}
	w := r.row("until a topic that was created again is written", 0, 8*time.Second)
	w.produce = append(w.produce, time.Since(made))
	time.Sleep(3 * time.Second)
	stop()
	writing.Wait()
	if err := p.Flush(ctx); err != nil {
		return err
	}
	l := &load{client: client, topic: topic}
	l.partitions.Store(partitions)
	logs, err := l.logs(ctx)
	if err != nil {
		return err
	}
	missing := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for part, log := range logs {
			for _, m := range log {
				if read[place{part.Index, m.Offset}] != m.Value {
					n++
				}
			}
		}
		return n
	}
	for end := time.Now().Add(hang); missing() > 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
	}
	halt()
	reading.Wait()
	if n := missing(); n > 0 {
		r.wrong = append(r.wrong, fmt.Sprintf("%d records of the topic that was created again are not read", n))
	}
	times := map[string]int{}
	for part, log := range logs {
		for _, m := range log {
			times[m.Value]++
			if at, ok := acked[m.Value]; ok && at != (place{part.Index, m.Offset}) {
				r.wrong = append(r.wrong, fmt.Sprintf("%s is at %d of partition %d, not at %v", m.Value, m.Offset, part.Index, at))
			}
		}
	}
	for value := range acked {
		if n := times[value]; n != 1 {
			r.wrong = append(r.wrong, fmt.Sprintf("%s was acknowledged, and is in the log %d times", value, n))
		}
	}
	r.records += len(acked)
	r.notes = append(r.notes, fmt.Sprintf("%d records were refused while there was no topic", refused))
	return nil
}

func topicID(ctx context.Context, client *api.Client, topic string) (string, error) {
	topics, err := client.Admin().DescribeTopics(ctx, topic)
	if err == nil {
		err = topics[topic].Err
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprint(topics[topic].Topic.ID), nil
}
