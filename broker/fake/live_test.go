//go:build live

package fake_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

var (
	kafkaBroker = flag.String("kafka", "", "address of the one broker of a cluster; for transactions with transaction.abort.timed.out.transaction.cleanup.interval.ms=500, for groups and expiring with what is told at small, for retention with what is told at keeping")
	kafkaScene  = flag.String("scene", "transactions", "folder of the scripts")
	kafkaName   = flag.String("as", "", "what that is among the clusters of the scene")
	update      = flag.Bool("update", false, "write what is seen")
)

// TestKafka plays the scripts on a real broker, and compares what is seen with what was seen when they were written.
func TestKafka(t *testing.T) {
	i := slices.IndexFunc(scenes, func(sc scene) bool { return sc.folder == *kafkaScene })
	if i < 0 || *kafkaBroker == "" {
		t.Fatal("say which broker with -kafka, and which scripts with -scene")
	}
	sc := scenes[i]
	if _, known := sc.kafkas[*kafkaName]; !known {
		t.Fatal("say which of the clusters it is with -as")
	}
	k := &kafkaStage{ranges: protocol.NewRanges(), conns: map[string]net.Conn{}}
	defer k.close()
	answer := k.ask(t, &msg.ApiVersionsRequest{ClientSoftwareName: "script", ClientSoftwareVersion: "1"}, 3).(*msg.ApiVersionsResponse)
	t.Logf("finalized: %+v supported: %+v", answer.FinalizedFeatures, answer.SupportedFeatures)
	k.features, k.ranges = answer, protocol.RangesOf(answer)
	k.ready(t)
	for _, file := range sc.scripts(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !sc.isFor(string(text), *kafkaName) {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			defer k.close()
			got := play(t, k, fmt.Sprintf("x%d-", time.Now().UnixNano()), string(text), sc.lines...)
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
	conns    map[string]net.Conn
	ranges   protocol.Ranges
	features *msg.ApiVersionsResponse
	id       int32
}

func (k *kafkaStage) close() {
	for _, c := range k.conns {
		c.Close()
	}
	clear(k.conns)
}

func (k *kafkaStage) post(t testing.TB, conn string, req protocol.Request, version int16) {
	c := k.conns[conn]
	if c == nil {
		var err error
		if c, err = net.Dial("tcp", *kafkaBroker); err != nil {
			t.Fatal(err)
		}
		k.conns[conn] = c
	}
	k.id++
	frame, err := protocol.AppendRequest(nil, req, version, k.id, wire.Ptr("script"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(frame); err != nil {
		t.Fatal(err)
	}
}

func (k *kafkaStage) take(t testing.TB, conn string, req protocol.Request, version int16, limit time.Duration) protocol.Response {
	c := k.conns[conn]
	if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	var prefix [protocol.SizeLen]byte
	if _, err := io.ReadFull(c, prefix[:]); errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	} else if err != nil {
		t.Fatalf("%T v%d: %v", req, version, err)
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(prefix[:]))
	if _, err := io.ReadFull(c, body); err != nil {
		t.Fatal(err)
	}
	m := req.NewResponse()
	m.SetDefaults()
	if err := protocol.ReadResponse(m, body, version); err != nil {
		t.Fatal(err)
	}
	return m
}

func (k *kafkaStage) ask(t testing.TB, req protocol.Request, version int16) protocol.Response {
	k.post(t, "", req, version)
	m := k.take(t, "", req, version, time.Minute)
	if m == nil {
		t.Fatalf("%T v%d is not answered", req, version)
	}
	return m
}

func (k *kafkaStage) highest(key int16) int16 {
	if r, ok := k.ranges.Get(key); ok {
		return r.Max
	}
	return -1
}

func (k *kafkaStage) lowest(key int16) int16 {
	r, _ := k.ranges.Get(key)
	return r.Min
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
	k.set(t, topic, "min.insync.replicas", fmt.Sprint(n))
	time.Sleep(time.Second)
}

func (k *kafkaStage) set(t testing.TB, topic, name, value string) {
	m := k.ask(t, &msg.IncrementalAlterConfigsRequest{Resources: []msg.IncrementalAlterConfigsRequestAlterConfigsResource{{ResourceType: 2, ResourceName: topic,
		Configs: []msg.IncrementalAlterConfigsRequestAlterableConfig{{Name: name, Value: wire.Ptr(value)}}}}}, 0).(*msg.IncrementalAlterConfigsResponse)
	if c := m.Responses[0].ErrorCode; c != 0 {
		t.Fatal(protocol.Code(c))
	}
}

// compact lets the cleaner do something: it does nothing for a topic whose min.cleanable.dirty.ratio is 1. The broker looks often enough with log.cleaner.backoff.ms=200.
func (k *kafkaStage) compact(t testing.TB, topic string) {
	k.set(t, topic, "min.cleanable.dirty.ratio", "0")
	time.Sleep(4 * time.Second)
	k.set(t, topic, "min.cleanable.dirty.ratio", "1")
	time.Sleep(time.Second)
}

// retain waits for retention: log.retention.check.interval.ms=300, log.initial.task.delay.ms=0.
func (k *kafkaStage) retain(testing.TB, string) { time.Sleep(5 * time.Second) }

func (k *kafkaStage) send(t testing.TB, body []byte) []byte {
	c, err := net.Dial("tcp", *kafkaBroker)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var prefix [protocol.SizeLen]byte
	switch _, err := io.ReadFull(c, prefix[:]); {
	case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
		return nil
	case err != nil:
		t.Fatal(err)
	}
	answer := make([]byte, binary.BigEndian.Uint32(prefix[:]))
	if _, err := io.ReadFull(c, answer); err != nil {
		t.Fatal(err)
	}
	return answer
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
