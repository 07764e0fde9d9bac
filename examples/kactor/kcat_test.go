package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/protocol/msg"
)

var recordWith = flag.String("kcat", "", "the real kcat, whose output is written to testdata/kcat.txt")

// kcatStep is a command line, and what goes into it. FILES stands for a folder with a, b and c in lines, whole (two lines without an end) and empty.
type kcatStep struct {
	in, args string // with | between arguments
}

const everything = `%o|%k|%s|%K|%S|%h|%t|%p\n`

var kcatSteps = []kcatStep{
	{"a\n\nb\nk:v\n:nokey\nk2:\n:\nlast", "-P|-t|t1|-p|0|-K:"},
	{"a\n\nb\nk:v\n:nokey\nk2:\n:\nlast", "-P|-t|t1|-p|1|-K:|-Z"},
	{"x;y;;z", "-P|-t|t1|-p|2|-D;|-H|h1=v1|-H|h2|-H|h3=|-k|fixed"},
	{"", "-C|-t|t1|-p|0|-e|-f|" + "EVERYTHING"},
	{"", "-C|-t|t1|-p|1|-e|-q|-f|EVERYTHING"},
	{"", "-C|-t|t1|-p|2|-e|-q|-f|EVERYTHING"},
	{"", "-C|-t|t1|-p|1|-e|-q|-Z|-f|EVERYTHING"},
	{"", "-eqC|-tt1|-p0|-J"},
	{"", "-C|-t|t1|-p|2|-e|-q|-J"},
	{"", "-C|-t|t1|-p|1|-e|-q|-J|-Z"},
	{"", "-C|-t|t1|-p|0|-e|-q|-K:"},
	{"", "-C|-t|t1|-p|0|-e|-q|-O"},
	{"", `-C|-t|t1|-p|0|-e|-q|-D;|-K|\t`},
	{"", `-C|-t|t1|-p|0|-e|-q|-D\x41\102|-u`},
	{"", "-L"}, {"", "-L|-J"}, {"", "-L|-t|t1"}, {"", "-L|-t|t1|-J"},
	{"", "-Q|-t|t1:0:0|-t|t1:1:-1|-t|t1:2:-2"}, {"", "-Q|-t|t1:7:-1"}, {"", "-Q|-t|t1:0"}, {"", "-Q|-t|t1:0:99999999999999"},
	{"", "-P|-t|t2|FILES/lines|FILES/whole|FILES/empty"},
	{"", "-P|-t|t2|-l|FILES/lines"}, {"", "-P|-t|t2|-l|FILES/lines|FILES/whole"}, {"", "-P|-t|t2|FILES/missing"},
	{"q\nw\ne\n", "-P|-t|t2|-c|2"},
	{"q\tw\ne\n", `-P|-t|t2|-K|\t|-T`},
	{"qXXw", "-P|-t|t2|-K|XX"}, {"q1XX1w", "-P|-t|t2|-D|1XX1"}, {"z1\nz2\n", "-P|-t|t2|-z|gzip"}, {"y:1\n:2\n", "-P|-t|t2|-K:|-k|fixed"},
	{"", `-C|-t|t2|-e|-f|%o:%k=%s;\x41\101\n|-c|20`},
	{"", "-C|-t|t2|-e|-o|3"}, {"", "-C|-t|t2|-e|-o|-2|-p|0"}, {"", "-C|-t|t2|-e|-o|end"}, {"", "-C|-t|t2|-e|-o|beginning|-c|3"}, {"", "-C|-t|t2|-e|-o|1|-c|1|-p|0"},
	{"", "-C|-t|t2|-e|-q|-o|s@0|-c|4"}, {"", "-C|-t|t2|-e|-q|-o|s@99999999999999"}, {"", "-C|-t|t2|-q|-o|s@0|-o|e@99999999999999|-e"}, {"", "-C|-t|t2|-q|-o|s@0|-o|e@1"},
	{"", "-C|-t|t1|-p|9|-e"}, {"", "-C|-t|nope|-e|-X|allow.auto.create.topics=false"},
	{"\x00\x00\x00\x05\x01\x02tail\n", "-P|-t|t3"},
	{"", "-C|-t|t3|-e|-q|-c1|-s|value=>i"}, {"", "-C|-t|t3|-e|-q|-c1|-s|value=>ibb"}, {"", "-C|-t|t3|-e|-q|-c1|-s|value=>ibbs"}, {"", "-C|-t|t3|-e|-q|-c1|-s|value=>ibbs$"}, {"", "-C|-t|t3|-e|-q|-c1|-s|value=q"},
	{"", "-C|-t|t3|-e|-q|-c1|-s|value=c"}, {"", "-C|-t|t3|-e|-q|-c1|-s|value=z"}, {"", "-C|-t|t3|-e|-q|-c1|-s|value=>i h"}, {"", "-C|-t|t3|-e|-q|-c1|-s|value=HhBb"},
	{"", "-C|-t|t3|-e|-q|-c1|-s|value=>Q"}, {"", "-C|-t|t3|-e|-q|-s|i"}, {"", `-C|-t|t3|-e|-q|-s|key=i|-f|%k-%R\n`},
	{"", "-G|g1|-e|t2|-X|auto.offset.reset=earliest|-p|0|-f|%t\\n"}, {"", "-G|g2|t2|-e|-X|auto.offset.reset=earliest"}, {"", "-G|g2|t2|-e|-X|auto.offset.reset=earliest"}, {"", "-G|g3|^t[2]|-e|-q|-X|topic.auto.offset.reset=smallest"},
	{"auto\n", "-t|t3"},
	{"", "-C|-t|t3|-q|-e|-f|%q"}, {"", "-C|-t|t3|-q|-e|-f|%"}, {"", `-C|-t|t3|-q|-e|-f|\q\n|-c1`},
	{"", "-P"}, {"", "-C"}, {"", "-Y"}, {"", "-X|bogus=1|-L"}, {"", "-X|linger.ms=x|-L"}, {"", "-P|-t|t2|-p|7|FILES/lines"}, {"", "-P|-t|t2|-z|bogus|FILES/lines"},
}

