package api

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kactor-go/kactor/actors/role"
	"github.com/kactor-go/kactor/protocol/printable"
)

// modes of a consumer.
const (
	free uint32 = iota
	assigned
	subscribed
)

// Subscribe reads topics, as a member of the group, or without a group all their partitions, instead of what was subscribed to before. A name that begins with ^ is a regular expression: topics that match it are read, also those
// that come into being later, within metadata.max.age.ms. Topics that do not exist are no error: they are read when they do, ten seconds later at most.
func (c *Consumer) Subscribe(topics ...string) error {
	if len(topics) == 0 {
		return errors.New("subscribe: no topics; Unsubscribe ends a subscription")
	}
	var names []string
	var patterns []*regexp.Regexp
	for _, t := range topics {
		switch {
		case t == "":
			return errors.New("subscribe: a topic has no name")
		case strings.HasPrefix(t, "^"):
			re, err := regexp.Compile(t)
			if err != nil {
				return fmt.Errorf("subscribe \"%s\": %w", printable.Text(t), printable.Error(err))
			}
			patterns = append(patterns, re)
		default:
			names = append(names, t)
		}
	}
	if len(patterns) == 0 {
		return c.subscribe(topics, names, nil, "")
	}
	return c.subscribe(topics, nil, func(topic string) bool {
		return slices.Contains(names, topic) || slices.ContainsFunc(patterns, func(re *regexp.Regexp) bool { return re.MatchString(topic) })
	}, "")
}

// SubscribePattern reads the topics whose names match.
func (c *Consumer) SubscribePattern(re *regexp.Regexp) error {
	return c.subscribe([]string{re.String()}, nil, re.MatchString, "")
}

// SubscribeMatching reads the topics whose names match, also those that come into being later, within metadata.max.age.ms: for what a regular expression cannot say, such as all topics but some. Subscription
// tells the name that is given here. match is called on a goroutine of its own, with one name after the other; a topic for which it panics is not read, and the panic is told where the application polls. While it blocks what is
// read stays as it is.
func (c *Consumer) SubscribeMatching(name string, match func(topic string) bool) error {
	if name == "" || match == nil {
		return errors.New("subscribe: matching needs a name and a function")
	}
	return c.subscribe([]string{name}, nil, match, "")
}

// SubscribeRE2J reads the topics whose names match a regular expression of RE2J on the broker: with group.protocol=consumer, from Kafka 4.1 on (KIP-848).
func (c *Consumer) SubscribeRE2J(pattern string) error {
	if pattern == "" {
		return errors.New("subscribe: the pattern is empty")
	}
	if !c.grouped() {
		return fmt.Errorf("subscribe: %w", errNoGroup)
	}
	return c.subscribe([]string{pattern}, nil, nil, pattern)
}

func (c *Consumer) subscribe(what, topics []string, pattern func(string) bool, regex string) error {
	if err := c.turn.take(context.Background(), "subscribe"); err != nil {
		return err
	}
	defer c.turn.give()
	if c.mode.Load() == assigned {
		return fmt.Errorf("subscribe: %w: partitions are assigned by hand; Unsubscribe first", ErrIllegalState)
	}
	c.mode.Store(subscribed)
	c.named.Lock()
	c.topics, c.matches = slices.Clone(what), pattern != nil || regex != ""
	c.named.Unlock()
	c.group.Subscribe(topics, pattern, regex)
	return nil
}

// Listen sets the listener of rebalances, instead of the one before.
func (c *Consumer) Listen(l RebalanceListener) {
	c.named.Lock()
	c.listener = l
	c.named.Unlock()
}

// Subscription gives what is subscribed to: names or patterns.
func (c *Consumer) Subscription() []string {
	c.named.Lock()
	defer c.named.Unlock()
	return slices.Clone(c.topics)
}

// Unsubscribe ends subscription and assignment: it commits if it commits automatically, calls the listener, and leaves the group.
// A function that Handle calls had better not: it would be waited for itself, as long as DrainTimeout says. It may end the context of Handle instead, and whoever called Handle unsubscribe.
func (c *Consumer) Unsubscribe(ctx context.Context) error {
	if err := c.turn.take(ctx, "unsubscribe"); err != nil {
		return err
	}
	defer c.turn.give()
	return public(c.letGo(ctx, LeaveDefault, false))
}

// letGo commits, gives up everything, and leaves.
func (c *Consumer) letGo(ctx context.Context, how Leaving, final bool) (err error) {
	parts := c.fetcher.Assignment()
	soon, cancel := role.Part(c.world, ctx, 7, 8) // the group must still be told
	defer cancel()
	if w := c.work.Load(); w != nil {
		w.giveUp(soon, parts, false)
	}
	c.giving.Store(nil) // all is given up now
	if len(parts) > 0 && c.commits() {
		if err = c.commitFinished(soon, c.set.group.Session); gone(err) {
			c.log("commit of what was handled", err)
			err = nil
		}
	}
	each(func() {
		if len(parts) > 0 && c.mode.Load() == subscribed {
			c.call(soon, c.listens().OnRevoked, parts)
		}
	}, func() {
		c.unassign(parts)
		if c.mode.Load() == subscribed || final {
			err = errors.Join(err, c.group.Leave(ctx, how, final))
		}
		c.mode.Store(free)
		c.named.Lock()
		c.topics = nil
		c.named.Unlock()
		c.fatal.Store(nil)
		c.troubles.Store(nil)
		clear(c.stood)
		clear(c.auto)
	})
	return err
}
