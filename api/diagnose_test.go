package api_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// serve listens, and gives each connection to f, which ends it.
func serve(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				f(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// says writes text when the first bytes have come.
func says(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, text)
	}
}

// answers is a broker that knows two requests: it tells its APIs, and the cluster. Without APIs it is one before Kafka 0.10, which ends the connection when it is asked for them. With IllegalSaslState it is one that wants SASL: it ends the connection at the second.
func answers(apis []int16, code protocol.Code, brokers ...msg.MetadataResponseMetadataResponseBroker) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			var size [4]byte
			if _, err := io.ReadFull(r, size[:]); err != nil {
				return
			}
			n := binary.BigEndian.Uint32(size[:])
			if n > 1<<20 { // as Kafka does, when TLS is spoken to it
				return
			}
			frame := make([]byte, n)
			if _, err := io.ReadFull(r, frame); err != nil {
				return
			}
			f := protocol.ReadRequest(frame)
			var resp protocol.Response
			switch f.Request.(type) {
			case *msg.ApiVersionsRequest:
				if apis == nil {
					return
				}
				v := &msg.ApiVersionsResponse{ErrorCode: int16(code)}
				if code == protocol.IllegalSASLState {
					v.ErrorCode = 0
				}
				for _, key := range apis {
					v.ApiKeys = append(v.ApiKeys, msg.ApiVersionsResponseApiVersion{ApiKey: key, MaxVersion: 3})
				}
				resp = v
			case *msg.MetadataRequest:
				if code == protocol.IllegalSASLState {
					return
				}
				m := &msg.MetadataResponse{}
				m.SetDefaults()
				m.Brokers = brokers
				resp = m
			default:
				return
			}
			b, err := protocol.AppendResponse(nil, resp, f.Version, f.Header.CorrelationID)
			if err != nil {
				return
			}
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
}

var apis = []int16{msg.ProduceAPI, msg.FetchAPI, msg.MetadataAPI, msg.ApiVersionsAPI}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

// secured is a broker behind TLS, whose certificate is for name and valid until then.
func (a *authority) secured(t *testing.T, name string, until time.Time, cfg *tls.Config, f func(net.Conn)) func(net.Conn) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: until.Add(-24 * time.Hour), NotAfter: until, DNSNames: []string{name}}
	if ip := net.ParseIP(name); ip != nil {
		template.DNSNames, template.IPAddresses = nil, []net.IP{ip}
	}
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	return func(c net.Conn) { f(tls.Server(c, cfg)) }
}

// port gives the broker at addr, as it is advertised.
func port(t *testing.T, host, addr string) msg.MetadataResponseMetadataResponseBroker {
	t.Helper()
	_, p, _ := net.SplitHostPort(addr)
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return msg.MetadataResponseMetadataResponseBroker{NodeID: 7, Host: host, Port: int32(n)}
}

// refusing is an address where nobody listens, and nobody will: it is that of one end of a connection.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return near.LocalAddr().String()
}

