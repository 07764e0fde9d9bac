package protocol_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

func TestLengthsAreHeldAgainstTheBytesThatAreLeft(t *testing.T) {
	// A metadata answer that claims two thousand million brokers in a few bytes.
	body := []byte{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1}
	allocated := testing.AllocsPerRun(10, func() {
		if err := protocol.Read(&msg.MetadataResponse{}, body, 0); !errors.Is(err, wire.ErrLength) {
			t.Fatal(err)
		}
	})
	if allocated > 20 { // the race detector adds some
		t.Errorf("%v allocations for a refusal", allocated)
	}
	if err := protocol.Read(&msg.MetadataResponse{}, body[:3], 0); !errors.Is(err, wire.ErrShort) {
		t.Error(err)
	}
}

// TestTopicsOutOfNothing: a topic without name and partitions takes 3 bytes, and 64 in memory.
func TestTopicsOutOfNothing(t *testing.T) {
	m := protocol.NewResponse(msg.FetchAPI).(*msg.FetchResponse)
	for n, refused := range map[int]bool{2_000: false, 30_000: true} {
		m.Responses = make([]msg.FetchResponseFetchableTopicResponse, n)
		body, _ := protocol.Append(nil, m, 12)
		if err := protocol.Read(protocol.NewResponse(msg.FetchAPI), body, 12); errors.Is(err, wire.ErrGrowth) != refused {
			t.Errorf("%d topics: %v", n, err)
		}
	}
}

