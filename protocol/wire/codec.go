// Package wire has the one codec that all generated messages share: a walk over a message's fields that writes them, reads them,
// or does either in JSON.
//
//	Codec                 the walk's state: mode, version, bytes, the first error
//	fields.go arrays.go   a method for each kind of field
//	tags.go               tagged fields, known and unknown
//	json.go               the JSON half, in the conventions of Kafka's own JSON converter
//	room.go               how much reading may allocate
//	varint.go uuid.go     primitives
//
// Reading never trusts a length: it is held against the bytes that are left before anything is allocated, and all that is allocated
// against the bytes that came. Fields of bytes and unknown tagged fields alias the input; strings are copied.
package wire

import (
	"errors"
	"fmt"
)

// Message is any generated message.
type Message interface {
	// MessageName is the schema's name: "ProduceRequest".
	MessageName() string
	// Versions are the lowest and the highest version there is.
	Versions() (lowest, highest int16)
	// Flexible tells whether the version has compact encodings and tagged fields (KIP-482).
	Flexible(version int16) bool
	// SetDefaults sets every field to its default.
	SetDefaults()
	// Walk visits the fields in the order of the wire.
	Walk(c *Codec)
}

// Request is a message from client to broker.
type Request interface {
	Message
	// APIKey is the API key.
	APIKey() int16
	// HeaderVersion is the version of the request header that goes with a version of the request.
	HeaderVersion(version int16) int16
	// NewResponse makes an empty response of the same API.
	NewResponse() Response
}

// Response is a message from broker to client.
type Response interface {
	Message
	// APIKey is the API key.
	APIKey() int16
	// HeaderVersion is the version of the response header that goes with a version of the response.
	HeaderVersion(version int16) int16
}

// Reasons why a message cannot be read or written.
var (
	ErrShort    = errors.New("message ends too early")
	ErrLength   = errors.New("length out of bounds")
	ErrNull     = errors.New("null where null is not allowed")
	ErrVarint   = errors.New("varint too long")
	ErrTags     = errors.New("tagged fields out of order")
	ErrTrailing = errors.New("bytes left over behind the message")
	ErrVersion  = errors.New("unknown version")
	ErrRefused  = errors.New("is set, but this version has none") // a field that cannot be written
	ErrText     = errors.New("text that is not UTF-8")
	ErrGrowth   = errors.New("out of proportion: it takes far more memory than the bytes that came")
	ErrMuch     = errors.New("there is more to it than is to be done now") // see ReadBriefly
)

type mode uint8

const (
	writing mode = iota
	reading
	printing // to JSON
	parsing  // from JSON
)

// Codec is the state of one walk.
type Codec struct {
	// Version of the message.
	Version int16
	// Flex is set when the version is flexible.
	Flex bool

	mode   mode
	loose  bool   // reading: as brokers do
	brief  bool   // reading: there is less room than the message has, see ReadBriefly
	b      []byte // writing, printing: what was written; reading: the input
	off    int    // reading
	room   int64  // reading: bytes that may still be allocated
	err    error
	tag    tagState
	splice bool
	parts  []Splice
	json   jsonState
}

// Splice is a run of bytes that belongs behind the first At written bytes but was not copied there.
type Splice struct {
	At   int
	Data []byte
}

// spliceFrom is the size from which bytes are worth a segment of their own.
const spliceFrom = 1024

// Append writes a message behind dst.
func Append(dst []byte, m Message, version int16) ([]byte, error) {
	c := Codec{mode: writing, b: dst}
	if err := c.walk(m, version); err != nil {
		return dst, err
	}
	return c.b, nil
}

// AppendSpliced is Append, but long records fields are not copied: they come back as splices, in order.
func AppendSpliced(dst []byte, m Message, version int16, parts []Splice) ([]byte, []Splice, error) {
	c := Codec{mode: writing, b: dst, splice: true, parts: parts}
	if err := c.walk(m, version); err != nil {
		return dst, parts, err
	}
	return c.b, c.parts, nil
}

