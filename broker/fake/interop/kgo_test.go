//go:build others

package interop

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// kgoTests are the tests of franz-go's package kgo that ask a cluster, or may (two close their client at once: it has asked by then, or has not), with the APIs that tell what each is about: the fake must have been asked for them. One that is not named here makes TestKgo fail, too.
var kgoTests = map[string][]int16{
	"Test848RegexBrokerResolves":                 {msg.ConsumerGroupHeartbeatAPI, msg.FindCoordinatorAPI},
	"TestAddRemovePartitions":                    {msg.ProduceAPI, msg.FetchAPI},
	"TestClient_Produce":                         {msg.ProduceAPI},
	"TestClient_ProduceLargeMessages":            {msg.ProduceAPI},
	"TestIssueFetchLargerThanBrokerMaxReadBytes": {msg.ProduceAPI, msg.FetchAPI},
	"TestConsumeMaxDecompressBatchBytes":         {msg.ProduceAPI, msg.FetchAPI},
	"TestConsumeRegex":                           {msg.CreateTopicsAPI, msg.FindCoordinatorAPI},
	"TestConsumeTopicRetrieval":                  nil,
	"TestConsumeTopicRetrieval_Many":             nil,
	"TestDirectPartitionPurge":                   {msg.ProduceAPI, msg.FetchAPI},
	"TestGroupETL":                               {msg.JoinGroupAPI, msg.SyncGroupAPI, msg.HeartbeatAPI, msg.LeaveGroupAPI, msg.OffsetCommitAPI, msg.ConsumerGroupHeartbeatAPI, msg.ConsumerGroupDescribeAPI},
	"TestGroupSimple":                            {msg.JoinGroupAPI, msg.OffsetCommitAPI, msg.ConsumerGroupHeartbeatAPI},
	"TestHookPollStart":                          {msg.FetchAPI},
	"TestIssue1034":                              {msg.FindCoordinatorAPI},
	"TestIssue325":                               {msg.ProduceAPI, msg.FetchAPI},
	"TestIssue337":                               {msg.ProduceAPI, msg.FetchAPI},
	"TestIssue434":                               {msg.DeleteTopicsAPI, msg.FetchAPI},
	"TestIssue523":                               {msg.DeleteTopicsAPI, msg.JoinGroupAPI},
	"TestIssue648":                               {msg.MetadataAPI},
	"TestIssue769":                               {msg.InitProducerIdAPI, msg.ProduceAPI},
	"TestIssue810":                               {msg.MetadataAPI},
	"TestIssue831":                               {msg.MetadataAPI},
	"TestIssue865":                               {msg.ProduceAPI, msg.FetchAPI},
	"TestIssueProduceSyncManualPartitionNegativeDoesNotPanic": {msg.ProduceAPI},
	"TestPauseIssue489":                 {msg.ProduceAPI, msg.FetchAPI},
	"TestPauseIssueOct2023":             {msg.ProduceAPI, msg.FetchAPI},
	"TestPing":                          {msg.MetadataAPI},
	"TestPooling":                       {msg.ProduceAPI, msg.FetchAPI},
	"TestTxnEtl":                        {msg.InitProducerIdAPI, msg.TxnOffsetCommitAPI, msg.EndTxnAPI, msg.JoinGroupAPI, msg.ConsumerGroupHeartbeatAPI, msg.FetchAPI},
	"TestUnknownGroupOffsetFetchPinned": {msg.OffsetFetchAPI},
}

// kgoSkipped are tests that skip themselves, and what the fake would have to have for them.
var kgoSkipped = map[string]string{
	"TestConsumeRegexShareSkipsInternal":       "share groups",
	"TestIssueProduceBrokerTooOldFailsRecords": "a Produce API that begins at version 3; brokers of 4.0 and later tell the versions before, too, although they refuse them (KAFKA-18659)",
	"TestOAuthAuth":               "SASL; it wants KGO_TEST_OAUTH_SEEDS",
	"TestSCRAMAuth":               "SASL; it wants KGO_TEST_SCRAM_SEEDS",
	"TestSCRAMAuthBadCredentials": "SASL; it wants KGO_TEST_SCRAM_SEEDS",
	"TestShareGroup":              "share groups",
	"TestShareGroupAckOnClose":    "share groups",
	"TestShareGroupETL":           "share groups",
	"TestShareGroupOffsetsAdmin":  "share groups",
}

