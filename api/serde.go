package api

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// SerdeFuncs is a serde made of two functions; one that is missing is an error where it is needed.
type SerdeFuncs[T any] struct {
	To   func(dst []byte, topic string, headers *[]Header, v T) ([]byte, error)
	From func(topic string, headers []Header, data []byte) (T, error)
}

// Serialize calls To.
func (f SerdeFuncs[T]) Serialize(dst []byte, topic string, headers *[]Header, v T) ([]byte, error) {
	if f.To == nil {
		return nil, errors.New("there is no function To")
	}
	return f.To(dst, topic, headers, v)
}

// Deserialize calls From.
func (f SerdeFuncs[T]) Deserialize(topic string, headers []Header, data []byte) (v T, err error) {
	if f.From == nil {
		return v, errors.New("there is no function From")
	}
	return f.From(topic, headers, data)
}

// plain is a serde that looks at the bytes only.
type plain[T any] struct {
	to   func(dst []byte, v T) []byte
	from func(data []byte) (T, error)
}

func (p plain[T]) Serialize(dst []byte, _ string, _ *[]Header, v T) ([]byte, error) {
	return p.to(dst, v), nil
}

func (p plain[T]) Deserialize(_ string, _ []Header, data []byte) (T, error) { return p.from(data) }

// fixed is a plain serde of values that take the same number of bytes each.
func fixed[T any](size int, to func(dst []byte, v T) []byte, from func(data []byte) T) Serde[T] {
	return plain[T]{to, func(data []byte) (v T, err error) {
		if len(data) != size {
			return v, fmt.Errorf("%T: %d bytes instead of %d", v, len(data), size)
		}
		return from(data), nil
	}}
}

// The serdes of the Java client, with its bytes: numbers are big-endian, a UUID is text.
var (
	// Bytes leaves bytes as they are; nil is null.
	Bytes Serde[[]byte] = plain[[]byte]{func(dst []byte, v []byte) []byte {
		if v == nil {
			return nil
		}
		if dst == nil {
			return v
		}
		return append(dst, v...)
	}, func(data []byte) ([]byte, error) { return data, nil }}
	// String is UTF-8; it is not looked at.
	String Serde[string] = plain[string]{func(dst []byte, v string) []byte { return append(some(dst), v...) }, func(data []byte) (string, error) { return string(data), nil }}
	// Int16 takes two bytes.
	Int16 = fixed(2, func(dst []byte, v int16) []byte { return binary.BigEndian.AppendUint16(dst, uint16(v)) }, func(data []byte) int16 { return int16(binary.BigEndian.Uint16(data)) })
	// Int32 takes four bytes.
	Int32 = fixed(4, func(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }, func(data []byte) int32 { return int32(binary.BigEndian.Uint32(data)) })
	// Int64 takes eight bytes.
	Int64 = fixed(8, func(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) }, func(data []byte) int64 { return int64(binary.BigEndian.Uint64(data)) })
	// Float32 takes four bytes of IEEE 754.
	Float32 = fixed(4, func(dst []byte, v float32) []byte { return binary.BigEndian.AppendUint32(dst, math.Float32bits(v)) }, func(data []byte) float32 { return math.Float32frombits(binary.BigEndian.Uint32(data)) })
	// Float64 takes eight bytes of IEEE 754.
	Float64 = fixed(8, func(dst []byte, v float64) []byte { return binary.BigEndian.AppendUint64(dst, math.Float64bits(v)) }, func(data []byte) float64 { return math.Float64frombits(binary.BigEndian.Uint64(data)) })
	// Bool is one byte, 0 or 1.
	Bool Serde[bool] = plain[bool]{func(dst []byte, v bool) []byte {
		if v {
			return append(dst, 1)
		}
		return append(dst, 0)
	}, func(data []byte) (bool, error) {
		if len(data) != 1 || data[0] > 1 {
			return false, fmt.Errorf("bool: %x is neither 00 nor 01", data)
		}
		return data[0] == 1, nil
	}}
	// UUID is 36 characters of text.
	UUID Serde[[16]byte] = plain[[16]byte]{func(dst []byte, v [16]byte) []byte {
		return fmt.Appendf(dst, "%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
	}, func(data []byte) (v [16]byte, err error) {
		if len(data) != 36 || data[8] != '-' || data[13] != '-' || data[18] != '-' || data[23] != '-' {
			return v, fmt.Errorf("UUID: %.40q is none", data)
		}
		digits := append(append(append(append(append([]byte{}, data[:8]...), data[9:13]...), data[14:18]...), data[19:23]...), data[24:]...)
		if _, err = hex.Decode(v[:], digits); err != nil {
			return v, fmt.Errorf("UUID: %q: %w", data, err)
		}
		return v, nil
	}}
	// Void is null, for topics without keys or values.
	Void Serde[struct{}] = plain[struct{}]{func([]byte, struct{}) []byte { return nil }, func([]byte) (struct{}, error) { return struct{}{}, nil }}
)

// some makes the empty value of a nil: it is not null.
func some(dst []byte) []byte {
	if dst == nil {
		return []byte{}
	}
	return dst
}

// JSON is a value as encoding/json has it.
type JSON[T any] struct {
	Strict bool // an unknown field is an error
}

// Serialize appends JSON.
func (JSON[T]) Serialize(dst []byte, _ string, _ *[]Header, v T) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil || dst == nil {
		return b, err
	}
	return append(dst, b...), nil
}

// Deserialize reads JSON.
func (j JSON[T]) Deserialize(_ string, _ []Header, data []byte) (v T, err error) {
	if !j.Strict {
		err = json.Unmarshal(data, &v)
		return v, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err = d.Decode(&v); err == nil && d.More() {
		err = errors.New("there is more than one value")
	}
	return v, err
}

// Nullable adds null to a serde: a nil pointer.
func Nullable[T any](s Serde[T]) Serde[*T] {
	return SerdeFuncs[*T]{func(dst []byte, topic string, headers *[]Header, v *T) ([]byte, error) {
		if v == nil {
			return nil, nil
		}
		return s.Serialize(dst, topic, headers, *v)
	}, func(topic string, headers []Header, data []byte) (*T, error) {
		v, err := s.Deserialize(topic, headers, data)
		return &v, err
	}}
}
