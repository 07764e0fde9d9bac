package differ

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// exception is a field that is not compared as it is.
type exception struct {
	field  string // its name, or API.Field.Field for that of one API only
	show   func(w *world, v reflect.Value) string
	reason string
}

// exceptions are all fields that are not compared as they are. What show gives is compared; "" is nothing.
var exceptions = []exception{
	{"ErrorMessage", unseen, "texts are for people: Kafka changes them with every release"},
	{"DescribeConfigs.Results.Configs.Documentation", shown, "texts are for people"},
	{"BatchIndexErrorMessage", unseen, "texts are for people"},
	{"ThrottleTimeMs", unseen, "no quota is set; brokers that are busy may still tell one"},
	{"UnknownTags", unseen, "tagged fields that this protocol has no name for"},
	{"ClusterID", unseen, "clusters draw their ids"},
	{"Host", unseen, "brokers are where they are"},
	{"Port", unseen, "brokers are where they are"},
	{"ClientHost", unseen, "Kafka shows a slash before the address"},
	{"ProducerID", showID("producer"), "producers get their ids from the cluster: they are named in the order met"},
	{"V3AndBelowProducerID", showID("producer"), "producers get their ids from the cluster"},
	{"OngoingTxnProducerID", showID("producer"), "producers get their ids from the cluster"},
	{"ProducerIDFilters", unseen, "of requests: ids in the order of the script's producers"},
	{"SessionID", showID("session"), "sessions of fetches get their ids from the broker"},
	{"TopicID", showTopicID, "topics get their ids from the cluster"},
	{"MemberID", showMember, "members get their ids from the coordinator"},
	{"Leader", showMember, "members get their ids from the coordinator"},
	{"Records", showRecords, "batches name their producer, and markers have the time they were written"},
	{"LogAppendTimeMs", showTime, "the time of the broker"},
	{"Timestamp", showTime, "with LogAppendTime the time of the broker"},
	{"LastTimestamp", showTime, "of markers the time of the broker"},
	{"TransactionStartTimeMs", showTime, "the time of the broker"},
	{"ApiVersions.FinalizedFeaturesEpoch", unseen, "how often features were changed"},
	{"ApiVersions.SupportedFeatures", unseen, "the fake has those only that change what clients do"},
	{"ApiVersions.FinalizedFeatures", unseen, "the fake has those only that change what clients do"},
	{"ApiVersions.ApiKeys", unseen, "the fake has not all APIs; the script asks in versions that both have"},
	{"ConsumerGroupHeartbeat.HeartbeatIntervalMs", unseen, "is configured"},
	{"DescribeLogDirs.Results.LogDir", unseen, "brokers have their directories where they are told to"},
	{"DescribeLogDirs.Results.TotalBytes", unseen, "volumes are as large as they are"},
	{"DescribeLogDirs.Results.UsableBytes", unseen, "volumes are as large as they are"},
	{"CreateTopics.Topics.Configs", unseen, "the fake has few configurations of topics"},
}

func exceptionOf(path, field string) *exception {
	for i := range exceptions {
		if e := &exceptions[i]; e.field == field || e.field == path {
			return e
		}
	}
	return nil
}

// shown tells only whether there is something.
func shown(_ *world, v reflect.Value) string { return fmt.Sprint(!v.IsNil()) }

func unseen(*world, reflect.Value) string { return "" }

func showID(kind string) func(*world, reflect.Value) string {
	return func(w *world, v reflect.Value) string {
		switch n := v.Int(); {
		case n > 0 && n < strangers || n == 0 && kind == "producer":
			return w.names.of(kind, kind+fmt.Sprint(n))
		case n < -1 || n >= strangers && n != w.stranger: // some bytes of one that the cluster has given
			return "none"
		}
		return fmt.Sprint(v.Int())
	}
}

func showTopicID(w *world, v reflect.Value) string {
	switch id := v.Interface().(wire.UUID); {
	case id == wire.UUID{}:
		return "none"
	case isNobodys(id):
		return "nobody's"
	default:
		return w.names.of("topic", id)
	}
}

