// Package protocol is what goes over the wire between a Kafka client and its brokers.
//
//	protocol.go    messages: make, write, read, as JSON
//	frame.go       frames: size, headers, correlation ids; what a wrong peer's first bytes mean
//	negotiate.go   version ranges: of this client, of a broker, of a release
//	errors.go      error codes and their classes
//	line.go        messages as JSON lines, for tools
//	msg            the messages, generated from the facts in schemas (go generate)
//	wire           the codec they share
//	record         record batches and message sets
//	compress       gzip, snappy, lz4, zstd
//	cluster        the immutable picture of a cluster
//
// Messages are tested against golden bytes that the official Java client made, for every version of every message.
package protocol

import (
	"fmt"

	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Message is any generated message.
type Message = wire.Message

// Request is a message from client to broker.
type Request = wire.Request

// Response is a message from broker to client.
type Response = wire.Response

// UUID is an id of sixteen bytes.
type UUID = wire.UUID

// NewRequest makes an empty request of an API with its defaults set; nil for a key that no release has had.
func NewRequest(key int16) Request {
	m := msg.NewRequest(key)
	if m != nil {
		m.SetDefaults()
	}
	return m
}

// NewResponse makes an empty response of an API with its defaults set; nil for a key that no release has had.
func NewResponse(key int16) Response {
	r := msg.NewRequest(key)
	if r == nil {
		return nil
	}
	m := r.NewResponse()
	m.SetDefaults()
	return m
}

// NewData makes a message that is neither request nor response, with its defaults set: a header, a format of the consumer protocol, a control record, a key or a value of an internal
// topic. Nil for an unknown name.
func NewData(name string) Message {
	m := msg.NewData(name)
	if m != nil {
		m.SetDefaults()
	}
	return m
}

// APIName is the name of an API, such as "Produce"; for an unknown key it is "API 999".
func APIName(key int16) string {
	if s := msg.APIName(key); s != "" {
		return s
	}
	return fmt.Sprintf("API %d", key)
}

// Append writes the body of a message at a version behind dst.
// A field that is set but does not exist in the version is an error, unless Kafka says that it may be dropped.
func Append(dst []byte, m Message, version int16) ([]byte, error) {
	return wire.Append(dst, m, version)
}

// Read reads the body of a message at a version. Fields of bytes and records alias body. Bytes left over are an error.
func Read(m Message, body []byte, version int16) error {
	n, err := wire.Read(m, body, version)
	return whole(m, body, version, n, err)
}

// whole is err, or one that says that not all of body was read.
func whole(m Message, body []byte, version int16, n int, err error) error {
	if err == nil && n != len(body) {
		err = fmt.Errorf("%s v%d: %w: %d of %d", m.MessageName(), version, wire.ErrTrailing, len(body)-n, len(body))
	}
	return err
}

// ToJSON shows a message as JSON in the conventions of Kafka's own converter: names in lower camel case, bytes in base64, ids of 22 characters,
// tagged fields only where they differ from their default.
func ToJSON(m Message, version int16) ([]byte, error) { return wire.AppendJSON(nil, m, version) }

// FromJSON fills a message from JSON. Absent fields get their defaults; unknown names are an error.
func FromJSON(m Message, text []byte, version int16) error { return wire.ReadJSON(m, text, version) }

// AppendVersioned writes a message behind its version in two bytes, as the consumer protocol and values of internal topics are kept.
func AppendVersioned(dst []byte, m Message, version int16) ([]byte, error) {
	return Append(append(dst, byte(version>>8), byte(version)), m, version)
}

// ReadVersioned reads what AppendVersioned writes. A version higher than the highest known is read as that, and what it has more is ignored:
// a group may have members that know more (KIP-429).
func ReadVersioned(m Message, b []byte) (version int16, err error) {
	if len(b) < 2 {
		return 0, fmt.Errorf("%s: %w", m.MessageName(), wire.ErrShort)
	}
	version = int16(b[0])<<8 | int16(b[1])
	lowest, highest := m.Versions()
	if version < lowest {
		return version, fmt.Errorf("%s v%d: %w", m.MessageName(), version, wire.ErrVersion)
	}
	if version > highest {
		_, err = wire.Read(m, b[2:], highest)
		return version, err
	}
	return version, Read(m, b[2:], version)
}

// APIKeys are the keys of all APIs, in order.
func APIKeys() []int16 { return append([]int16(nil), msg.Keys...) }

// KeyOf is the key of an API by name; -1 for an unknown name.
func KeyOf(name string) int16 {
	for _, k := range msg.Keys {
		if msg.APIName(k) == name {
			return k
		}
	}
	return -1
}
