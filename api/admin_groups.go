package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/printable"
)

// GroupListing is a group in a list. State and Type are "" where the broker does not tell: before Kafka 2.6 and 3.7.
type GroupListing struct {
	Group        string
	ProtocolType string // "consumer" for consumers; "" for groups that have offsets only
	State        string // as Kafka names it: "Stable", "Empty", ...
	Type         string // "classic" or "consumer"; also "share" and "streams"
	Coordinator  int32
}

// GroupFilter says which groups are listed; what is empty does not matter.
type GroupFilter struct {
	States []string // Kafka 2.6 or newer (KIP-518)
	Types  []string // Kafka 3.7 or newer (KIP-848)
}

// GroupDescription is a group as its coordinator sees it, or why it cannot be described.
type GroupDescription struct {
	Group, State    string
	Type            string // "classic" or "consumer"
	Assignor        string
	Epoch           int32 // of a group of type consumer; -1: it has none
	AssignmentEpoch int32 // the epoch that its target assignment is for; -1: it has none
	Members         []MemberDescription
	Err             error
}

// MemberDescription is a member of a group. Epoch, Target and Regex are those of groups of type consumer.
type MemberDescription struct {
	ID, Instance, Client, Host, Rack string
	Classic                          bool // it speaks the classic protocol
	Epoch                            int32
	Topics                           []string
	Regex                            string
	Assigned, Target                 []TopicPartition
}

// ListGroups asks every broker for the groups that it coordinates. If some brokers cannot be asked, the others' groups come with an error.
func (a *Admin) ListGroups(ctx context.Context, filter GroupFilter) ([]GroupListing, error) {
	snap, err := broker.Metadata(ctx, a.client.system.Cluster())
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", public(err))
	}
	var out []GroupListing
	var errs []error
	for _, n := range snap.Nodes {
		req := &msg.ListGroupsRequest{StatesFilter: filter.States, TypesFilter: filter.Types}
		var resp *msg.ListGroupsResponse
		err := a.insist(ctx, broker.Route{Req: req, To: broker.Target{Kind: broker.ToNode, Node: n.ID}}, func(r protocol.Response) protocol.Code {
			resp = r.(*msg.ListGroupsResponse)
			return protocol.Code(resp.ErrorCode)
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("list groups of broker %d: %w", n.ID, err))
			continue
		}
		out = slices.Grow(out, len(resp.Groups))
		for _, g := range resp.Groups {
			out = append(out, GroupListing{g.GroupID, g.ProtocolType, g.GroupState, strings.ToLower(g.GroupType), n.ID})
		}
	}
	if err := sortWithin(ctx, out, func(a, b GroupListing) int { return cmp.Compare(a.Group, b.Group) }); err != nil {
		errs = append(errs, fmt.Errorf("list groups: %w", err))
	}
	return out, errors.Join(errs...)
}

// sortWithin sorts as long as ctx lasts, and is its error if that was too short: millions take seconds.
func sortWithin[T any](ctx context.Context, list []T, compare func(a, b T) int) error {
	var err error
	n := 0
	slices.SortFunc(list, func(a, b T) int {
		if n++; n%1024 == 0 && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return 0 // in order, for all it matters: it ends soon
		}
		return compare(a, b)
	})
	return err
}

// DescribeGroups asks the coordinators of consumer groups for their members. A group that there is not has the error protocol.GroupIDNotFound.
func (a *Admin) DescribeGroups(ctx context.Context, groups ...string) (map[string]GroupDescription, error) {
	out := map[string]GroupDescription{}
	w := a.client.system.World()
	answers := make([]*role.Promise[GroupDescription], len(groups))
	for i, id := range groups { // all at a time: each may have a coordinator of its own
		answers[i] = role.NewPromise[GroupDescription](w)
		w.Go("describe group "+id, func() {
			d, err := a.describeConsumerGroup(ctx, id)
			if errors.Is(err, broker.ErrUnsupported) || errors.Is(err, protocol.GroupIDNotFound) || errors.Is(err, protocol.UnsupportedVersion) {
				d, err = a.describeClassicGroup(ctx, id)
			}
			answers[i].Settle(d, err)
		})
	}
	for i, id := range groups {
		d, err := answers[i].Get(context.WithoutCancel(ctx)) // who asks ends with ctx
		if err != nil && ctx.Err() != nil {
			return out, fmt.Errorf("describe group %s: %w", printable.Text(id), err)
		}
		if d.Group = id; err != nil {
			d.Err = fmt.Errorf("describe group %s: %w", printable.Text(id), err)
		}
		slices.SortFunc(d.Members, func(a, b MemberDescription) int { return cmp.Compare(a.ID, b.ID) })
		out[id] = d
	}
	return out, nil
}

