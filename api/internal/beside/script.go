package main

import (
	"fmt"
	"slices"
	"strings"
)

// Record is a record that a script writes. A nil key, value or header value is null; Time is in milliseconds after the base of the run, and may be negative.
type Record struct {
	Part    string       `json:"part"`
	Key     *string      `json:"key"`
	Value   *string      `json:"value"`
	Headers [][2]*string `json:"headers,omitempty"`
	Time    int64        `json:"time"`
}

// Step is one thing that is done. Which fields it has depends on Op; partitions are written topic/number, topics without the prefix that a client's copy of the script has.
type Step struct {
	ID       int               `json:"id,omitempty"`
	Prefix   string            `json:"prefix,omitempty"`
	Base     int64             `json:"base,omitempty"` // milliseconds since 1970
	Op       string            `json:"op"`
	Member   string            `json:"member,omitempty"`
	Members  []string          `json:"members,omitempty"`
	Topic    string            `json:"topic,omitempty"`
	Topics   []string          `json:"topics,omitempty"`
	Parts    []string          `json:"parts,omitempty"`
	Offsets  map[string]int64  `json:"offsets,omitempty"` // by partition; times where times are asked for
	Metadata string            `json:"metadata,omitempty"`
	Count    int64             `json:"count,omitempty"`
	Commit   bool              `json:"commit,omitempty"`
	Config   map[string]string `json:"config,omitempty"`
	Records  []Record          `json:"records,omitempty"`
	Expect   []string          `json:"expect,omitempty"` // what subscribed members have together when they are settled
	Exist    []string          `json:"exist,omitempty"`  // partitions that can be read to their end
}

// topicOf is the topic of a partition.
func topicOf(part string) string {
	topic, _, _ := strings.Cut(part, "/")
	return topic
}

// Script is what one seed makes: steps, and what is known of them.
type Script struct {
	Seed     uint64 `json:"seed"`
	Protocol string `json:"protocol"`
	Kind     string `json:"kind"`
	Steps    []Step `json:"steps"`
}

// Result is what a client saw in a step.
type Result struct {
	ID      int                 `json:"id"`
	Err     string              `json:"err,omitempty"`     // its kind; "" for none
	Text    string              `json:"text,omitempty"`    // of an error, for whoever reads the report: it is not compared
	Records map[string][]string `json:"records,omitempty"` // by partition, in their order
	Events  map[string][]string `json:"events,omitempty"`  // calls of each member's listener
	Last    []string            `json:"last,omitempty"`    // calls of the listener of a member that was closed
	Errors  map[string][]string `json:"errors,omitempty"`  // kinds of errors that each member's polls told
	Offsets map[string]string   `json:"offsets,omitempty"` // by partition
	Parts   map[string][]string `json:"parts,omitempty"`   // partitions that each member has
	Where   map[string][2]int64 `json:"where,omitempty"`   // of members that are not settled: partitions, the position in each, and its end where that is another
}

// known follows a script's steps, to know which partitions there are and who is subscribed to what.
type known struct {
	topics map[string]int                     // partitions of each
	match  map[string]func(topic string) bool // of each member that is subscribed
}

func newKnown() *known {
	return &known{topics: map[string]int{}, match: map[string]func(string) bool{}}
}

// partitions are those of the topics that exist, in order.
func (k *known) partitions(which func(topic string) bool) []string {
	var out []string
	for t, n := range k.topics {
		for p := range n {
			if which(t) {
				out = append(out, fmt.Sprintf("%s/%d", t, p))
			}
		}
	}
	slices.Sort(out)
	return out
}

// complete tells a step that waits what for.
func (k *known) complete(s *Step) {
	if s.Op != "settle" {
		return
	}
	s.Exist = k.partitions(func(string) bool { return true })
	s.Expect = k.partitions(func(t string) bool {
		return slices.ContainsFunc(s.Members, func(m string) bool { return k.match[m] != nil && k.match[m](t) })
	})
}

// took follows a step that both clients have done: one that was refused changes nothing.
func (k *known) took(s Step) {
	switch s.Op {
	case "create", "grow":
		k.topics[s.Topic] = int(s.Count)
	case "delete":
		delete(k.topics, s.Topic)
	case "subscribe":
		topics := slices.Clone(s.Topics)
		k.match[s.Member] = func(t string) bool { return slices.Contains(topics, t) }
	case "pattern":
		k.match[s.Member] = func(string) bool { return true }
	case "unsubscribe", "close":
		delete(k.match, s.Member)
	}
}
