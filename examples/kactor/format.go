package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kactor-go/kactor/api"
)

// A format prints records the way kcat does: text with escapes.
//
//	%t topic  %p partition  %o offset  %k key  %s value  %K length of the key  %S length of the value (-1 for null), %R the same as four bytes
//	%T timestamp in milliseconds  %h headers as name=value,...  %% a percent sign  \n \t \r \\ \xNN and \NNN (a decimal number)
type format []func(dst []byte, r *api.Record) ([]byte, error)

// how is what keys and values look like.
type how struct {
	pack packs
	null bool // NULL for what is null
}

// strictFormat is parseFormat for who is told of an escape that is none.
func strictFormat(s string) (format, error) {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '\\' && !strings.ContainsRune("ntr\\x0123456789", rune(s[i+1])) {
			return nil, fmt.Errorf("format %q: unknown escape \\%c", s, s[i+1])
		}
		if s[i] == '\\' {
			i++
		}
	}
	if n := len(s) - len(strings.TrimRight(s, "\\")); n%2 == 1 {
		return nil, fmt.Errorf("format %q ends in the middle of an escape", s)
	}
	return parseFormat(s, how{})
}

// parseFormat reads a format. What stands behind a backslash and is no escape is itself.
func parseFormat(s string, h how) (format, error) {
	var f format
	text := func(t string) {
		f = append(f, func(dst []byte, _ *api.Record) ([]byte, error) { return append(dst, t...), nil })
	}
	for whole := s; s != ""; {
		at := strings.IndexByte(s, '%')
		if at < 0 {
			at = len(s)
		}
		if at > 0 {
			t, err := unescape(s[:at])
			if err != nil {
				return nil, err
			}
			text(t)
			s = s[at:]
			continue
		}
		if len(s) < 2 {
			return nil, fmt.Errorf("format %q ends in the middle of an escape", whole)
		}
		switch c := s[1]; c {
		case '%':
			text("%")
		case 's':
			f = append(f, func(dst []byte, r *api.Record) ([]byte, error) { return h.field(dst, r.Value, h.pack.value) })
		case 'k':
			f = append(f, func(dst []byte, r *api.Record) ([]byte, error) { return h.field(dst, r.Key, h.pack.key) })
		default:
			verb, ok := verbs[c]
			if !ok {
				return nil, fmt.Errorf("format %q: unknown escape %%%c", whole, c)
			}
			f = append(f, func(dst []byte, r *api.Record) ([]byte, error) { return verb(dst, r), nil })
		}
		s = s[2:]
	}
	return f, nil
}

// field prints a key or a value.
func (h how) field(dst, field []byte, pack string) ([]byte, error) {
	switch {
	case field == nil && h.null:
		return append(dst, "NULL"...), nil
	case pack != "" && field != nil:
		return unpack(dst, pack, field)
	}
	return append(dst, field...), nil
}

func (f format) append(dst []byte, r *api.Record) (_ []byte, err error) {
	for _, part := range f {
		if dst, err = part(dst, r); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

var verbs = map[byte]func([]byte, *api.Record) []byte{
	't': func(b []byte, r *api.Record) []byte { return append(b, r.Topic...) },
	'p': func(b []byte, r *api.Record) []byte { return strconv.AppendInt(b, int64(r.Partition), 10) },
	'o': func(b []byte, r *api.Record) []byte { return strconv.AppendInt(b, r.Offset, 10) },
	'K': func(b []byte, r *api.Record) []byte { return appendLength(b, r.Key) },
	'S': func(b []byte, r *api.Record) []byte { return appendLength(b, r.Value) },
	'T': func(b []byte, r *api.Record) []byte { return strconv.AppendInt(b, millis(r), 10) },
	'h': appendHeaders,
	'R': func(b []byte, r *api.Record) []byte {
		n := int32(-1)
		if r.Value != nil {
			n = int32(len(r.Value))
		}
		return binary.BigEndian.AppendUint32(b, uint32(n))
	},
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
