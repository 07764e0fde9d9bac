package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
)

// kactor runs the command against a cluster in the process.
type command struct {
	t     *testing.T
	hosts string
}

func newCommand(t *testing.T) command {
	t.Helper()
	server, err := fake.Listen(fake.Config{Nodes: 3, Topics: []fake.Topic{{Name: "a", Partitions: 3}, {Name: "empty", Partitions: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return command{t, strings.Join(server.Addrs(), ",")}
}

func (c command) try(in string, args ...string) (out, errs string, err error) {
	var o, e bytes.Buffer
	err = run(context.Background(), args, strings.NewReader(in), &o, &e)
	return o.String(), e.String(), err
}

func (c command) run(in string, args ...string) string {
	c.t.Helper()
	out, errs, err := c.try(in, args...)
	if err != nil {
		c.t.Fatalf("kactor %s: %v\n%s", strings.Join(args, " "), err, errs)
	}
	return out
}

func TestLinesGoRound(t *testing.T) {
	c := newCommand(t)
	c.run("k1:v1\nno key\nk2:\n\nk3:"+strings.Repeat("x", 3<<19)+"\nlast", "produce", "-b", c.hosts, "-t", "a", "-p", "1", "-K", ":", "-z", "lz4", "-H", "h=1", "-X", "max.request.size=3MiB", "-X", "linger.ms=10")
	got := c.run("", "consume", "-b", c.hosts, "-t", "a", "-p", "1", "-e", "-f", `%t %p %o [%k] %K %S %h\n`)
	want := "a 1 0 [k1] 2 2 h=1\na 1 1 [] -1 6 h=1\na 1 2 [k2] 2 0 h=1\na 1 3 [] -1 0 h=1\na 1 4 [k3] 2 1572864 h=1\na 1 5 [] -1 4 h=1\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := c.run("", "consume", "-b", c.hosts, "-t", "a", "-p", "1", "-e", "-o", "-1"); got != "last\n" {
		t.Errorf("the last record: %q", got)
	}
	if got := c.run("", "consume", "-b", c.hosts, "-t", "a", "-p", "1", "-c", "2", "-o", "1", "-f", `%s|`); got != "no key||" {
		t.Errorf("two records from offset 1: %q", got)
	}
	if got := c.run("", "consume", "-b", c.hosts, "-t", "empty", "-e"); got != "" {
		t.Errorf("an empty topic gives %q", got)
	}
}

func TestJSON(t *testing.T) {
	c := newCommand(t)
	c.run("k:\xff\xfe\nk:\n", "produce", "-b", c.hosts, "-t", "a", "-p", "0", "-K", ":", "-Z")
	lines := strings.Split(strings.TrimSpace(c.run("", "consume", "-b", c.hosts, "-t", "a", "-e", "-J")), "\n")
	var r struct {
		Topic       string
		Key, Value  *string
		ValueBase64 []byte
		Ts          int64
	}
	if err := json.Unmarshal([]byte(lines[0]), &r); err != nil || r.Topic != "a" || *r.Key != "k" || r.Value != nil || string(r.ValueBase64) != "\xff\xfe" || r.Ts == 0 {
		t.Errorf("%s: %v", lines[0], err)
	}
	if !strings.Contains(lines[1], `"value":null`) {
		t.Errorf("a tombstone: %s", lines[1])
	}
}

func TestFailedRecordsAreNamed(t *testing.T) {
	c := newCommand(t)
	_, errs, err := c.try("small\n"+strings.Repeat("x", 2000)+"\nalso small\n", "produce", "-b", c.hosts, "-t", "a", "-X", "max.request.size=1000", "-X", "batch.size=500")
	if err == nil || !strings.Contains(err.Error(), "1 of 3 records failed") || !strings.Contains(errs, "record of line 2") {
		t.Errorf("%v\n%s", err, errs)
	}
	if got := c.run("", "consume", "-b", c.hosts, "-t", "a", "-e", "-f", "%S "); got != "5 10 " && got != "10 5 " {
		t.Errorf("what is there: %q", got)
	}
}

func TestBadCommandLines(t *testing.T) {
	c := newCommand(t)
	for _, b := range []struct {
		args string
		says string
	}{
		{"", "no command"},
		{"fly", `unknown command "fly"`},
		{"produce -t a", "-b is missing"},
		{"produce -b HOSTS", "-t is missing"},
		{"produce -b HOSTS -t a -p -3", "-p -3"},
		{"produce -b HOSTS -t a -X linger.mss=1", `did you mean "linger.ms"?`},
		{"produce -b HOSTS -t a -X acks=1 -X enable.idempotence=true", "acks: must be all"},
		{"produce -b HOSTS -t a -X acks=1 -X acks=0", "acks is given twice"},
		{"produce -b HOSTS -t a -z lzo", "compression.type"},
		{"produce -b HOSTS -t a -z lz4 -X compression.type=gzip", "contradict"},
		{"produce -b HOSTS -t a file", `unexpected argument "file"`},
		{"consume -b HOSTS -t a -o soon", "-o"},
		{"consume -b HOSTS -t a -f %q", "unknown escape %q"},
		{"consume -b HOSTS -t a -f %s -J", "contradict"},
		{"consume -b HOSTS -t a -p 7 -e", "3 partitions"},
		{"consume -b HOSTS -t nobody -e", "UNKNOWN_TOPIC_OR_PARTITION"},
		{"bench --mode fly", `unknown mode "fly"`},
		{"bench --variant fly", `unknown variant "fly"`},
	} {
		args := strings.Fields(strings.ReplaceAll(b.args, "HOSTS", c.hosts))
		if _, errs, err := c.try("", args...); err == nil || !strings.Contains(err.Error()+errs, b.says) {
			t.Errorf("kactor %s: %v, expected %q", b.args, err, b.says)
		}
	}
}

func TestCodecLines(t *testing.T) {
	c := newCommand(t)
	got := c.run(`{"api":"Heartbeat","apiKey":12,"kind":"request","version":0,"hex":"0001670000000100016d"}`+"\nnonsense\n", "codec")
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"groupId":"g"`) || !strings.Contains(lines[1], `"error"`) {
		t.Fatalf("%q", got)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &m); err != nil {
		t.Fatal(err)
	}
	delete(m, "hex")
	back, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.run(string(back)+"\n", "codec"); !strings.Contains(got, "0001670000000100016d") {
		t.Errorf("back: %s", got)
	}
}

// TestBenchModes runs every mode but the idle one, which takes its time, on a few records.
func TestBenchModes(t *testing.T) {
	c := newCommand(t)
	file := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(file, bytes.Repeat([]byte("0123456789"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"produce", "sync", "consume", "consume --variant=views", "startup", "latency --rate 200"} {
		args := strings.Fields(fmt.Sprintf("bench --broker %s --topic a --partitions 3 --count 100 --size 100 --payload %s --key seq --mode %s", strings.Split(c.hosts, ",")[0], file, mode))
		var r benchResult
		if err := json.Unmarshal([]byte(c.run("", args...)), &r); err != nil || r.Failed != 0 || r.Records == 0 {
			t.Errorf("%s: %+v, %v", mode, r, err)
		}
	}
}

func TestConsumeAsAMember(t *testing.T) {
	c := newCommand(t)
	c.run("1\n2\n3\n4\n5\n", "produce", "-b", c.hosts, "-t", "a", "-p", "0")
	if got := c.run("", "consume", "-b", c.hosts, "-t", "a", "-g", "readers", "-c", "3", "-f", "%s "); got != "1 2 3 " {
		t.Errorf("the first three: %q", got)
	}
	if got := c.run("", "consume", "-b", c.hosts, "-t", "a", "-g", "readers", "-c", "2", "-f", "%s "); got != "4 5 " {
		t.Errorf("what the group has not read: %q", got)
	}
	for _, args := range [][]string{{"-e"}, {"-p", "1"}, {"-o", "7"}} {
		if _, _, err := c.try("", append([]string{"consume", "-b", c.hosts, "-t", "a", "-g", "readers"}, args...)...); err == nil || !strings.Contains(err.Error(), "-g") {
			t.Errorf("-g %v: %v", args, err)
		}
	}
}

// TestConsumeTakesNoMoreThanItWrites has records that come in two answers: what was taken besides those that were written was committed, and nobody got it.
func TestConsumeTakesNoMoreThanItWrites(t *testing.T) {
	c := newCommand(t)
	for _, lines := range []string{"1\n", "2\n3\n4\n5\n"} {
		c.run(lines, "produce", "-b", c.hosts, "-t", "a", "-p", "0", "-X", "linger.ms=1000", "-X", "delivery.timeout.ms=60000")
	}
	for _, want := range []string{"1 2 3 ", "4 5 "} {
		if got := c.run("", "consume", "-b", c.hosts, "-t", "a", "-g", "readers", "-c", fmt.Sprint(len(want)/2), "-f", "%s ", "-X", "max.partition.fetch.bytes=1"); got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
}

// eventsOf reads lines of JSON.
func eventsOf(t *testing.T, out string) (names []string, events []map[string]any) {
	t.Helper()
	for line := range strings.Lines(out) {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		names, events = append(names, e["name"].(string)), append(events, e)
	}
	return names, events
}

func TestVerifiableTools(t *testing.T) {
	c := newCommand(t)
	names, events := eventsOf(t, c.run("", "verifiable-producer", "--bootstrap-server", c.hosts, "--topic", "a", "--max-messages", "50", "--value-prefix", "7", "--repeating-keys", "5", "--acks", "-1"))
	if names[0] != "startup_complete" || names[51] != "shutdown_complete" || names[52] != "tool_data" || len(names) != 53 {
		t.Fatalf("%v", names)
	}
	values := map[any]bool{}
	for _, e := range events[1:51] {
		values[e["value"]] = true
		if e["name"] != "producer_send_success" || e["topic"] != "a" || e["offset"].(float64) < 0 {
			t.Errorf("%v", e)
		}
	}
	if len(values) != 50 || !values["7.0"] || !values["7.49"] || events[52]["acked"].(float64) != 50 || events[52]["sent"].(float64) != 50 {
		t.Errorf("%d values, and %v", len(values), events[52])
	}
	for _, protocol := range []string{"classic", "consumer"} {
		names, events = eventsOf(t, c.run("", "verifiable-consumer", "--bootstrap-server", c.hosts, "--topic", "a", "--group-id", protocol, "--group-protocol", strings.ToUpper(protocol), "--session-timeout", "10000",
			"--max-messages", "50", "--verbose"))
		if names[0] != "startup_complete" || names[1] != "partitions_assigned" || names[len(names)-2] != "partitions_revoked" || names[len(names)-1] != "shutdown_complete" {
			t.Errorf("%s: %v", protocol, names)
		}
		consumed, verbose, committed := 0, 0, map[any]any{}
		for _, e := range events {
			switch e["name"] {
			case "records_consumed":
				consumed += int(e["count"].(float64))
			case "record_data":
				verbose++
			case "offsets_committed":
				if e["success"] != true {
					t.Errorf("%v", e)
				}
				for _, o := range e["offsets"].([]any) {
					committed[o.(map[string]any)["partition"]] = o.(map[string]any)["offset"]
				}
			}
		}
		sum := 0.0
		for _, o := range committed {
			sum += o.(float64)
		}
		if consumed != 50 || verbose != 50 || sum != 50 {
			t.Errorf("%s: %d consumed, %d told of, %v committed", protocol, consumed, verbose, committed)
		}
	}
	if _, _, err := c.try("", "verifiable-consumer", "--bootstrap-server", c.hosts, "--topic", "a"); err == nil || !strings.Contains(err.Error(), "--group-id") {
		t.Errorf("without a group: %v", err)
	}
}

func TestDoctor(t *testing.T) {
	c := newCommand(t)
	out := c.run("", "doctor", "-b", c.hosts)
	if strings.Count(out, "ok    metadata") != 6 || strings.Contains(out, "FAIL") || !strings.Contains(out, "broker 3, advertised as ") {
		t.Errorf("the ladder:\n%s", out)
	}
	out, _, err := c.try("", "doctor", "-b", "127.0.0.1:1")
	if err == nil || !strings.Contains(out, "FAIL  dial") || !strings.Contains(out, "is the broker running") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, _, err := c.try("", "doctor"); err == nil || !strings.Contains(err.Error(), "-b is missing") {
		t.Errorf("without brokers: %v", err)
	}
}

// startFake runs kactor fake, and gives who talks to it; end has it interrupted, and looks that it ends well.
func startFake(t *testing.T, args string) (c command, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	lines, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"fake"}, strings.Fields(args)...), nil, out, io.Discard)
		out.CloseWithError(io.EOF)
		ended <- err
	}()
	first, err := bufio.NewReader(lines).ReadString('\n')
	if err != nil {
		cancel()
		t.Fatalf("%q: %v, %v", first, err, <-ended)
	}
	return command{t, strings.TrimSpace(first)}, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("at the end: %v", err)
		}
	}
}

// TestFake has the cluster that the command runs used over TCP, from its first line on to its end.
func TestFake(t *testing.T) {
	c, end := startFake(t, "--nodes 3 --topics a:3,b -release 3.9 --port 0")
	if got := strings.Split(c.hosts, ","); len(got) != 3 {
		t.Errorf("addresses: %v", got)
	}
	c.run("1\n2\n3\n", "produce", "-b", c.hosts, "-t", "a", "-p", "2")
	if got := c.run("", "consume", "-b", c.hosts, "-t", "a", "-p", "2", "-e", "-f", "%s "); got != "1 2 3 " {
		t.Errorf("what was produced: %q", got)
	}
	if _, _, err := c.try("", "consume", "-b", c.hosts, "-t", "b", "-p", "1", "-e"); err == nil || !strings.Contains(err.Error(), "1 partition") {
		t.Errorf("a topic with one partition: %v", err)
	}
	c.run("new\n", "produce", "-b", c.hosts, "-t", "c")
	if got := c.run("", "consume", "-b", c.hosts, "-t", "c", "-e"); got != "new\n" {
		t.Errorf("a topic that nobody has created: %q", got)
	}
	end()
	if _, err := net.Dial("tcp", strings.Split(c.hosts, ",")[0]); err == nil {
		t.Error("it listens though it has ended")
	}
}

// A cluster that runs for days deletes and compacts by itself.
func TestFakeRetains(t *testing.T) {
	c, end := startFake(t, "--topics a --port 0 --broker log.retention.ms=1 --broker log.retention.check.interval.ms=1 --broker log.initial.task.delay.ms=0")
	defer end()
	c.run("1\n2\n", "produce", "-b", c.hosts, "-t", "a")
	for c.run("", "consume", "-b", c.hosts, "-t", "a", "-e") != "" {
	}
}

// Help is what was asked for: it goes to standard output, and is no error. Who gives a flag that there is not is told elsewhere, and fails.
func TestHelp(t *testing.T) {
	for name, has := range map[string]string{"produce": "-t TOPIC", "consume": "-g GROUP", "doctor": "-b HOSTS", "fake": "-release RELEASE", "codec": "hex", "bench": "-mode", "verifiable-producer": "-acks ACKS", "verifiable-consumer": "-group-id GROUP"} {
		for _, help := range []string{"-h", "--help"} {
			var out, errs strings.Builder
			if err := run(t.Context(), []string{name, help}, strings.NewReader(""), &out, &errs); err != nil || !strings.Contains(out.String(), has) || errs.Len() > 0 {
				t.Errorf("kactor %s %s: %v, %q and %q", name, help, err, out.String(), errs.String())
			}
		}
		var out, errs strings.Builder
		if err := run(t.Context(), []string{name, "-fly"}, strings.NewReader(""), &out, &errs); err == nil || !strings.Contains(err.Error(), "-fly") || !strings.Contains(errs.String(), has) || out.Len() > 0 {
			t.Errorf("kactor %s -fly: %v, %q and %q", name, err, out.String(), errs.String())
		}
	}
}

func TestFakeCommandLines(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, b := range []struct{ args, says string }{
		{"--port " + fmt.Sprint(l.Addr().(*net.TCPAddr).Port), "address already in use"},
		{"--port 65535 --nodes 2", "port 65535 for the first of 2 brokers"},
		{"--port -1", "port -1"},
		{"--nodes 0", "--nodes 0"},
		{"--nodes 1001", "1 to 1000"},
		{"--release 9.9", `"9.9" is no release; there are 0.10`},
		{"--release 0.9", "0.10 is the first"},
		{"--release=", "--release is empty"},
		{"--topics a:x", `"a:x" is not name:partitions`},
		{"--topics a:0", `"a:0" is not name:partitions`},
		{"--topics a:3,,b", `topic ""`},
		{"--topics a,a:2", `topic "a" is there twice`},
		{"--topics a/b", `topic "a/b"`},
		{"--broker retention", "it is NAME=VALUE"},
		{"--broker log.retention.ms=soon", "log.retention.ms=soon"},
		{"now", `unexpected argument "now"`},
		{"--fly", "flag provided but not defined"},
		{"--broker foo=bar", "foo=bar, which the fake does not act on"},
		{"--broker num.partitions=x", "num.partitions=x: it is a whole number"},
		{"--broker auto.create.topics.enable=maybe", "auto.create.topics.enable=maybe: it is true or false"},
	} {
		if _, errs, err := (command{t: t}).try("", append([]string{"fake"}, strings.Fields(b.args)...)...); err == nil || !strings.Contains(err.Error()+errs, b.says) {
			t.Errorf("kactor fake %s: %v, expected %q", b.args, err, b.says)
		}
	}
}

// config tells what a file comes to, with where each value is from, and what is rarely meant.
func TestConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "client.properties")
	if err := os.WriteFile(path, []byte("acks=1\nsession.timeout.ms=8s\nkey.serializer=x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"config", "-F", path, "-X", "linger.ms=20"}, nil, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`(?m)^producer +acks +1 +file .*client.properties$`, `(?m)^producer +linger.ms +20 +code$`, `(?m)^producer +enable.idempotence +false +acks or retries$`, `(?m)^consumer +session.timeout.ms +8000 +file`,
		`(?m)^key.serializer: useless: `, `(?m)^session.timeout.ms, heartbeat.interval.ms: dangerous: `} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no line is %s:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "fetch.min.bytes") {
		t.Errorf("defaults are told without -a:\n%s", out.String())
	}
	for _, wrong := range [][]string{{"-X", "acks=3"}, {"-profile", "none"}, {"-F", path + ".not"}} {
		if err := run(t.Context(), append([]string{"config"}, wrong...), nil, io.Discard, io.Discard); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
