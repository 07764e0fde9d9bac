package broker

import (
	"errors"
	"fmt"
	"time"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker/internal/conn"
	"github.com/kactor-go/kactor/broker/internal/survey"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// ErrNobody is in an error besides ErrUnsupported where that is final: no broker that could be asked has what the request needs, twice, on separate connections, none has had it since the client was started, and either they are of a
// release that does not have it (ErrOlder), or five seconds later it is still so; or no version of Kafka that the client knows has it. Without it another broker does, or did, or soon may, and the request may be sent again: brokers
// are upgraded one after the other, and some say while they start that they have less than they have.
var ErrNobody = errors.New("no broker of the cluster supports it")

// ErrOlder is in an error besides ErrNobody where the brokers are of a release that does not have what the request needs.
var ErrOlder = errors.New("it is of a release that does not have it")

// surveyFor is how long brokers have to tell what they speak when that decides over calls: one that does not answer cannot be asked.
const surveyFor = 2 * time.Second

type (
	// lacking is a call that a broker does not speak; it waits until it is known whether another does.
	lacking struct {
		r     *Route
		reply Reply
		need  survey.Need
		told  protocol.Ranges // by the broker
	}
	surveyed struct {
		node int32
		lane uint64
		told bool
	}
)

func (*lacking) cluster()  {}
func (*surveyed) cluster() {}

// lacks is a call that has ended so that it is for the cluster to say what that means; nil: it is not.
func (k *connection) lacks(r *Route, reply Reply) *lacking {
	var l *conn.Lacking
	if r.Optional || r.own && !r.judged || !errors.Is(reply.Err, ErrUnsupported) || !errors.As(reply.Err, &l) {
		return nil
	}
	k.client.refuses(l.API, k.peer, public(l))
	return &lacking{r, reply, survey.Need{API: l.API, Range: l.Need}, k.core.Versions()}
}

func (c *Client) lacking(now time.Time, m *lacking) {
	if c.closing != nil {
		m.answer(c.world, survey.Verdict{})
		return
	}
	c.survey.Told(m.told)
	c.survey.Refused(now, m.need, m, c.core.Peers(), &c.verdicts)
}

func (c *Client) surveyed(m *surveyed) {
	c.endLane(m.lane)
	c.survey.Answered(m.node, m.told, &c.verdicts)
}

// performSurvey carries out what the survey wants.
func (c *Client) performSurvey(h *role.Handle) {
	for _, v := range c.verdicts.Verdicts {
		m := v.Owner.(*lacking)
		if v.Asked > 0 && !v.Older {
			c.lacks(m, v)
		}
		m.answer(c.world, v)
	}
	for _, id := range c.verdicts.Ask {
		c.askVersions(h, id)
	}
	c.verdicts.Reset()
}

// askVersions asks a broker for its versions on a connection of its own. To make it is to ask.
func (c *Client) askVersions(h *role.Handle, id int32) {
	lane := NextWatch()
	peer, known := c.core.Peer(id)
	if !known || c.closing != nil {
		c.self.Tell(&surveyed{id, lane, false})
		return
	}
	req := protocol.NewRequest(msg.ApiVersionsAPI).(*msg.ApiVersionsRequest)
	req.ClientSoftwareName, req.ClientSoftwareVersion = conn.Software, conn.SoftwareVersion
	c.place(h, peer, &Route{Req: req, Lane: lane, Deadline: h.World().Now().Add(surveyFor), own: true, Reply: func(r Reply) {
		c.self.Tell(&surveyed{id, lane, r.Err == nil || errors.Is(r.Err, ErrUnsupported)})
	}})
}

// lacks tells of an API that brokers should have.
func (c *Client) lacks(m *lacking, v survey.Verdict) {
	var failed *CallError
	if c.hooks.Lacking == nil || !errors.As(m.reply.Err, &failed) {
		return
	}
	api, addr, final := failed.API, failed.Addr, v.Final
	c.hook("Lacking", func() { c.hooks.Lacking(api, addr, final) })
}

// answer ends the call: final, because of what so many brokers have said, or not.
func (m *lacking) answer(w role.World, v survey.Verdict) {
	var failed *CallError
	if v.Final && errors.As(m.reply.Err, &failed) {
		e := *failed
		text := e.Err
		if v.Asked > 0 {
			text = fmt.Errorf("%w; %w (of %d that were asked, twice)", e.Err, ErrNobody, v.Asked)
		}
		e.Err = &reason{ErrNobody, text}
		if v.Older {
			e.Err = &reason{ErrOlder, e.Err}
		}
		m.reply.Err = &e
	}
	m.r.answer(w, m.reply)
}
