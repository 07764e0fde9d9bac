package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
)

// Passes tells whether an error code of an answer goes away by itself, so that the same request may be sent again: of what went to a leader, to a coordinator or to any broker as its class says, of changes of the cluster, which go to
// the controller, only those after which nothing was changed. A topic that is not there is an answer where topics are asked about by name, and passes only where a leader was asked.
func Passes(to TargetKind, code protocol.Code) bool {
	switch {
	case to == ToController:
		return code == protocol.NotController || code == protocol.ThrottlingQuotaExceeded
	case code == protocol.UnknownTopicOrPartition || code == protocol.UnknownTopicID:
		return to == ToLeader
	case code == protocol.UnknownLeaderEpoch: // the leader has not heard of it yet
		return to == ToLeader
	}
	return code.Retriable()
}

// again tells whether a request that ended with err is to be sent again, and lets what was wrong be asked for anew: the controller, the coordinator, or the leaders.
func (c *Client) again(r *Route, node int32, err error) bool {
	var code protocol.Code
	var call *CallError
	switch {
	case errors.Is(err, ErrClosed) || errors.Is(err, ErrFatal) || errors.Is(err, ErrUnsupported) && (r.Optional || errors.Is(err, ErrNobody)):
		return false
	case errors.As(err, &call):
		if call.Sent && !r.Replayable {
			return false
		}
		node = call.Node
		if errors.As(call.Err, &code) && !code.Retriable() { // no coordinator: it is not allowed, or the key is not good
			return false
		}
	case errors.As(err, &code):
		if !Passes(r.To.Kind, code) {
			return false
		}
	default:
		return false
	}
	switch r.To.Kind {
	case ToCoordinator:
		if code != protocol.CoordinatorLoadInProgress {
			c.self.Tell(&Forget{Key: r.To.Key, KeyType: r.To.KeyType})
		}
	case ToLeader:
		c.self.Tell(&Refresh{Topics: []string{r.To.Topic}, Except: node, Why: "a leader could not be asked"})
	case ToController:
		c.self.Tell(&Refresh{Nodes: true, Except: node, Why: "the controller could not be asked"})
	}
	return true
}

// Insist sends a request until it is answered without an error that goes away by itself (Passes): as long as ctx lasts, and at most for limit, if that is not zero; ErrTimeout then, with the last error. Between attempts it waits
// retry.backoff.ms and more. What a broker may have seen is sent again only if it is Replayable. Each attempt is a new Route; code gives the error of its answer as a whole.
func Insist(ctx context.Context, c *Client, limit time.Duration, attempt func() Route, code func(Reply) protocol.Code) (Reply, error) {
	within, cancel := ctx, context.CancelFunc(func() {})
	if limit > 0 {
		within, cancel = c.world.WithTimeout(ctx, limit)
	}
	defer cancel()
	pause := role.Backoff{Initial: c.cfg.RetryFirst, Max: c.cfg.RetryMax}
	var last error
	for n := 1; ; n++ {
		r := attempt()
		reply, err := Call(within, c, r)
		if err == nil {
			err = code(reply).Err()
		}
		if err == nil {
			return reply, nil
		}
		if within.Err() == nil {
			if last = err; !c.again(&r, reply.Node, err) {
				return reply, err
			}
			w := role.NewWaiter()
			timer := c.world.NewTimer(func() { c.world.Wake(w) })
			timer.Set(c.world.Now().Add(pause.After(n, nil)))
			err = c.world.Park(within, w)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return Reply{Node: cluster.NoNode}, errors.Join(c.Because(ctx.Err()), last)
		default:
			why := c.Because(fmt.Errorf("%w within %s", ErrTimeout, limit))
			return Reply{Node: cluster.NoNode}, errors.Join(why, last)
		}
	}
}
