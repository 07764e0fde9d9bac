package api

import (
	"errors"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzOrigin reads headers that anybody may have written, and passes such records on: what is told can be true, is of limited length, and does not grow however often a record is passed on.
func FuzzOrigin(f *testing.F) {
	f.Add([]byte("orders"), []byte("3"), []byte("17"), []byte("1700000000000"), []byte("2"), []byte("boom"))
	f.Add([]byte(""), []byte("-1"), []byte("99999999999999999999"), []byte("x"), []byte("0"), []byte("\xff\xfe"))
	f.Fuzz(func(t *testing.T, topic, partition, offset, at, passedOn, text []byte) {
		r := &Record{Topic: "retry", Partition: 1, Offset: 5, Value: []byte("v"), Timestamp: time.UnixMilli(1700000000000)}
		for i, v := range [][]byte{topic, partition, offset, at, passedOn, text} {
			r.Headers = append(r.Headers, Header{Key: passedHeaders[i], Value: v})
		}
		r.Headers = append(r.Headers, Header{Key: "mine", Value: text})
		p, ok := Origin(r)
		if ok && (p.Topic == "" || len(p.Topic) > 249 || p.Partition < 0 || p.Offset < 0 || p.Passed < 1 || len(p.Error) > mostError || !utf8.ValidString(p.Error) || p.Timestamp.Year() > 9999) {
			t.Fatalf("%+v", p)
		}
		next := passed(r, r.TopicPartition(), r.Offset, "dead", errors.New(string(text)))
		q, told := Origin(next)
		if !told {
			t.Fatalf("no origin in %v", next.Headers)
		}
		if ok && (q.TopicPartition != p.TopicPartition || q.Offset != p.Offset || !q.Timestamp.Equal(p.Timestamp)) || !ok && (q.Topic != "retry" || q.Partition != 1 || q.Offset != 5 || q.Passed != 1) {
			t.Fatalf("%+v became %+v", p, q)
		}
		if len(next.Headers) != len(r.Headers) || string(next.Headers[0].Value) != string(text) || next.Headers[0].Key != "mine" {
			t.Fatalf("headers: %v", next.Headers)
		}
	})
}
