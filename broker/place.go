package broker

import (
	"errors"
	"sync/atomic"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker/internal/conn"
	"github.com/kactor-go/kactor/broker/internal/meta"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/cluster"
	"github.com/kactor-go/kactor/protocol/msg"
)

func (c *Client) connection(h *role.Handle, peer cluster.Node, purpose Purpose, lane uint64) *connection {
	for _, k := range c.connections {
		if !k.leaving && k.peer.ID == peer.ID && k.purpose == purpose && k.lane == lane && k.peer.Host == peer.Host && k.peer.Port == peer.Port {
			return k
		}
	}
	k := c.spawnConnection(h, peer, purpose, lane)
	c.connections = append(c.connections, k)
	return k
}

func (c *Client) place(h *role.Handle, peer cluster.Node, r *Route) {
	call := &conn.Call{Req: r.Req, MinVersion: r.MinVersion, MaxVersion: r.MaxVersion, Deadline: r.Deadline, Wait: r.Wait, OneWay: r.OneWay, Fit: r.Fit, Accepted: r.since, Anywhere: r.anywhere() && !r.stays, Replayable: r.Replayable, Owner: r}
	switch {
	case len(r.Partitions) > 0:
		call.Moved = func() bool { return c.moved(peer.ID, r.Partitions) }
	case r.Replayable && r.coordinated != nil:
		at := c.coordinate[coordKey{r.To.Key, r.To.KeyType}]
		call.Moved = func() bool { return at.Load() != peer.ID }
	}
	purpose := r.Purpose
	if purpose == Calls && r.coordinated != nil {
		purpose = Coordinate
	}
	k := c.connection(h, peer, purpose, r.Lane)
	if purpose == Fetch || purpose == Apart {
		c.touch(k, r)
	}
	k.self.Tell(call)
	if r.Lane != 0 && r.caller != nil && r.caller.left.Load() { // sent before its caller left: a connection of its own must not outlive it
		k.leaving = true
		k.self.Tell(&conn.Close{Deadline: r.Deadline})
	}
}

type coordKey struct {
	key     string
	keyType int8
}

// found notes who coordinates a key.
func (c *Client) found(f meta.Found) {
	key := coordKey{f.Key, f.KeyType}
	if f.Node < 0 {
		delete(c.coordinate, key)
		return
	}
	if c.coordinate[key] == nil {
		c.coordinate[key] = &atomic.Int32{}
	}
	c.coordinate[key].Store(f.Node)
}

// touch marks the topics of a fetch as used, now and then: an idle consumer fetches the same ones over and over.
func (c *Client) touch(k *connection, r *Route) {
	now := c.world.Now()
	if c.cfg.TopicIdle <= 0 || now.Before(k.touchAt) {
		return
	}
	k.touchAt = now.Add(c.cfg.TopicIdle / 4)
	s := c.core.Snapshot()
	for i := range r.Partitions {
		s.Topic(r.Partitions[i].Topic).Touch()
	}
}

// question is the purpose of a question for metadata or a coordinator.
func (c *Client) question() Purpose {
	if c.core.Suspects() > 0 {
		return Ask
	}
	return Calls
}

// moved tells whether one of the partitions has a leader of a higher epoch elsewhere: then the old leader is fenced.
func (c *Client) moved(node int32, partitions []Led) bool {
	s := c.Snapshot()
	for _, p := range partitions {
		if leader, epoch := s.Leader(p.Topic, p.Partition); epoch > p.Epoch && leader != node && leader >= 0 {
			return true
		}
	}
	return false
}

func (c *Client) askMetadata(h *role.Handle, out *meta.Effects) {
	ask := out.MetaAsk
	c.place(h, out.Peer, &Route{Req: out.Metadata, Purpose: c.question(), own: true, Deadline: h.World().Now().Add(c.cfg.RequestTimeout), Wait: out.MetaWait, Fit: fitMetadata, Reply: func(r Reply) {
		m := meta.Metadata{Ask: ask, Version: r.Version, Err: r.Err}
		if r.Err == nil {
			m.Resp = r.Resp.(*msg.MetadataResponse)
		}
		c.self.Tell(&metadataAnswer{m})
	}})
}

// fitMetadata makes the request one that the version can carry: whether topics may be created cannot be said before version 4.
func fitMetadata(version int16, req protocol.Request) error {
	if m := req.(*msg.MetadataRequest); version < 4 {
		m.AllowAutoTopicCreation = true
	}
	return nil
}

func (c *Client) askCoordinator(h *role.Handle, a meta.AskCoordinator) {
	req := &msg.FindCoordinatorRequest{KeyType: a.KeyType}
	c.place(h, a.Peer, &Route{Req: req, Purpose: c.question(), own: true, judged: true, Deadline: h.World().Now().Add(c.cfg.RequestTimeout),
		Fit: func(version int16, _ protocol.Request) error {
			if version >= 4 {
				req.CoordinatorKeys = []string{a.Key}
			} else {
				req.Key = a.Key
			}
			return nil
		},
		Reply: func(r Reply) {
			m := meta.Coordinator{Ask: a.Ask, Key: a.Key, KeyType: a.KeyType, Version: r.Version, Err: r.Err, Final: errors.Is(r.Err, ErrNobody)}
			if r.Err == nil {
				m.Resp = r.Resp.(*msg.FindCoordinatorResponse)
			}
			c.self.Tell(&coordinatorAnswer{m})
		}})
}

func (c *Client) refuse(r meta.Refusal) {
	err := r.Err
	for _, p := range [...]struct{ inner, outer error }{{meta.ErrClosed, ErrClosed}, {meta.ErrNoBroker, ErrNoBroker}, {meta.ErrNoLeader, ErrNoLeader}} {
		if errors.Is(err, p.inner) {
			err = &reason{p.outer, err}
			break
		}
	}
	switch o := r.Owner.(type) {
	case *Route:
		o.release()
		o.answer(c.world, Reply{Node: cluster.NoNode, Err: &CallError{API: apiName(o), Version: -1, Node: cluster.NoNode, Phase: "route", Err: err}})
	case *Refresh:
		o.answer(nil, &CallError{API: "Metadata", Version: -1, Node: cluster.NoNode, Phase: "route", Err: err})
	}
}

func apiName(r *Route) string { return protocol.APIName(r.Req.APIKey()) }
