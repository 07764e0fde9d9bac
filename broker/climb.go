package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker/internal/conn"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/printable"
)

// Step is one step of the way to a broker, and what came of it.
type Step struct {
	Phase  string        // dns, dial, tls, api-versions or metadata
	Took   time.Duration // until it was done, or had failed
	Found  string        // what was learnt; empty if it has failed
	Err    error         // why it has failed
	Remedy string        // what to look at then; empty if there is nothing to be said
}

// Climb goes to one address the way a connection goes, but step by step, on a connection of its own: look the host up, dial each of its addresses until one takes the connection, ask which versions the broker speaks, ask
// for the cluster. Each step has cfg.SetupTimeout. Where a step fails the way ends; r is nil then.
func Climb(ctx context.Context, w role.World, cfg Config, secure bool, host string, port int32) (steps []Step, r *msg.MetadataResponse) {
	c := &climb{ctx: ctx, world: w, cfg: cfg, secure: secure}
	c.allowed, _ = newAllowed(&cfg) // the options were checked
	defer c.hangUp()
	if c.dial(host, port) && c.versions() {
		r = c.metadata()
	}
	return c.steps, r
}

// climb is one way to a broker.
type climb struct {
	ctx     context.Context
	world   role.World
	cfg     Config
	secure  bool
	allowed *allowed
	steps   []Step
	host    string
	addr    string // where it is connected to
	link    role.Link
	sink    *climbSink
	spoken  protocol.Ranges
	id      int32
}

// climbSink hands what happens on the link to who waits for it.
type climbSink struct {
	mu     sync.Mutex
	next   *role.Promise[[]byte] // an empty frame: the link is open
	broken error
}

// expect makes p what is fulfilled by what happens next.
func (s *climbSink) expect(p *role.Promise[[]byte]) {
	s.mu.Lock()
	s.next = p
	broken := s.broken
	s.mu.Unlock()
	if broken != nil {
		p.Settle(nil, broken)
	}
}

func (s *climbSink) settle(frame []byte, err error) {
	s.mu.Lock()
	p := s.next
	s.broken = err
	s.mu.Unlock()
	p.Settle(frame, err)
}

func (s *climbSink) Opened()               { s.settle(nil, nil) }
func (s *climbSink) Received(frame []byte) { s.settle(frame, nil) }
func (s *climbSink) Flushed()              {}
func (s *climbSink) Broken(err error)      { s.settle(nil, err) }

// slack is what a step has more than the network, so that it is the network that tells what takes long.
const slack = 500 * time.Millisecond

// step does one step, and tells whether it went well.
func (c *climb) step(phase string, do func(context.Context) (found string, err error)) bool {
	begun := c.world.Now()
	wait, cancel := c.world.WithTimeout(c.ctx, c.cfg.SetupTimeout+slack)
	found, err := do(wait)
	cancel()
	if errors.Is(err, ErrTLS) {
		phase = "tls"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = &reason{ErrTimeout, fmt.Errorf("no answer within %s", c.world.Now().Sub(begun).Round(100*time.Millisecond))}
	}
	s := Step{Phase: phase, Took: c.world.Now().Sub(begun), Found: printable.Cut(found, printable.MostLong), Err: printable.Error(err)}
	if err != nil {
		s.Found, s.Remedy = "", remedy(phase, err, c.secure)
	}
	c.steps = append(c.steps, s)
	return err == nil
}