// kgoFirst are tests that have to be run before others, because those look for what the cluster can do before they have asked it. (They are of those that run alone; the others begin when these have ended.)
var kgoFirst = map[string]string{"TestGroupSimple": "TestPauseIssueOct2023"}

// kgoRecords is how many records TestGroupETL and TestTxnEtl send each (KGO_TEST_RECORDS). Without it they send 500,000.
const kgoRecords = 3000

// The tests of franz-go's package kgo run on the fake as they are, each with a cluster of its own.
func TestKgo(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "kgo.test")
	run(t, nil, "go", "test", "-c", "-o", binary, "github.com/twmb/franz-go/pkg/kgo")
	dir := strings.TrimSpace(run(t, nil, "go", "list", "-f", "{{.Dir}}", "github.com/twmb/franz-go/pkg/kgo"))
	for _, name := range slices.Sorted(maps.Keys(kgoTests)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, asked := runKgo(t, binary, dir, "-test.run", "^("+name+"|"+cmp.Or(kgoFirst[name], name)+")$")
			if !strings.Contains(out, "--- PASS: "+name+" ") || strings.Contains(out, "--- SKIP") {
				t.Errorf("it has not passed:\n%s", out)
			}
			for _, key := range kgoTests[name] {
				if asked[key] == 0 {
					t.Errorf("nobody has asked for %s", protocol.APIName(key))
				}
			}
			t.Log(told(asked))
		})
	}
	t.Run("others", func(t *testing.T) {
		t.Parallel()
		named := slices.Concat(slices.Collect(maps.Keys(kgoTests)), slices.Collect(maps.Keys(kgoSkipped)))
		if out, asked := runKgo(t, binary, dir, "-test.skip", "^("+strings.Join(named, "|")+")$"); len(asked) > 0 || !strings.HasSuffix(out, "PASS\n") {
			t.Errorf("tests that are not named ask a cluster, or fail: %s\n%s", told(asked), out)
		}
		out, _ := runKgo(t, binary, dir, "-test.run", "^("+strings.Join(slices.Collect(maps.Keys(kgoSkipped)), "|")+")$")
		for name, lacks := range kgoSkipped {
			if !strings.Contains(out, "--- SKIP: "+name+" ") {
				t.Errorf("%s is not skipped any more for want of %s", name, lacks)
			}
		}
	})
}

// runKgo runs tests of kgo on a cluster, and counts the requests that it gets, by API.
func runKgo(t *testing.T, binary, dir string, args ...string) (out string, asked map[int16]int) {
	t.Helper()
	server, err := fake.Listen(fake.Config{Nodes: 3, AutoCreate: true, InternalTopics: true})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	asked = map[int16]int{}
	server.Do(func(c *fake.Cluster) { c.Observe(func(q fake.Request) { asked[q.Key]++ }) })
	cmd := command(t, binary, append([]string{"-test.v", "-test.timeout", (limit - 30*time.Second).String()}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "KGO_SEEDS="+strings.Join(server.Addrs(), ","), "KGO_TEST_RF=3", fmt.Sprint("KGO_TEST_RECORDS=", kgoRecords), "KGO_LOG_LEVEL=none")
	b, _ := cmd.CombinedOutput() // the output tells whether it has passed
	server.Do(func(c *fake.Cluster) { c.Observe(nil) })
	return string(b), asked
}

// told lists numbers of requests.
func told(asked map[int16]int) string {
	all := 0
	var each []string
	for _, key := range slices.Sorted(maps.Keys(asked)) {
		all += asked[key]
		each = append(each, fmt.Sprintf("%s %d", protocol.APIName(key), asked[key]))
	}
	return fmt.Sprintf("%d requests: %s", all, strings.Join(each, ", "))
}
