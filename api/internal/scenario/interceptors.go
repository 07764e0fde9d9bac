package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/kactor-go/kactor/api"
)

var intercepting = []Scenario{
	{"interceptors see what is sent, acknowledged and consumed", func(t *T) {
		tell := &told{}
		c := t.dial()
		topic := t.topic(c, 1)
		p := t.producer(c, api.ProducerInterceptors(broken{}, tell))
		sent := &api.Record{Topic: topic, Value: []byte("a")}
		t.produce(p, sent)
		equal(t, "the caller's record", len(sent.Headers), 0)
		t.ok(p.ProduceAll(t.ctx, &api.Record{Topic: topic, Value: []byte("drop")}, &api.Record{Topic: topic, Value: []byte("b")}))
		if _, err := p.Produce(t.ctx, &api.Record{Topic: topic, Value: make([]byte, 2<<20)}); !errors.Is(err, api.ErrTooLarge) {
			t.Failf("a record of 2 MiB: %v", err)
		}
		t.flush(p)
		equal(t, "outcomes", tell.text(), "0 1 2 record is too large")
		k := t.reader(c, parts(topic, 1), api.ConsumerInterceptors(broken{}, tell))
		var got []*api.Record
		for len(got) < 2 {
			got = append(got, t.poll(k)...)
		}
		equal(t, "records", values(got), "a b")
		equal(t, "header", string(got[0].Headers[0].Value), "was sent")
		t.ok(k.SeekToBeginning())
		var each []*api.Record
		for r, err := range k.Records(t.ctx) {
			t.ok(err)
			if each = append(each, r); len(each) == 2 {
				break
			}
		}
		equal(t, "records one by one", values(each), "a b")
	}},
}

// told is an interceptor that marks what is sent, drops some of what comes, and notes outcomes.
type told struct {
	mu       sync.Mutex
	outcomes []string
}

func (o *told) OnSend(r *api.Record) *api.Record {
	r.Headers = append(slices.Clip(r.Headers), api.Header{Key: "interceptor", Value: []byte("was sent")})
	return r
}

func (o *told) OnAcknowledgement(p api.RecordMetadata, err error) {
	text := fmt.Sprint(p.Offset)
	if errors.Is(err, api.ErrTooLarge) {
		text = "record is too large"
	}
	o.note(text)
}

func (o *told) OnConsume(records []*api.Record) []*api.Record {
	return slices.DeleteFunc(records, func(r *api.Record) bool { return string(r.Value) == "drop" })
}

func (o *told) OnCommit(offsets []api.OffsetAndMetadata) {
	for _, c := range offsets {
		o.note(fmt.Sprint("committed ", c.Offset))
	}
}

func (o *told) note(text string) {
	o.mu.Lock()
	o.outcomes = append(o.outcomes, text)
	o.mu.Unlock()
}

func (o *told) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.outcomes, " ")
}

// broken is an interceptor that panics.
type broken struct{}

func (broken) OnSend(*api.Record) *api.Record              { panic("OnSend") }
func (broken) OnAcknowledgement(api.RecordMetadata, error) { panic("OnAcknowledgement") }
func (broken) OnConsume([]*api.Record) []*api.Record       { panic("OnConsume") }
func (broken) OnCommit([]api.OffsetAndMetadata)            { panic("OnCommit") }
