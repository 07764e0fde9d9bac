package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/printable"
)

// Diagnosis is how far one gets towards each broker.
type Diagnosis struct {
	// Reaches are the bootstrap addresses, and behind them the brokers as the cluster advertises them.
	Reaches []Reach
}

// Reach is how far one gets towards one address.
type Reach struct {
	Node  int32  // the broker's id; -1: a bootstrap address
	Addr  string // host:port
	Steps []DiagnosisStep
}

// DiagnosisStep is one step of the way: dns, dial (one for each address of the host until one takes the connection), tls if that has failed, api-versions, metadata. Where a broker does not tell its versions, and broker.version or
// broker.version.fallback does, it is dialled once more.
type DiagnosisStep = broker.Step

// Err is why the address cannot be used; nil if all went well.
func (r *Reach) Err() error {
	if len(r.Steps) == 0 {
		return nil
	}
	last := r.Steps[len(r.Steps)-1]
	if last.Err == nil {
		return nil
	}
	return fmt.Errorf("%s (%s): %w", printable.Text(r.Addr), last.Phase, last.Err)
}

// Err is nil if a client can work with the cluster: a bootstrap address answers, and so do all brokers where the cluster says that they are. Otherwise it is everything that went wrong.
func (d *Diagnosis) Err() error {
	var all, advertised []error
	answers := false
	for i := range d.Reaches {
		r := &d.Reaches[i]
		err := r.Err()
		all = append(all, err)
		if r.Node >= 0 {
			advertised = append(advertised, err)
		} else if err == nil {
			answers = true
		}
	}
	if answers {
		return errors.Join(advertised...)
	}
	return errors.Join(all...)
}

// String is the whole ladder, a line for each step; what to look at stands below a step that has failed.
func (d *Diagnosis) String() string {
	var b strings.Builder
	for i := range d.Reaches {
		r := &d.Reaches[i]
		if r.Node < 0 {
			fmt.Fprintf(&b, "bootstrap server %s\n", printable.Cut(r.Addr, printable.MostLong))
		} else {
			fmt.Fprintf(&b, "broker %d, advertised as %s\n", r.Node, printable.Cut(r.Addr, printable.MostLong))
		}
		for _, s := range r.Steps {
			if s.Err == nil {
				fmt.Fprintf(&b, "  ok    %-13s %s, %s\n", s.Phase, s.Found, s.Took.Round(10*time.Microsecond))
				continue
			}
			fmt.Fprintf(&b, "  FAIL  %-13s %v\n", s.Phase, s.Err)
			if s.Remedy != "" {
				fmt.Fprintf(&b, "        %s\n", s.Remedy)
			}
		}
		if r.Node >= 0 && r.Err() != nil {
			fmt.Fprintf(&b, "        %s\n", broker.Advertised(r.Node))
		}
	}
	return b.String()
}

// Diagnose goes the way that a client goes, step by step, and tells what came of each: first to every bootstrap address, then, if one of them has answered, to every broker of the cluster at the address that it is
// advertised with. It takes the options of Dial, and makes no other use of the cluster. Each step has socket.connection.setup.timeout.ms, and all together as long as ctx lasts, at most ten seconds for the bootstrap addresses
// and ten for the others. The error is one of the options; what the way has shown is Diagnosis.Err.
func Diagnose(ctx context.Context, opts ...ClientOption) (*Diagnosis, error) {
	c, err := Dial(ctx, append(opts[:len(opts):len(opts)], Lazy())...)
	if err != nil {
		return nil, err
	}
	defer c.Shutdown(context.WithoutCancel(ctx))
	boot, err := broker.Addresses(c.settings.broker.Bootstrap)
	if err != nil {
		return nil, err
	}
	for i := range boot {
		boot[i].ID = cluster.NoNode
	}
	d := &Diagnosis{}
	found := c.climb(ctx, d, boot)
	if found == nil {
		return d, nil
	}
	var nodes []cluster.Node
	for _, b := range found.Brokers {
		nodes = append(nodes, cluster.Node{ID: b.NodeID, Host: b.Host, Port: b.Port})
	}
	c.climb(ctx, d, nodes)
	return d, nil
}

// climb goes to all the addresses at the same time, and gives the first answer, in their order.
func (c *Client) climb(ctx context.Context, d *Diagnosis, nodes []cluster.Node) *msg.MetadataResponse {
	w := c.system.World()
	ctx, cancel := w.WithTimeout(ctx, dialTimeout)
	defer cancel()
	type end struct {
		steps []broker.Step
		found *msg.MetadataResponse
	}
	ends := make([]*role.Promise[end], len(nodes))
	for i, n := range nodes {
		ends[i] = role.NewPromise[end](w)
		w.Go("diagnose "+n.Addr(), func() {
			steps, found := broker.Climb(ctx, w, c.settings.broker, c.settings.network.TLS != nil, n.Host, n.Port)
			ends[i].Settle(end{steps, found}, nil)
		})
	}
	var first *msg.MetadataResponse
	for i, n := range nodes {
		e, _ := ends[i].Get(context.WithoutCancel(ctx)) // it ends when ctx does
		d.Reaches = append(d.Reaches, Reach{Node: n.ID, Addr: n.Addr(), Steps: e.steps})
		if first == nil {
			first = e.found
		}
	}
	return first
}
