package fake_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/compress"
	"github.com/kactor-go/kactor/protocol/msg"
)

var unpackLimit = compress.Limit{Bytes: 1 << 20}

// scene is a folder of testdata with scripts, and the clusters that they were played on, with how the fake is like each.
type scene struct {
	folder string
	kafkas map[string]fake.Config
	lines  []map[string]func(*script, *cue) string // that only its scripts have
}

var scenes = []scene{
	{"transactions", map[string]fake.Config{
		"4.3.0-tv2": {Release: "4.3", TransactionVersion: 2, TransactionCheck: 500 * time.Millisecond},
		"4.3.0-tv1": {Release: "4.3", TransactionVersion: 1, TransactionCheck: 500 * time.Millisecond},
		"4.3.0-tv0": {Release: "4.3", TransactionVersion: -1, TransactionCheck: 500 * time.Millisecond},
		"3.9.1":     {Release: "3.9", TransactionCheck: 500 * time.Millisecond, NoConsumerProtocol: true},
		"2.8.2":     {Release: "2.8", TransactionCheck: 500 * time.Millisecond},
	}, nil},
	{"groups", map[string]fake.Config{
		"4.3.0":          small("4.3"),
		"3.9.1":          classicOnly(small("3.9")), // as it is by default
		"3.9.1-consumer": small("3.9"),              // group.coordinator.rebalance.protocols=classic,consumer
		"2.8.2":          small("2.8"),
	}, nil},
	{"topics", map[string]fake.Config{
		"4.3.0": {Release: "4.3", InternalTopics: true, Broker: serverProperties},
		"3.9.1": {Release: "3.9", InternalTopics: true, Broker: serverProperties},
		"2.8.2": {Release: "2.8", InternalTopics: true, Broker: serverProperties},
	}, []map[string]func(*script, *cue) string{topicVerbs, configVerbs, recordVerbs}},
	{"admin", map[string]fake.Config{
		"4.3.0": {Release: "4.3", InternalTopics: true, Broker: serverProperties},
		"3.9.1": {Release: "3.9", InternalTopics: true, Broker: serverProperties},
		"2.8.2": {Release: "2.8", InternalTopics: true, Broker: serverProperties},
	}, []map[string]func(*script, *cue) string{topicVerbs, configVerbs, recordVerbs, adminVerbs}},
	{"retention", map[string]fake.Config{
		"4.3.0": keeping("4.3"),
		"3.9.1": keeping("3.9"),
	}, []map[string]func(*script, *cue) string{topicVerbs, configVerbs, recordVerbs}},
}

// keeping is a cluster that retains and compacts by itself.
func keeping(release string) fake.Config {
	broker := maps.Clone(serverProperties)
	maps.Copy(broker, map[string]string{"log.retention.check.interval.ms": "500", "log.cleaner.backoff.ms": "200", "log.initial.task.delay.ms": "0"})
	return fake.Config{Release: release, InternalTopics: true, AutoClean: true, Broker: broker}
}

// serverProperties are the configurations of the brokers that the scripts of topics were played on (those that .ci/kafka sets).
var serverProperties = map[string]string{"min.insync.replicas": "1", "num.partitions": "1", "default.replication.factor": "1", "auto.create.topics.enable": "false",
	"offsets.topic.num.partitions": "4", "transaction.state.log.num.partitions": "4"}

// What the fake answers is what Kafka answered: testdata/FOLDER/CLUSTER has what was seen there (see live_test.go).
func TestTheFakeIsAsKafka(t *testing.T) {
	for _, sc := range scenes {
		for name, cfg := range sc.kafkas {
			for _, file := range sc.scripts(t) {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if !sc.isFor(string(text), name) {
					continue
				}
				t.Run(sc.folder+"/"+name+"/"+strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
					want, err := os.ReadFile(seen(name, file))
					if err != nil {
						t.Fatal(err)
					}
					stage := &fakeStage{b: newBench(t, cfg), conns: map[string]fake.ConnID{}, answers: map[fake.ConnID][][]byte{}}
					request := &msg.ApiVersionsRequest{ClientSoftwareName: "script", ClientSoftwareVersion: "1"}
					stage.post(t, "", request, 3)
					stage.features = stage.take(t, "", request, 3, time.Second).(*msg.ApiVersionsResponse)
					stage.ranges = protocol.RangesOf(stage.features)
					same(t, play(t, stage, "x-", string(text), sc.lines...), string(want))
				})
			}
		}
	}
}

// same compares line by line, so that the first request is shown that is answered otherwise.
func same(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	asked := ""
	for i := range max(len(g), len(w)) {
		a, b := "", ""
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("line %d, %s:\nthe fake: %s\nKafka:    %s", i+1, asked, a, b)
		}
		if !strings.HasPrefix(b, " ") {
			asked = b
		}
	}
}