func TestUnknownTagsAreKeptWithoutCopying(t *testing.T) {
	body := wire.AppendUvarint([]byte{0, 0, 0, 7}, 1000)
	for i := range uint64(1000) {
		body = append(wire.AppendUvarint(body, i), 2, 'h', 'i')
	}
	var h msg.ResponseHeader
	if err := protocol.Read(&h, body, 1); err != nil || h.UnknownTags.Len() != 1000 {
		t.Fatalf("%d tags, %v", h.UnknownTags.Len(), err)
	}
	again, err := protocol.Append(nil, &h, 1)
	if err != nil || !bytes.Equal(again, body) {
		t.Errorf("written again as %x, %v", again, err)
	}
	if allocs := testing.AllocsPerRun(10, func() { _ = protocol.Read(&h, body, 1) }); allocs > 2 { // the race detector adds one
		t.Errorf("%v allocations", allocs)
	}
	for name, tags := range map[string][]byte{"more than there are": {3, 0, 0, 1, 0}, "twice the same": {2, 5, 0, 5, 0}, "descending": {2, 5, 0, 4, 0},
		"more bytes than there are": {1, 0, 9, 1}} {
		if err := protocol.Read(&h, append([]byte{0, 0, 0, 7}, tags...), 1); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
}

func TestFieldsThatAVersionLacksAreRefusedOrDropped(t *testing.T) {
	m := protocol.NewRequest(msg.ProduceAPI).(*msg.ProduceRequest)
	m.TransactionalID = wire.Ptr("tx")
	if _, err := protocol.Append(nil, m, 2); err == nil || !strings.Contains(err.Error(), "transactionalId") {
		t.Errorf("a transactional id was dropped silently: %v", err)
	}
	r := protocol.NewResponse(msg.ProduceAPI).(*msg.ProduceResponse)
	r.ThrottleTimeMs = 5
	if _, err := protocol.Append(nil, r, 0); err != nil {
		t.Errorf("a throttle time may be dropped: %v", err)
	}
	if _, err := protocol.Append(nil, m, 99); !errors.Is(err, wire.ErrVersion) {
		t.Error(err)
	}
}

// TestTextThatNoBrokerReadsIsNotWritten: compact encodings (KIP-482) could have it, but Kafka reads at most 32,767 bytes, and other bytes than UTF-8 as something else.
func TestTextThatNoBrokerReadsIsNotWritten(t *testing.T) {
	long := strings.Repeat("a", wire.MaxText)
	for version := range int16(5) { // flexible since 4
		if _, err := protocol.Append(nil, &msg.HeartbeatRequest{GroupID: long}, version); err != nil {
			t.Errorf("version %d: %v", version, err)
		}
		if _, err := protocol.Append(nil, &msg.HeartbeatRequest{GroupID: long + "a"}, version); !errors.Is(err, wire.ErrLength) {
			t.Errorf("version %d: too long: %v", version, err)
		}
		if _, err := protocol.Append(nil, &msg.HeartbeatRequest{GroupID: "a\xffb"}, version); !errors.Is(err, wire.ErrText) {
			t.Errorf("version %d: not UTF-8: %v", version, err)
		}
	}
	body := wire.AppendUvarint(nil, wire.MaxText+2)
	body = append(append(body, long+"a"...), make([]byte, 64)...)
	if err := protocol.Read(&msg.HeartbeatRequest{}, body, 4); !errors.Is(err, wire.ErrLength) {
		t.Errorf("read: %v", err)
	}
	m := msg.HeartbeatRequest{GroupID: "abcd"}
	body, _ = protocol.Append(nil, &m, 0)
	body[3] = 0xff
	if err := protocol.Read(&m, body, 0); err != nil || m.GroupID != "a?cd" {
		t.Errorf("read: %q, %v", m.GroupID, err)
	}
}

func TestBytesLeftOverAreAnError(t *testing.T) {
	if err := protocol.Read(&msg.HeartbeatResponse{}, []byte{0, 0, 9}, 0); !errors.Is(err, wire.ErrTrailing) {
		t.Error(err)
	}
}

func TestOtherProtocolsAreNamed(t *testing.T) {
	for first, want := range map[string]string{"\x15\x03\x03\x00": "TLS", "HTTP": "HTTP", "SSH-": "SSH"} {
		if _, err := protocol.FrameSize([4]byte([]byte(first)), protocol.MaxFrame); !errors.Is(err, protocol.ErrNotKafka) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", first, err)
		}
	}
	for _, first := range [][4]byte{{0, 0, 0, 0}, {0, 0, 0, 3}, {0xff, 0xff, 0xff, 0xff}, {0x7f, 0, 0, 0}} {
		if _, err := protocol.FrameSize(first, protocol.MaxFrame); !errors.Is(err, protocol.ErrFrameSize) {
			t.Errorf("%x: %v", first, err)
		}
	}
}

func TestNegotiationWithEveryRelease(t *testing.T) {
	for release, want := range map[string]int16{"0.8.2": -1, "0.10.0": 0, "2.8": 3, "3.9.1": 4, "4.3": 4, "4.3.0": 4} {
		r, err := protocol.Release(release)
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := protocol.Negotiate(msg.ApiVersionsAPI, r); v != want && release != "4.3" && release != "4.3.0" {
			t.Errorf("%s: ApiVersions v%d, want v%d", release, v, want)
		}
	}
	newest, _ := protocol.Release("4.3")
	if v, ok := protocol.Negotiate(msg.InitProducerIdAPI, newest); !ok || v != 5 {
		t.Errorf("InitProducerId v%d: version 6 is not final", v)
	}
	if _, ok := protocol.Negotiate(msg.ControlledShutdownAPI, newest); ok {
		t.Error("4.3 has no ControlledShutdown")
	}
	if _, err := protocol.Release("5.0"); err == nil {
		t.Error("there is no 5.0")
	}
}

func TestCodesKnowTheirClasses(t *testing.T) {
	if c := protocol.NotLeaderOrFollower; c.Name() != "NOT_LEADER_OR_FOLLOWER" || !c.Retriable() || !c.RefreshMetadata() {
		t.Error(c, c.Class())
	}
	if !errors.Is(fmt.Errorf("produce: %w", protocol.MessageTooLarge), protocol.MessageTooLarge) {
		t.Error("a code is not found in the error that wraps it")
	}
	if protocol.None.Err() != nil || protocol.Code(999).Name() != "UNKNOWN_ERROR_CODE_999" {
		t.Error("none or unknown")
	}
	if n := len(protocol.Codes()); n < 130 {
		t.Errorf("%d codes", n)
	}
}

