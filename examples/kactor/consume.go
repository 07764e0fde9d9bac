package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/kactor-go/kactor/api"
)

// consumeFlags are the flags of consume.
type consumeFlags struct {
	common
	offset string
	end    bool
	count  int64
	format string
	json   bool
	group  string
}

// consume writes records to out until there are enough, or until the end of the partitions with -e.
func consume(ctx context.Context, args []string, out, errs io.Writer) error {
	var c consumeFlags
	f := flag.NewFlagSet("kactor consume", flag.ContinueOnError)
	c.register(f)
	f.StringVar(&c.offset, "o", "beginning", "`OFFSET`: beginning, end, N, or -N for the last N of each partition")
	f.StringVar(&c.group, "g", "", "`GROUP` of which to be a member: begin where it has committed, or with -o beginning or end where it has not, and commit what is written")
	f.BoolVar(&c.end, "e", false, "end at what is the end of the partitions now")
	f.Int64Var(&c.count, "c", 0, "`N`: end after N records; 0: no limit")
	f.StringVar(&c.format, "f", `%s\n`, "`FORMAT` of a record: %t topic %p partition %o offset %k key %s value %K %S their lengths %T timestamp %h headers")
	f.BoolVar(&c.json, "J", false, "one JSON object a record")
	if err := parse(f, args, &c.common); err != nil {
		return err
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case c.json && given["f"]:
		return errors.New("-J and -f contradict each other: give one")
	case c.group != "" && (c.end || c.partition >= 0):
		return errors.New("-g: the group decides what is read: it does not go with -e or -p")
	case c.group != "" && c.offset != "beginning" && c.offset != "end":
		return fmt.Errorf("-g: -o %s: beginning or end is wanted, for partitions that the group has not read", c.offset)
	case c.count < 0:
		return fmt.Errorf("-c %d: a number of records is wanted", c.count)
	}
	render, err := c.renderer()
	if err != nil {
		return err
	}
	client, err := api.Dial(ctx, api.Properties(c.properties))
	if err != nil {
		return err
	}
	defer client.Close()
	w := bufio.NewWriterSize(out, 1<<16)
	if c.group != "" {
		return c.member(ctx, client, w, render)
	}
	consumer, err := client.Consumer("")
	if err != nil {
		return err
	}
	ends, err := c.assign(ctx, consumer)
	if err != nil {
		return err
	}
	return errors.Join(c.read(ctx, consumer, ends, w, render), w.Flush())
}

// member reads as a member of a group. What was written to out is committed: at the latest when the command ends.
func (c *consumeFlags) member(ctx context.Context, client *api.Client, w *bufio.Writer, render func([]byte, *api.Record) ([]byte, error)) error {
	options := []api.ConsumerOption{api.Topics(c.topic)}
	if c.properties["auto.offset.reset"] == "" {
		options = append(options, api.Property("auto.offset.reset", map[string]string{"beginning": "earliest", "end": "latest"}[c.offset]))
	}
	consumer, err := client.Consumer(c.group, options...)
	if err != nil {
		return err
	}
	err = errors.Join(c.read(ctx, consumer, nil, w, render), w.Flush())
	return errors.Join(err, consumer.Close())
}

// renderer gives what appends a record in the form that was asked for.
func (c *consumeFlags) renderer() (func([]byte, *api.Record) ([]byte, error), error) {
	if c.json {
		return appendJSON, nil
	}
	f, err := strictFormat(c.format)
	return f.append, err
}

// assign assigns the partitions and gives the end of each with -e.
func (c *consumeFlags) assign(ctx context.Context, consumer *api.Consumer) (map[api.TopicPartition]int64, error) {
	partitions, err := consumer.Partitions(ctx, c.topic)
	if err != nil {
		return nil, err
	}
	var parts []api.TopicPartition
	for _, p := range partitions {
		if c.partition < 0 || int(p.Index) == c.partition {
			parts = append(parts, api.TopicPartition{Topic: c.topic, Partition: p.Index})
		}
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("topic %s has %d partitions, and not %d", c.topic, len(partitions), c.partition)
	}
	ends, err := consumer.EndOffsets(ctx, parts...)
	if err != nil {
		return nil, err
	}
	starts, err := consumer.BeginningOffsets(ctx, parts...)
	if err != nil {
		return nil, err
	}
	for _, tp := range parts {
		at, err := begin64(c.offset, starts[tp], ends[tp])
		if err != nil {
			return nil, err
		}
		if err := consumer.AssignAt(at, tp); err != nil {
			return nil, err
		}
		if at >= ends[tp] || starts[tp] >= ends[tp] { // nothing to read before the end
			delete(ends, tp)
		}
	}
	if !c.end {
		return nil, nil
	}
	return ends, nil
}

// begin64 reads the flag -o.
func begin64(flag string, start, end int64) (int64, error) {
	switch flag {
	case "beginning":
		return start, nil
	case "end":
		return end, nil
	}
	n, err := strconv.ParseInt(flag, 10, 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("-o %q: beginning, end, or a number", flag)
	case n < 0:
		return max(start, end+n), nil
	}
	return n, nil
}

// read reads until there are enough records, or until each partition has reached its end; ends is nil without one.
func (c *consumeFlags) read(ctx context.Context, consumer *api.Consumer, ends map[api.TopicPartition]int64, w *bufio.Writer, render func([]byte, *api.Record) ([]byte, error)) error {
	var line []byte
	n := int64(0)
	for {
		if ends != nil {
			if err := c.reached(ctx, consumer, ends); err != nil {
				return err
			}
			if len(ends) == 0 {
				return nil
			}
		}
		var most []api.PollOption
		if c.count > 0 { // no more than that is taken, so that no more is committed
			most = append(most, api.MaxRecords(int(min(c.count-n, 500))))
		}
		records, err := c.poll(ctx, consumer, ends != nil, most)
		for _, r := range records {
			end, ending := ends[r.TopicPartition()]
			if ends != nil && (!ending || r.Offset >= end) {
				continue
			}
			var err error
			if line, err = render(line[:0], r); err != nil {
				return err
			}
			if _, err := w.Write(line); err != nil {
				return err
			}
			if n++; n == c.count {
				return nil
			}
		}
		if err != nil {
			if ctx.Err() != nil { // interrupted: that is how one ends it
				return nil
			}
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
}

// poll waits for records; with -e not for long, because a position may pass what retention has deleted meanwhile.
func (c *consumeFlags) poll(ctx context.Context, consumer *api.Consumer, ending bool, opts []api.PollOption) ([]*api.Record, error) {
	if !ending {
		return consumer.Poll(ctx, opts...)
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	records, err := consumer.Poll(short, opts...)
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		err = nil
	}
	return records, err
}

// reached forgets the partitions whose position is at their end. Positions pass what holds no records: markers, and what compaction left.
func (c *consumeFlags) reached(ctx context.Context, consumer *api.Consumer, ends map[api.TopicPartition]int64) error {
	for tp, end := range ends {
		at, err := consumer.Position(ctx, tp)
		if err != nil {
			return err
		}
		if at >= end {
			delete(ends, tp)
		}
	}
	return nil
}
