package plan

import (
	"errors"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/trouble"
)

// errLeftOut says that a broker has not answered for a partition that it was asked for.
var errLeftOut = errors.New("the broker's answer says nothing of it")

// What a broker answers that has nothing to give.
var (
	errOthers = errors.New("the broker's answer is about partitions that it was not asked for")
	errSentOn = errors.New("the replica to read from names another one to read from")
)

// kindOf sorts what a broker says of a partition. Refusals last until somebody changes what is allowed or what a topic is; a damage may have been repaired by a replica. All else is the cluster's own affair.
func kindOf(err error) trouble.Kind {
	var code protocol.Code
	if !errors.As(err, &code) {
		return trouble.Passing
	}
	switch code {
	case protocol.TopicAuthorizationFailed, protocol.ClusterAuthorizationFailed, protocol.InvalidTopicException, protocol.UnsupportedVersion, protocol.UnsupportedForMessageFormat,
		protocol.UnsupportedCompressionType, protocol.InvalidRequest, protocol.PolicyViolation, protocol.SecurityDisabled:
		return trouble.Lasting
	case protocol.CorruptMessage, protocol.InvalidRecord:
		return trouble.Twice
	}
	return trouble.Passing
}

// hindered puts a partition off: it is tried again after a while, and the application is told when its trouble is none that passes.
func (c *Core) hindered(now time.Time, p *part, err error, out *Effects) {
	c.troubled(now, p, kindOf(err), err, out)
}

func (c *Core) troubled(now time.Time, p *part, kind trouble.Kind, err error, out *Effects) {
	if p.trouble.Met(now, kind, err, c.backoff()) {
		out.Fail = append(out.Fail, Failure{p.TopicPartition, p.gen, p.offset, err, true, kind == trouble.Passing})
	}
}

// came notes that the broker that a partition is fetched from has given what there is; calm, after it has waited long enough for it to be no haste.
func (p *part) came(calm bool) {
	p.lapsed = false
	p.trouble.Came()
	if calm {
		p.pace.Forward()
	}
}

// settled notes that a position was found, or holds good. If the one before was none, and nothing has come since, that it does: a broker that gives a position and then denies it is asked ever more rarely, and told of.
func (p *part) settled() {
	if !p.lapsed {
		p.trouble.Came()
	}
}

// lapse notes that a position is none. Where nothing has come since the one before was none it is told as a trouble is, and its resets are not told one by one; nor are they where it is sent back again and again.
func (c *Core) lapse(now time.Time, p *part, err error, out *Effects) {
	if p.lapsed {
		c.hindered(now, p, err, out)
	}
	if p.quiet = (p.lapsed || p.back.Held()) && now.Sub(p.resetAt) < trouble.Pause; !p.quiet {
		p.resetAt = now
	}
	p.lapsed = true
}

// sent notes that a position was moved by what a broker says. Who is sent back, or stays where it was, has been there already: what comes then is no progress, however much it is. It is forgotten when that has not happened for a while.
func (c *Core) sent(now time.Time, p *part, from, to int64) {
	if to > from {
		return
	}
	if now.Sub(p.backAt) >= trouble.Pause {
		p.back.Forward()
	}
	p.backAt = now
	p.back.Vain(now, c.backoff())
}

// fail ends the reading of a partition until a seek: only the application knows where to go on.
func (c *Core) fail(now time.Time, p *part, err error, out *Effects) {
	p.become(Failed)
	p.trouble = trouble.State{}
	p.trouble.Met(now, trouble.Lasting, err, trouble.Backoff{})
	c.at(now.Add(trouble.Pause))
	out.Fail = append(out.Fail, Failure{TopicPartition: p.TopicPartition, Gen: p.gen, Offset: p.offset, Err: err})
}

// remind tells the application again of a partition that stands still.
func (c *Core) remind(now time.Time, p *part, out *Effects) {
	tell, at := p.trouble.Again(now)
	if tell {
		out.Fail = append(out.Fail, Failure{TopicPartition: p.TopicPartition, Gen: p.gen, Offset: p.offset, Err: p.trouble.Err})
	}
	c.at(at)
}
