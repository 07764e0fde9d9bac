package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/api/internal/lanes"
	"github.com/kactor-go/kactor/protocol/printable"
)

// Headers of records that were passed on to a retry or dead-letter topic; all are text. They tell, and decide nothing: whoever may write to the topic can write them.
const (
	HeaderOriginTopic     = "kactor.origin.topic"
	HeaderOriginPartition = "kactor.origin.partition"
	HeaderOriginOffset    = "kactor.origin.offset"
	HeaderOriginTimestamp = "kactor.origin.timestamp" // milliseconds since 1970; -1: it has none
	HeaderPassed          = "kactor.passed"           // how often it was passed on
	HeaderError           = "kactor.error"            // of the last attempt
)

var passedHeaders = []string{HeaderOriginTopic, HeaderOriginPartition, HeaderOriginOffset, HeaderOriginTimestamp, HeaderPassed, HeaderError}

// mostError is how much of an error goes into a header.
const mostError = 1024

// Provenance is where a record of a retry or dead-letter topic comes from.
type Provenance struct {
	TopicPartition
	Offset    int64
	Timestamp time.Time // zero: it had none
	Passed    int       // how often it was passed on
	Error     string    // of the last attempt
}

// String tells all of it: "orders/3 at 17, passed on 2 times: TIMEOUT".
func (p Provenance) String() string {
	return fmt.Sprintf("%s at %d, passed on %d times: %s", p.TopicPartition, p.Offset, p.Passed, printable.Text(p.Error))
}

// Origin tells where a record of a retry or dead-letter topic comes from; ok is false if its headers do not say so, or not in a way that can be true.
func Origin(r *Record) (p Provenance, ok bool) {
	number := func(key string, least, most int64) int64 {
		n, err := strconv.ParseInt(header(r, key), 10, 64)
		if err != nil || n < least || n > most {
			return least - 1
		}
		return n
	}
	p.Topic = header(r, HeaderOriginTopic)
	partition, offset, at, passed := number(HeaderOriginPartition, 0, 1<<31-1), number(HeaderOriginOffset, 0, 1<<63-1), number(HeaderOriginTimestamp, -1, 253402300799999), number(HeaderPassed, 1, 1<<31-1)
	if p.Topic == "" || len(p.Topic) > 249 || partition < 0 || offset < 0 || at < -1 || passed < 1 {
		return Provenance{}, false
	}
	p.Partition, p.Offset, p.Passed, p.Error = int32(partition), offset, int(passed), clip(header(r, HeaderError))
	if at >= 0 {
		p.Timestamp = time.UnixMilli(at)
	}
	return p, true
}

// header gives the last header of a name.
func header(r *Record, key string) string {
	for _, h := range slices.Backward(r.Headers) {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// clip makes text of what may be too long, or no text.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= mostError {
		return s
	}
	s = s[:mostError]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

// settle handles a record until it is finished: handled, or passed on. broken says that it cannot be handled.
func (w *work) settle(s scope, u *lanes.Unit, r *Record, broken error) error {
	err := broken
	for n := 1; err == nil; n++ {
		if err = w.call(s.ctx, r); err == nil {
			return nil
		}
		if s.ctx.Err() != nil {
			return err
		}
		if n < w.attempts && retriable(err) {
			if w.pauses(s.calm); s.calm.Err() != nil {
				return err
			}
			err = nil
		}
	}
	return w.pass(s.ctx, u, r, err)
}

// retriable tells whether another attempt may help.
func retriable(err error) bool {
	var never notRetriable
	var unreadable *SerializationError
	return !errors.As(err, &never) && !errors.As(err, &unreadable)
}

// pauses waits between two attempts.
func (w *work) pauses(ctx context.Context) {
	wait, cancel := w.c.world.WithTimeout(ctx, w.backoff)
	defer cancel()
	_ = w.c.world.Park(wait, role.NewWaiter())
}

// pass writes a record that has failed where it belongs; if it belongs nowhere its error is returned. Where it was read is not the record's word: an interceptor may have made it.
func (w *work) pass(ctx context.Context, u *lanes.Unit, r *Record, err error) error {
	p, topic := w.retryBy, ""
	next := 1 + slices.IndexFunc(w.ladder, func(t RetryTopic) bool { return t.Topic == u.TopicPartition.Topic })
	switch {
	case next < len(w.ladder) && retriable(err):
		topic = w.ladder[next].Topic
	case w.dead != "":
		p, topic = w.deadBy, w.dead
	default:
		return err
	}
	offset := u.Offset
	if r.TopicPartition() == u.TopicPartition {
		offset = r.Offset
	}
	m := passed(r, u.TopicPartition, offset, topic, err)
	m.Timestamp = w.c.world.Now().Add(time.Millisecond - 1) // in milliseconds the next one. RetryTopic.After counts from here, and the coarse clock is late on a busy machine
	if _, failed := p.Produce(ctx, m); failed != nil {
		return fmt.Errorf("%w; it could not be passed on to %s either: %w", err, printable.Text(topic), failed)
	}
	return nil
}

// passed is a record, read there, as it is passed on.
func passed(r *Record, read TopicPartition, offset int64, topic string, err error) *Record {
	from, ok := Origin(r)
	if !ok {
		from = Provenance{TopicPartition: read, Offset: offset, Timestamp: r.Timestamp}
	}
	out := &Record{Topic: topic, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		if !slices.Contains(passedHeaders, h.Key) {
			out.Headers = append(out.Headers, h)
		}
	}
	at := int64(-1)
	if !from.Timestamp.IsZero() {
		at = max(from.Timestamp.UnixMilli(), -1)
	}
	for i, text := range []string{from.Topic, strconv.Itoa(int(from.Partition)), strconv.FormatInt(from.Offset, 10), strconv.FormatInt(at, 10), strconv.Itoa(min(from.Passed+1, 1<<31-1)), clip(err.Error())} {
		out.Headers = append(out.Headers, Header{Key: passedHeaders[i], Value: []byte(text)})
	}
	return out
}
