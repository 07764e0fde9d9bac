//go:build live

package fake_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

var (
	kafkaBroker = flag.String("kafka", "", "address of the one broker of a cluster with transaction.abort.timed.out.transaction.cleanup.interval.ms=500")
	kafkaName   = flag.String("as", "", "what that is among the clusters of TestTransactionsAreAsKafkas")
	update      = flag.Bool("update", false, "write what is seen")
)

// TestTransactionsOfKafka plays the scripts on a real broker, and compares what is seen with what was seen when they were written.
func TestTransactionsOfKafka(t *testing.T) {
	if _, known := kafkas[*kafkaName]; !known || *kafkaBroker == "" {
		t.Fatal("say which broker with -kafka, and which of kafkas it is with -as")
	}
	k := &kafkaStage{ranges: protocol.NewRanges()}
	var err error
	if k.conn, err = net.Dial("tcp", *kafkaBroker); err != nil {
		t.Fatal(err)
	}
	defer k.conn.Close()
	answer := k.ask(t, &msg.ApiVersionsRequest{ClientSoftwareName: "script", ClientSoftwareVersion: "1"}, 3).(*msg.ApiVersionsResponse)
	t.Logf("finalized: %+v supported: %+v", answer.FinalizedFeatures, answer.SupportedFeatures)
	k.features, k.ranges = answer, protocol.RangesOf(answer)
	k.ready(t)
	for _, file := range scripts(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !isFor(string(text), *kafkaName) {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			got := play(t, k, fmt.Sprintf("x%d-", time.Now().UnixNano()), string(text))
			name := seen(*kafkaName, file)
			if *update {
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, string(want))
		})
	}
}

// kafkaStage is a broker of Kafka's.
type kafkaStage struct {
	conn     net.Conn
	ranges   protocol.Ranges
	features *msg.ApiVersionsResponse
	id       int32
}

func (k *kafkaStage) ask(t testing.TB, req protocol.Request, version int16) protocol.Response {
	k.id++
	frame, err := protocol.AppendRequest(nil, req, version, k.id, wire.Ptr("script"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.conn.Write(frame); err != nil {
		t.Fatal(err)
	}
	if err := k.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var prefix [protocol.SizeLen]byte
	if _, err := io.ReadFull(k.conn, prefix[:]); err != nil {
		t.Fatalf("%T v%d: %v", req, version, err)
	}
	body := make([]byte, binary.BigEndian.Uint32(prefix[:]))
	if _, err := io.ReadFull(k.conn, body); err != nil {
		t.Fatal(err)
	}
	m := req.NewResponse()
	m.SetDefaults()
	if err := protocol.ReadResponse(m, body, version); err != nil {
		t.Fatal(err)
	}
	return m
}

func (k *kafkaStage) highest(key int16) int16 {
	if r, ok := k.ranges.Get(key); ok {
		return r.Max
	}
	return -1
}

func (k *kafkaStage) transactionVersion() int { return finalized(k.features) }

func (k *kafkaStage) now() time.Time { return time.Now() }

func (k *kafkaStage) wait(d time.Duration) { time.Sleep(d) }

func (k *kafkaStage) spend(t testing.TB, req *msg.InitProducerIdRequest, times int64) {
	for range times {
		k.ask(t, req, 1)
	}
}

func (k *kafkaStage) minISR(t testing.TB, topic string, n int) {
	m := k.ask(t, &msg.IncrementalAlterConfigsRequest{Resources: []msg.IncrementalAlterConfigsRequestAlterConfigsResource{{ResourceType: 2, ResourceName: topic,
		Configs: []msg.IncrementalAlterConfigsRequestAlterableConfig{{Name: "min.insync.replicas", Value: wire.Ptr(fmt.Sprint(n))}}}}}, 0).(*msg.IncrementalAlterConfigsResponse)
	if c := m.Responses[0].ErrorCode; c != 0 {
		t.Fatal(protocol.Code(c))
	}
	time.Sleep(time.Second)
}

// ready waits until the coordinators are there.
func (k *kafkaStage) ready(t *testing.T) {
	for until := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		a := k.ask(t, &msg.InitProducerIdRequest{TransactionalID: wire.Ptr("warm"), TransactionTimeoutMs: 1000, ProducerID: -1, ProducerEpoch: -1}, 1).(*msg.InitProducerIdResponse)
		k.ask(t, &msg.FindCoordinatorRequest{Key: "warm", KeyType: 1}, 1)
		k.ask(t, &msg.FindCoordinatorRequest{Key: "warm"}, 1)
		b := k.ask(t, &msg.OffsetFetchRequest{GroupID: "warm"}, 5).(*msg.OffsetFetchResponse)
		if a.ErrorCode == 0 && b.ErrorCode == 0 {
			return
		}
		if time.Now().After(until) {
			t.Fatal(protocol.Code(a.ErrorCode), protocol.Code(b.ErrorCode))
		}
	}
}