// insist sends a question until it is answered without an error that goes away by itself, as long as ctx lasts and at most default.api.timeout.ms.
func (a *Admin) insist(ctx context.Context, route broker.Route, code func(protocol.Response) protocol.Code) error {
	route.Replayable = true
	_, err := broker.Insist(ctx, a.client.system.Cluster(), a.client.settings.group.Timeout, func() broker.Route { return route }, func(r broker.Reply) protocol.Code { return code(r.Resp) })
	return public(err)
}

func coordinatorOf(group string) broker.Target {
	return broker.Target{Kind: broker.ToCoordinator, Key: group, KeyType: broker.KeyGroup}
}

func (a *Admin) describeConsumerGroup(ctx context.Context, id string) (d GroupDescription, err error) {
	var g msg.ConsumerGroupDescribeResponseDescribedGroup
	err = a.insist(ctx, broker.Route{Req: &msg.ConsumerGroupDescribeRequest{GroupIDs: []string{id}}, To: coordinatorOf(id), Optional: true}, func(r protocol.Response) protocol.Code {
		groups := r.(*msg.ConsumerGroupDescribeResponse).Groups
		if len(groups) != 1 || groups[0].GroupID != id {
			return protocol.UnknownServerError
		}
		g = groups[0]
		return protocol.Code(g.ErrorCode)
	})
	if err != nil {
		return d, err
	}
	d = GroupDescription{State: g.GroupState, Type: "consumer", Assignor: g.AssignorName, Epoch: g.GroupEpoch, AssignmentEpoch: g.AssignmentEpoch}
	for i := range g.Members {
		m := &g.Members[i]
		d.Members = append(d.Members, MemberDescription{ID: m.MemberID, Instance: text(m.InstanceID), Client: m.ClientID, Host: m.ClientHost, Rack: text(m.RackID), Classic: m.MemberType == 0,
			Epoch: m.MemberEpoch, Topics: m.SubscribedTopicNames, Regex: text(m.SubscribedTopicRegex), Assigned: partitionsOf(&m.Assignment), Target: partitionsOf(&m.TargetAssignment)})
	}
	return d, nil
}

func partitionsOf(a *msg.ConsumerGroupDescribeResponseAssignment) (out []TopicPartition) {
	for _, t := range a.TopicPartitions {
		for _, p := range t.Partitions {
			out = append(out, TopicPartition{Topic: t.TopicName, Partition: p})
		}
	}
	slices.SortFunc(out, TopicPartition.Compare)
	return out
}

func (a *Admin) describeClassicGroup(ctx context.Context, id string) (d GroupDescription, err error) {
	var g msg.DescribeGroupsResponseDescribedGroup
	err = a.insist(ctx, broker.Route{Req: &msg.DescribeGroupsRequest{Groups: []string{id}}, To: coordinatorOf(id)}, func(r protocol.Response) protocol.Code {
		groups := r.(*msg.DescribeGroupsResponse).Groups
		if len(groups) != 1 || groups[0].GroupID != id {
			return protocol.UnknownServerError
		}
		g = groups[0]
		if g.ErrorCode == 0 && g.GroupState == "Dead" { // what brokers say of a group that there is not, before Kafka 4.0
			return protocol.GroupIDNotFound
		}
		return protocol.Code(g.ErrorCode)
	})
	if err != nil {
		return d, err
	}
	d = GroupDescription{State: g.GroupState, Type: "classic", Assignor: g.ProtocolData, Epoch: -1, AssignmentEpoch: -1}
	for i := range g.Members {
		m := &g.Members[i]
		out := MemberDescription{ID: m.MemberID, Instance: text(m.GroupInstanceID), Client: m.ClientID, Host: m.ClientHost, Classic: true, Epoch: -1}
		if g.ProtocolType == "consumer" {
			if s, err := assign.ReadSubscription(m.MemberMetadata); err == nil {
				out.Topics, out.Rack = s.Topics, s.Rack
			}
			out.Assigned, _ = assign.ReadAssignment(m.MemberAssignment) // while the group rebalances there is none
		}
		d.Members = append(d.Members, out)
	}
	return d, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
