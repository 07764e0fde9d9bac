package api

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kactor-go/kactor/protocol/printable"
)

// HandleOption changes how Handle works.
type HandleOption func(*handling) error

// handling is what can be set.
type handling struct {
	order    Order
	workers  int
	most     int
	bytes    int
	drain    time.Duration
	deadline time.Duration
	attempts int
	backoff  time.Duration
	retryBy  *Producer
	ladder   []RetryTopic
	deadBy   *Producer
	dead     string
	onError  func(error)
}

// RetryTopic is a topic for records that could not be handled: they are handled again when they have been there for After. Any number of consumers may handle it; a longer delay is a topic of its own.
type RetryTopic struct {
	Topic string
	After time.Duration
}

// Concurrency is how many records are handled at a time (16).
func Concurrency(n int) HandleOption {
	return func(s *handling) error {
		if n < 1 {
			return fmt.Errorf("concurrency: %d records cannot be handled at a time", n)
		}
		s.workers = n
		return nil
	}
}

// OrderBy says which records are handled one after the other (ByPartition).
func OrderBy(o Order) HandleOption {
	return func(s *handling) error {
		if o > Unordered {
			return fmt.Errorf("order: %d is none", o)
		}
		s.order = o
		return nil
	}
}

// InFlight is how many records may have been read and not be finished (64 times Concurrency). Half of it is for all assigned partitions in equal shares, at least one record each, so that slow ones never keep others from being
// read; the other half is for those that have more to do: each may have as much of it as it leaves. Records of paused partitions, and those that wait in a retry topic, do not count.
func InFlight(n int) HandleOption {
	return func(s *handling) error {
		if n < 1 {
			return fmt.Errorf("in flight: must be at least 1, not %d", n)
		}
		s.most = n
		return nil
	}
}

// InFlightBytes is how many bytes the keys and values of records may have that were read and are not finished (64 MiB), divided as InFlight is. Those of paused partitions, and those that wait in a retry topic, count.
// While all together have that much, nothing is read.
func InFlightBytes(n int) HandleOption {
	return func(s *handling) error {
		if n < 1 {
			return fmt.Errorf("in flight: must be at least 1 byte, not %d", n)
		}
		s.bytes = n
		return nil
	}
}

// DrainTimeout is how long handlers that run have when their partition is given up, or Handle ends (5 s). Then their context ends, with the cause ErrRevoked, and Handle waits no longer: their records are handled again.
func DrainTimeout(d time.Duration) HandleOption {
	return func(s *handling) error {
		if d < 0 {
			return fmt.Errorf("drain timeout: must not be negative, is %s", d)
		}
		s.drain = d
		return nil
	}
}

// HandlerDeadline is how long a handler may take before its context ends, with the cause ErrHandlerDeadline; what it returns then counts as any error does. ExtendDeadline gives it more. Without it there is no limit.
func HandlerDeadline(d time.Duration) HandleOption {
	return func(s *handling) error {
		if d <= 0 {
			return fmt.Errorf("handler deadline: must be positive, is %s", d)
		}
		s.deadline = d
		return nil
	}
}

// Attempts is how often a record is handled before it has failed (1), with a pause between two attempts. What must come after it waits meanwhile.
func Attempts(n int, pause time.Duration) HandleOption {
	return func(s *handling) error {
		if n < 1 || pause < 0 {
			return fmt.Errorf("attempts: %d with a pause of %s are none", n, pause)
		}
		s.attempts, s.backoff = n, pause
		return nil
	}
}

// Retry passes records that have failed on to the first of these topics, and those that fail there to the next: other records need not wait for them. The consumer must be subscribed to these topics, too. A record is finished
// when it is written there; it keeps its key, value and headers, and gets headers that tell where it comes from: see Origin. Its order to others of its key is lost.
func Retry(p *Producer, topics ...RetryTopic) HandleOption {
	return func(s *handling) error {
		if p == nil || len(topics) == 0 {
			return errors.New("retry: a producer and a topic are needed")
		}
		for i, t := range topics {
			if t.Topic == "" || t.After < 0 {
				return fmt.Errorf("retry: topic \"%s\" after %s is none", printable.Text(t.Topic), t.After)
			}
			if slices.ContainsFunc(topics[:i], func(o RetryTopic) bool { return o.Topic == t.Topic }) {
				return fmt.Errorf("retry: topic \"%s\" is there twice", printable.Text(t.Topic))
			}
		}
		s.retryBy, s.ladder = p, slices.Clone(topics)
		return nil
	}
}

// DeadLetter passes records that have failed for good on to a topic, with the headers of Origin. A record is finished when it is written there. Without it Handle ends with the first such record.
func DeadLetter(p *Producer, topic string) HandleOption {
	return func(s *handling) error {
		if p == nil || topic == "" {
			return errors.New("dead letter: a producer and a topic are needed")
		}
		s.deadBy, s.dead = p, topic
		return nil
	}
}

// OnHandleError is told of what goes wrong besides records: with a partition (a *PartitionError, a *LogTruncationError) or with the membership in the group. Handle goes on. Without it Handle ends, unless the trouble goes away by
// itself, as when brokers cannot be reached: then it is logged, and Handle goes on. It is called on the goroutine that has called Handle.
func OnHandleError(f func(error)) HandleOption {
	return func(s *handling) error {
		s.onError = f
		return nil
	}
}

// check looks at what is set together.
func (s *handling) check(c *Consumer) error {
	if s.most < s.workers {
		return fmt.Errorf("in flight: %d records are fewer than are handled at a time, %d", s.most, s.workers)
	}
	topics := c.Subscription()
	c.named.Lock()
	matches := c.matches
	c.named.Unlock()
	if c.mode.Load() != subscribed || matches {
		return nil
	}
	for _, t := range s.ladder {
		if !slices.Contains(topics, t.Topic) {
			return fmt.Errorf("retry: the consumer is not subscribed to %s, so what is passed on to it would stay there", printable.Text(t.Topic))
		}
	}
	if s.dead != "" && slices.Contains(topics, s.dead) {
		return fmt.Errorf("dead letter: the consumer is subscribed to %s", printable.Text(s.dead))
	}
	return nil
}

// delay is how long a topic's records wait.
func (s *handling) delay(topic string) time.Duration {
	for _, t := range s.ladder {
		if t.Topic == topic {
			return t.After
		}
	}
	return 0
}
