package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol"
)

// enough is how long anything may take that must come about.
const enough = 30 * time.Second

// kactor does the steps of consumers with the client of this module; what happens beside them is done by Java for both.
type kactor struct {
	hosts   string
	mu      sync.Mutex
	scripts map[string]*script
}

// script is one that is being played.
type script struct {
	hosts, prefix string
	members       map[string]*member
	turn          chan struct{} // whoever does a step holds it: one that does not end keeps others out
	late          bool          // a member was not polled in time, and no step says so
}

// member is a consumer, and what its listener was told.
type member struct {
	client     *api.Client
	consumer   *api.Consumer
	subscribed bool
	events     []string
	limit      time.Duration // max.poll.interval.ms
	polled     time.Time     // the last time; zero: there was none yet, or it is meant to be long ago
}

// overdue tells whether a member was not polled for so long that its group may have lost it, or is about to.
func (m *member) overdue() bool { return !m.polled.IsZero() && time.Since(m.polled) > m.limit/2 }

// look finds members that were not polled in time. What a script shows from then on depends on the moment.
func (p *script) look() {
	for _, m := range p.members {
		p.late = p.late || m.overdue()
	}
}

func (k *kactor) do(ctx context.Context, s Step) (Result, error) {
	k.mu.Lock()
	p := k.scripts[s.Prefix]
	if p == nil {
		p = &script{hosts: k.hosts, prefix: s.Prefix, members: map[string]*member{}, turn: make(chan struct{}, 1)}
		k.scripts[s.Prefix] = p
	}
	if s.Op == "end" {
		delete(k.scripts, s.Prefix)
	}
	k.mu.Unlock()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return Result{}, fmt.Errorf("kactor: step %q waits for one that does not end: %w", s.Op, context.Cause(ctx))
	}
	var r Result
	p.look()
	err := p.consume(ctx, s, &r)
	p.look()
	if p.late {
		err = errors.Join(errLate, err)
	}
	if err != nil {
		r.Err, r.Text = kind(err), err.Error()
	}
	r.Events = map[string][]string{}
	for name, m := range p.members {
		r.Events[name] = m.events
		m.events = nil
	}
	return r, nil
}

// errFenced is how Script.java and kind call the errors of a member that its group has put out.
const errFenced = "fenced"

// errs of the driver's own.
var (
	errNoMember = errors.New("no member")
	errSettled  = errors.New("not settled")
	errOutcome  = errors.New("no outcome")
	errLate     = errors.New("not polled in time")
)

// kind gives an error the name that Java's has in Script.java.
func kind(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errLate):
		return errLate.Error()
	case errors.Is(err, errNoMember), errors.Is(err, errSettled), errors.Is(err, errOutcome):
		return err.Error()
	case errors.Is(err, api.ErrWakeup):
		return "wakeup"
	case errors.Is(err, fetcher.ErrNoOffset):
		return "no offset"
	case errors.Is(err, protocol.OffsetOutOfRange):
		return "out of range"
	case errors.Is(err, api.ErrNotOwned), errors.Is(err, api.ErrFenced):
		return errFenced
	case errors.Is(err, api.ErrIllegalState), errors.Is(err, api.ErrNotAssigned):
		return "state"
	case errors.Is(err, api.ErrUnknownTopic), errors.Is(err, protocol.UnknownTopicOrPartition), errors.Is(err, protocol.UnknownTopicID):
		return "unknown topic"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, api.ErrTimeout):
		return "time-out"
	}
	return "refused"
}

func (p *script) partition(name string) api.TopicPartition {
	topic, number, _ := strings.Cut(name, "/")
	n, _ := strconv.Atoi(number)
	return api.TopicPartition{Topic: p.prefix + topic, Partition: int32(n)}
}

func (p *script) name(tp api.TopicPartition) string {
	return fmt.Sprintf("%s/%d", strings.TrimPrefix(tp.Topic, p.prefix), tp.Partition)
}

func (p *script) names(parts []api.TopicPartition) []string {
	out := []string{}
	for _, tp := range parts {
		out = append(out, p.name(tp))
	}
	slices.Sort(out)
	return out
}

func (p *script) parts(names []string) (out []api.TopicPartition) {
	for _, n := range names {
		out = append(out, p.partition(n))
	}
	return out
}

func (p *script) open(ctx context.Context, s Step) error {
	config := map[string]string{"client.id": s.Member}
	for key, v := range s.Config {
		if key == "group.id" {
			v = p.prefix + v
		}
		config[key] = v
	}
	m := &member{limit: 5 * time.Minute}
	if ms, err := strconv.Atoi(s.Config["max.poll.interval.ms"]); err == nil {
		m.limit = time.Duration(ms) * time.Millisecond
	}
	note := func(what string) func(context.Context, []api.TopicPartition) {
		return func(_ context.Context, parts []api.TopicPartition) {
			m.events = append(m.events, what+" "+strings.Join(p.names(parts), " "))
		}
	}
	var err error
	for m.client == nil { // Java's client is open before it knows a broker, and Dial waits for one only so long
		if m.client, err = api.Dial(ctx, api.Brokers(p.hosts), api.Properties(config)); err != nil && (kind(err) != "time-out" || ctx.Err() != nil) {
			return err
		}
	}
	m.consumer, err = m.client.Consumer("", api.OnRebalance(api.RebalanceListener{OnAssigned: note("assigned"), OnRevoked: note("revoked"), OnLost: note("lost")}))
	if err != nil {
		return errors.Join(err, m.client.Shutdown(ctx))
	}
	p.members[s.Member] = m
	return nil
}

