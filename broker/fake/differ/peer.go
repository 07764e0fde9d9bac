package differ

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// errClosed is what a broker answers by closing the connection.
var errClosed = errors.New("the broker has closed the connection")

// patience is how long anything is waited for that must come.
const patience = 2 * time.Minute

// passes is how long an answer is asked for again that passes: one that stays is a difference, and the script that shows it is played many times.
const passes = 20 * time.Second

// peer is a connection to one side, which is made anew when it was closed.
type peer struct {
	addr string
	conn net.Conn
	last int32
}

func (p *peer) close() {
	if p.conn != nil {
		p.conn.Close()
		p.conn = nil
	}
}

func (p *peer) open() (err error) {
	if p.conn == nil {
		var conn net.Conn
		if conn, err = net.DialTimeout("tcp", p.addr, patience); err == nil {
			p.conn = conn
		}
	}
	return err
}

func (p *peer) send(req protocol.Request, version int16) error {
	if err := p.open(); err != nil {
		return err
	}
	p.last++
	own, _ := protocol.Own(req.APIKey())
	frame, err := protocol.AppendRequest(nil, req, min(version, own.Max), p.last, wire.Ptr("differ"))
	if err != nil {
		return fmt.Errorf("%s v%d: %w", protocol.APIName(req.APIKey()), version, err)
	}
	binary.BigEndian.PutUint16(frame[protocol.SizeLen+2:], uint16(version)) // it may be one that nobody knows
	if err := p.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := p.conn.Write(frame); err != nil {
		return errClosed
	}
	return nil
}

// ask sends a request and gives the answer; errClosed if there is none.
func (p *peer) ask(req protocol.Request, version int16) (protocol.Response, error) {
	if err := p.send(req, version); err != nil {
		return nil, p.ended(err)
	}
	body, err := p.read()
	if err != nil {
		return nil, p.ended(err)
	}
	m := req.NewResponse()
	m.SetDefaults()
	if err := protocol.ReadResponse(m, body, version); err != nil {
		if v := int16(0); req.APIKey() == msg.ApiVersionsAPI && protocol.ReadResponse(m, body, v) == nil { // of a version that is not known
			return m, nil
		}
		return nil, fmt.Errorf("%s v%d: %w", protocol.APIName(req.APIKey()), version, err)
	}
	return m, nil
}

// tell sends a request that is not answered, and one that is, to see whether the connection goes on.
func (p *peer) tell(req protocol.Request, version int16) error {
	if err := p.send(req, version); err != nil {
		return p.ended(err)
	}
	_, err := p.ask(&msg.ApiVersionsRequest{}, 0)
	return err
}

func (p *peer) ended(err error) error {
	if errors.Is(err, errClosed) {
		p.close()
	}
	return err
}

// read reads the answer to what was asked last.
func (p *peer) read() ([]byte, error) {
	body, err := p.readAny()
	if err != nil {
		return nil, err
	}
	if got := int32(binary.BigEndian.Uint32(body)); got != p.last {
		return nil, fmt.Errorf("%w: %d, not %d", protocol.ErrCorrelation, got, p.last)
	}
	return body, nil
}

func (p *peer) readAny() ([]byte, error) {
	var prefix [protocol.SizeLen]byte
	if _, err := io.ReadFull(p.conn, prefix[:]); err != nil {
		return nil, gone(err)
	}
	size, err := protocol.FrameSize(prefix, protocol.MaxFrame)
	if err != nil {
		return nil, err
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(p.conn, body); err != nil {
		return nil, gone(err)
	}
	return body, nil
}

// gone tells a connection that was closed from one that is silent.
func gone(err error) error {
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return err
	}
	return errClosed
}

// rangesOf asks a side for the versions it has.
func (p *peer) rangesOf() (protocol.Ranges, error) {
	m, err := p.ask(&msg.ApiVersionsRequest{ClientSoftwareName: "differ", ClientSoftwareVersion: "1"}, 3)
	if err != nil {
		return protocol.Ranges{}, err
	}
	return protocol.RangesOf(m.(*msg.ApiVersionsResponse)), nil
}
