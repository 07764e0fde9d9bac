package plan

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kactor-go/kactor/fetcher/internal/session"
	"github.com/kactor-go/kactor/protocol/msg"
)

var errLarge = errors.New("frame size out of bounds")

// large is a broker with partitions of which some have a batch that makes any answer too large, where it is the first that has something.
type large struct {
	*bench
	guilty, full map[int32]bool // full: there are records always
	got          map[int32]int
	told         map[int32]int
	asked, lost  int
	began        time.Time
	within       map[int32]time.Duration // when the first records of a partition came
	flight       []due
}

func newLarge(t *testing.T, n int, guilty, full []int32) *large {
	l := &large{bench: newBench(t, nil), guilty: map[int32]bool{}, full: map[int32]bool{}, got: map[int32]int{}, told: map[int32]int{}, within: map[int32]time.Duration{}}
	leaders := make([]int32, n)
	m := &Assign{}
	for i := range leaders {
		leaders[i] = 1
		m.Starts = append(m.Starts, Start{TopicPartition: tp(int32(i)), Gen: 1, Offset: 7, Epoch: -1})
	}
	for _, p := range guilty {
		l.guilty[p] = true
	}
	for _, p := range full {
		l.full[p] = true
	}
	s := snapshot(5, leaders...)
	s.Version = 1
	l.began = l.now
	l.step(&Changed{Snapshot: s})
	l.out = Effects{}
	l.c.Step(l.now, m, &l.out)
	return l
}

type due struct {
	at time.Time
	r  *Request
}

// serve answers for so long whatever is asked.
func (l *large) serve(d time.Duration) {
	out := l.out
	defer func() { l.out = out }()
	for end := l.now.Add(d); l.now.Before(end); {
		for _, f := range out.Fail {
			l.told[f.Partition]++
		}
		var taken Taken
		for _, k := range out.Chunks {
			l.got[k.Partition]++
			if l.got[k.Partition] == 1 {
				l.within[k.Partition] = l.now.Sub(l.began)
			}
			taken.Chunks = append(taken.Chunks, Taking{TopicPartition: k.TopicPartition, Gen: k.Gen, Bytes: k.Bytes})
		}
		for _, r := range out.Fetch {
			l.asked++
			wait := 20 * time.Millisecond
			if !slices.ContainsFunc(r.Wants, func(w session.Want) bool { return l.guilty[w.Partition] || l.full[w.Partition] }) {
				wait += r.Wait
			}
			l.flight = append(l.flight, due{l.now.Add(wait), r})
		}
		out = Effects{}
		if len(taken.Chunks) > 0 {
			l.c.Step(l.now, &taken, &out)
			continue
		}
		next := end
		if at := l.c.Next(); !at.IsZero() && at.Before(next) {
			next = at
		}
		slices.SortStableFunc(l.flight, func(a, b due) int { return a.at.Compare(b.at) })
		if len(l.flight) > 0 && !l.flight[0].at.After(next) {
			l.now = l.flight[0].at
			l.c.Step(l.now, l.of(l.flight[0].r), &out)
			l.flight = l.flight[1:]
			continue
		}
		l.now = next
		l.c.Tick(l.now, &out)
	}
}

// of is what the broker answers.
func (l *large) of(r *Request) *Fetched {
	m := &Fetched{Request: r, Version: 13, Resp: &msg.FetchResponse{}}
	var parts []msg.FetchResponsePartitionData
	for _, w := range r.Wants {
		switch {
		case l.guilty[w.Partition] && len(parts) == 0:
			l.lost++
			return &Fetched{Request: r, Version: -1, Err: errLarge, Unread: true}
		case l.full[w.Partition]:
			d := data(w.Partition)
			d.Records = batch(w.Offset, 5, 1)
			parts = append(parts, d)
		}
	}
	m.Resp.Responses = []msg.FetchResponseFetchableTopicResponse{{TopicID: r.Wants[0].ID, Partitions: parts}}
	return m
}

// TestAnAnswerThatCannotBeReadStarvesNobody has partitions behind one whose batch makes each answer too large: with all of them asked for again as before, nothing came of any of them.
func TestAnAnswerThatCannotBeReadStarvesNobody(t *testing.T) {
	for _, n := range []int{2, 3, 17, 200} {
		for _, guilty := range [][]int32{{0}, {0, 1}, {int32(n) / 2}, {int32(n) - 1}} {
			t.Run(fmt.Sprint(n, guilty), func(t *testing.T) {
				var full []int32
				for p := range int32(n) {
					if p%3 == 1 && !slices.Contains(guilty, p) {
						full = append(full, p)
					}
				}
				l := newLarge(t, n, guilty, full)
				l.serve(time.Minute)
				for _, p := range full {
					if l.got[p] < 30 || l.within[p] > 5*time.Second {
						t.Fatalf("partition %d has got %d answers in a minute, the first after %v", p, l.got[p], l.within[p])
					}
				}
				for p := range l.told {
					if !l.guilty[p] {
						t.Fatalf("partition %d is told of", p)
					}
				}
				for _, p := range guilty {
					if l.got[p] > 0 || p == 0 && (l.told[p] < 3 || l.told[p] > 7) { // behind others that have records a broker leaves it out
						t.Errorf("partition %d: %d answers, told %d times", p, l.got[p], l.told[p])
					}
				}
				if l.lost > 250 {
					t.Errorf("%d answers could not be read", l.lost)
				}
				for p := range l.guilty { // the batch is gone
					l.full[p] = true
				}
				clear(l.guilty)
				l.serve(5 * time.Second)
				for _, p := range guilty {
					if l.got[p] == 0 {
						t.Errorf("nothing has come of partition %d when it could be read", p)
					}
				}
			})
		}
	}
}

// TestWhoIsIdleBesideAnAnswerThatCannotBeRead is asked with all others again.
func TestWhoIsIdleBesideAnAnswerThatCannotBeRead(t *testing.T) {
	l := newLarge(t, 100, []int32{42}, nil)
	l.serve(10 * time.Second)
	for _, p := range l.c.parts {
		if (p.apart != nil) != (p.Partition == 42) {
			t.Errorf("partition %d is asked for apart: %v", p.Partition, p.apart != nil)
		}
	}
	if l.told[42] == 0 || l.lost > 30 {
		t.Errorf("told %d times, %d answers could not be read", l.told[42], l.lost)
	}
	var u *unread
	if f := l.c.part(tp(42), 1); !errors.As(f.trouble.Err, &u) || !errors.Is(f.trouble.Err, errLarge) {
		t.Errorf("its trouble is %v", f.trouble.Err)
	}
}
