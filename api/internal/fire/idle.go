package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/protocol/compress"
)

// child runs this program again in a process of its own, whose memory and processor time are its own, too, and gives what it prints.
func child(ctx context.Context, args ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

// idle measures a member of a group of 100 partitions that nothing comes for.
func idle(ctx context.Context, s *settings, k *kafka, r *report) error {
	span := 20 * time.Second
	if s.long {
		span = 5 * time.Minute
	}
	out, err := child(ctx, "-child", "idle", "-span", span.String(), strings.Join(k.hosts, ","))
	if err != nil {
		return err
	}
	var share float64
	if _, err := fmt.Sscanf(out, "%f", &share); err != nil {
		return fmt.Errorf("%q: %w", out, err)
	}
	r.notes = append(r.notes, fmt.Sprintf("an idle producer and an idle member of a group with 100 partitions use %.3f %% of a core over %s", 100*share, span))
	if share > 0.005 {
		r.exceeds("that is more than 0.5 %%")
	}
	return nil
}

func create(ctx context.Context, client *api.Client, name string, partitions int32, replicas int16) error {
	err := withAllBrokers(ctx, func() error {
		results, err := client.Admin().CreateTopics(ctx, api.NewTopic{Name: name, Partitions: partitions, Replicas: replicas})
		if err == nil {
			err = results[name]
		}
		return err
	})
	for err == nil {
		topics, e := client.Admin().DescribeTopics(ctx, name)
		d := topics[name]
		if e == nil && d.Err == nil && len(d.Topic.Partitions) == int(partitions) && !strings.Contains(fmt.Sprint(d.Topic.Partitions), "Leader:-1") {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
		err = ctx.Err()
	}
	return err
}

// idleChild is what idle measures.
func idleChild(ctx context.Context, hosts string, span time.Duration) error {
	client, err := api.Dial(ctx, api.Brokers(strings.Split(hosts, ",")...))
	if err != nil {
		return err
	}
	defer client.Shutdown(ctx)
	topic := fmt.Sprintf("idle-%d", time.Now().UnixMilli())
	if err := create(ctx, client, topic, 100, 3); err != nil {
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
	if _, err := p.Produce(ctx, &api.Record{Topic: topic, Value: []byte("the only one")}); err != nil {
		return err
	}
	if _, err := c.Poll(ctx); err != nil {
		return err
	}
	quiet, cancel := context.WithTimeout(ctx, 2*time.Second+span)
	defer cancel()
	var before time.Duration
	time.AfterFunc(2*time.Second, func() { before = cpu() })
	_, _ = c.Poll(quiet) // nothing comes
	fmt.Printf("%f\n", (cpu()-before).Seconds()/span.Seconds())
	return nil
}

const (
	memPartitions = 3000
	memBudget     = 32 << 20 // the default of the receive budget
)

// memory measures a consumer that sleeps while 3,000 partitions have something for it that grows a hundred times when it is decompressed.
func memory(ctx context.Context, s *settings, k *kafka, r *report) error {
	client, err := api.Dial(ctx, api.Brokers(k.hosts...))
	if err != nil {
		return err
	}
	defer client.Shutdown(ctx)
	topic := fmt.Sprintf("mem-%d", time.Now().UnixMilli())
	if err := create(ctx, client, topic, memPartitions, 1); err != nil {
		return fmt.Errorf("create %d partitions: %w", memPartitions, err)
	}
	p, err := client.Producer(api.Compression(compress.Zstd), api.Property("batch.size", "1000000"), api.Property("linger.ms", "50"))
	if err != nil {
		return err
	}
	value := make([]byte, 10_000) // a hundred times as much as it takes on the wire, and more
	for i := range int32(memPartitions) {
		for range 50 {
			if err := p.Send(ctx, &api.Record{Topic: topic, Partition: i, Fixed: true, Value: value}, nil); err != nil {
				return err
			}
		}
	}
	if err := p.Shutdown(ctx); err != nil {
		return err
	}
	span := 10 * time.Second
	if s.long {
		span = time.Minute
	}
	out, err := child(ctx, "-child", "mem", "-span", span.String(), strings.Join(k.hosts, ",")+"/"+topic)
	if err != nil {
		return err
	}
	var peak int64
	if _, err := fmt.Sscanf(out, "%d", &peak); err != nil {
		return fmt.Errorf("%q: %w", out, err)
	}
	const most = 40<<20 + memBudget*3/2
	r.notes = append(r.notes, fmt.Sprintf("a consumer that sleeps with %d partitions of 500 kB has used %d MiB at most; %d MiB are allowed", memPartitions, peak>>20, most>>20))
	if peak > most {
		r.wrong = append(r.wrong, "that is too much")
	}
	return nil
}

// memoryChild is what memory measures.
func memoryChild(ctx context.Context, where string, span time.Duration) error {
	hosts, topic, _ := strings.Cut(where, "/")
	client, err := api.Dial(ctx, api.Brokers(strings.Split(hosts, ",")...))
	if err != nil {
		return err
	}
	defer client.Shutdown(ctx)
	c, err := client.Consumer("")
	if err != nil {
		return err
	}
	var parts []api.TopicPartition
	for i := range int32(memPartitions) {
		parts = append(parts, api.TopicPartition{Topic: topic, Partition: i})
	}
	if err := c.AssignAt(api.AtStart, parts...); err != nil {
		return err
	}
	for range 100 { // a little, and then it sleeps
		if _, err := c.Poll(ctx); err != nil {
			return err
		}
	}
	time.Sleep(span)
	peak, err := peakMemory()
	fmt.Println(peak)
	return err
}

// peakMemory is the most memory that this process has had.
func peakMemory() (int64, error) {
	return memoryOf("/proc/self/status", "VmHWM")
}

// memoryOf reads a size of a process.
func memoryOf(status, which string) (int64, error) {
	b, err := os.ReadFile(status)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, which+": %d kB", &kb); n == 1 {
			return kb << 10, nil
		}
	}
	return 0, fmt.Errorf("%s tells no %s", status, which)
}
