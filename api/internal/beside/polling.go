package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/fetcher"
	"github.com/kactor-go/kactor/protocol"
)

// lasting is how many errors of one member's polls do not pass.
const lasting = 3

// poll polls once, for so long at most. That nothing has come is no error.
func (p *script) poll(ctx context.Context, m *member, d time.Duration) ([]*api.Record, error) {
	p.late = p.late || m.overdue()
	m.polled = time.Now()
	wait, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	got, err := m.consumer.Poll(wait)
	if wait.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return got, err
}

// pollBriefly waits as Java's poll of no record does; after an error too, that nothing is tried in haste.
func (p *script) pollBriefly(ctx context.Context, m *member, into map[string][]string) (int, error) {
	got, err := p.poll(ctx, m, 50*time.Millisecond)
	for _, r := range got {
		name := p.name(r.TopicPartition())
		into[name] = append(into[name], line(r))
	}
	if err != nil {
		time.Sleep(20 * time.Millisecond)
	}
	return len(got), err
}

func text(b []byte) string {
	if b == nil {
		return "~"
	}
	return string(b)
}

func line(r *api.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s %s %d", r.Offset, text(r.Key), text(r.Value), r.Timestamp.UnixMilli())
	for _, h := range r.Headers {
		fmt.Fprintf(&b, " %s=%s", h.Key, text(h.Value))
	}
	return b.String()
}

// without are the partitions of all that are not among some.
func without(all []api.TopicPartition, some ...api.TopicPartition) []api.TopicPartition {
	return slices.DeleteFunc(slices.Clone(all), func(tp api.TopicPartition) bool { return slices.Contains(some, tp) })
}

// take reads so many records of one partition, of a consumer whose polls return one; fewer only where there are no more.
func (p *script) take(ctx context.Context, m *member, tp api.TopicPartition, count int, r *Result) error {
	c := m.consumer
	others := without(without(c.Assignment(), c.Paused()...), tp)
	if err := c.Pause(others...); err != nil {
		return err
	}
	r.Records = map[string][]string{}
	for got := 0; got < count; {
		if ctx.Err() != nil {
			return errSettled
		}
		at, err := c.Position(ctx, tp)
		if err != nil {
			return err
		}
		ends, err := c.EndOffsets(ctx, tp)
		if err != nil {
			return err
		}
		if at >= ends[tp] {
			break
		}
		n, err := p.pollBriefly(ctx, m, r.Records)
		if err != nil {
			return err
		}
		got += n
	}
	return c.Resume(others...)
}

// async commits the positions and polls until the outcome is told, without reading meanwhile.
func (p *script) async(ctx context.Context, m *member) error {
	c := m.consumer
	running := without(c.Assignment(), c.Paused()...)
	if err := c.Pause(running...); err != nil {
		return err
	}
	told, outcome := false, error(nil)
	if err := c.CommitAsync(func(err error) { told, outcome = true, err }); err != nil {
		return err
	}
	for !told && ctx.Err() == nil {
		if _, err := p.poll(ctx, m, 20*time.Millisecond); err != nil {
			return err
		}
	}
	if !told {
		return errOutcome
	}
	return errors.Join(outcome, c.Resume(running...))
}

// settle polls until the members have what they shall have, and have read all of it.
func (p *script) settle(ctx context.Context, s Step, r *Result) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), enough)
	defer cancel()
	r.Records, r.Errors, r.Parts = map[string][]string{}, map[string][]string{}, map[string][]string{}
	failed := map[string]int{}
	var since time.Time
	for done := false; !done; {
		if ctx.Err() != nil {
			return errSettled
		}
		for _, n := range s.Members {
			m := p.members[n]
			if m == nil {
				return errNoMember
			}
			if _, err := p.pollBriefly(ctx, m, r.Records); err != nil {
				if k := kind(err); !slices.Contains(r.Errors[n], k) {
					r.Errors[n] = append(r.Errors[n], k)
					slices.Sort(r.Errors[n])
				}
				r.Text = err.Error()
				failed[n]++
				if errors.Is(err, fetcher.ErrNoOffset) || errors.Is(err, protocol.OffsetOutOfRange) { // told once, and then from time to time
					failed[n] = lasting
				}
			}
			r.Parts[n] = p.names(m.consumer.Assignment())
		}
		if !p.settled(ctx, s, failed, r) {
			since = time.Time{}
		} else if since.IsZero() {
			since = time.Now()
		}
		done = !since.IsZero() && time.Since(since) >= time.Duration(s.Count)*time.Millisecond
	}
	return nil
}

func (p *script) settled(ctx context.Context, s Step, failed map[string]int, r *Result) bool {
	r.Where = nil
	var have []string
	var sizes []int
	for _, n := range s.Members {
		if m := p.members[n]; m.subscribed {
			if m.consumer.GroupMetadata().Generation < 0 { // it has not joined yet: what the group has is not to stay
				return false
			}
			own := p.names(m.consumer.Assignment())
			have, sizes = append(have, own...), append(sizes, len(own))
		}
	}
	slices.Sort(have)
	if !slices.Equal(have, s.Expect) || len(sizes) > 0 && slices.Max(sizes)-slices.Min(sizes) > 1 { // all have subscribed to one topic: a member has not been given its share yet
		return false
	}
	for _, n := range s.Members {
		c := p.members[n].consumer
		if failed[n] >= lasting {
			continue
		}
		running := without(c.Assignment(), c.Paused()...)
		running = slices.DeleteFunc(running, func(tp api.TopicPartition) bool { return !slices.Contains(s.Exist, p.name(tp)) })
		if len(running) == 0 {
			continue
		}
		if r.Where = p.short(ctx, c, running); r.Where == nil || len(r.Where) > 0 {
			return false
		}
	}
	return true
}

// short tells where a consumer has not read partitions to their ends. An error gives nil: the next poll tells it.
func (p *script) short(ctx context.Context, c *api.Consumer, parts []api.TopicPartition) map[string][2]int64 {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second) // also for the last look
	defer cancel()
	ends, err := c.EndOffsets(ctx, parts...)
	if err != nil {
		return nil
	}
	out := map[string][2]int64{}
	for _, tp := range parts {
		at, err := c.Position(ctx, tp)
		if err != nil {
			return nil
		}
		if at != ends[tp] {
			out[p.name(tp)] = [2]int64{at, ends[tp]}
		}
	}
	return out
}

// these are the offsets that a step names.
func (p *script) these(s Step) (out []api.OffsetAndMetadata) {
	for name, o := range s.Offsets {
		out = append(out, api.OffsetAndMetadata{TopicPartition: p.partition(name), Offset: o, Metadata: s.Metadata})
	}
	return out
}