func (c *climb) dial(host string, port int32) bool {
	var addrs []string
	if !c.step("dns", func(ctx context.Context) (string, error) {
		if err := c.allowed.bar(cluster.Node{Host: host, Port: port}); err != nil {
			return "", &reason{ErrFatal, ErrNotAllowed}
		}
		p := role.NewPromise[[]string](c.world)
		c.world.Network().Resolve(host, func(addrs []string, err error) { p.Settle(addrs, err) })
		var err error
		if addrs, err = p.Get(ctx); err == nil && len(addrs) == 0 {
			err = fmt.Errorf("%s has no address", printable.Text(host))
		}
		if may := c.allowed.leads(cluster.Node{Host: host, Port: port}); may != nil && err == nil {
			found := strings.Join(addrs, ", ")
			if addrs = slices.DeleteFunc(addrs, func(addr string) bool { return !may(addr) }); len(addrs) == 0 {
				err = &reason{ErrFatal, fmt.Errorf("%s: %w", printable.Text(found), ErrNotAllowed)}
			}
		}
		return strings.Join(addrs, ", "), err
	}) {
		return false
	}
	c.host = host
	for _, a := range addrs {
		if c.open(net.JoinHostPort(a, strconv.Itoa(int(port)))) {
			return true
		}
	}
	return false
}

// open makes a connection to an address, instead of the one that there is.
func (c *climb) open(addr string) bool {
	c.hangUp()
	c.addr = addr
	return c.step("dial", func(ctx context.Context) (string, error) {
		p := role.NewPromise[[]byte](c.world)
		c.sink = &climbSink{next: p}
		c.link = c.world.Network().Dial(addr, c.host, c.sink)
		_, err := p.Get(ctx)
		return addr, err
	})
}

func (c *climb) hangUp() {
	if c.link != nil {
		c.link.Close()
		c.link = nil
	}
}

// call sends a request and reads its answer.
func (c *climb) call(ctx context.Context, req protocol.Request, version int16, resp protocol.Response) error {
	c.id++
	frame, err := protocol.AppendRequest(nil, req, version, c.id, &c.cfg.ClientID)
	if err != nil {
		return err
	}
	p := role.NewPromise[[]byte](c.world)
	c.sink.expect(p)
	c.link.Send([][]byte{frame})
	answer, err := p.Get(ctx)
	if err != nil {
		return err
	}
	c.link.Consumed(len(answer))
	if id, err := protocol.CorrelationID(answer); err != nil || id != c.id {
		return errors.Join(protocol.ErrCorrelation, err)
	}
	return protocol.ReadResponse(resp, answer, version)
}

// versions asks which versions the broker speaks, in the version of the question that every broker since 0.10 knows. If it does not tell, it speaks what the client assumes then, and is connected to anew.
func (c *climb) versions() bool {
	limit := release(c.cfg.Release)
	if _, asks := limit.Get(msg.ApiVersionsAPI); limit.Known() && !asks {
		c.spoken = limit
		return true
	}
	assumed, from := conn.Assumed(limit, release(c.cfg.ReleaseFallback)), "broker.version"
	if !limit.Known() {
		from = "broker.version.fallback"
	}
	told := true
	ok := c.step("api-versions", func(ctx context.Context) (string, error) {
		var resp msg.ApiVersionsResponse
		err := c.call(ctx, &msg.ApiVersionsRequest{}, 0, &resp)
		if err == nil && resp.ErrorCode != 0 {
			err = protocol.Code(resp.ErrorCode)
		}
		if told = err == nil || !assumed.Known() || !conn.HungUp(err) || errors.Is(err, ErrTLS); !told {
			c.spoken = assumed
			return fmt.Sprintf("not told (%v), those of %s are assumed", err, from), nil
		}
		if err != nil {
			return "", err
		}
		c.link.Raise()
		if c.spoken = protocol.RangesOf(&resp); limit.Known() {
			c.spoken = c.spoken.Within(limit)
		}
		if _, ok := protocol.Negotiate(msg.MetadataAPI, c.spoken); !ok {
			return "", fmt.Errorf("%w: Metadata is not among its %d APIs", ErrUnsupported, len(resp.ApiKeys))
		}
		produce, _ := c.spoken.Get(msg.ProduceAPI)
		fetch, _ := c.spoken.Get(msg.FetchAPI)
		return fmt.Sprintf("%d APIs, Produce to v%d, Fetch to v%d", len(resp.ApiKeys), produce.Max, fetch.Max), nil
	})
	return ok && (told || c.open(c.addr))
}