// showMember names what a coordinator has drawn; ids that the script chose have its prefix.
func showMember(w *world, v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "null"
		}
		v = v.Elem()
	}
	if id := v.String(); id != "" && !strings.HasPrefix(id, w.prefix) {
		return w.names.of("member", id)
	}
	return fmt.Sprintf("%q", w.short(v.String()))
}

// showTime tells what a broker has stamped from what the script has.
func showTime(w *world, v reflect.Value) string { return w.shownTime(v.Int()) }

func (w *world) shownTime(ms int64) string {
	switch since := ms - w.began.UnixMilli(); {
	case ms <= 0:
		return fmt.Sprint(ms)
	case since >= -1000 && since < (10*time.Minute).Milliseconds():
		return "now"
	}
	return fmt.Sprintf("T%+d", ms-w.began.Add(-time.Hour).UnixMilli())
}

// arrange puts into one order what Kafka answers in any, and takes away what other scripts have.
func arrange(m protocol.Message, w *world) {
	switch m := m.(type) {
	case *msg.FetchResponse: // what is refused comes behind the rest, and sessions begin with whoever had nothing last
		var out []msg.FetchResponseFetchableTopicResponse
		for _, t := range m.Responses {
			i := slices.IndexFunc(out, func(o msg.FetchResponseFetchableTopicResponse) bool {
				return o.Topic == t.Topic && o.TopicID == t.TopicID
			})
			if i < 0 {
				out = append(out, t)
				continue
			}
			out[i].Partitions = append(out[i].Partitions, t.Partitions...)
		}
		for i := range out {
			slices.SortStableFunc(out[i].Partitions, func(a, b msg.FetchResponsePartitionData) int {
				return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
			})
		}
		slices.SortStableFunc(out, func(a, b msg.FetchResponseFetchableTopicResponse) int {
			return cmp.Or(strings.Compare(w.orderOf(a.Topic, a.TopicID), w.orderOf(b.Topic, b.TopicID)))
		})
		m.Responses = out
		for i := range out {
			for k := range out[i].Partitions {
				slices.SortStableFunc(out[i].Partitions[k].AbortedTransactions, func(a, b msg.FetchResponseAbortedTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
			}
		}
	case *msg.ProduceResponse: // by the results of hash maps
		for i := range m.Responses {
			slices.SortStableFunc(m.Responses[i].PartitionResponses, func(a, b msg.ProduceResponsePartitionProduceResponse) int {
				return cmp.Compare(a.Index, b.Index)
			})
		}
		slices.SortStableFunc(m.Responses, func(a, b msg.ProduceResponseTopicProduceResponse) int {
			return strings.Compare(w.orderOf(a.Name, a.TopicID), w.orderOf(b.Name, b.TopicID))
		})
	case *msg.MetadataResponse:
		m.Topics = slices.DeleteFunc(m.Topics, func(t msg.MetadataResponseMetadataResponseTopic) bool { return w.others(text(t.Name)) })
		key := func(t *msg.MetadataResponseMetadataResponseTopic) string {
			if t.Name != nil {
				return w.short(*t.Name)
			}
			return w.orderOf("", t.TopicID)
		}
		slices.SortStableFunc(m.Topics, func(a, b msg.MetadataResponseMetadataResponseTopic) int { return strings.Compare(key(&a), key(&b)) })
		for i := range m.Topics {
			slices.SortFunc(m.Topics[i].Partitions, func(a, b msg.MetadataResponseMetadataResponsePartition) int {
				return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
			})
		}
	default:
		arrangeMore(m, w)
	}
}

// others tells whether a name is that of another script, or of what another has named by chance.
func (w *world) others(name string) bool {
	return len(name) > 0 && name[0] == 'd' && !strings.HasPrefix(name, w.prefix)
}

// arrangeMore is arrange for the APIs whose order is that of sets and maps.
func arrangeMore(m protocol.Message, w *world) {
	switch m := m.(type) {
	case *msg.ListOffsetsResponse:
		slices.SortStableFunc(m.Topics, func(a, b msg.ListOffsetsResponseListOffsetsTopicResponse) int { return strings.Compare(a.Name, b.Name) })
		for i := range m.Topics {
			slices.SortStableFunc(m.Topics[i].Partitions, func(a, b msg.ListOffsetsResponseListOffsetsPartitionResponse) int {
				return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
			})
		}
	case *msg.OffsetForLeaderEpochResponse:
		slices.SortStableFunc(m.Topics, func(a, b msg.OffsetForLeaderEpochResponseOffsetForLeaderTopicResult) int {
			return strings.Compare(a.Topic, b.Topic)
		})
		for i := range m.Topics {
			slices.SortStableFunc(m.Topics[i].Partitions, func(a, b msg.OffsetForLeaderEpochResponseEpochEndOffset) int {
				return cmp.Compare(a.Partition, b.Partition)
			})
		}
	case *msg.DescribeConfigsResponse:
		slices.SortStableFunc(m.Results, func(a, b msg.DescribeConfigsResponseDescribeConfigsResult) int {
			return cmp.Or(cmp.Compare(a.ResourceType, b.ResourceType), strings.Compare(a.ResourceName, b.ResourceName), cmp.Compare(a.ErrorCode, b.ErrorCode), cmp.Compare(len(a.Configs), len(b.Configs)))
		})
		for i := range m.Results {
			slices.SortFunc(m.Results[i].Configs, func(a, b msg.DescribeConfigsResponseDescribeConfigsResourceResult) int {
				return strings.Compare(a.Name, b.Name)
			})
		}
	case *msg.AlterConfigsResponse:
		slices.SortStableFunc(m.Responses, func(a, b msg.AlterConfigsResponseAlterConfigsResourceResponse) int {
			return cmp.Or(cmp.Compare(a.ResourceType, b.ResourceType), strings.Compare(a.ResourceName, b.ResourceName))
		})
	case *msg.IncrementalAlterConfigsResponse:
		slices.SortStableFunc(m.Responses, func(a, b msg.IncrementalAlterConfigsResponseAlterConfigsResourceResponse) int {
			return cmp.Or(cmp.Compare(a.ResourceType, b.ResourceType), strings.Compare(a.ResourceName, b.ResourceName))
		})
	case *msg.CreatePartitionsResponse:
		slices.SortStableFunc(m.Results, func(a, b msg.CreatePartitionsResponseCreatePartitionsTopicResult) int {
			return strings.Compare(a.Name, b.Name)
		})
	case *msg.CreateTopicsResponse:
		slices.SortStableFunc(m.Topics, func(a, b msg.CreateTopicsResponseCreatableTopicResult) int { return strings.Compare(a.Name, b.Name) })
	case *msg.DeleteTopicsResponse:
		slices.SortStableFunc(m.Responses, func(a, b msg.DeleteTopicsResponseDeletableTopicResult) int {
			return cmp.Or(strings.Compare(w.orderOf(text(a.Name), a.TopicID), w.orderOf(text(b.Name), b.TopicID)), strings.Compare(text(a.Name), text(b.Name)), cmp.Compare(a.ErrorCode, b.ErrorCode))
		})
	case *msg.DeleteRecordsResponse:
		slices.SortStableFunc(m.Topics, func(a, b msg.DeleteRecordsResponseDeleteRecordsTopicResult) int {
			return strings.Compare(a.Name, b.Name)
		})
		for i := range m.Topics {
			slices.SortStableFunc(m.Topics[i].Partitions, func(a, b msg.DeleteRecordsResponseDeleteRecordsPartitionResult) int {
				return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
			})
		}
	case *msg.AddPartitionsToTxnResponse:
		arrangeAdded(m.ResultsByTopicV3AndBelow)
		for i := range m.ResultsByTransaction {
			arrangeAdded(m.ResultsByTransaction[i].TopicResults)
		}
	case *msg.OffsetCommitResponse:
		slices.SortStableFunc(m.Topics, func(a, b msg.OffsetCommitResponseOffsetCommitResponseTopic) int {
			return strings.Compare(w.orderOf(a.Name, a.TopicID), w.orderOf(b.Name, b.TopicID))
		})
		for i := range m.Topics { // what is refused comes first
			slices.SortStableFunc(m.Topics[i].Partitions, func(a, b msg.OffsetCommitResponseOffsetCommitResponsePartition) int {
				return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
			})
		}
	case *msg.TxnOffsetCommitResponse:
		slices.SortStableFunc(m.Topics, func(a, b msg.TxnOffsetCommitResponseTxnOffsetCommitResponseTopic) int {
			return strings.Compare(a.Name, b.Name)
		})
		for i := range m.Topics {
			slices.SortStableFunc(m.Topics[i].Partitions, func(a, b msg.TxnOffsetCommitResponseTxnOffsetCommitResponsePartition) int {
				return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
			})
		}
	case *msg.OffsetFetchResponse:
		slices.SortStableFunc(m.Topics, func(a, b msg.OffsetFetchResponseOffsetFetchResponseTopic) int { return strings.Compare(a.Name, b.Name) })
		for i := range m.Topics {
			slices.SortStableFunc(m.Topics[i].Partitions, func(a, b msg.OffsetFetchResponseOffsetFetchResponsePartition) int {
				return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
			})
		}
		for i := range m.Groups {
			slices.SortStableFunc(m.Groups[i].Topics, func(a, b msg.OffsetFetchResponseOffsetFetchResponseTopics) int {
				return strings.Compare(w.orderOf(a.Name, a.TopicID), w.orderOf(b.Name, b.TopicID))
			})
			for k := range m.Groups[i].Topics {
				slices.SortStableFunc(m.Groups[i].Topics[k].Partitions, func(a, b msg.OffsetFetchResponseOffsetFetchResponsePartitions) int {
					return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
				})
			}
		}
	case *msg.DescribeProducersResponse:
		for i := range m.Topics {
			for k := range m.Topics[i].Partitions {
				slices.SortFunc(m.Topics[i].Partitions[k].ActiveProducers, func(a, b msg.DescribeProducersResponseProducerState) int {
					return cmp.Compare(a.ProducerID, b.ProducerID)
				})
			}
		}
	case *msg.DescribeTransactionsResponse:
		for i := range m.TransactionStates {
			slices.SortFunc(m.TransactionStates[i].Topics, func(a, b msg.DescribeTransactionsResponseTopicData) int { return strings.Compare(a.Topic, b.Topic) })
			for k := range m.TransactionStates[i].Topics {
				slices.Sort(m.TransactionStates[i].Topics[k].Partitions)
			}
		}
	case *msg.ListTransactionsResponse:
		slices.SortFunc(m.TransactionStates, func(a, b msg.ListTransactionsResponseTransactionState) int {
			return strings.Compare(a.TransactionalID, b.TransactionalID)
		})
		slices.Sort(m.UnknownStateFilters)
	default:
		arrangeGroups(m, w)
	}
}

func arrangeAdded(topics []msg.AddPartitionsToTxnResponseAddPartitionsToTxnTopicResult) {
	slices.SortStableFunc(topics, func(a, b msg.AddPartitionsToTxnResponseAddPartitionsToTxnTopicResult) int {
		return strings.Compare(a.Name, b.Name)
	})
	for i := range topics {
		slices.SortStableFunc(topics[i].ResultsByPartition, func(a, b msg.AddPartitionsToTxnResponseAddPartitionsToTxnPartitionResult) int {
			return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
		})
	}
}

// arrangeGroups is arrange for what coordinators of groups answer: members, and what they are given, come from maps.
func arrangeGroups(m protocol.Message, w *world) {
	switch m := m.(type) {
	case *msg.ListGroupsResponse: // the groups of other scripts are there, too
		m.Groups = slices.DeleteFunc(m.Groups, func(g msg.ListGroupsResponseListedGroup) bool { return !strings.HasPrefix(g.GroupID, w.prefix) })
		slices.SortFunc(m.Groups, func(a, b msg.ListGroupsResponseListedGroup) int { return strings.Compare(a.GroupID, b.GroupID) })
	case *msg.ConsumerGroupHeartbeatResponse:
		if m.Assignment != nil {
			slices.SortFunc(m.Assignment.TopicPartitions, func(a, b msg.ConsumerGroupHeartbeatResponseTopicPartitions) int {
				return strings.Compare(w.orderOf("", a.TopicID), w.orderOf("", b.TopicID))
			})
			for i := range m.Assignment.TopicPartitions {
				slices.Sort(m.Assignment.TopicPartitions[i].Partitions)
			}
		}
	case *msg.DeleteGroupsResponse:
		slices.SortStableFunc(m.Results, func(a, b msg.DeleteGroupsResponseDeletableGroupResult) int {
			return cmp.Or(strings.Compare(a.GroupID, b.GroupID), cmp.Compare(a.ErrorCode, b.ErrorCode))
		})
	case *msg.OffsetDeleteResponse:
		slices.SortStableFunc(m.Topics, func(a, b msg.OffsetDeleteResponseOffsetDeleteResponseTopic) int {
			return strings.Compare(a.Name, b.Name)
		})
		for i := range m.Topics {
			slices.SortStableFunc(m.Topics[i].Partitions, func(a, b msg.OffsetDeleteResponseOffsetDeleteResponsePartition) int {
				return cmp.Compare(a.PartitionIndex, b.PartitionIndex)
			})
		}
	case *msg.DescribeGroupsResponse: // by the partitions of their coordinators, as all that is asked for several groups
		slices.SortStableFunc(m.Groups, func(a, b msg.DescribeGroupsResponseDescribedGroup) int { return strings.Compare(a.GroupID, b.GroupID) })
	case *msg.ConsumerGroupDescribeResponse:
		slices.SortStableFunc(m.Groups, func(a, b msg.ConsumerGroupDescribeResponseDescribedGroup) int {
			return cmp.Or(strings.Compare(a.GroupID, b.GroupID), cmp.Compare(a.ErrorCode, b.ErrorCode)) // up to 4.0 the same group is told several times
		})
		for i := range m.Groups {
			members := m.Groups[i].Members
			slices.SortFunc(members, func(a, b msg.ConsumerGroupDescribeResponseMember) int {
				return strings.Compare(w.orderOfMember(a.MemberID), w.orderOfMember(b.MemberID))
			})
			for k := range members {
				slices.Sort(members[k].SubscribedTopicNames)
				arrangeAssignment(&members[k].Assignment)
				arrangeAssignment(&members[k].TargetAssignment)
			}
		}
	default:
		arrangeAdmin(m, w)
	}
}

func arrangeAssignment(a *msg.ConsumerGroupDescribeResponseAssignment) {
	slices.SortFunc(a.TopicPartitions, func(a, b msg.ConsumerGroupDescribeResponseTopicPartitions) int {
		return strings.Compare(a.TopicName, b.TopicName)
	})
	for i := range a.TopicPartitions {
		slices.Sort(a.TopicPartitions[i].Partitions)
	}
}

// orderOf is a key to order topics by that is the same on both sides.
func (w *world) orderOf(name string, id wire.UUID) string {
	if id != (wire.UUID{}) {
		if known := w.named(id); known != "" {
			return known
		}
		if isNobodys(id) {
			return fmt.Sprintf("~~%c", id[14])
		}
		return "~" + w.names.of("topic", id) // in a life before
	}
	return w.short(name)
}

// orderOfMember is a key to order members by: first those that have their ids from the script.
func (w *world) orderOfMember(id string) string {
	if strings.HasPrefix(id, w.prefix) {
		return " " + w.short(id)
	}
	return w.names.of("member", id)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
