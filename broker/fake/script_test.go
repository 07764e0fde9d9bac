package fake_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/wire"
)

// script plays raw requests, one a line, and gives what is seen: the same on Kafka and on the fake. Producer ids and member ids are named in the order they are met (p1, p2; a.1, a.2 for those that were given to a), and names of
// topics, groups and transactional ids get a prefix that is not shown.
//
// What the lines of transactions are is told at transactionLine, and those of groups at groupLine. These are for all:
//
//	topic NAME [PARTITIONS]      creates a topic
//	wait MS                      lets so much time pass
//	only CLUSTER...              the script is for these (see scenes)
//
// Where names=WORD,... is told, it is shown which of these words the message of an error has. Each request has v=N for its version, which is the highest below 4.0's else. What a release has not is shown as "-".
type script struct {
	t       testing.TB
	on      stage
	prefix  string
	ids     []int64
	begun   map[string]bool // transactional ids
	joined  map[string]*msg.JoinGroupResponse
	members map[string]*scriptMember
	seen    map[string]wire.UUID                    // ids of topics that were told
	gone    map[string]wire.UUID                    // and of those that were deleted
	start   time.Time                               // what times of records count from
	polled  func() string                           // what a fetch that waits is answered
	first   []map[string]func(*script, *cue) string // lines that only this scene has
	out     strings.Builder
}

// stage is what a script is played on.
type stage interface {
	post(t testing.TB, conn string, req protocol.Request, version int16)                                        // sends on a connection that is opened for that name
	take(t testing.TB, conn string, req protocol.Request, version int16, limit time.Duration) protocol.Response // the answer; nil: none comes for so long
	highest(key int16) int16                                                                                    // version; -1: there is none
	lowest(key int16) int16
	transactionVersion() int // finalized; 0: there is none
	now() time.Time
	wait(d time.Duration)
	spend(t testing.TB, req *msg.InitProducerIdRequest, times int64) // asks so often
	minISR(t testing.TB, topic string, n int)
	send(t testing.TB, body []byte) []byte // a request without its size, for an answer without it; nil if the connection was closed instead
	compact(t testing.TB, topic string)    // until the log cleaner has nothing to do
	retain(t testing.TB, topic string)     // until retention has nothing to do
}

func play(t testing.TB, on stage, prefix, text string, first ...map[string]func(*script, *cue) string) string {
	s := &script{t: t, on: on, prefix: prefix, begun: map[string]bool{}, joined: map[string]*msg.JoinGroupResponse{}, members: map[string]*scriptMember{}, seen: map[string]wire.UUID{}, gone: map[string]wire.UUID{}, first: first}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			fmt.Fprintln(&s.out, line)
			continue
		}
		fmt.Fprintf(&s.out, "%s\n", line)
		l := &cue{version: -1, all: strings.Fields(line), options: map[string]string{}}
		for _, w := range l.all {
			if k, v, ok := strings.Cut(w, "="); ok && !strings.Contains(k, "/") {
				l.options[k] = v
			} else {
				l.words = append(l.words, w)
			}
		}
		if v, ok := l.options["v"]; ok {
			l.version = int16(number(t, v))
		}
		if shown := s.act(l); shown != "" {
			fmt.Fprintf(&s.out, "  %s\n", shown)
		}
	}
	return s.out.String()
}

// cue is one line of a script.
type cue struct {
	all     []string // words and options, in order
	words   []string
	options map[string]string
	version int16
}

