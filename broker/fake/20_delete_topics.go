package fake

import (
	"slices"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// deleteTopics answers DeleteTopics (20): by name, or from version 6 on by id. What is named twice is refused once, and what is told of it is what it was named by (ControllerApis.deleteTopics).
func (c *Cluster) deleteTopics(q *call) {
	req := q.Req.(*msg.DeleteTopicsRequest)
	resp := &msg.DeleteTopicsResponse{}
	answer := func(name *string, id wire.UUID, code protocol.Code) {
		r := msg.DeleteTopicsResponseDeletableTopicResult{Name: name, TopicID: id, ErrorCode: int16(code)}
		if code != protocol.None {
			r.ErrorMessage = wire.Ptr(code.Description())
		}
		resp.Responses = append(resp.Responses, r)
	}
	asked := slices.Clone(req.Topics)
	for i := range req.TopicNames {
		asked = append(asked, msg.DeleteTopicsRequestDeleteTopicState{Name: &req.TopicNames[i]})
	}
	injected := or(c.injected(q.Key), c.late(req.TimeoutMs))
	if !c.kraft() {
		c.deleteOneByOne(asked, injected, answer)
		c.reply(q, resp)
		return
	}
	var names []string
	var ids []wire.UUID
	for i := range asked {
		switch a := &asked[i]; {
		case injected != protocol.None:
			answer(a.Name, a.TopicID, injected)
		case (a.Name == nil) == (a.TopicID == wire.UUID{}):
			answer(a.Name, a.TopicID, protocol.InvalidRequest)
		case a.Name != nil:
			names = append(names, *a.Name)
		default:
			ids = append(ids, a.TopicID)
		}
	}
	names, twice := once(names)
	for i := range twice {
		answer(&twice[i], wire.UUID{}, protocol.InvalidRequest)
	}
	ids, idsTwice := once(ids)
	for _, id := range idsTwice {
		answer(nil, id, protocol.InvalidRequest)
	}
	var gone []*topic
	byID := map[wire.UUID]bool{} // they are to be deleted, or were asked for more than once
	for _, id := range idsTwice {
		byID[id] = true
	}
	twiceNamed := map[*topic]bool{}
	for _, id := range ids {
		if t, code := c.lookup("", id, true); code != protocol.None {
			answer(nil, id, code)
		} else {
			gone, byID[id] = append(gone, t), true
		}
	}
	for i := range names {
		t, code := c.lookup(names[i], wire.UUID{}, false)
		switch {
		case code != protocol.None:
			answer(&names[i], wire.UUID{}, code)
		case byID[t.id]:
			twiceNamed[t] = true
			answer(&names[i], t.id, protocol.InvalidRequest)
		default:
			gone = append(gone, t)
		}
	}
	for _, t := range gone {
		if twiceNamed[t] {
			continue
		}
		answer(&t.name, t.id, protocol.None)
		_ = c.DeleteTopic(t.name) // it is there
	}
	c.reply(q, resp)
}

// deleteOneByOne is what releases with ZooKeeper do (KafkaApis.handleDeleteTopicsRequest): each mention is answered, with the id if it was asked for by that. What comes of a topic is told at its first mention.
func (c *Cluster) deleteOneByOne(asked []msg.DeleteTopicsRequestDeleteTopicState, injected protocol.Code, answer func(*string, wire.UUID, protocol.Code)) {
	var gone []string
	if slices.ContainsFunc(asked, func(a msg.DeleteTopicsRequestDeleteTopicState) bool { return a.Name != nil && a.TopicID != wire.UUID{} }) { // all is refused
		for i := range asked {
			answer(asked[i].Name, asked[i].TopicID, or(injected, protocol.InvalidRequest))
		}
		return
	}
	for i := range asked {
		name := asked[i].Name
		t, code := c.lookup(text(name), asked[i].TopicID, asked[i].TopicID != wire.UUID{})
		if name == nil && asked[i].TopicID == (wire.UUID{}) { // nobody may delete what is not named
			code = protocol.TopicAuthorizationFailed
		}
		if t != nil {
			name = &t.name
		}
		if code = or(injected, code); code == protocol.None {
			gone = append(gone, t.name)
		}
		answer(name, asked[i].TopicID, code)
	}
	for _, name := range gone {
		_ = c.DeleteTopic(name) // one that was mentioned twice is gone
	}
}

// once tells apart what is in a list once and what is there more often.
func once[T comparable](list []T) (single, several []T) {
	counts := map[T]int{}
	for _, v := range list {
		counts[v]++
	}
	for _, v := range list {
		if counts[v] == 1 {
			single = append(single, v)
		} else if counts[v] > 1 {
			several = append(several, v)
			counts[v] = 0
		}
	}
	return single, several
}
