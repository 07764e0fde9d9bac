package fake_test

import (
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

// kafkas are the clusters that the scripts were played on, and how the fake is like them.
var kafkas = map[string]fake.Config{
	"4.3.0-tv2": {Release: "4.3", TransactionVersion: 2},
	"4.3.0-tv1": {Release: "4.3", TransactionVersion: 1},
	"4.3.0-tv0": {Release: "4.3", TransactionVersion: -1},
	"3.9.1":     {Release: "3.9"},
	"2.8.2":     {Release: "2.8"},
}

// What the fake answers is what Kafka answered: testdata/transactions/CLUSTER has what was seen there (see transaction_live_test.go).
func TestTransactionsAreAsKafkas(t *testing.T) {
	for name, cfg := range kafkas {
		for _, file := range scripts(t) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !isFor(string(text), name) {
				continue
			}
			t.Run(name+"/"+strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
				want, err := os.ReadFile(seen(name, file))
				if err != nil {
					t.Fatal(err)
				}
				cfg.TransactionCheck = 500 * time.Millisecond
				stage := &fakeStage{b: newBench(t, cfg)}
				stage.k = stage.b.connect(1)
				stage.features = stage.ask(t, protocol.NewRequest(msg.ApiVersionsAPI), 3).(*msg.ApiVersionsResponse)
				stage.ranges = protocol.RangesOf(stage.features)
				got := play(t, stage, "x-", string(text))
				same(t, got, string(want))
			})
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
func isFor(script, cluster string) bool {
	for line := range strings.Lines(script) {
		if w := strings.Fields(line); len(w) > 0 && w[0] == "only" {
			for _, name := range w[1:] {
				if _, known := kafkas[name]; !known {
					panic("a script is only for " + name + ", which nobody plays")
				}
			}
			return slices.Contains(w[1:], cluster)
		}
	}
	return true
}

func scripts(t *testing.T) []string {
	files, err := filepath.Glob("testdata/transactions/*.txt")
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
	k        fake.ConnID
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

func (f *fakeStage) ask(t testing.TB, req protocol.Request, version int16) protocol.Response {
	f.b.send(f.k, req, version)
	m := req.NewResponse()
	m.SetDefaults()
	out := f.b.c.Take()
	if len(out) != 1 || out[0].Close {
		t.Fatalf("%T v%d: answers %+v", req, version, out)
	}
	if err := protocol.ReadResponse(m, out[0].Frame[protocol.SizeLen:], version); err != nil {
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

func (f *fakeStage) transactionVersion() int { return finalized(f.features) }

func (f *fakeStage) now() time.Time { return f.b.at }

func (f *fakeStage) wait(d time.Duration) { f.b.later(d) }

// spend asks once, and leaps over the others.
func (f *fakeStage) spend(t testing.TB, req *msg.InitProducerIdRequest, times int64) {
	f.ask(t, req, 1)
	fake.SetEpoch(f.b.c, *req.TransactionalID, int16(times-1))
}

func (f *fakeStage) minISR(t testing.TB, topic string, n int) {
	if err := f.b.c.SetMinISR(topic, n); err != nil {
		t.Fatal(err)
	}
}