func number(t testing.TB, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// asked asks in the version of the cue, or in the highest up to usual; nil if there is none.
func asked[R protocol.Response](s *script, l *cue, usual int16, req protocol.Request) (m R, version int16, ok bool) {
	highest := s.on.highest(req.APIKey())
	if before, ok := versions1[req.APIKey()]; ok && s.on.transactionVersion() == 0 {
		highest = min(highest, before)
	}
	version = min(usual, highest)
	if l.version >= 0 {
		version = l.version
	}
	if version < max(s.on.lowest(req.APIKey()), 0) || version > highest {
		return m, 0, false
	}
	return s.ask(req, version).(R), version, true
}

// versions1 are the highest versions that do not belong to transactions of version 2. The others must not be used before transaction.version is finalized: the coordinator could not write down what they do.
var versions1 = map[int16]int16{msg.ProduceAPI: 11, msg.EndTxnAPI: 4, msg.TxnOffsetCommitAPI: 4, msg.AddPartitionsToTxnAPI: 3}

const none = "-"

func (s *script) act(l *cue) string {
	switch w := l.words; w[0] {
	case "topic":
		return s.createTopic(w)
	case "only":
		return ""
	case "wait":
		s.on.wait(time.Duration(number(s.t, w[1])) * time.Millisecond)
		return ""
	}
	for _, lines := range s.first {
		if line, known := lines[l.words[0]]; known {
			return line(s, l)
		}
	}
	for _, line := range []func(*cue) (string, bool){s.transactionLine, s.groupLine} {
		if shown, known := line(l); known {
			return shown
		}
	}
	s.t.Fatalf("%q is no line of a script", l.words)
	return ""
}

// ask asks on the connection that has no name.
func (s *script) ask(req protocol.Request, version int16) protocol.Response {
	s.on.post(s.t, "", req, version)
	m := s.on.take(s.t, "", req, version, time.Minute)
	if m == nil {
		s.t.Fatalf("%T v%d is not answered", req, version)
	}
	return m
}

func (s *script) name(n string) string {
	if n == `""` {
		return ""
	}
	return s.prefix + n
}

func (s *script) shown(n string) string { return strings.TrimPrefix(n, s.prefix) }

// named shows which of the words of the option names, separated by commas, the message of an error has: what it says else are Kafka's own words. Without the option nothing is shown.
func (s *script) named(l *cue, message *string) (shown string) {
	words, asked := l.options["names"]
	switch {
	case !asked:
		return ""
	case message == nil || *message == "":
		return " no message"
	}
	for _, w := range strings.Split(words, ",") {
		if strings.Contains(*message, w) {
			shown += " " + w
		}
	}
	return " names" + shown
}

func code(c int16) string {
	if c == 0 {
		return "ok"
	}
	return protocol.Code(c).Name()
}

// producer reads "p1/3"; ids that were never given are "p0".
func (s *script) producer(w string) (int64, int16) {
	name, epoch, _ := strings.Cut(w, "/")
	i := number(s.t, strings.TrimPrefix(name, "p"))
	if i == 0 {
		return 999_999, int16(number(s.t, epoch))
	}
	if int(i) > len(s.ids) {
		return -1, int16(number(s.t, epoch))
	}
	return s.ids[i-1], int16(number(s.t, epoch))
}

func (s *script) producerName(id int64, epoch int32) string {
	if id < 0 {
		return fmt.Sprintf("-/%d", epoch)
	}
	for i, o := range s.ids {
		if o == id {
			return fmt.Sprintf("p%d/%d", i+1, epoch)
		}
	}
	s.ids = append(s.ids, id)
	return fmt.Sprintf("p%d/%d", len(s.ids), epoch)
}

func (s *script) at(w string) (topic string, partition int32) {
	topic, n, _ := strings.Cut(w, "/")
	return s.name(topic), int32(number(s.t, n))
}

func (s *script) createTopic(w []string) string {
	n := int32(1)
	if len(w) > 2 {
		n = int32(number(s.t, w[2]))
	}
	m := s.ask(&msg.CreateTopicsRequest{TimeoutMs: 10000, Topics: []msg.CreateTopicsRequestCreatableTopic{{Name: s.name(w[1]), NumPartitions: n, ReplicationFactor: 1}}}, 4).(*msg.CreateTopicsResponse)
	if c := m.Topics[0].ErrorCode; c != 0 {
		return code(c)
	}
	for i := range n { // it is there when its leaders know that they are
		for s.ask(fetchRequest(s.name(w[1]), i, 0, 0, 0), 11).(*msg.FetchResponse).Responses[0].Partitions[0].ErrorCode != 0 {
			s.on.wait(100 * time.Millisecond)
		}
	}
	return ""
}
