package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/kactor-go/kactor/api"
)

// A format prints records the way kcat does: text with escapes.
//
//	%t topic  %p partition  %o offset  %k key  %s value  %K length of the key  %S length of the value (-1 for null)
//	%T timestamp in milliseconds  %h headers as name=value,...  %% a percent sign  \n \t \r \\ as in Go
type format []func(dst []byte, r *api.Record) []byte

func parseFormat(s string) (format, error) {
	var f format
	text := func(b string) {
		f = append(f, func(dst []byte, _ *api.Record) []byte { return append(dst, b...) })
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			t, ok := map[byte]string{'n': "\n", 't': "\t", 'r': "\r", '\\': "\\", '0': "\x00"}[s[i]]
			if !ok {
				return nil, fmt.Errorf("format %q: unknown escape \\%c", s, s[i])
			}
			text(t)
		case c == '%' && i+1 < len(s):
			i++
			verb, ok := verbs[s[i]]
			if !ok {
				return nil, fmt.Errorf("format %q: unknown escape %%%c", s, s[i])
			}
			f = append(f, verb)
		case c == '%' || c == '\\':
			return nil, fmt.Errorf("format %q ends in the middle of an escape", s)
		default:
			text(s[i : i+1])
		}
	}
	return f, nil
}

func (f format) append(dst []byte, r *api.Record) []byte {
	for _, part := range f {
		dst = part(dst, r)
	}
	return dst
}

var verbs = map[byte]func([]byte, *api.Record) []byte{
	't': func(b []byte, r *api.Record) []byte { return append(b, r.Topic...) },
	'p': func(b []byte, r *api.Record) []byte { return strconv.AppendInt(b, int64(r.Partition), 10) },
	'o': func(b []byte, r *api.Record) []byte { return strconv.AppendInt(b, r.Offset, 10) },
	'k': func(b []byte, r *api.Record) []byte { return append(b, r.Key...) },
	's': func(b []byte, r *api.Record) []byte { return append(b, r.Value...) },
	'K': func(b []byte, r *api.Record) []byte { return appendLength(b, r.Key) },
	'S': func(b []byte, r *api.Record) []byte { return appendLength(b, r.Value) },
	'T': func(b []byte, r *api.Record) []byte { return strconv.AppendInt(b, millis(r), 10) },
	'h': appendHeaders,
	'%': func(b []byte, _ *api.Record) []byte { return append(b, '%') },
}

func millis(r *api.Record) int64 {
	if r.Timestamp.IsZero() {
		return -1
	}
	return r.Timestamp.UnixMilli()
}

func appendLength(b, field []byte) []byte {
	if field == nil {
		return append(b, "-1"...)
	}
	return strconv.AppendInt(b, int64(len(field)), 10)
}

func appendHeaders(b []byte, r *api.Record) []byte {
	for i, h := range r.Headers {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, h.Key...), '=')
		if h.Value == nil {
			b = append(b, "NULL"...)
		}
		b = append(b, h.Value...)
	}
	return b
}

// jsonRecord is a record as one JSON object. Keys and values that are not UTF-8 are given in base64 under another name.
type jsonRecord struct {
	Topic       string       `json:"topic"`
	Partition   int32        `json:"partition"`
	Offset      int64        `json:"offset"`
	Timestamp   int64        `json:"ts"`
	Headers     []jsonHeader `json:"headers,omitempty"`
	Key         *string      `json:"key"`
	KeyBase64   []byte       `json:"keyBase64,omitempty"`
	Value       *string      `json:"value"`
	ValueBase64 []byte       `json:"valueBase64,omitempty"`
}

type jsonHeader struct {
	Key         string  `json:"key"`
	Value       *string `json:"value"`
	ValueBase64 []byte  `json:"valueBase64,omitempty"`
}

func appendJSON(dst []byte, r *api.Record) ([]byte, error) {
	j := jsonRecord{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: millis(r)}
	j.Key, j.KeyBase64 = jsonBytes(r.Key)
	j.Value, j.ValueBase64 = jsonBytes(r.Value)
	for _, h := range r.Headers {
		v, b := jsonBytes(h.Value)
		j.Headers = append(j.Headers, jsonHeader{h.Key, v, b})
	}
	line, err := json.Marshal(j)
	if err != nil {
		return dst, err
	}
	return append(append(dst, line...), '\n'), nil
}

func jsonBytes(b []byte) (text *string, raw []byte) {
	if b == nil {
		return nil, nil
	}
	if !utf8.Valid(b) {
		return nil, b
	}
	s := string(b)
	return &s, nil
}
