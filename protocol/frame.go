package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// Frames: four bytes of size, then a header, then a body.
const (
	// SizeLen is the length of the size prefix.
	SizeLen = 4
	// MaxFrame is the default limit of a frame that is read.
	MaxFrame = 100 << 20
	// MaxFrameBeforeReady is the limit before a connection is authenticated and negotiated.
	MaxFrameBeforeReady = 512 << 10
)

// Reasons why a frame cannot be read.
var (
	ErrFrameSize   = errors.New("frame size out of bounds")
	ErrCorrelation = errors.New("answer with an unexpected correlation id")
	ErrNotKafka    = errors.New("the peer does not speak Kafka's protocol")
)

// AppendRequest writes a request as a frame behind dst.
func AppendRequest(dst []byte, m Request, version int16, correlationID int32, clientID *string) ([]byte, error) {
	start := len(dst)
	dst = appendHeader(append(dst, 0, 0, 0, 0), m, version, correlationID, clientID)
	dst, err := wire.Append(dst, m, version)
	if err != nil {
		return dst[:start], err
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-SizeLen))
	return dst, nil
}

// AppendRequestSpliced is AppendRequest, but long records fields are not copied: segments gets the frame as pieces to be written one after the other,
// which alias dst and the fields.
func AppendRequestSpliced(dst []byte, m Request, version int16, correlationID int32, clientID *string, segments [][]byte) ([]byte, [][]byte, error) {
	start := len(dst)
	dst = appendHeader(append(dst, 0, 0, 0, 0), m, version, correlationID, clientID)
	var room [8]wire.Splice
	dst, parts, err := wire.AppendSpliced(dst, m, version, room[:0])
	if err != nil {
		return dst[:start], segments, err
	}
	size := len(dst) - start - SizeLen
	from := start
	for _, p := range parts {
		size += len(p.Data)
		segments = append(segments, dst[from:p.At:p.At], p.Data)
		from = p.At
	}
	if from < len(dst) {
		segments = append(segments, dst[from:])
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(size))
	return dst, segments, nil
}

func appendHeader(dst []byte, m Request, version int16, correlationID int32, clientID *string) []byte {
	h := msg.RequestHeader{RequestApiKey: m.APIKey(), RequestApiVersion: version, CorrelationID: correlationID, ClientID: clientID}
	dst, _ = wire.Append(dst, &h, m.HeaderVersion(version)) // a header of plain fields cannot fail
	return dst
}

// AppendResponse writes a response as a frame behind dst, as a broker does.
func AppendResponse(dst []byte, m Response, version int16, correlationID int32) ([]byte, error) {
	start := len(dst)
	h := msg.ResponseHeader{CorrelationID: correlationID}
	dst, err := wire.Append(append(dst, 0, 0, 0, 0), &h, m.HeaderVersion(version))
	if err == nil {
		dst, err = wire.Append(dst, m, version)
	}
	if err != nil {
		return dst[:start], err
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-SizeLen))
	return dst, nil
}

// FrameSize reads a size prefix and holds it against a limit. What looks like the beginning of another protocol is named.
func FrameSize(prefix [SizeLen]byte, limit int) (int, error) {
	n := int32(binary.BigEndian.Uint32(prefix[:]))
	if n >= 4 && int(n) <= limit {
		return int(n), nil
	}
	if what := sniff(prefix[:]); what != "" {
		return 0, fmt.Errorf("%w: %s", ErrNotKafka, what)
	}
	return 0, fmt.Errorf("%w: %d bytes, between 4 and %d allowed", ErrFrameSize, n, limit)
}

// sniff recognizes the first bytes of other protocols.
func sniff(b []byte) string {
	switch {
	case b[0] == 0x15 && b[1] == 3:
		return "it answered with a TLS alert; the listener wants TLS, and this connection is plain text"
	case b[0] == 0x16 && b[1] == 3:
		return "it answered with a TLS handshake"
	case bytes.HasPrefix(b, []byte("HTTP")):
		return "it answered with HTTP; this is a web server's port"
	case bytes.HasPrefix(b, []byte("SSH-")):
		return "it answered with SSH"
	case bytes.HasPrefix(b, []byte("220 ")), bytes.HasPrefix(b, []byte("220-")):
		return "it answered like a mail or file server"
	}
	return ""
}

// CorrelationID reads the correlation id that begins a response frame (without its size).
func CorrelationID(frame []byte) (int32, error) {
	if len(frame) < 4 {
		return 0, fmt.Errorf("response header: %w", wire.ErrShort)
	}
	return int32(binary.BigEndian.Uint32(frame)), nil
}

// ReadResponse reads a response frame (without its size) into m.
func ReadResponse(m Response, frame []byte, version int16) error {
	body, err := behindHeader(m, frame, version)
	if err != nil {
		return err
	}
	return Read(m, body, version)
}

// ReadResponseBriefly is ReadResponse for who has not much time: [wire.ErrMuch] as soon as m would take more than most bytes in memory.
func ReadResponseBriefly(m Response, frame []byte, version int16, most int64) error {
	body, err := behindHeader(m, frame, version)
	if err != nil {
		return err
	}
	n, err := wire.ReadBriefly(m, body, version, most)
	return whole(m, body, version, n, err)
}

func behindHeader(m Response, frame []byte, version int16) ([]byte, error) {
	var h msg.ResponseHeader
	n, err := wire.Read(&h, frame, m.HeaderVersion(version))
	return frame[n:], err
}

// RequestFrame is a request as a broker finds it.
type RequestFrame struct {
	Header  msg.RequestHeader
	Version int16
	Request Request // nil where the API or the version is unknown: then Err says so
	Err     error
	// Headless tells that not even the header can be read, but for what it begins with.
	Headless bool
}

// ReadRequest reads a request frame (without its size). The header is given even where the body cannot be read. It is read as
// brokers do ([wire.ReadLoosely]), and what is behind the body is ignored: librdkafka sends three bytes behind requests for the metadata of all topics.
func ReadRequest(frame []byte) (f RequestFrame) {
	if len(frame) < 8 {
		f.Err, f.Headless = fmt.Errorf("request header: %w", wire.ErrShort), true
		return f
	}
	key, version := int16(binary.BigEndian.Uint16(frame)), int16(binary.BigEndian.Uint16(frame[2:]))
	f.Header.RequestApiKey, f.Header.RequestApiVersion, f.Version = key, version, version
	f.Header.CorrelationID = int32(binary.BigEndian.Uint32(frame[4:]))
	m := msg.NewRequest(key)
	if m == nil {
		f.Err = fmt.Errorf("API key %d: unknown", key)
		return f
	}
	n, err := wire.ReadLoosely(&f.Header, frame, m.HeaderVersion(version))
	if err != nil {
		f.Err, f.Headless = err, true
		return f
	}
	if m.HeaderVersion(version) == 0 { // it has no client id
		f.Header.ClientID = nil
	}
	if _, f.Err = wire.ReadLoosely(m, frame[n:], version); f.Err == nil {
		f.Request = m
	}
	return f
}
