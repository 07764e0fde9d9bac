package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/kactor-go/kactor/api"
)

// writing is -P while it runs.
type writing struct {
	*kcat
	producer *api.Producer
	n        int64

	mu     sync.Mutex
	failed error // the first
}

// errEnough ends the reading of input when -c is reached.
var errEnough = errors.New("enough")

// produce is -P. What was read before it is interrupted is written; a record whose end has not been read is not.
func (k *kcat) produce(ctx context.Context, client *api.Client) error {
	if k.partition >= 0 { // one that is not there would be waited for
		m, _, err := k.metadata(ctx, client, k.topics...)
		if err != nil {
			return err
		}
		for _, t := range m.Topics {
			if t.ErrorCode == 0 && int(k.partition) >= len(t.Partitions) {
				return fmt.Errorf("topic %s (with partitions 0..%d): partition %d does not exist", k.topics[0], len(t.Partitions)-1, k.partition)
			}
		}
	}
	producer, err := client.Producer()
	if err != nil {
		return err
	}
	w := &writing{kcat: k, producer: producer}
	sent := w.input(ctx)
	if errors.Is(sent, errEnough) || ctx.Err() != nil {
		sent = nil
	}
	err = producer.Shutdown(context.WithoutCancel(ctx)) // delivery.timeout.ms bounds it
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return fmt.Errorf("delivery failed for message: %w", w.failed)
	}
	return errors.Join(sent, err)
}

// input sends what is in files, or what comes in.
func (w *writing) input(ctx context.Context) error {
	if len(w.rest) == 0 {
		return w.records(ctx, w.in)
	}
	for _, path := range w.rest {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if w.lines {
			err = w.records(ctx, f)
		} else {
			var whole []byte
			if whole, err = io.ReadAll(f); err == nil && len(whole) > 0 {
				err = w.send(ctx, whole)
			}
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// records sends what stands between delimiters; nothing between two of them is no record. Input that an interrupt cuts off is waited for no longer.
func (w *writing) records(ctx context.Context, in io.Reader) error {
	type piece struct {
		text []byte
		err  error
	}
	pieces := make(chan piece, 64)
	go func() {
		s := bufio.NewScanner(in)
		s.Buffer(make([]byte, 1<<16), 1<<30)
		s.Split(w.split)
		for s.Scan() {
			select {
			case pieces <- piece{text: bytes.Clone(s.Bytes())}:
			case <-ctx.Done():
				return
			}
		}
		err := s.Err()
		if err == nil {
			err = io.EOF
		}
		select {
		case pieces <- piece{err: err}:
		case <-ctx.Done():
		}
	}()
	for {
		select {
		case p := <-pieces:
			if errors.Is(p.err, io.EOF) {
				return nil
			}
			if p.err != nil {
				return p.err
			}
			if len(p.text) > 0 {
				if err := w.send(context.WithoutCancel(ctx), p.text); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			if len(pieces) == 0 {
				return ctx.Err()
			}
		}
	}
}

// split is a bufio.SplitFunc for the delimiter.
func (w *writing) split(data []byte, end bool) (advance int, token []byte, err error) {
	if i := bytes.Index(data, []byte(w.delimiter)); i >= 0 {
		return i + len(w.delimiter), data[:i], nil
	}
	if end && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// send hands a record over.
func (w *writing) send(ctx context.Context, text []byte) error {
	r := &api.Record{Topic: w.topics[0], Value: text, Partition: max(w.partition, 0), Fixed: w.partition >= 0, Headers: w.headers}
	if w.fixedKey != nil {
		r.Key = []byte(*w.fixedKey)
	}
	if w.keyed && w.keyDelim != "" {
		if key, value, found := bytes.Cut(text, []byte(w.keyDelim)); found {
			r.Key, r.Value = key, value
			if w.null && len(key) == 0 {
				r.Key = nil
			}
		}
	}
	if w.null && len(r.Value) == 0 {
		r.Value = nil
	}
	err := w.producer.Send(ctx, r, func(_ api.RecordMetadata, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.failed == nil {
			w.failed = err
		}
	})
	if err != nil {
		return err
	}
	if w.tee {
		if _, err := w.out.Write(text); err != nil {
			return err
		}
	}
	if w.n++; w.n == w.count {
		return errEnough
	}
	return nil
}
