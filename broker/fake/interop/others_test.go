//go:build others

package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
)

var (
	kafka  = flag.String("kafka", "4.3.0", "release of Java's tools")
	python = flag.String("python", "python3", "interpreter with kafka-python")
)

// limit is how long a child may take. The scripts in testdata give up before, and say where they stand.
const limit = 5 * time.Minute

// command is one that ends with its test, or when it has taken too long.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = 10 * time.Second // its own children may keep its output open
	return cmd
}

func run(t *testing.T, stdin []byte, name string, args ...string) string {
	t.Helper()
	cmd := command(t, name, args...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}

// complete sees to it that every line "0" ... "records-1" is there once.
func complete(t *testing.T, out string) {
	t.Helper()
	lines := strings.Fields(out)
	slices.Sort(lines)
	if n := len(slices.Compact(slices.Clone(lines))); len(lines) != records || n != records {
		t.Fatalf("%d records came back, %d different ones, of %d", len(lines), n, records)
	}
}

func numbers() []byte {
	var b []byte
	for i := range records {
		b = fmt.Appendf(b, "%d\n", i)
	}
	return b
}

func TestJavaConsoleTools(t *testing.T) {
	server := listen(t, "4.3")
	hosts := strings.Join(server.Addrs(), ",")
	run(t, numbers(), "../../../.ci/kafka", "run", *kafka, "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", hosts, "--topic", "events", "--compression-codec", "lz4")
	var all string
	for p := range 4 { // partition by partition: without a group
		var end int64
		server.Do(func(c *fake.Cluster) { _, end = c.Offsets("events", int32(p)) })
		if end > 0 {
			all += run(t, nil, "../../../.ci/kafka", "run", *kafka, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", hosts, "--topic", "events", "--partition", fmt.Sprint(p),
				"--offset", "earliest", "--max-messages", fmt.Sprint(end))
		}
	}
	complete(t, all)
}

// Java's transactional producers, of which Java's consumer reads what is committed: all of that, and nothing else.
func TestJavaTransactions(t *testing.T) {
	for _, version := range []int{2, 1, -1} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			server, err := fake.Listen(fake.Config{Nodes: 3, TransactionVersion: version, MarkerDelay: 5 * time.Millisecond, Topics: []fake.Topic{{Name: "events"}}})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			read := strings.Fields(run(t, nil, "../../../.ci/kafka", "run", *kafka, "../../../.ci/Transactions.java", strings.Join(server.Addrs(), ","), "events", "200"))
			var want []string
			server.Do(func(c *fake.Cluster) {
				for _, o := range slices.Sorted(maps.Keys(committed(t, c, "events", 0))) {
					want = append(want, fmt.Sprint(o))
				}
				if len(c.AbortedTransactions("events", 0)) == 0 {
					t.Error("no transaction was aborted")
				}
			})
			if len(want) == 0 || !slices.Equal(read, want) {
				t.Errorf("Java reads %d records, committed are %d", len(read), len(want))
			}
		})
	}
}