var (
	timesOf   = regexp.MustCompile(`"ts":\d+`)
	membersOf = regexp.MustCompile(`memberid [^)]*`)
)

// session plays all steps, and gives what came out: standard output, how it ended, and of what is said besides the lines about partitions and groups, in order of the alphabet.
func kcatSession(t *testing.T, play func(in io.Reader, out, errs io.Writer, args []string) bool) string {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	server, err := fake.Listen(fake.Config{Topics: []fake.Topic{{Name: "t1", Partitions: 3}, {Name: "t2"}, {Name: "t3"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	files, host := t.TempDir(), server.Addrs()[0]
	for name, text := range map[string]string{"lines": "a\nb\nc\n", "whole": "whole\nfile", "empty": ""} {
		if err := os.WriteFile(filepath.Join(files, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var all strings.Builder
	for _, s := range kcatSteps {
		args := []string{"-b", host}
		for a := range strings.SplitSeq(strings.ReplaceAll(s.args, "FILES", files), "|") {
			if a == "EVERYTHING" {
				a = everything
			}
			args = append(args, a)
		}
		var out, errs bytes.Buffer
		well := play(strings.NewReader(s.in), &out, &errs, args)
		fmt.Fprintf(&all, "$ kcat %s\n%q\nwell: %v\n", strings.ReplaceAll(s.args, "|", " "), out.String(), well)
		var said []string
		for line := range strings.Lines(errs.String()) {
			if strings.HasPrefix(line, "% Reached") || strings.HasPrefix(line, "% Group") || strings.HasPrefix(line, "% Wait") || strings.HasPrefix(line, "% Auto") {
				said = append(said, line)
			}
		}
		slices.Sort(said)
		all.WriteString(strings.Join(said, ""))
	}
	text := strings.ReplaceAll(all.String(), host, "HOST")
	return membersOf.ReplaceAllString(strings.ReplaceAll(timesOf.ReplaceAllString(strings.ReplaceAll(text, `\"`, `"`), `"ts":T`), files, "FILES"), "memberid X")
}

// What kcat 1.7.1 prints for these command lines, on the fake cluster, is printed here, too. The file was made with -args -kcat /usr/bin/kcat.
func TestKcat(t *testing.T) {
	if *recordWith != "" {
		got := kcatSession(t, func(in io.Reader, out, errs io.Writer, args []string) bool {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, *recordWith, args...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errs
			return cmd.Run() == nil
		})
		if err := os.WriteFile("testdata/kcat.txt", []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/kcat.txt")
	if err != nil {
		t.Fatal(err)
	}
	got := kcatSession(t, func(in io.Reader, out, errs io.Writer, args []string) bool {
		return run(t.Context(), append([]string{"kcat"}, args...), in, out, errs) == nil
	})
	a, b := strings.Split(got, "$ kcat "), strings.Split(string(want), "$ kcat ")
	if len(a) != len(b) || len(a) != len(kcatSteps)+1 {
		t.Fatalf("%d steps, kcat had %d", len(a)-1, len(b)-1)
	}
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("got\n%.2000s\nkcat has\n%.2000s", a[i], b[i])
		}
	}
}

// What kcat does worse is done better here: an offset below the start of the log hung, one behind its end too, and a command that is interrupted writes what it has read, and no half of a record.
func TestKcatBetter(t *testing.T) {
	c := newCommand(t)
	c.run("1\n2\n3\n", "-P", "-b", c.hosts, "-t", "a", "-p", "0")
	deleteBefore(t, c.hosts, "a", 0, 2)
	for _, offset := range []string{"0", "-3"} {
		out, errs, err := c.try("", "-C", "-b", c.hosts, "-t", "a", "-p", "0", "-o", offset, "-e", "-K:", "-O")
		if out != "2::3\n" || err != nil || offset == "0" && !strings.Contains(errs, "offset 0 is not there any more: beginning at 2") {
			t.Errorf("-o %s: %q, %q, %v", offset, out, errs, err)
		}
	}
	ctx, interrupt := context.WithCancel(t.Context())
	in, write := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-P", "-b", c.hosts, "-t", "a", "-p", "1"}, in, io.Discard, io.Discard)
	}()
	fmt.Fprint(write, "whole\nha")
	for !strings.Contains(c.run("", "-C", "-b", c.hosts, "-t", "a", "-p", "1", "-e", "-q"), "whole") {
		time.Sleep(10 * time.Millisecond)
	}
	interrupt()
	if err := <-done; err != nil {
		t.Errorf("interrupted: %v", err)
	}
	if got := c.run("", "-C", "-b", c.hosts, "-t", "a", "-p", "1", "-e", "-q"); got != "whole\n" {
		t.Errorf("written is %q", got)
	}
	for logged := ""; !strings.Contains(logged, "level=DEBUG"); { // the log may come too late once
		var err error
		if _, logged, err = c.try("", "-L", "-b", c.hosts, "-d", "all"); err != nil {
			t.Fatalf("-d: %q, %v", logged, err)
		}
	}
	if _, errs, err := c.try("", "-L", "-b", c.hosts, "-s", "avro"); !errors.Is(err, errSaid) || !strings.Contains(errs, "Avro is not available") {
		t.Errorf("%q, %v", errs, err)
	}
}

// With -E an error is told and does not end the command: a cluster that does not know the protocol of the group refuses the member for good.
func TestKcatGoesOn(t *testing.T) {
	server, err := fake.Listen(fake.Config{Release: "2.8", Topics: []fake.Topic{{Name: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c := command{t, server.Addrs()[0]}
	args := []string{"-G", "g", "-b", c.hosts, "a", "-X", "group.protocol=consumer"}
	if _, _, err := c.try("", args...); !errors.Is(err, errSaid) {
		t.Errorf("without -E: %v", err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	said := make(chan string, 100)
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, append(args, "-E"), strings.NewReader(""), io.Discard, writerFunc(func(b []byte) {
			if strings.Contains(string(b), "% ERROR") {
				said <- string(b)
			}
		}))
	}()
	for range 2 {
		<-said
	}
	interrupt()
	if err := <-done; err != nil {
		t.Errorf("interrupted: %v", err)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }

// deleteBefore has a broker delete the records of a partition before an offset.
func deleteBefore(t *testing.T, hosts, topic string, partition int32, offset int64) {
	t.Helper()
	client, err := api.Dial(t.Context(), api.Brokers(hosts))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Shutdown(t.Context())
	m := &msg.DeleteRecordsRequest{TimeoutMs: 1000, Topics: []msg.DeleteRecordsRequestDeleteRecordsTopic{{Name: topic, Partitions: []msg.DeleteRecordsRequestDeleteRecordsPartition{{PartitionIndex: partition, Offset: offset}}}}}
	r, err := broker.Call(t.Context(), client.System().Cluster(), broker.Route{Req: m, To: broker.Target{Kind: broker.ToLeader, Topic: topic, Partition: partition}})
	if err != nil || r.Err != nil || r.Resp.(*msg.DeleteRecordsResponse).Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
}
