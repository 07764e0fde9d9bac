// Command run plays random scripts on the fake and on a real Kafka, and tells where they differ.
//
//	go run ./broker/fake/differ/run -version 4.3.0 -for 10m     starts a broker, plays for so long
//	go run ./broker/fake/differ/run -seeds 1-200                just these scripts
//	go run ./broker/fake/differ/run -themes expiry -for 10m     on a broker that soon forgets
//	go run ./broker/fake/differ/run -script 17:0,4,9 -v         one script, or what is left of it, with all answers
//	go run ./broker/fake/differ/run -bytes -for 10m             with requests some of whose bytes are changed
//	go run ./broker/fake/differ/run -kafka 127.0.0.1:9092       on a broker that runs (see properties in main.go)
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/broker/fake/differ"
)

// properties of the broker, as the fake has them: nothing that a script does expires, and no session of a fetch goes for want of room.
var properties = []string{"offsets.topic.num.partitions=50", "group.consumer.session.timeout.ms=45000", "group.consumer.heartbeat.interval.ms=5000", "max.incremental.fetch.session.cache.slots=100000",
	"log.segment.delete.delay.ms=1000", "group.consumer.assignment.interval.ms=0", "offsets.retention.check.interval.ms=86400000", "log.index.size.max.bytes=4096", "default.replication.factor=1", "group.min.session.timeout.ms=6000",
	"min.insync.replicas=1",
	"broker.session.timeout.ms=60000",      // a machine that is busy fences no broker: the epochs of its coordinators would be others
	"controller.quorum.append.linger.ms=0"} // a broker hands on one change of the cluster after the other, and the controller waits 25 ms for more of them

// told are the configurations of the broker, those of .ci/kafka among them, that can be asked for.
var told = map[string]string{"min.insync.replicas": "1", "num.partitions": "1", "default.replication.factor": "1", "auto.create.topics.enable": "false", "offsets.topic.num.partitions": "50",
	"transaction.state.log.num.partitions": "4", "log.segment.delete.delay.ms": "1000", "log.index.size.max.bytes": "4096", "max.incremental.fetch.session.cache.slots": "100000"}

// brief are properties of a broker that soon forgets, for scripts of what expires.
var brief = []string{"max.incremental.fetch.session.cache.slots=100000", "offsets.topic.num.partitions=50", "group.min.session.timeout.ms=500", "group.consumer.min.session.timeout.ms=1000", "group.consumer.session.timeout.ms=1200", "group.consumer.min.heartbeat.interval.ms=500",
	"group.consumer.heartbeat.interval.ms=500", "group.consumer.assignment.interval.ms=0", "group.max.size=2", "group.consumer.max.size=2", "log.segment.delete.delay.ms=1000", "log.index.size.max.bytes=4096",
	"transaction.abort.timed.out.transaction.cleanup.interval.ms=100", "controller.quorum.append.linger.ms=0", "offsets.retention.check.interval.ms=20", "producer.id.expiration.ms=1200", "producer.id.expiration.check.interval.ms=300"}

// config is that of the fake.
func config(release string, expiry bool) fake.Config {
	c := fake.Config{Release: release, OffsetsCheck: 24 * time.Hour, InternalTopics: true, Broker: told}
	if expiry {
		c.GroupMinSession, c.GroupSession, c.GroupHeartbeat, c.GroupMaxSize = 500*time.Millisecond, 1200*time.Millisecond, 500*time.Millisecond, 2
		c.TransactionCheck, c.OffsetsCheck, c.ProducerExpiry = 100*time.Millisecond, 20*time.Millisecond, 1200*time.Millisecond
	}
	return c
}

func main() {
	version := flag.String("version", "4.3.0", "release of Kafka that is started")
	kafka := flag.String("kafka", "", "address of a broker that runs; none is started then")
	seeds := flag.String("seeds", "", "first and last seed, as in 1-200; default: from -from on")
	from := flag.Uint64("from", 1, "first seed")
	length := flag.Duration("for", 10*time.Minute, "how long")
	workers := flag.Int("workers", 4, "scripts at once")
	themes := flag.String("themes", strings.Join(slices.DeleteFunc(slices.Clone(differ.Themes), func(t string) bool { return t == differ.Expiry }), ","), "what the scripts are about")
	script := flag.String("script", "", "one script")
	open := flag.String("open", "", "file with the kinds of differences that are known, a line each; default: the list of the release (testdata/open)")
	mangled := flag.Bool("bytes", false, "send requests with some bytes changed")
	first := flag.Bool("first", false, "end with the first new difference")
	verbose := flag.Bool("v", false, "show all answers of Kafka's that lead to a difference")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	different, err := run(ctx, options{*version, *kafka, *seeds, *script, *from, *length, *workers, *verbose, strings.Split(*themes, ","), *open, *first, *mangled})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || different {
		os.Exit(1)
	}
}