func (c *climb) metadata() (r *msg.MetadataResponse) {
	c.step("metadata", func(ctx context.Context) (string, error) {
		version, _ := protocol.Negotiate(msg.MetadataAPI, c.spoken)
		resp := &msg.MetadataResponse{}
		if err := c.call(ctx, &msg.MetadataRequest{Topics: []msg.MetadataRequestMetadataRequestTopic{}, AllowAutoTopicCreation: version < 4}, version, resp); err != nil {
			return "", err
		}
		if resp.ErrorCode != 0 {
			return "", protocol.Code(resp.ErrorCode)
		}
		r = resp
		found := fmt.Sprintf("brokers: %d", len(resp.Brokers))
		if resp.ClusterID != nil {
			found = "cluster " + *resp.ClusterID + ", " + found
		}
		if resp.ControllerID != cluster.NoNode {
			found += fmt.Sprintf(", controller: %d", resp.ControllerID)
		}
		return found, nil
	})
	return r
}

// Remedy says what to look at when this is why a broker could not be reached; empty if there is nothing to be said.
func Remedy(err error, secure bool) string {
	var connect *ConnectError
	var call *CallError
	switch {
	case errors.As(err, &connect):
		return remedy(connect.Phase, connect.Err, secure)
	case errors.As(err, &call):
		return remedy(call.Phase, call.Err, secure)
	}
	return ""
}

func remedy(phase string, err error, secure bool) string {
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		header   tls.RecordHeaderError
		told     *net.OpError
		silent   = errors.Is(err, ErrTimeout) || errors.Is(err, context.DeadlineExceeded)
		cut      = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
	)
	switch {
	case errors.Is(err, ErrNotAllowed):
		return "whoever answered for the cluster names it; if it is a broker of yours, add its host or its network to allowed.brokers"
	case errors.As(err, &unknown):
		return "its certificate is signed by an authority that is not trusted here: give that one in the RootCAs of the *tls.Config"
	case errors.As(err, &hostname):
		return "its certificate is for other names: connect by one of those, or set ServerName in the *tls.Config"
	case errors.As(err, &invalid):
		return "its certificate is not valid here and now: see the reason, and both clocks"
	case secure && errors.As(err, &told) && told.Op == "remote error":
		return "it refused the handshake: it may want a certificate of the client's (Certificates in the *tls.Config), or another version of TLS"
	case phase == "tls" && (cut || errors.As(err, &header)):
		return "this listener seems not to speak TLS: use the port that does, or leave TLS away"
	case phase == "tls" && silent:
		return "it takes connections and does not answer with TLS: a broker that stands still, or a listener that waits for something else"
	case phase == "dns":
		return "this machine does not know the name: look at how it is spelt, and at the name server"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: is the broker running, and is this its port for clients?"
	case phase == "dial" && silent && secure:
		return "nothing answers there, or not with TLS: a wrong address, a firewall, a machine that is down, or a listener that waits for something else"
	case phase == "dial" && silent:
		return "nothing answers there: a wrong address, a firewall, or a machine that is down"
	case silent:
		return "it takes connections and says nothing: no Kafka port, a broker that stands still, or a listener that waits for TLS"
	case errors.Is(err, ErrUnsupported):
		return "this is no listener for clients, perhaps a controller's: give a broker's"
	case phase == "api-versions" && cut && !secure:
		return "it ends the connection at the first request: so do listeners that want TLS or SASL, and brokers before 0.10, for which broker.version must be set"
	case phase == "api-versions" && cut:
		return "it ends the connection at the first request: so do listeners that want SASL"
	case (phase == "metadata" || phase == "request") && cut:
		return "it tells its versions and ends the connection at the next request: so do listeners that want SASL"
	}
	return ""
}

// Advertised is what to look at when bootstrap has gone well and an address that the cluster itself names has not.
func Advertised(node int32) string {
	return "this address comes from the cluster, and clients are to use it: see advertised.listeners of broker " + strconv.Itoa(int(node))
}
