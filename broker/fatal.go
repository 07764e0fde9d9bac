package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"

	"github.com/kactor-go/kactor/broker/internal/conn"
)

// ErrFatal is inside an error that no retry can help: the configuration or the credentials are wrong, or what listens there is no broker. Connecting goes on all the same, at the longest back-off, because certificates are
// renewed and ports are put right; but who waits is told at once, not at the deadline.
var ErrFatal = conn.ErrFatal

// ofTLS gives an error of TLS its class: a certificate that is not believed, an alert of the peer's, or a peer that does not speak TLS are no matter of time, as in Java (SslAuthenticationException).
func ofTLS(err error) error {
	var (
		unbelieved  *tls.CertificateVerificationError
		unencrypted tls.RecordHeaderError
		authority   x509.UnknownAuthorityError
		alert       *net.OpError
	)
	switch {
	case errors.As(err, &unbelieved), errors.As(err, &authority), errors.As(err, &unencrypted), errors.As(err, &alert) && alert.Op == "remote error":
		return &reason{ErrFatal, err}
	}
	return err
}

// Fatal tells whether no bootstrap address can be used, and no retry can help.
func (c *Client) Fatal() bool {
	nodes, _ := Addresses(c.cfg.Bootstrap)
	c.failures.Lock()
	defer c.failures.Unlock()
	for _, n := range nodes {
		if e := c.failures.of[n.Addr()]; e == nil || !errors.Is(e.Err, ErrFatal) {
			return false
		}
	}
	return true
}
