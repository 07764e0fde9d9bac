//go:build others

package interop

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
)

var (
	fresh   = flag.String("fresh", "", "address of the one broker of a cluster of Kafka's that nobody has used: what Java's tools show of it is written down")
	freshAs = flag.String("as", "", "release of that cluster")
)

// javaTools are the tools of testdata/tools.txt.
var javaTools = map[string]string{
	"configs":         "kafka.admin.ConfigCommand",
	"consume":         "org.apache.kafka.tools.VerifiableConsumer",
	"consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
	"delete-records":  "org.apache.kafka.tools.DeleteRecordsCommand",
	"groups":          "org.apache.kafka.tools.GroupsCommand",
	"offsets":         "org.apache.kafka.tools.GetOffsetShell",
	"produce":         "org.apache.kafka.tools.ProducerPerformance",
	"topics":          "org.apache.kafka.tools.TopicCommand",
	"transactions":    "org.apache.kafka.tools.TransactionsCommand",
}

// Java's admin tools show of the fake what they show of Kafka: testdata/tools has that, by release. It is recorded with -fresh HOST:PORT -as RELEASE.
func TestJavaAdminTools(t *testing.T) {
	if *fresh != "" {
		if err := os.WriteFile(shownBefore(*freshAs), []byte(shown(t, *fresh)), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for version, release := range map[string]string{"2.8.2": "2.8", "3.9.1": "3.9", "4.3.0": "4.3"} {
		t.Run(version, func(t *testing.T) {
			cfg := fake.Config{Release: release, InternalTopics: true, NoConsumerProtocol: release != "4.3"} // 3.9 has it switched off
			if release != "2.8" {                                                                            // .ci/kafka sets it with KRaft only
				cfg.Broker = map[string]string{"min.insync.replicas": "1"}
			}
			server, err := fake.Listen(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			want, err := os.ReadFile(shownBefore(version))
			if err != nil {
				t.Fatal(err)
			}
			same(t, shown(t, server.Addrs()[0]), string(want))
		})
	}
}

func shownBefore(version string) string { return filepath.Join("testdata/tools", version+".txt") }

// same compares tool by tool.
func same(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "$ "), strings.Split(want, "$ ")
	if len(g) != len(w) {
		t.Fatalf("%d tools were run, of %d", len(g)-1, len(w)-1)
	}
	for i := range g {
		if g[i] != w[i] {
			t.Errorf("the fake:\n%s\nKafka:\n%s", g[i], w[i])
		}
	}
}

// shown plays the tools on a cluster, and gives what they show.
func shown(t *testing.T, host string) string {
	script, err := os.ReadFile("testdata/tools.txt")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, offset := range map[string]string{"offsets": "4", "beyond": "99"} {
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(`{"version":1,"partitions":[{"topic":"one","partition":0,"offset":`+offset+`}]}`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(strings.TrimSpace(string(script)), "\n")
	in := ""
	for _, line := range lines {
		tool, args, _ := strings.Cut(line, " ")
		in += javaTools[tool] + " --bootstrap-server " + host + " " + strings.ReplaceAll(args, "DIR", dir) + "\n"
	}
	out := ""
	for line := range strings.Lines(run(t, []byte(in), "../../../.ci/kafka", "run", *kafka, "../../../.ci/Tools.java")) {
		if strings.HasPrefix(line, "$ ") {
			out += "$ " + lines[0] + "\n"
			lines = lines[1:]
		} else if line = comparable(line); line != "" {
			out += line + "\n"
		}
	}
	if len(lines) > 0 {
		t.Fatalf("not run: %q, behind %s", lines, out)
	}
	return out
}

var (
	exceptions = regexp.MustCompile(`\w+Exception\b`)
	replaced   = []struct {
		what *regexp.Regexp
		by   string
	}{
		{regexp.MustCompile(`\s+`), " "},
		{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST"},
		{regexp.MustCompile(`TopicId: \S+`), "TopicId: ID"},
		{regexp.MustCompile(`\b\d{13}\b`), "TIME"},
		{regexp.MustCompile(`(records sent), .*`), "$1"},
		{regexp.MustCompile(`^\d+ (\d+ -1 \d+ TIME )`), "PRODUCER $1"},
	}
)

// comparable gives a line without what is another each time. Of errors the kind remains: their texts are Kafka's.
func comparable(line string) string {
	switch {
	case strings.HasPrefix(line, "\tat "), strings.HasPrefix(line, "SLF4J: "):
		return ""
	case regexp.MustCompile(`(?i)^(error|failed|caused by|java\.)|exception`).MatchString(line):
		return strings.TrimSpace("error " + strings.Join(exceptions.FindAllString(line, -1), " "))
	}
	line = strings.TrimSpace(line)
	for _, r := range replaced {
		line = r.what.ReplaceAllString(line, r.by)
	}
	return line
}