// Read reads a message from the whole of body, and gives the number of bytes it took. Bytes and records of m alias body. What m takes
// in memory is at most MaxGrowth times the length of body, and FreeGrowth; ErrGrowth if it were more.
func Read(m Message, body []byte, version int16) (n int, err error) {
	c := Codec{mode: reading, b: body, room: FreeGrowth + MaxGrowth*int64(len(body))}
	if err := c.walk(m, version); err != nil {
		return c.off, err
	}
	return c.off, nil
}

// ReadBriefly is Read for who has not much time: ErrMuch as soon as m would take more than most bytes in memory, or has a tagged field for each 16 of them. What reading costs goes by that, however long records are that m has: they
// alias body.
func ReadBriefly(m Message, body []byte, version int16, most int64) (n int, err error) {
	c := Codec{mode: reading, b: body, room: FreeGrowth + MaxGrowth*int64(len(body))}
	if most < c.room {
		c.room, c.brief = most, true
	}
	if err := c.walk(m, version); err != nil {
		return c.off, err
	}
	return c.off, nil
}

// ReadLoosely is Read as brokers do it, who take more than anybody writes:
//
//   - lengths below -1 are null, as are unsigned ones of more than 31 bits; so many tagged fields are none,
//   - what is more than 32 bits of an unsigned varint of five bytes does not count,
//   - tagged fields come in any order, and more than once; how long one is says nothing of a field that is known,
//   - text that is not UTF-8 has U+FFFD in its place, where it is no longer than [MaxText] then, and else question marks.
//
// This is what the classes do that Kafka's generator writes (org.apache.kafka.message.MessageDataGenerator, ByteUtils and ByteBufferAccessor).
func ReadLoosely(m Message, body []byte, version int16) (n int, err error) {
	c := Codec{mode: reading, b: body, loose: true, room: FreeGrowth + MaxGrowth*int64(len(body))}
	if err := c.walk(m, version); err != nil {
		return c.off, err
	}
	return c.off, nil
}

func (c *Codec) walk(m Message, version int16) error {
	if low, high := m.Versions(); version < low || version > high {
		return fmt.Errorf("%s v%d: %w: there are v%d to v%d", m.MessageName(), version, ErrVersion, low, high)
	}
	c.Version, c.Flex = version, m.Flexible(version)
	m.Walk(c)
	if c.err != nil {
		return fmt.Errorf("%s v%d: %w", m.MessageName(), version, c.err)
	}
	return nil
}

// Reads tells that the walk reads bytes.
func (c *Codec) Reads() bool { return c.mode == reading }

// Fills tells that the walk fills the message, from bytes or from JSON: absent fields need their defaults.
func (c *Codec) Fills() bool { return c.mode == reading || c.mode == parsing }

// Parses tells that the walk reads JSON.
func (c *Codec) Parses() bool { return c.mode == parsing }

// Writes tells that the walk writes bytes.
func (c *Codec) Writes() bool { return c.mode == writing }

// Refuse notes that a field is set which the version cannot carry, and whose loss would change the meaning.
func (c *Codec) Refuse(name string) {
	c.fail(fmt.Errorf("field %s %w", name, ErrRefused))
}

func (c *Codec) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *Codec) failAt(name string, err error) {
	if c.err == nil {
		c.err = fmt.Errorf("%s at byte %d: %w", name, c.off, err)
	}
}

// left is how many bytes are left to read.
func (c *Codec) left() int { return len(c.b) - c.off }

// take gives the next n bytes, or nil and an error.
func (c *Codec) take(name string, n int) []byte {
	if c.err != nil {
		return nil
	}
	if n < 0 || n > c.left() {
		c.failAt(name, ErrShort)
		return nil
	}
	p := c.b[c.off : c.off+n : c.off+n]
	c.off += n
	return p
}