func (m *member) close(ctx context.Context) error {
	return errors.Join(m.consumer.Shutdown(ctx), m.client.Shutdown(ctx))
}

// consume does a step.
func (p *script) consume(ctx context.Context, s Step, r *Result) error {
	ctx, cancel := context.WithTimeout(ctx, enough)
	defer cancel()
	switch s.Op {
	case "open":
		return p.open(ctx, s)
	case "end":
		var err error
		for _, m := range p.members {
			err = errors.Join(err, m.close(ctx))
		}
		p.members = nil
		return err
	case "settle":
		return p.settle(ctx, s, r)
	case "stall":
		for _, m := range p.members {
			m.polled = time.Time{}
		}
		time.Sleep(time.Duration(s.Count) * time.Millisecond)
		return nil
	}
	m := p.members[s.Member]
	if m == nil {
		return errNoMember
	}
	c, parts := m.consumer, p.parts(s.Parts)
	switch s.Op {
	case "assign":
		err := c.Assign(parts...)
		m.subscribed = m.subscribed && err != nil
		return err
	case "subscribe", "pattern":
		var topics []string
		for _, t := range s.Topics {
			topics = append(topics, p.prefix+t)
		}
		if s.Op == "pattern" {
			topics = []string{"^" + regexp.QuoteMeta(p.prefix) + s.Topic + "$"}
		}
		err := c.Subscribe(topics...)
		m.subscribed = m.subscribed || err == nil
		return err
	case "unsubscribe":
		m.subscribed = false
		return c.Unsubscribe(ctx)
	case "poll":
		_, err := p.poll(ctx, m, 100*time.Millisecond)
		return err
	case "take":
		return p.take(ctx, m, parts[0], int(s.Count), r)
	case "seek":
		return c.Seek(parts[0], s.Count)
	case "beginning":
		return c.SeekToBeginning(parts...)
	case "ending":
		return c.SeekToEnd(parts...)
	case "pause":
		return c.Pause(parts...)
	case "resume":
		return c.Resume(parts...)
	case "commit":
		return c.Commit(ctx)
	case "commit these":
		return c.Commit(ctx, p.these(s)...)
	case "commit async":
		return p.async(ctx, m)
	case "wakeup":
		c.Wakeup()
		return nil
	case "state":
		r.Parts = map[string][]string{"assignment": p.names(c.Assignment()), "paused": p.names(c.Paused()), "subscription": {}}
		for _, t := range c.Subscription() {
			r.Parts["subscription"] = append(r.Parts["subscription"], strings.TrimPrefix(t, p.prefix))
		}
		slices.Sort(r.Parts["subscription"])
		return nil
	case "close":
		delete(p.members, s.Member)
		err := m.close(ctx)
		r.Last = m.events
		return err
	}
	return p.ask(ctx, m, s, r)
}

// ask does the steps that ask for offsets.
func (p *script) ask(ctx context.Context, m *member, s Step, r *Result) error {
	c, parts := m.consumer, p.parts(s.Parts)
	r.Offsets = map[string]string{}
	plain := func(got map[api.TopicPartition]int64, err error) error {
		for tp, o := range got {
			r.Offsets[p.name(tp)] = strconv.FormatInt(o, 10)
		}
		return err
	}
	switch s.Op {
	case "position":
		for _, tp := range parts {
			o, err := c.Position(ctx, tp)
			if err != nil {
				return err
			}
			r.Offsets[p.name(tp)] = strconv.FormatInt(o, 10)
		}
		return nil
	case "committed":
		got, err := c.Committed(ctx, parts...)
		for tp, o := range got {
			epoch := "-"
			if n := o.LeaderEpoch.Int(); n >= 0 {
				epoch = strconv.Itoa(int(n))
			}
			r.Offsets[p.name(tp)] = fmt.Sprintf("%d epoch %s %s", o.Offset, epoch, o.Metadata)
		}
		return err
	case "ends":
		return plain(c.EndOffsets(ctx, parts...))
	case "beginnings":
		return plain(c.BeginningOffsets(ctx, parts...))
	case "times":
		times := map[api.TopicPartition]time.Time{}
		for name, t := range s.Offsets {
			times[p.partition(name)] = time.UnixMilli(s.Base + t)
		}
		got, err := c.OffsetsForTimes(ctx, times)
		for tp, o := range got {
			r.Offsets[p.name(tp)] = "none"
			switch after := o.Timestamp.UnixMilli() - s.Base; {
			case o.Offset >= 0 && after > 250_000: // the end of a transaction has the broker's time
				r.Offsets[p.name(tp)] = fmt.Sprintf("%d later", o.Offset)
			case o.Offset >= 0:
				r.Offsets[p.name(tp)] = fmt.Sprintf("%d at %d", o.Offset, after)
			}
		}
		return err
	}
	return fmt.Errorf("no step %q", s.Op)
}
