package api

import (
	"fmt"
	"slices"

	"github.com/kactor-go/kactor/sender"
)

// ProducerInterceptor sees what a producer sends and what becomes of it (KIP-42). Interceptors of a producer may be called by several goroutines at once. One that panics is passed over, and the logger is told: of each method every ten seconds at most, with
// how many panics it was not told of.
type ProducerInterceptor interface {
	// OnSend gets a copy of a record before it is handed over, on the caller's goroutine, and returns what is sent: the copy, changed or not, or another. Key and value are the caller's bytes.
	OnSend(r *Record) *Record
	// OnAcknowledgement gets the outcome of a record before its callback or promise does, on a goroutine of the producer's; for a record that could not be handed over on the caller's.
	OnAcknowledgement(p RecordMetadata, err error)
}

// ConsumerInterceptor sees what a consumer gets and commits (KIP-42), where the consumer polls. One that panics is passed over, and the logger is told: of each method every ten seconds at most, with how many panics it was not told of.
type ConsumerInterceptor interface {
	// OnConsume gets records before the application does, and returns what the application gets. Poll gives all its records at once, Records one by one, Handle those that it has read together. Batches gives views and has no interceptors.
	// What it leaves out counts as handled: the position is behind it, and it is committed. Handle goes by the order of the log, whatever the order of what is returned; with a record that is not one of those given, nor has the partition and
	// the offset of one, all of them are committed together.
	OnConsume(records []*Record) []*Record
	// OnCommit gets offsets that were committed.
	OnCommit(offsets []OffsetAndMetadata)
}

// ProducerInterceptors are called in this order with every record, the first with what the application sends, and the outcome.
func ProducerInterceptors(list ...ProducerInterceptor) ProducerOption {
	return producerOption(func(s *settings) error {
		for i, one := range list {
			if one == nil {
				return fmt.Errorf("producer interceptor %d is nil", i)
			}
		}
		s.onProduce = list
		return nil
	})
}

// ConsumerInterceptors are called in this order with what a consumer gets and commits.
func ConsumerInterceptors(list ...ConsumerInterceptor) ConsumerOption {
	return consumerOption(func(s *settings) error {
		for i, one := range list {
			if one == nil {
				return fmt.Errorf("consumer interceptor %d is nil", i)
			}
		}
		s.onConsume = list
		return nil
	})
}

// guard calls an interceptor. One that panics with every record is told of every ten seconds.
func (s *settings) guard(what string, f func()) {
	defer func() {
		if r := recover(); r != nil && s.logger != nil {
			if tell, kept := s.panics.Met(what); tell {
				s.logger.Error("an interceptor has panicked", "method", what, "err", fmt.Errorf("%v", r), "untold", kept)
			}
		}
	}()
	f()
}

// sending passes a copy of a record through the interceptors.
func (s *settings) sending(of Record) *Record {
	r := &of
	for _, i := range s.onProduce {
		s.guard("OnSend", func() {
			if next := i.OnSend(r); next != nil {
				r = next
			}
		})
	}
	return r
}

// watched tells interceptors of an outcome before it tells who waits for it.
type watched struct {
	set  *settings
	then sender.Completion
}

// Done is called once.
func (w watched) Done(p RecordMetadata, err error) {
	if w.then != nil {
		defer w.then.Done(p, err) // also if an interceptor ends the goroutine, as a test's FailNow does
	}
	w.set.acknowledged(p, err)
}

func (s *settings) acknowledged(p RecordMetadata, err error) {
	for _, i := range s.onProduce {
		s.guard("OnAcknowledgement", func() { i.OnAcknowledgement(p, public(err)) })
	}
}

// consumed passes records through the interceptors.
func (c *Consumer) consumed(records []*Record) []*Record {
	for _, i := range c.set.onConsume {
		if len(records) == 0 {
			break
		}
		c.set.guard("OnConsume", func() { records = i.OnConsume(records) })
	}
	return records
}

// given passes records through the interceptors before they are given out. If one of them ends the goroutine, nobody is given them, and they come again.
func (c *Consumer) given(records []*Record) (out []*Record) {
	if len(c.set.onConsume) == 0 {
		return records
	}
	first := map[TopicPartition]int64{}
	for _, r := range slices.Backward(records) {
		first[r.TopicPartition()] = r.Offset
	}
	over := false
	defer func() {
		if !over {
			c.unread(first)
		}
	}()
	out = c.consumed(records)
	over = true
	return out
}

// unread goes back to these offsets, where they were read.
func (c *Consumer) unread(first map[TopicPartition]int64) {
	c.hand.Store(nil)
	for _, r := range c.fetcher.Reads() {
		if offset, ok := first[r.TopicPartition]; ok && offset < r.Offset {
			_ = c.Seek(r.TopicPartition, offset)
		}
	}
}

// one passes a record through the interceptors, and yields what they make of it.
func (c *Consumer) one(r *Record, yield func(*Record, error) bool) bool {
	for _, r := range c.given([]*Record{r}) {
		if !yield(r, nil) {
			return false
		}
	}
	return true
}

// committed tells the interceptors.
func (c *Consumer) committed(offsets []OffsetAndMetadata) {
	for _, i := range c.set.onConsume {
		c.set.guard("OnCommit", func() { i.OnCommit(offsets) })
	}
}