// TestDiagnose has everything that can be wrong between a client and its first answer: the ladder ends where it is wrong, and says what to look at; so does Dial, unless the bootstrap address itself is right.
func TestDiagnose(t *testing.T) {
	ca := newAuthority(t)
	later := time.Now().Add(time.Hour)
	plain := answers(apis, 0)
	trusted := api.TLS(&tls.Config{RootCAs: ca.pool})
	elsewhere := refusing(t)
	silent := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	var rows sync.WaitGroup // all at a time: they wait
	defer rows.Wait()
	for _, test := range []struct {
		name   string
		addr   string
		with   []api.ClientOption
		phase  string
		text   []string // in the ladder, and in the error of Dial
		dialed bool     // Dial goes well: it is another broker that is wrong
		dial   string   // what Dial tells: none, if the connection is well; any, if it is not certain which phase is over first
	}{
		{name: "nobody listens", addr: elsewhere, phase: "dial", text: []string{"connection refused", "is the broker running"}},
		{name: "unknown name", addr: "kafka.invalid:9092", phase: "dns", text: []string{"kafka.invalid", "does not know the name"}},
		{name: "a black hole", addr: "192.0.2.1:9092", with: []api.ClientOption{api.Dialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})}, phase: "dial", text: []string{"firewall"}},
		{name: "a dialler that fails", addr: "proxy.invalid:9092", with: []api.ClientOption{api.Dialer(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no such tunnel") })},
			phase: "dial", text: []string{"no such tunnel"}},
		{name: "it says nothing", addr: serve(t, silent), phase: "api-versions", text: []string{"says nothing"}},
		{name: "it ends the connection", addr: serve(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }), phase: "api-versions", text: []string{"TLS or SASL", "broker.version"}},
		{name: "a web server", addr: serve(t, says("HTTP/1.1 400 Bad Request\r\n\r\n")), phase: "api-versions", text: []string{"web server"}},
		{name: "a login server", addr: serve(t, says("SSH-2.0-OpenSSH_9.9\r\n")), phase: "api-versions", text: []string{"SSH"}},
		{name: "a mail server", addr: serve(t, says("220 mail ready\r\n")), phase: "api-versions", text: []string{"mail"}},
		{name: "garbage", addr: serve(t, says("\x7f\xff\xff\xff\x00\x00")), phase: "api-versions", text: []string{"frame size"}},
		{name: "half an answer", addr: serve(t, says("\x00\x00\x00\x40\x00\x00\x00\x01")), phase: "api-versions", text: []string{"in the middle of a frame"}},
		{name: "an answer to something else", addr: serve(t, says("\x00\x00\x00\x0a\x00\x00\x44\x44\x00\x00\x00\x00\x00\x00")), phase: "api-versions", text: []string{"correlation id"}},
		{name: "an answer that is none", addr: serve(t, says("\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x7f\xff\xff\xff")), phase: "api-versions", text: []string{"api-versions"}},
		{name: "a refusal", addr: serve(t, answers(apis, protocol.ClusterAuthorizationFailed)), phase: "api-versions", text: []string{"CLUSTER_AUTHORIZATION_FAILED"}},
		{name: "SASL is wanted", addr: serve(t, answers(apis, protocol.IllegalSASLState)), phase: "metadata", dial: "any", text: []string{"SASL"}},
		{name: "a controller's listener", addr: serve(t, answers([]int16{msg.ApiVersionsAPI, msg.FetchAPI}, 0)), phase: "api-versions", dial: "none", text: []string{"Metadata is not among its", "controller"}},
		{name: "TLS is wanted", addr: serve(t, says("\x15\x03\x03\x00\x02\x02\x50")), phase: "api-versions", text: []string{"wants TLS"}},
		{name: "TLS is wanted, without a word", addr: serve(t, ca.secured(t, "127.0.0.1", later, &tls.Config{}, plain)), phase: "api-versions", text: []string{"TLS or SASL"}},
		{name: "it says nothing to TLS", addr: serve(t, silent), with: []api.ClientOption{trusted}, phase: "tls", dial: "any", text: []string{"waits for something else"}},
		{name: "TLS is not spoken", addr: serve(t, plain), with: []api.ClientOption{trusted}, phase: "tls", text: []string{"seems not to speak TLS"}},
		{name: "TLS with a web server", addr: serve(t, says("HTTP/1.1 400 Bad Request\r\n\r\n")), with: []api.ClientOption{trusted}, phase: "tls", text: []string{"seems not to speak TLS"}},
		{name: "unknown authority", addr: serve(t, newAuthority(t).secured(t, "127.0.0.1", later, &tls.Config{}, plain)), with: []api.ClientOption{trusted}, phase: "tls", text: []string{"unknown authority", "RootCAs"}},
		{name: "another's certificate", addr: serve(t, ca.secured(t, "other.example", later, &tls.Config{}, plain)), with: []api.ClientOption{trusted}, phase: "tls", text: []string{"other names", "ServerName"}},
		{name: "an old certificate", addr: serve(t, ca.secured(t, "127.0.0.1", time.Now().Add(-time.Minute), &tls.Config{}, plain)), with: []api.ClientOption{trusted}, phase: "tls", text: []string{"expired", "clocks"}},
		{name: "a certificate of tomorrow", addr: serve(t, ca.secured(t, "127.0.0.1", time.Now().Add(48*time.Hour), &tls.Config{}, plain)), with: []api.ClientOption{trusted}, phase: "tls", text: []string{"not yet valid", "clocks"}},
		{name: "old TLS", addr: serve(t, ca.secured(t, "127.0.0.1", later, &tls.Config{MaxVersion: tls.VersionTLS11}, plain)), with: []api.ClientOption{trusted}, phase: "tls", text: []string{"protocol version"}},
		{name: "no client certificate", addr: serve(t, ca.secured(t, "127.0.0.1", later, &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, plain)), with: []api.ClientOption{trusted}, phase: "tls",
			text: []string{"certificate of the client's"}},
		{name: "no client certificate, TLS 1.3", addr: serve(t, ca.secured(t, "127.0.0.1", later, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, plain)), with: []api.ClientOption{trusted}, phase: "api-versions",
			text: []string{"certificate required", "certificate of the client's"}},
		{name: "an advertised name that is unknown", addr: serve(t, answers(apis, 0, msg.MetadataResponseMetadataResponseBroker{NodeID: 7, Host: "kafka-7.invalid", Port: 9092})), phase: "dns", dialed: true,
			text: []string{"broker 7, advertised as kafka-7.invalid:9092", "advertised.listeners"}},
		{name: "an advertised address where nobody listens", addr: serve(t, answers(apis, 0, port(t, "127.0.0.1", elsewhere))), phase: "dial", dialed: true, text: []string{"broker 7, advertised as " + elsewhere, "refused", "advertised.listeners"}},
		{name: "an advertised controller", addr: serve(t, answers(apis, 0, port(t, "127.0.0.1", serve(t, answers([]int16{msg.ApiVersionsAPI}, 0))))), phase: "api-versions", dialed: true, text: []string{"controller's", "advertised.listeners"}},
	} {
		said := func(what, text string) error {
			for _, part := range test.text {
				if !strings.Contains(text, part) {
					return fmt.Errorf("%s does not say %q:\n%s", what, part, text)
				}
			}
			return nil
		}
		try := func(ctx context.Context, setup time.Duration) error {
			opts := append([]api.ClientOption{api.Brokers(test.addr), api.Property("socket.connection.setup.timeout.ms", fmt.Sprint(setup.Milliseconds()))}, test.with...)
			d, err := api.Diagnose(ctx, opts...)
			if err != nil {
				return err
			}
			last := d.Reaches[len(d.Reaches)-1]
			if step := last.Steps[len(last.Steps)-1]; step.Phase != test.phase || step.Err == nil || d.Err() == nil || !errors.Is(d.Err(), step.Err) {
				return fmt.Errorf("it ends at %+v; Err: %w", step, d.Err())
			}
			if err := said("the ladder", d.String()); err != nil {
				return err
			}
			short, cancel := context.WithTimeout(ctx, 3*setup)
			defer cancel()
			client, err := api.Dial(short, opts...)
			if err == nil {
				defer client.Shutdown(ctx)
			}
			var cause *broker.ConnectError
			switch {
			case test.dialed != (err == nil):
				return fmt.Errorf("Dial: %w", err)
			case err != nil && test.dial != "none" && (!errors.As(err, &cause) || test.dial == "" && cause.Phase != test.phase || cause.Addr != test.addr):
				return fmt.Errorf("Dial: %w", err)
			case err != nil:
				return said("Dial", err.Error())
			}
			return nil
		}
		rows.Go(func() {
			t.Run(test.name, func(t *testing.T) {
				patiently(t, func(d time.Duration) error { return try(t.Context(), d) })
			})
		})
	}
}