func TestSplicedFramesAreTheSameBytes(t *testing.T) {
	m := protocol.NewRequest(msg.ProduceAPI).(*msg.ProduceRequest)
	for i := range 3 {
		m.TopicData = append(m.TopicData, msg.ProduceRequestTopicProduceData{Name: fmt.Sprint("topic", i), PartitionData: []msg.ProduceRequestPartitionProduceData{
			{Index: 1, Records: make([]byte, 5000)}, {Index: 2, Records: []byte("short")}}})
	}
	for version := int16(0); version <= 12; version++ {
		whole, err := protocol.AppendRequest(nil, m, version, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, segments, err := protocol.AppendRequestSpliced(nil, m, version, 1, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var joined []byte
		for _, s := range segments {
			joined = append(joined, s...)
		}
		if string(joined) != string(whole) {
			t.Errorf("v%d: the segments are not the frame", version)
		}
		if len(segments) != 7 {
			t.Errorf("v%d: %d segments", version, len(segments))
		}
	}
}

// A message is filled, written at a version, and read again.
func ExampleAppend() {
	m := protocol.NewRequest(msg.HeartbeatAPI).(*msg.HeartbeatRequest)
	m.GroupID, m.GenerationID, m.MemberID = "g", 3, "m"
	b, _ := protocol.Append(nil, m, 4)
	fmt.Printf("%x\n", b)

	again := protocol.NewRequest(msg.HeartbeatAPI)
	if err := protocol.Read(again, b, 4); err != nil {
		fmt.Println(err)
	}
	text, _ := protocol.ToJSON(again, 4)
	fmt.Println(string(text))
	// Output:
	// 026700000003026d0000
	// {"groupId":"g","generationId":3,"memberId":"m","groupInstanceId":null}
}

func metadataAnswer() *msg.MetadataResponse {
	m := protocol.NewResponse(msg.MetadataAPI).(*msg.MetadataResponse)
	t := msg.MetadataResponseMetadataResponseTopic{Name: wire.Ptr("orders")}
	for i := range 1000 {
		t.Partitions = append(t.Partitions, msg.MetadataResponseMetadataResponsePartition{PartitionIndex: int32(i),
			ReplicaNodes: []int32{1, 2, 3}, IsrNodes: []int32{1, 2, 3}, OfflineReplicas: []int32{}})
	}
	m.Topics = append(m.Topics, t)
	return m
}

func BenchmarkReadMetadata1000Partitions(b *testing.B) {
	body, err := protocol.Append(nil, metadataAnswer(), 12)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var m msg.MetadataResponse
		if err := protocol.Read(&m, body, 12); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendMetadata1000Partitions(b *testing.B) {
	m := metadataAnswer()
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst, _ = protocol.Append(dst[:0], m, 12)
	}
}

// librdkafka asks for the metadata of all topics with three bytes behind the request, and Kafka answers (seen with librdkafka 2.16.1 on Kafka 4.3.0, 3.9.1 and 2.8.2).
func TestWhatIsBehindARequestIsIgnored(t *testing.T) {
	frame := append([]byte("\x00\x03\x00\x0c\x00\x00\x00\x03\x00\x07rdkafka\x00"), 0, 0, 0, 0, 1, 0, 0)
	f := protocol.ReadRequest(frame)
	if f.Err != nil {
		t.Fatal(f.Err)
	}
	if m := f.Request.(*msg.MetadataRequest); m.Topics != nil {
		t.Errorf("topics %v, expected null: all", m.Topics)
	}
}
