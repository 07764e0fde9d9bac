package fake

import (
	"cmp"
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// deleteTopics answers DeleteTopics (20): by name, or from version 6 on by id.
func (c *Cluster) deleteTopics(q *call) {
	req := q.Req.(*msg.DeleteTopicsRequest)
	resp := &msg.DeleteTopicsResponse{}
	injected := c.injected(q.Key)
	asked := slices.Clone(req.Topics)
	for i := range req.TopicNames {
		asked = append(asked, msg.DeleteTopicsRequestDeleteTopicState{Name: &req.TopicNames[i]})
	}
	var gone []*topic
	for i := range asked {
		a := &asked[i]
		same := func(o msg.DeleteTopicsRequestDeleteTopicState) bool {
			return c.means(a) != "" && c.means(a) == c.means(&o)
		}
		if slices.ContainsFunc(asked[:i], same) {
			continue // it is refused once
		}
		r := msg.DeleteTopicsResponseDeletableTopicResult{Name: a.Name, TopicID: a.TopicID}
		t, code := c.lookup(deref(a.Name), a.TopicID, a.Name == nil)
		switch {
		case injected != protocol.None:
			code = injected
		case (a.Name == nil) == (a.TopicID == wire.UUID{}), slices.ContainsFunc(asked[i+1:], same):
			code = protocol.InvalidRequest
			for _, o := range asked[i+1:] { // as much as is known is told
				if same(o) {
					r.Name, r.TopicID = cmp.Or(r.Name, o.Name), cmp.Or(r.TopicID, o.TopicID)
				}
			}
		case code == protocol.None:
			r.Name, r.TopicID = wire.Ptr(t.name), t.id
			gone = append(gone, t)
		}
		r.ErrorCode = int16(code)
		if code != protocol.None {
			r.ErrorMessage = wire.Ptr(code.Description())
		}
		resp.Responses = append(resp.Responses, r)
	}
	for _, t := range gone {
		_ = c.DeleteTopic(t.name) // it is there
	}
	c.reply(q, resp)
}

// means is the name of what is to be deleted; "": it is not known.
func (c *Cluster) means(a *msg.DeleteTopicsRequestDeleteTopicState) string {
	if t := c.topicByID(a.TopicID); a.Name == nil && t != nil {
		return t.name
	}
	return deref(a.Name)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
