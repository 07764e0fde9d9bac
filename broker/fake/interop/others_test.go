//go:build others

package interop

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
)

var (
	kafka  = flag.String("kafka", "4.3.0", "release of Java's tools")
	python = flag.String("python", "python3", "interpreter with kafka-python")
)

func run(t *testing.T, stdin []byte, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
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

const script = `
import sys
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
hosts, n = sys.argv[1].split(","), int(sys.argv[2])
producer = KafkaProducer(bootstrap_servers=hosts, compression_type="gzip")
futures = [producer.send("events", key=b"k%d" % (i % 50), value=b"%d" % i) for i in range(n)]
producer.flush()
for f in futures:
    f.get(timeout=30)
producer.close()
consumer = KafkaConsumer(bootstrap_servers=hosts, auto_offset_reset="earliest", enable_auto_commit=False, consumer_timeout_ms=20000)
consumer.assign([TopicPartition("events", p) for p in range(4)])
consumer.seek_to_beginning()
seen = 0
for record in consumer:
    print(record.value.decode())
    seen += 1
    if seen == n:
        break
consumer.close()
`

func TestKafkaPython(t *testing.T) {
	for _, release := range []string{"2.8", "4.3"} {
		t.Run(release, func(t *testing.T) {
			server := listen(t, release)
			complete(t, run(t, nil, *python, "-c", script, strings.Join(server.Addrs(), ","), fmt.Sprint(records)))
		})
	}
}
