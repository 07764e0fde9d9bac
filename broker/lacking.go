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

// ErrNobody is in an error besides ErrUnsupported where that is final: no broker that could be asked has what the request needs, twice, on separate connections, and none has had it since the client was started; or no version of Kafka
// that the client knows has. Without it another broker does, or did, and the request may be sent again: brokers are upgraded one after the other.
var ErrNobody = errors.New("no broker of the cluster supports it")

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
	if r.Optional || r.own || !errors.Is(reply.Err, ErrUnsupported) || !errors.As(reply.Err, &l) {
		return nil
	}
	k.client.refuses(l.API, k.peer, public(l))
	return &lacking{r, reply, survey.Need{API: l.API, Range: l.Need}, k.core.Versions()}
}

func (c *Client) lacking(now time.Time, m *lacking) {
	if c.closing != nil {
		m.answer(c.world, false, 0)
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
		v.Owner.(*lacking).answer(c.world, v.Final, v.Asked)
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

// answer ends the call: final, because of what so many brokers have said, or not.
func (m *lacking) answer(w role.World, final bool, asked int) {
	var failed *CallError
	if final && errors.As(m.reply.Err, &failed) {
		e := *failed
		text := e.Err
		if asked > 0 {
			text = fmt.Errorf("%w; %w (of %d that were asked, twice)", e.Err, ErrNobody, asked)
		}
		e.Err = &reason{ErrNobody, text}
		m.reply.Err = &e
	}
	m.r.answer(w, m.reply)
}
