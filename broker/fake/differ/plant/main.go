// Command plant makes the fake take what Kafka does not, one leniency at a time, and tells after how long the differential finds each. The sources stay as they are: a patched copy is laid over one of them while the
// differential is built.
//
//	go run ./broker/fake/differ/plant [-for 20m] [-only NAME] [-version 4.3.0] [-kafka HOST:PORT]
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// leniency is what the fake must not do: in file, old becomes new.
type leniency struct{ name, file, old, new string }

var leniencies = []leniency{
	{"any sequence of an idempotent producer is taken", "producers.go", "case b.BaseSequence != record.AddSequence(k.last(), 1):", "case false:"},
	{"epoch of a producer is not checked", "producers.go", "case k != nil && b.ProducerEpoch < k.epoch:\n\t\treturn protocol.InvalidProducerEpoch, nil\n\tcase v.raises", "case false:\n\tcase v.raises"},
	{"duplicate is appended again", "producers.go", "if k.batches[i].first == b.BaseSequence && k.batches[i].last == b.LastSequence() {", "if false {"},
	{"last stable offset does not wait for transactions", "transactions.go", "\t\tstable = min(stable, first)\n", "\t\t_ = first\n"},
	{"aborted transactions are not told", "01_fetch.go", "if committed && (n > 0 || limit <= 0 && p.any(f.req.FetchOffset, end)) {", "if false {"},
	{"leader epoch of a fetch is not checked", "01_fetch.go", "if code == protocol.None { // older versions have no epochs, but their session may have some", "if false {"},
	{"epoch of a fetch session is not checked", "fetch_sessions.go", "case req.SessionEpoch != s.epoch:", "case false:"},
	{"commit of a fenced member is taken", "08_offsets.go", "return (m.assigned[tp] || m.revoking[tp]) && m.since[tp] <= epoch", "return m.since[tp] <= epoch || true"},
	{"commit for a topic that is deleted is taken", "08_offsets.go", "got := unknown // before anything else, as Kafka does",
		"if unknown != protocol.None {\nout.Partitions = append(out.Partitions, msg.OffsetCommitResponseOffsetCommitResponsePartition{PartitionIndex: p.PartitionIndex})\ncontinue\n}\ngot := unknown"},
	{"transaction of another epoch is ended", "transaction_coordinator.go", "\tcase t.epoch != epoch:\n\t\treturn nil, protocol.ProducerFenced\n", ""},
	{"records of a compacted topic need no key", "validation.go", "case s.compact && v.Key == nil:", "case false:"},
	{"generation of a member is not checked", "group_classic.go", "if code == protocol.None && generation != k.generation {", "if false {"},
}

// fits tells whether what is to be replaced is there, and once.
func (l *leniency) fits(source string) error {
	if n := strings.Count(source, l.old); n != 1 {
		return fmt.Errorf("%q is there %d times", l.old, n)
	}
	return nil
}

func main() {
	length := flag.Duration("for", 20*time.Minute, "how long a leniency may stay unseen")
	only := flag.String("only", "", "plant only those whose names match this expression")
	version := flag.String("version", "4.3.0", "release of Kafka")
	kafka := flag.String("kafka", "", "address of a broker of that release that runs; else one is started for each leniency")
	flag.Parse()
	if err := plant(*length, *only, *version, *kafka); err != nil {
		fmt.Fprintln(os.Stderr, "plant:", err)
		os.Exit(1)
	}
}

func plant(length time.Duration, only, version, kafka string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "plant")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var wrong []error
	for _, l := range leniencies {
		if !match.MatchString(l.name) {
			continue
		}
		how, took, err := find(dir, l, length, version, kafka)
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Errorf("%s: %w", l.name, err))
		default:
			fmt.Printf("%6s  %s: %s\n", took.Round(time.Second), l.name, how)
		}
	}
	return errors.Join(wrong...)
}

// found is how the differential tells of the first difference.
var found = regexp.MustCompile(`(?m)^DIFFERENCE ([^\n]*\n[^\n]*\n[^\n]*\n[^\n]*)`)

// find plants a leniency and plays until it shows. The time is that of playing, without that of building.
func find(dir string, l leniency, length time.Duration, version, kafka string) (how string, took time.Duration, err error) {
	file := filepath.Join("broker", "fake", l.file)
	text, err := os.ReadFile(file)
	if err != nil {
		return "", 0, err
	}
	if err := l.fits(string(text)); err != nil {
		return "", 0, fmt.Errorf("%s: %w", file, err)
	}
	from, err := filepath.Abs(file)
	if err != nil {
		return "", 0, err
	}
	patched, table, binary := filepath.Join(dir, "patched.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "differ")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{from: patched}})
	if err != nil {
		return "", 0, err
	}
	if err := errors.Join(os.WriteFile(patched, []byte(strings.Replace(string(text), l.old, l.new, 1)), 0o600), os.WriteFile(table, overlay, 0o600)); err != nil {
		return "", 0, err
	}
	if out, err := exec.Command("go", "build", "-o", binary, "-overlay", table, "./broker/fake/differ/run").CombinedOutput(); err != nil {
		return "", 0, fmt.Errorf("%w\n%s", err, out)
	}
	began := time.Now()
	out, err := exec.Command(binary, "-first", "-version", version, "-kafka", kafka, "-for", length.String()).CombinedOutput()
	said := found.FindSubmatch(out)
	if said == nil {
		return "", 0, fmt.Errorf("not found in %s: %v\n%s", length, err, out)
	}
	return strings.Join(strings.Fields(string(said[1])), " "), time.Since(began), nil
}