// Two members of Java's share the partitions of a group of the fake, and commit: with both protocols and every assignor of Java's.
func TestJavaGroups(t *testing.T) {
	for _, how := range [][]string{{"--group-protocol", "consumer"}, {"--assignment-strategy", "org.apache.kafka.clients.consumer.RangeAssignor"},
		{"--assignment-strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"}} {
		t.Run(how[1], func(t *testing.T) {
			server := listen(t, "4.3")
			hosts := strings.Join(server.Addrs(), ",")
			var members []*exec.Cmd
			var outs []*bytes.Buffer
			for range 2 {
				cmd := command(t, "../../../.ci/kafka", append([]string{"run", *kafka, "org.apache.kafka.tools.VerifiableConsumer", "--bootstrap-server", hosts, "--topic", "events", "--group-id", "java"}, how...)...)
				out := &bytes.Buffer{}
				cmd.Stdout, cmd.SysProcAttr = out, &syscall.SysProcAttr{Setpgid: true}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				members, outs = append(members, cmd), append(outs, out)
			}
			stop := time.After(limit - time.Minute)
			until := func(what string, reached func(c *fake.Cluster) bool) {
				for ended := false; !ended && !t.Failed(); {
					select {
					case <-stop:
						t.Errorf("%s: %s", what, where(server))
					case <-time.After(100 * time.Millisecond):
					}
					server.Do(func(c *fake.Cluster) { ended = reached(c) })
				}
			}
			until("the members do not share the partitions", func(c *fake.Cluster) bool {
				_, group := c.DescribeGroup("java")
				return len(group) == 2 && len(group[0].Assigned) == 2 && len(group[1].Assigned) == 2
			})
			// Only then, because Kafka refuses what is committed while the group goes on, and the tool does not commit it again.
			run(t, numbers(), "../../../.ci/kafka", "run", *kafka, "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", hosts, "--topic", "events")
			until("the members have not committed all", func(c *fake.Cluster) bool {
				sum := int64(0)
				for p := range int32(4) {
					sum += max(0, c.Committed("java", "events", p))
				}
				return sum == records
			})
			read := 0
			for i, cmd := range members {
				if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
					t.Error(err)
				}
				_ = cmd.Wait() // SIGTERM is how it ends
				for line := range strings.Lines(outs[i].String()) {
					var e struct {
						Name  string
						Count int
					}
					if json.Unmarshal([]byte(line), &e) == nil && e.Name == "records_consumed" {
						read += e.Count
					}
				}
			}
			if read < records {
				t.Errorf("%d records were read of %d", read, records)
			}
			if t.Failed() {
				for i, out := range outs {
					t.Logf("member %d: %s", i, out)
				}
			}
		})
	}
}

// where tells where a group stands.
func where(server *fake.Server) (text string) {
	server.Do(func(c *fake.Cluster) {
		state, group := c.DescribeGroup("java")
		text = fmt.Sprintf("%s %+v", state, group)
		for p := range int32(4) {
			start, end := c.Offsets("events", p)
			text += fmt.Sprintf("; partition %d: committed %d of %d to %d", p, c.Committed("java", "events", p), start, end)
		}
	})
	return text
}

const script = `
import faulthandler, sys
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
faulthandler.dump_traceback_later(270, exit=True)  # whatever it waits for
hosts, n = sys.argv[1].split(","), int(sys.argv[2])
producer = KafkaProducer(bootstrap_servers=hosts, compression_type="gzip")
futures = [producer.send("events", key=b"k%d" % (i % 50), value=b"%d" % i) for i in range(n)]
producer.flush()
for f in futures:
    f.get(timeout=240)
producer.close()
consumer = KafkaConsumer(bootstrap_servers=hosts, auto_offset_reset="earliest", enable_auto_commit=False, consumer_timeout_ms=240000)
consumer.assign([TopicPartition("events", p) for p in range(4)])
consumer.seek_to_beginning()
seen = 0
for record in consumer:
    print(record.value.decode())
    seen += 1
    if seen == n:
        break
consumer.close()
members = [KafkaConsumer("events", group_id="python", bootstrap_servers=hosts, auto_offset_reset="earliest", heartbeat_interval_ms=300) for _ in range(2)]
seen = 0
while seen < n or any(len(m.assignment()) != 2 for m in members):
    for m in members:
        seen += sum(len(records) for records in m.poll(timeout_ms=2000).values())
for m in members:
    m.close()
`

func TestKafkaPython(t *testing.T) {
	for _, release := range []string{"2.8", "4.3"} {
		t.Run(release, func(t *testing.T) {
			server := listen(t, release)
			complete(t, run(t, nil, *python, "-c", script, strings.Join(server.Addrs(), ","), fmt.Sprint(records)))
		})
	}
}
