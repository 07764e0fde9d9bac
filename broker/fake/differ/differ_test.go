package differ_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/broker/fake/differ"
	"github.com/kactor-go/kactor/protocol"
)

func listen(t *testing.T, cfg fake.Config) string {
	t.Helper()
	s, err := fake.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.Addrs()[0]
}

// seeds gives the scripts of the seeds up to n.
func seeds(n uint64) func() (differ.Script, bool) {
	at := uint64(0)
	return func() (differ.Script, bool) {
		if at++; differ.Generate(at).Theme() == differ.Expiry { // idle for seconds
			at++
		}
		return differ.Generate(at), at <= n
	}
}

// compare plays scripts on two fakes: one stands for Kafka.
func compare(t *testing.T, kafka, other fake.Config, n uint64) (*differ.Report, []*differ.Difference, *differ.Runner) {
	t.Helper()
	var found []*differ.Difference
	r := &differ.Runner{Kafka: listen(t, kafka), Fake: listen(t, other), Found: func(d *differ.Difference) { found = append(found, d) }}
	if err := r.Ready(); err != nil {
		t.Fatal(err)
	}
	if kafka.Release == "4.3" {
		var err error
		if r.Cells, err = differ.Cells(kafka.Release); err != nil || len(r.Cells) == 0 {
			t.Fatal(err, "no list of cells")
		}
	}
	report, err := r.Run(t.Context(), seeds(n))
	if err != nil {
		t.Fatal(err)
	}
	return report, found, r
}

// Ids, times and names are the only things that two clusters of one kind tell differently, and those are not compared.
func TestTwoFakesAnswerAlike(t *testing.T) {
	for _, release := range []string{"4.3", "3.9", "2.8"} {
		kafka, other := fake.Config{Release: release, Seed: 1}, fake.Config{Release: release, Seed: 2}
		report, found, _ := compare(t, kafka, other, 36)
		for _, d := range found {
			t.Errorf("%s: %s\n%s", release, d, d.Transcript)
		}
		if report.Scripts < 30 || report.Answers < 500 {
			t.Errorf("%s: %s", release, report)
		}
		if release == "4.3" && (len(report.Reached.Unlisted) > 0 || report.Reached.Reached < 100) {
			t.Errorf("%s", report.Reached)
		}
	}
}

// A difference comes with the few requests that lead to it, and is the same when they are played again.
func TestADifferenceIsMadeSmall(t *testing.T) {
	_, found, r := compare(t, fake.Config{}, fake.Config{MaxMessage: 300}, 60)
	at := slices.IndexFunc(found, func(d *differ.Difference) bool { return d.API == "Produce" && d.Fake == "MESSAGE_TOO_LARGE" })
	if at < 0 {
		t.Fatalf("batches that are too large were not found: %v", found)
	}
	d := found[at]
	if n := len(d.Script.Steps); n > 3 {
		t.Errorf("%d steps are left:\n%s", n, d.Transcript)
	}
	again, err := differ.Parse(d.Script.String())
	if err != nil {
		t.Fatal(err)
	}
	small, err := r.Shrink(t.Context(), &differ.Difference{Script: again, Path: d.Path, Kafka: d.Kafka, Fake: d.Fake})
	if err != nil || small == nil || small.Script.String() != d.Script.String() {
		t.Errorf("played again: %v, %v", small, err)
	}
}

// What is known and not mended is counted, and does not hide what is new in the same answer.
func TestKnownDifferencesAreCountedOnly(t *testing.T) {
	const kind, other = "Produce.Responses.PartitionResponses.ErrorCode: Kafka NONE, the fake MESSAGE_TOO_LARGE", "Produce.Responses.PartitionResponses.BaseOffset"
	r := &differ.Runner{Kafka: listen(t, fake.Config{}), Fake: listen(t, fake.Config{MaxMessage: 300}), Open: map[string]bool{kind: true, "never met": true}}
	r.Found = func(d *differ.Difference) {
		if d.Kind() == kind {
			t.Errorf("told of %s", d)
		}
	}
	if err := r.Ready(); err != nil {
		t.Fatal(err)
	}
	report, err := r.Run(t.Context(), seeds(30))
	if err != nil || report.Open[kind] == 0 || report.Kinds[kind] != nil || report.Kinds[other] == nil || !slices.Equal(report.Unseen, []string{"never met"}) {
		t.Errorf("%v\n%s", err, report)
	}
}

// A script goes on behind an answer that is known to differ, if both sides still have the same.
func TestKnownDifferencesEndNoScript(t *testing.T) {
	_, found, _ := compare(t, fake.Config{}, fake.Config{Racks: []string{"r"}}, 40)
	racks := map[string]bool{}
	for _, d := range found {
		racks[d.Kind()] = true
	}
	if len(racks) != 2 || !racks["Metadata.Brokers.Rack"] || !racks["DescribeCluster.Brokers.Rack"] {
		t.Fatalf("brokers differ in their racks only: %v", found)
	}
	all, _, _ := compare(t, fake.Config{}, fake.Config{}, 40)
	r := &differ.Runner{Kafka: listen(t, fake.Config{}), Fake: listen(t, fake.Config{Racks: []string{"r"}}), Open: racks, Found: func(d *differ.Difference) { t.Errorf("told of %s", d) }}
	if err := r.Ready(); err != nil {
		t.Fatal(err)
	}
	report, err := r.Run(t.Context(), seeds(40))
	known := report.Open["Metadata.Brokers.Rack"] + report.Open["DescribeCluster.Brokers.Rack"]
	if err != nil || known < 20 || report.Answers+known != all.Answers {
		t.Errorf("%v: %d answers without a difference\n%s", err, all.Answers, report)
	}
}

// The list of the release that is played by default can be read.
func TestTheListsOfKnownDifferencesAreRead(t *testing.T) {
	for kind := range differ.Known("4.3") {
		if api, _, _ := strings.Cut(strings.TrimPrefix(kind, "request "), "."); !slices.ContainsFunc(protocol.APIKeys(), func(key int16) bool { return protocol.APIName(key) == api }) {
			t.Errorf("%q is of no API", kind)
		}
	}
	if len(differ.Known("0.9")) > 0 {
		t.Error("there is a list of 0.9")
	}
}

// A script is known by its seed, and by what is left of it.
func TestScriptsAreReadAsTheyAreWritten(t *testing.T) {
	s := differ.Generate(7)
	s.Steps = slices.Concat(s.Steps[:2], s.Steps[9:11])
	got, err := differ.Parse(s.String())
	if err != nil || !slices.Equal(got.Steps, s.Steps) {
		t.Errorf("%v, %v; not %v", got, err, s)
	}
	for _, wrong := range []string{"", "x", "7:", "7:1,x", "7:1000"} {
		if _, err := differ.Parse(wrong); err == nil {
			t.Errorf("%q is a script", wrong)
		}
	}
}