// TestDiagnoseOfWhatIsWell goes all the way, also to a broker that cannot be asked for its versions.
func TestDiagnoseOfWhatIsWell(t *testing.T) {
	server := listen(t)
	for _, opts := range [][]api.ClientOption{nil, {api.Property("broker.version", "0.9")}} {
		d, err := api.Diagnose(t.Context(), append(opts, api.Brokers(refusing(t), server.Addrs()[0]))...)
		if err != nil || d.Err() != nil {
			t.Fatalf("%v, %v\n%s", err, d.Err(), d)
		}
		if len(d.Reaches) != 4 || d.Reaches[0].Err() == nil || d.Reaches[3].Node != 2 || !strings.Contains(d.String(), "brokers: 2") {
			t.Errorf("the ladder:\n%s", d)
		}
	}
	old := serve(t, answers(nil, 0))
	for _, name := range []string{"broker.version", "broker.version.fallback"} { // one that ends the connection at the first question, so does the ladder of a client that has no answer of its own
		for release, phase := range map[string]string{"": "api-versions", "0.8.2": "metadata", "0.10.0": "metadata"} {
			d, err := api.Diagnose(t.Context(), api.Brokers(old), api.Property(name, release))
			if err != nil {
				t.Fatal(err)
			}
			steps := d.Reaches[0].Steps
			if last := steps[len(steps)-1]; last.Phase != phase || (last.Err == nil) != (release != "") || (d.Err() == nil) != (release != "") {
				t.Errorf("%s %q: %v\n%s", name, release, d.Err(), d)
			}
		}
	}
	if _, err := api.Diagnose(t.Context(), api.Brokers("no:where")); err == nil || !strings.Contains(err.Error(), "host:port") {
		t.Errorf("an address whose port is none: %v", err)
	}
}