type options struct {
	version, kafka, seeds, script string
	from                          uint64
	length                        time.Duration
	workers                       int
	verbose                       bool
	themes                        []string
	open                          string
	first                         bool
	mangled                       bool
}

func run(ctx context.Context, o options) (different bool, err error) {
	expiry := slices.Contains(o.themes, differ.Expiry)
	if expiry && len(o.themes) > 1 {
		return false, fmt.Errorf("-themes: %s needs a broker of its own", differ.Expiry)
	}
	kafka := o.kafka
	if kafka == "" {
		tool, err := tool()
		if err != nil {
			return false, err
		}
		settings := properties
		if expiry {
			settings = brief
		}
		if strings.HasPrefix(o.version, "3.") { // it is there, and switched off
			settings = append(slices.Clone(settings), "group.coordinator.rebalance.protocols=classic,consumer")
		}
		name := fmt.Sprintf("differ-%d", os.Getpid())
		out, err := call(tool, append([]string{"up", name, o.version, "1"}, settings...)...)
		if err != nil {
			return false, err
		}
		defer call(tool, "down", name)
		lines := strings.Split(out, "\n")
		kafka = lines[len(lines)-1]
	}
	release := strings.Join(strings.Split(o.version, ".")[:2], ".")
	r := &differ.Runner{Kafka: kafka, Workers: o.workers, Pause: 50 * time.Millisecond}
	cfg := config(release, expiry)
	cfg.MemberID = r.MemberID
	server, err := fake.Listen(cfg)
	if err != nil {
		return false, err
	}
	defer server.Close()
	r.Fake = server.Addrs()[0]
	if r.Open, err = known(o.open, release); err != nil {
		return false, err
	}
	if r.Cells, err = differ.Cells(release); err != nil {
		return false, err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	r.Found = func(d *differ.Difference) {
		if o.first {
			end()
		}
		fmt.Printf("DIFFERENCE %s\n", d)
		if o.verbose {
			fmt.Print(d.Transcript)
		} else {
			fmt.Printf("    request:  %s\n", d.Request)
		}
	}
	if err := r.Ready(); err != nil {
		return false, err
	}
	next, ctx, cancel, err := scripts(ctx, o)
	if err != nil {
		return false, err
	}
	defer cancel()
	report, err := r.Run(ctx, next)
	fmt.Print(report)
	return len(report.Kinds) > 0 || report.Reached != nil && len(report.Reached.Unlisted) > 0, err
}

// scripts gives what is to be played, and a context for how long.
func scripts(ctx context.Context, o options) (func() (differ.Script, bool), context.Context, context.CancelFunc, error) {
	last := uint64(1<<64 - 2)
	switch {
	case o.script != "":
		s, err := differ.Parse(o.script)
		done := false
		return func() (differ.Script, bool) {
			again := done
			done = true
			return s, !again
		}, ctx, func() {}, err
	case o.seeds != "":
		if _, err := fmt.Sscanf(o.seeds, "%d-%d", &o.from, &last); err != nil {
			return nil, ctx, nil, fmt.Errorf("-seeds %s: %w", o.seeds, err)
		}
	}
	cancel := context.CancelFunc(func() {})
	if o.seeds == "" {
		ctx, cancel = context.WithTimeout(ctx, o.length)
	}
	at := o.from
	return func() (differ.Script, bool) {
		for ; at <= last; at++ {
			s := differ.Generate(at)
			s.Mangled = o.mangled
			if slices.Contains(o.themes, s.Theme()) {
				at++
				return s, true
			}
		}
		return differ.Script{}, false
	}, ctx, cancel, nil
}

// known gives the kinds of differences that are known: of a file, or else of the release.
func known(file, release string) (map[string]bool, error) {
	if file == "" {
		return differ.Known(release), nil
	}
	text, err := os.ReadFile(file)
	return differ.ParseKnown(string(text)), err
}

// tool finds .ci/kafka.
func tool() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if at := filepath.Join(dir, ".ci", "kafka"); exists(at) {
			return at, nil
		}
	}
	return "", fmt.Errorf(".ci/kafka is not in this folder or one above it")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func call(tool string, args ...string) (string, error) {
	cmd := exec.Command(tool, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", tool, strings.Join(args, " "), err, said.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}
