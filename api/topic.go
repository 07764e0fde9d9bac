package api

import (
	"context"
	"fmt"
	"iter"

	"github.com/kactor-go/kactor/protocol/printable"
)

// Serializer turns values into bytes.
type Serializer[T any] interface {
	// Serialize appends v to dst and returns the longer slice; nil stands for null. It may add headers.
	Serialize(dst []byte, topic string, headers *[]Header, v T) ([]byte, error)
}

// Deserializer turns bytes into values.
type Deserializer[T any] interface {
	// Deserialize reads a key or value of a record. It is not called for null: that is T's zero value. What it returns may refer to data.
	Deserialize(topic string, headers []Header, data []byte) (T, error)
}

// Serde does both. There are Bytes, String, Int16, Int32, Int64, Float32, Float64, Bool, UUID, JSON and Void; Nullable adds null to any of them, and SerdeFuncs makes one of two functions.
type Serde[T any] interface {
	Serializer[T]
	Deserializer[T]
}

// Topic is a topic whose keys are of type K and whose values are of type V. It is used with any producer and any consumer:
//
//	orders := api.Topic[string, Order]{Name: "orders", Key: api.String, Value: api.JSON[Order]{}}
//	placed, err := orders.Produce(ctx, producer, "anna", Order{Item: "tea"})
//	for r, err := range orders.Records(ctx, consumer) { ... }
type Topic[K, V any] struct {
	Name  string
	Key   Serde[K]
	Value Serde[V]
}

// Typed is a record with its key and value as values of Go. Record has the bytes, the place and the headers.
type Typed[K, V any] struct {
	*Record
	K K
	V V
}

// SerializationError says that a key or value could not be turned into bytes, or bytes into a key or value. Record has everything that is known of the record, so that it can be passed over or put
// aside: the consumer's position is behind it.
type SerializationError struct {
	Record *Record
	Part   string // "key" or "value"
	Err    error
}

// Error names the record.
func (e *SerializationError) Error() string {
	if e.Record.Offset < 0 {
		return fmt.Sprintf("serialize the %s of a record for topic %s: %v", e.Part, printable.Text(e.Record.Topic), e.Err)
	}
	return fmt.Sprintf("deserialize the %s of %s at offset %d: %v", e.Part, e.Record.TopicPartition(), e.Record.Offset, e.Err)
}

// Unwrap gives the cause.
func (e *SerializationError) Unwrap() error { return e.Err }

// Record makes a record for the topic. The error is a *SerializationError.
func (t Topic[K, V]) Record(k K, v V) (*Record, error) {
	r := &Record{Topic: t.Name, Offset: -1}
	var err error
	if r.Key, err = t.Key.Serialize(nil, t.Name, &r.Headers, k); err != nil {
		return nil, &SerializationError{r, "key", err}
	}
	if r.Value, err = t.Value.Serialize(nil, t.Name, &r.Headers, v); err != nil {
		return nil, &SerializationError{r, "value", err}
	}
	return r, nil
}

// Read gives a record's key and value. The error is a *SerializationError.
func (t Topic[K, V]) Read(r *Record) (typed Typed[K, V], err error) {
	typed.Record = r
	if r.Key != nil {
		if typed.K, err = t.Key.Deserialize(r.Topic, r.Headers, r.Key); err != nil {
			return typed, &SerializationError{r, "key", err}
		}
	}
	if r.Value != nil {
		if typed.V, err = t.Value.Deserialize(r.Topic, r.Headers, r.Value); err != nil {
			return typed, &SerializationError{r, "value", err}
		}
	}
	return typed, nil
}

// Produce writes one record and waits until it is written, as Producer.Produce does.
func (t Topic[K, V]) Produce(ctx context.Context, p *Producer, k K, v V) (RecordMetadata, error) {
	r, err := t.Record(k, v)
	if err != nil {
		return RecordMetadata{Topic: t.Name, Partition: -1, Offset: -1}, err
	}
	return p.Produce(ctx, r)
}

// Send hands one record over, as Producer.Send does.
func (t Topic[K, V]) Send(ctx context.Context, p *Producer, k K, v V, done func(RecordMetadata, error)) error {
	r, err := t.Record(k, v)
	if err != nil {
		return err
	}
	return p.Send(ctx, r, done)
}

// Records goes through a consumer's records as Consumer.Records does. A record that cannot be read is yielded with a *SerializationError, and the loop may go on.
func (t Topic[K, V]) Records(ctx context.Context, c *Consumer) iter.Seq2[Typed[K, V], error] {
	return func(yield func(Typed[K, V], error) bool) {
		for r, err := range c.Records(ctx) {
			typed := Typed[K, V]{Record: r}
			if err == nil {
				typed, err = t.Read(r)
			}
			if !yield(typed, err) {
				return
			}
		}
	}
}

// Handle handles a consumer's records as Consumer.Handle does. A record that cannot be read goes to the dead-letter topic at once; without one Handle ends, with a *SerializationError in its error.
func (t Topic[K, V]) Handle(ctx context.Context, c *Consumer, h func(context.Context, Typed[K, V]) error, opts ...HandleOption) error {
	if h == nil {
		return c.Handle(ctx, nil, opts...)
	}
	return c.Handle(ctx, func(ctx context.Context, r *Record) error {
		typed, err := t.Read(r)
		if err != nil {
			return err
		}
		return h(ctx, typed)
	}, opts...)
}