// TestAllBootstrapServersAreNamed has two that are wrong in different ways: the error tells both, and how often they were tried.
func TestAllBootstrapServersAreNamed(t *testing.T) {
	web, nobody := serve(t, says("HTTP/1.1 400 Bad Request\r\n\r\n")), refusing(t)
	patiently(t, func(d time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		_, err := api.Dial(ctx, api.Brokers(web, nobody))
		var dial *api.DialError
		if !errors.As(err, &dial) || len(dial.Causes) != 2 || dial.Causes[1].Attempts < 2 || !errors.Is(err, protocol.ErrNotKafka) {
			return fmt.Errorf("the error is %w", err)
		}
		for _, part := range []string{web, nobody, "web server", "refused", "is the broker running"} {
			if !strings.Contains(err.Error(), part) {
				return fmt.Errorf("the error does not say %q: %w", part, err)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			return fmt.Errorf("more than a line: %w", err)
		}
		return nil
	})
}

// TestDialDoesNotWaitForWhatNoRetryCanHelp has one bootstrap address each, and time for many tries.
func TestDialDoesNotWaitForWhatNoRetryCanHelp(t *testing.T) {
	ca, later := newAuthority(t), time.Now().Add(time.Hour)
	for name, test := range map[string]struct {
		serve func(net.Conn)
		with  []api.ClientOption
	}{
		"a web server":          {serve: says("HTTP/1.1 400 Bad Request\r\n\r\n")},
		"TLS is wanted":         {serve: says("\x15\x03\x03\x00\x02\x02\x50")},
		"unknown authority":     {newAuthority(t).secured(t, "127.0.0.1", later, &tls.Config{}, answers(apis, 0)), []api.ClientOption{api.TLS(&tls.Config{RootCAs: ca.pool})}},
		"no client certificate": {ca.secured(t, "127.0.0.1", later, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, answers(apis, 0)), []api.ClientOption{api.TLS(&tls.Config{RootCAs: ca.pool})}},
	} {
		t.Run(name, func(t *testing.T) {
			var tries atomic.Int32
			counted := func(c net.Conn) {
				tries.Add(1)
				test.serve(c)
			}
			_, err := api.Dial(t.Context(), append(test.with, api.Brokers(serve(t, counted)))...)
			if n := tries.Swap(0); !errors.Is(err, broker.ErrFatal) || n > 2 {
				t.Errorf("after %d tries: %v", n, err)
			}
			client, err := api.Dial(t.Context(), append(test.with, api.Lazy(), api.Brokers(serve(t, counted)))...)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Shutdown(t.Context())
			producer, err := client.Producer()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := producer.Produce(t.Context(), &api.Record{Topic: "t"}); !errors.Is(err, broker.ErrFatal) || tries.Load() > 2 {
				t.Errorf("of a record, after %d tries: %v", tries.Load(), err)
			}
		})
	}
}

// TestAnAdvertisedAddressThatNobodyAnswersIsTold has records for a broker that cannot be reached where the cluster says it is.
func TestAnAdvertisedAddressThatNobodyAnswersIsTold(t *testing.T) {
	server, err := fake.Listen(fake.Config{Topics: []fake.Topic{{Name: "t"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var met atomic.Bool
	client, err := api.Dial(t.Context(), api.Brokers(server.Addrs()...), api.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		if met.Swap(true) {
			return nil, errors.New("blocked")
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Shutdown(t.Context())
	patiently(t, func(d time.Duration) error {
		time := fmt.Sprint(d.Milliseconds())
		p, err := client.Producer(api.Property("delivery.timeout.ms", time), api.Property("max.block.ms", time), api.Property("request.timeout.ms", "600ms"), api.Property("linger.ms", "0"))
		if err != nil {
			return err
		}
		_, err = p.Produce(t.Context(), &api.Record{Topic: "t", Value: []byte("x")})
		var connect *broker.ConnectError
		if err == nil || !errors.As(err, &connect) || !connect.Unmet || !strings.Contains(err.Error(), "advertised.listeners of broker 1") {
			return fmt.Errorf("the error is %w", err)
		}
		return nil
	})
}