// isFor tells whether a script is for a cluster.
func (sc *scene) isFor(script, cluster string) bool {
	for line := range strings.Lines(script) {
		if w := strings.Fields(line); len(w) > 0 && w[0] == "only" {
			for _, name := range w[1:] {
				if _, known := sc.kafkas[name]; !known {
					panic("a script is only for " + name + ", which nobody plays")
				}
			}
			return slices.Contains(w[1:], cluster)
		}
	}
	return true
}

func (sc *scene) scripts(t *testing.T) []string {
	files, err := filepath.Glob("testdata/" + sc.folder + "/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	return files
}

// seen is the file with what was seen on a cluster.
func seen(cluster, script string) string {
	return filepath.Join(filepath.Dir(script), cluster, filepath.Base(script))
}

// fakeStage is the fake, with one broker.
type fakeStage struct {
	b        *bench
	conns    map[string]fake.ConnID
	answers  map[fake.ConnID][][]byte
	ranges   protocol.Ranges
	features *msg.ApiVersionsResponse
}

// finalized is the transaction.version that a broker tells.
func finalized(m *msg.ApiVersionsResponse) int {
	for _, f := range m.FinalizedFeatures {
		if f.Name == "transaction.version" {
			return int(f.MaxVersionLevel)
		}
	}
	return 0
}

func (f *fakeStage) post(t testing.TB, conn string, req protocol.Request, version int16) {
	k, ok := f.conns[conn]
	if !ok {
		k = f.b.connect(1)
		f.conns[conn] = k
	}
	f.b.send(k, req, version)
}

func (f *fakeStage) take(t testing.TB, conn string, req protocol.Request, version int16, limit time.Duration) protocol.Response {
	k := f.conns[conn]
	for until := f.b.at.Add(limit); ; f.b.later(50 * time.Millisecond) {
		for _, r := range f.b.c.Take() {
			if r.Close {
				t.Fatalf("%T v%d: the connection is closed", req, version)
			}
			f.answers[r.Conn] = append(f.answers[r.Conn], r.Frame[protocol.SizeLen:])
		}
		if len(f.answers[k]) > 0 {
			break
		}
		if !f.b.at.Before(until) {
			return nil
		}
	}
	body := f.answers[k][0]
	f.answers[k] = f.answers[k][1:]
	m := req.NewResponse()
	m.SetDefaults()
	if err := protocol.ReadResponse(m, body, version); err != nil {
		t.Fatal(err)
	}
	return m
}

func (f *fakeStage) highest(key int16) int16 {
	if r, ok := f.ranges.Get(key); ok {
		return r.Max
	}
	return -1
}

func (f *fakeStage) lowest(key int16) int16 {
	r, _ := f.ranges.Get(key)
	return r.Min
}

func (f *fakeStage) transactionVersion() int { return finalized(f.features) }

func (f *fakeStage) now() time.Time { return f.b.at }

// wait lets happen what is to happen until then, each at its time.
func (f *fakeStage) wait(d time.Duration) {
	until := f.b.at.Add(d)
	for next := f.b.c.Next(); next.After(f.b.at) && next.Before(until); next = f.b.c.Next() {
		f.b.later(next.Sub(f.b.at))
	}
	f.b.later(until.Sub(f.b.at))
}

// spend asks once, and leaps over the others.
func (f *fakeStage) spend(t testing.TB, req *msg.InitProducerIdRequest, times int64) {
	f.post(t, "", req, 1)
	f.take(t, "", req, 1, time.Second)
	fake.SetEpoch(f.b.c, *req.TransactionalID, int16(times-1))
}

func (f *fakeStage) minISR(t testing.TB, topic string, n int) {
	if err := f.b.c.SetMinISR(topic, n); err != nil {
		t.Fatal(err)
	}
}

func (f *fakeStage) send(t testing.TB, body []byte) []byte {
	k := f.b.connect(1)
	f.b.c.Handle(f.b.at, k, body)
	out := f.b.c.Take()
	if len(out) != 1 {
		t.Fatalf("answers %+v", out)
	}
	if out[0].Close {
		return nil
	}
	return out[0].Frame[protocol.SizeLen:]
}

func (f *fakeStage) compact(t testing.TB, topic string) {
	f.b.later(5 * time.Second)
	if err := f.b.c.Compact(topic); err != nil {
		t.Fatal(err)
	}
}

func (f *fakeStage) retain(t testing.TB, topic string) {
	f.b.later(5 * time.Second)
	if err := f.b.c.Retain(topic); err != nil {
		t.Fatal(err)
	}
}
