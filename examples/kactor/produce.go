package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/kactor-go/kactor/api"
)

// produce writes one record for each line of in. A record that failed is named on errs by its line; then the command fails.
func produce(ctx context.Context, args []string, in io.Reader, errs io.Writer) error {
	var c common
	f := flag.NewFlagSet("kactor produce", flag.ContinueOnError)
	c.register(f)
	delimiter := f.String("K", "", "`DELIMITER`: the key stands before it; a line without it has no key")
	codec := f.String("z", "", "`CODEC`: none, gzip, snappy, lz4 or zstd")
	tombstones := f.Bool("Z", false, "an empty value is null: a tombstone in compacted topics")
	var headers headerFlags
	f.Var(&headers, "H", "`name=value`: a header of every record; may be repeated")
	if err := parse(f, args, &c); err != nil {
		return err
	}
	if *codec != "" {
		if _, twice := c.properties["compression.type"]; twice {
			return errors.New("-z and -X compression.type contradict each other: give one")
		}
		c.properties["compression.type"] = *codec
	}
	client, err := api.Dial(ctx, api.Properties(c.properties))
	if err != nil {
		return err
	}
	defer client.Close()
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	failed := &failures{to: errs}
	lines, err := produceLines(ctx, producer, in, &c, *delimiter, *tombstones, headers, failed)
	err = errors.Join(err, producer.Shutdown(context.WithoutCancel(ctx))) // delivery.timeout.ms bounds it
	if n := failed.count(); n > 0 {
		return errors.Join(fmt.Errorf("%d of %d records failed", n, lines), err)
	}
	return err
}

func produceLines(ctx context.Context, producer *api.Producer, in io.Reader, c *common, delimiter string, tombstones bool, headers []api.Header, failed *failures) (lines int, err error) {
	r := bufio.NewReaderSize(in, 1<<20)
	record := &api.Record{Topic: c.topic, Partition: int32(c.partition), Fixed: c.partition >= 0, Headers: headers}
	for {
		line, err := readLine(r)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return lines, nil
			}
			return lines, fmt.Errorf("standard input: %w", err)
		}
		lines++
		record.Key, record.Value = nil, line
		if delimiter != "" {
			if key, value, found := bytes.Cut(line, []byte(delimiter)); found {
				record.Key, record.Value = key, value
			}
		}
		if tombstones && len(record.Value) == 0 {
			record.Value = nil
		}
		n := lines
		if err := producer.Send(ctx, record, func(_ api.RecordMetadata, err error) { failed.note(n, err) }); err != nil {
			failed.note(n, err)
			if ctx.Err() != nil || errors.Is(err, api.ErrClosed) {
				return lines, err
			}
		}
	}
}

// readLine gives a line without its end. It is valid until the next call, but for a line longer than the buffer.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		long := bytes.Clone(line)
		var rest []byte
		rest, err = r.ReadBytes('\n')
		line = append(long, rest...)
	}
	if err != nil && (len(line) == 0 || !errors.Is(err, io.EOF)) {
		return nil, err
	}
	return bytes.TrimSuffix(line, []byte("\n")), nil
}

// failures names the records that failed.
type failures struct {
	mu sync.Mutex
	to io.Writer
	n  int
}

func (f *failures) note(line int, err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	fmt.Fprintf(f.to, "kactor: record of line %d: %v\n", line, err)
}

func (f *failures) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// headerFlags collects -H flags.
type headerFlags []api.Header

func (h *headerFlags) String() string { return "" }

func (h *headerFlags) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if name == "" {
		return fmt.Errorf("%q is not name=value", s)
	}
	header := api.Header{Key: name}
	if ok {
		header.Value = []byte(value)
	}
	*h = append(*h, header)
	return nil
}
