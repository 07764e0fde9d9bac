package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kactor-go/kactor/api"
)

// The verifiable producer and consumer take the place of Kafka's own in its system tests: the same arguments, and the same events as lines of JSON. SIGTERM ends them.

// events writes events.
type events struct {
	mu     *sync.Mutex // of out
	out    io.Writer
	member int // which of the members in this process; -1: there is one
}

func newEvents(out io.Writer) *events { return &events{new(sync.Mutex), out, -1} }

func (e *events) emit(name string, fields map[string]any) {
	if fields == nil {
		fields = map[string]any{}
	}
	fields["name"], fields["timestamp"] = name, time.Now().UnixMilli()
	if e.member >= 0 {
		fields["member"] = e.member
	}
	line, err := json.Marshal(fields)
	if err != nil {
		line = fmt.Appendf(nil, `{"name":"tool_error","message":%q}`, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, _ = e.out.Write(append(line, '\n'))
}

// verifiable are the flags that both share.
type verifiable struct {
	brokers, topic, config, command string
	most                            int64
}

func (v *verifiable) register(f *flag.FlagSet, config string) {
	f.StringVar(&v.brokers, "bootstrap-server", "", "`HOSTS`: bootstrap brokers")
	f.StringVar(&v.brokers, "broker-list", "", "the same, by its old name")
	f.StringVar(&v.topic, "topic", "", "`TOPIC`")
	f.Int64Var(&v.most, "max-messages", -1, "`N`: end after so many; -1: never")
	f.StringVar(&v.config, config, "", "`FILE` of properties")
	f.StringVar(&v.command, "command-config", "", "the same, by its new name")
}

// properties reads the file, and sets what the flags say.
func (v *verifiable) properties() (map[string]string, error) {
	switch {
	case v.brokers == "":
		return nil, errors.New("--bootstrap-server is missing")
	case v.topic == "":
		return nil, errors.New("--topic is missing")
	}
	properties := map[string]string{}
	for _, path := range []string{v.config, v.command} {
		if path == "" {
			continue
		}
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		for s := bufio.NewScanner(file); s.Scan(); {
			line := strings.TrimSpace(s.Text())
			if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
				properties[strings.TrimSpace(name)] = strings.TrimSpace(value)
			}
		}
	}
	properties["bootstrap.servers"] = v.brokers
	return properties, nil
}

// verifiableProducer produces rising numbers and tells what became of each.
func verifiableProducer(ctx context.Context, args []string, out, errs io.Writer) error {
	var v verifiable
	f := flag.NewFlagSet("kactor verifiable-producer", flag.ContinueOnError)
	v.register(f, "producer.config")
	rate := f.Int64("throughput", -1, "`N` messages a second; -1: as many as go")
	acks := f.String("acks", "-1", "`ACKS`: -1, 0 or 1")
	created := f.Int64("message-create-time", -1, "`MS`: time of the first message, rising by one; -1: now")
	prefix := f.String("value-prefix", "", "`PREFIX` of values, before a dot")
	keys := f.Int64("repeating-keys", -1, "`N`: keys go from 0 to N-1 and begin anew; -1: no keys")
	if err := readFlags(f, args); err != nil {
		return err
	}
	properties, err := v.properties()
	if err != nil {
		return err
	}
	properties["acks"] = *acks
	client, err := api.Dial(ctx, api.Properties(properties))
	if err != nil {
		return err
	}
	defer client.Close()
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	e := newEvents(out)
	e.emit("startup_complete", nil)
	var acked int64 // the completions' alone
	begun := time.Now()
	sent := int64(0)
	for ; (v.most < 0 || sent < v.most) && ctx.Err() == nil; sent++ {
		value := strconv.FormatInt(sent, 10)
		if *prefix != "" {
			value = *prefix + "." + value
		}
		record := &api.Record{Topic: v.topic, Value: []byte(value)}
		var key any
		if *keys > 0 {
			key = strconv.FormatInt(sent%*keys, 10)
			record.Key = []byte(key.(string))
		}
		if *created >= 0 {
			record.Timestamp = time.UnixMilli(*created + sent)
		}
		failed := func(err error) {
			e.emit("producer_send_error", map[string]any{"topic": v.topic, "key": key, "value": value, "exception": fmt.Sprintf("%T", err), "message": err.Error()})
		}
		err := producer.Send(ctx, record, func(placed api.RecordMetadata, err error) {
			if err != nil {
				failed(err)
				return
			}
			acked++
			e.emit("producer_send_success", map[string]any{"topic": placed.Topic, "partition": placed.Partition, "offset": placed.Offset, "key": key, "value": value})
		})
		if err != nil && ctx.Err() == nil {
			failed(err)
		}
		if *rate > 0 {
			if ahead := time.Duration(sent+1)*time.Second/time.Duration(*rate) - time.Since(begun); ahead > 0 {
				wait(ctx, ahead)
			}
		}
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err = producer.Shutdown(closing)
	e.emit("shutdown_complete", nil)
	e.emit("tool_data", map[string]any{"sent": sent, "acked": acked, "target_throughput": *rate, "avg_throughput": float64(acked) / time.Since(begun).Seconds()})
	return err
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// verifiableConsumer is a member of a group that tells what it is given and what it reads and commits.
func verifiableConsumer(ctx context.Context, args []string, out, errs io.Writer) error {
	var v verifiable
	f := flag.NewFlagSet("kactor verifiable-consumer", flag.ContinueOnError)
	v.register(f, "consumer.config")
	group := f.String("group-id", "", "`GROUP`")
	instance := f.String("group-instance-id", "", "`ID` of a static member")
	protocol := f.String("group-protocol", "", "`PROTOCOL`: classic or consumer")
	assignor := f.String("group-remote-assignor", "", "`ASSIGNOR` on the broker")
	session := f.Int("session-timeout", -1, "`MS`: session time-out")
	verbose := f.Bool("verbose", false, "tell of every record")
	auto := f.Bool("enable-autocommit", false, "commit automatically")
	reset := f.String("reset-policy", "earliest", "`POLICY`: earliest, latest or none")
	strategy := f.String("assignment-strategy", "", "`ASSIGNOR` of a classic group")
	members := f.Int("members", 1, "`N` members in this process; events name theirs (not an argument of Kafka's own)")
	if err := readFlags(f, args); err != nil {
		return err
	}
	properties, err := v.properties()
	if err != nil {
		return err
	}
	if *group == "" {
		return errors.New("--group-id is missing")
	}
	properties["enable.auto.commit"], properties["auto.offset.reset"] = strconv.FormatBool(*auto), *reset
	for name, value := range map[string]string{"group.instance.id": *instance, "group.protocol": strings.ToLower(*protocol), "group.remote.assignor": *assignor, "partition.assignment.strategy": *strategy} {
		if value != "" {
			properties[name] = value
		}
	}
	if *session >= 0 && properties["group.protocol"] != "consumer" {
		properties["session.timeout.ms"] = strconv.Itoa(*session)
		if properties["heartbeat.interval.ms"] == "" {
			properties["heartbeat.interval.ms"] = strconv.Itoa(max(1, min(3000, *session/3)))
		}
	}
	client, err := api.Dial(ctx, api.Properties(properties))
	if err != nil {
		return err
	}
	defer client.Close()
	e := newEvents(out)
	if *members < 2 {
		return v.member(ctx, client, *group, e, *verbose, !*auto)
	}
	ended := make(chan error, *members)
	for i := range *members {
		go func() { ended <- v.member(ctx, client, *group, &events{e.mu, out, i}, *verbose, !*auto) }()
	}
	for range *members {
		err = errors.Join(err, <-ended)
	}
	return err
}

// member is a member of the group until ctx ends.
func (v *verifiable) member(ctx context.Context, client *api.Client, group string, e *events, verbose, commits bool) error {
	partitions := func(name string) func(context.Context, []api.TopicPartition) {
		return func(_ context.Context, parts []api.TopicPartition) {
			list := []map[string]any{}
			for _, tp := range parts {
				list = append(list, map[string]any{"topic": tp.Topic, "partition": tp.Partition})
			}
			e.emit(name, map[string]any{"partitions": list})
		}
	}
	consumer, err := client.Consumer(group, api.OnRebalance(api.RebalanceListener{OnAssigned: partitions("partitions_assigned"), OnRevoked: partitions("partitions_revoked")}), api.Topics(v.topic))
	if err != nil {
		return err
	}
	e.emit("startup_complete", nil)
	err = v.consume(ctx, consumer, e, verbose, commits)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err = errors.Join(err, consumer.Shutdown(closing))
	e.emit("shutdown_complete", nil)
	return err
}

// consume reads and tells until ctx ends or there are enough records.
func (v *verifiable) consume(ctx context.Context, consumer *api.Consumer, e *events, verbose, commits bool) error {
	for seen := int64(0); v.most < 0 || seen < v.most; {
		records, err := consumer.Poll(ctx)
		if ctx.Err() != nil && len(records) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if v.most >= 0 && seen+int64(len(records)) > v.most {
			records = records[:v.most-seen]
		}
		if len(records) == 0 {
			continue
		}
		seen += int64(len(records))
		e.consumed(records, verbose)
		if commits {
			e.committed(commit(ctx, consumer, records))
		}
	}
	return nil
}

// commit commits what lies behind the records.
func commit(ctx context.Context, consumer *api.Consumer, records []*api.Record) ([]api.OffsetAndMetadata, error) {
	next := map[api.TopicPartition]int64{}
	for _, r := range records {
		next[r.TopicPartition()] = r.Offset + 1
	}
	var offsets []api.OffsetAndMetadata
	for tp, n := range next {
		offsets = append(offsets, api.OffsetAndMetadata{TopicPartition: tp, Offset: n})
	}
	slices.SortFunc(offsets, func(a, b api.OffsetAndMetadata) int { return a.TopicPartition.Compare(b.TopicPartition) })
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return offsets, consumer.Commit(ctx, offsets...)
}

func (e *events) consumed(records []*api.Record, verbose bool) {
	type span struct{ first, last int64 }
	spans := map[api.TopicPartition]*span{}
	var order []api.TopicPartition
	for _, r := range records {
		tp := r.TopicPartition()
		if spans[tp] == nil {
			spans[tp] = &span{first: r.Offset}
			order = append(order, tp)
		}
		spans[tp].last = r.Offset
		if verbose {
			e.emit("record_data", map[string]any{"topic": r.Topic, "partition": r.Partition, "offset": r.Offset, "key": nullable(r.Key), "value": nullable(r.Value)})
		}
	}
	list := []map[string]any{}
	for _, tp := range order {
		list = append(list, map[string]any{"topic": tp.Topic, "partition": tp.Partition, "minOffset": spans[tp].first, "maxOffset": spans[tp].last})
	}
	e.emit("records_consumed", map[string]any{"count": len(records), "partitions": list})
}

func nullable(b []byte) any {
	if b == nil {
		return nil
	}
	return string(b)
}

func (e *events) committed(offsets []api.OffsetAndMetadata, err error) {
	list := []map[string]any{}
	for _, o := range offsets {
		list = append(list, map[string]any{"topic": o.Topic, "partition": o.Partition, "offset": o.Offset})
	}
	fields := map[string]any{"success": err == nil, "offsets": list}
	if err != nil {
		fields["error"] = err.Error()
	}
	e.emit("offsets_committed", fields)
}
