package api_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// TestWhatAnAnswerDoesNotNameHasNotBeenDone has brokers that answer of something else than was asked, or of nothing: it looked as if all had gone well, and another group's members were given.
func TestWhatAnAnswerDoesNotNameHasNotBeenDone(t *testing.T) {
	server := listen(t)
	client, err := api.Dial(t.Context(), api.Brokers(server.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Shutdown(t.Context())
	a := client.Admin()
	other := wire.Ptr("other")
	calls := []struct {
		name  string
		call  func(ctx context.Context) (map[string]error, error)
		other []protocol.Response
	}{
		{"CreateTopics", func(ctx context.Context) (map[string]error, error) {
			return a.CreateTopics(ctx, api.NewTopic{Name: "new", Partitions: 1, Replicas: 1})
		}, []protocol.Response{&msg.CreateTopicsResponse{Topics: []msg.CreateTopicsResponseCreatableTopicResult{{Name: *other}}}}},
		{"CreatePartitions", func(ctx context.Context) (map[string]error, error) {
			return a.CreatePartitions(ctx, map[string]int32{"new": 9})
		}, []protocol.Response{&msg.CreatePartitionsResponse{Results: []msg.CreatePartitionsResponseCreatePartitionsTopicResult{{Name: *other}}}}},
		{"DeleteTopics", func(ctx context.Context) (map[string]error, error) { return a.DeleteTopics(ctx, "new") },
			[]protocol.Response{&msg.DeleteTopicsResponse{Responses: []msg.DeleteTopicsResponseDeletableTopicResult{{Name: other}}}}},
		{"DescribeTopics", func(ctx context.Context) (map[string]error, error) {
			found, err := a.DescribeTopics(ctx, "new")
			errs := map[string]error{}
			for name, d := range found {
				errs[name] = d.Err
			}
			return errs, err
		}, []protocol.Response{&msg.MetadataResponse{ClusterAuthorizedOperations: math.MinInt32, Topics: []msg.MetadataResponseMetadataResponseTopic{{Name: other, TopicAuthorizedOperations: math.MinInt32}}}}},
		{"DescribeGroups", func(ctx context.Context) (map[string]error, error) {
			found, err := a.DescribeGroups(ctx, "new")
			errs := map[string]error{}
			for name, d := range found {
				errs[name] = d.Err
			}
			return errs, err
		}, []protocol.Response{&msg.ConsumerGroupDescribeResponse{Groups: []msg.ConsumerGroupDescribeResponseDescribedGroup{{GroupID: *other}}},
			&msg.DescribeGroupsResponse{Groups: []msg.DescribeGroupsResponseDescribedGroup{{GroupID: *other}}}}},
	}
	for _, c := range calls {
		for _, answers := range []struct {
			name string
			of   []protocol.Response
		}{{"nothing", nil}, {"something else", c.other}} {
			var releases []func()
			server.Do(func(k *fake.Cluster) {
				for i, r := range c.other {
					reply := protocol.NewResponse(r.APIKey())
					if d, ok := reply.(interface{ SetDefaults() }); ok {
						d.SetDefaults()
					}
					if answers.of != nil {
						reply = answers.of[i]
					}
					releases = append(releases, k.Seize(r.APIKey(), func(q fake.Request) fake.Action {
						if m, ok := q.Req.(*msg.MetadataRequest); ok && (len(m.Topics) != 1 || m.Topics[0].Name == nil || *m.Topics[0].Name != "new") {
							return fake.Action{} // the client's own
						}
						return fake.Action{Reply: reply}
					}))
				}
			})
			got, err := c.call(t.Context())
			if err != nil || len(got) != 1 || !errors.Is(got["new"], protocol.UnknownServerError) {
				t.Errorf("%s, of which the answer tells %s: %v, %v", c.name, answers.name, got, err)
			}
			server.Do(func(*fake.Cluster) {
				for _, release := range releases {
					release()
				}
			})
		}
	}
}
