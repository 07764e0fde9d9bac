package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/kactor-go/kactor/api"
)

// there writes a value, holds it against the Java client's bytes, and reads it back.
func there[T any](t *testing.T, s api.Serde[T], v T, want []byte) {
	t.Helper()
	got, err := s.Serialize(nil, "t", nil, v)
	if err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
		t.Fatalf("%v: %x, %v; expected %x", v, got, err, want)
	}
	if want == nil {
		return
	}
	if longer, err := s.Serialize([]byte("before"), "t", nil, v); err != nil || string(longer) != "before"+string(want) {
		t.Fatalf("%v behind something: %q, %v", v, longer, err)
	}
	if back, err := s.Deserialize("t", nil, got); err != nil || !reflect.DeepEqual(back, v) {
		t.Fatalf("%v comes back as %v, %v", v, back, err)
	}
}

func TestSerdes(t *testing.T) {
	there(t, api.Bytes, []byte("b"), []byte("b"))
	there(t, api.Bytes, nil, nil)
	there(t, api.String, "grüße", []byte("grüße"))
	there(t, api.String, "", []byte{})
	there(t, api.Int16, -2, []byte{0xff, 0xfe})
	there(t, api.Int32, 258, []byte{0, 0, 1, 2})
	there(t, api.Int64, -1, bytes.Repeat([]byte{0xff}, 8))
	there(t, api.Float32, 1.5, []byte{0x3f, 0xc0, 0, 0})
	there(t, api.Float64, -2, []byte{0xc0, 0, 0, 0, 0, 0, 0, 0})
	there(t, api.Bool, true, []byte{1})
	there(t, api.Bool, false, []byte{0})
	there(t, api.UUID, [16]byte{0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0x00}, []byte("123e4567-e89b-12d3-a456-426614174000"))
	there(t, api.Void, struct{}{}, nil)
	there[map[string]int](t, api.JSON[map[string]int]{}, map[string]int{"a": 1}, []byte(`{"a":1}`))
	seven := int32(7)
	there(t, api.Nullable(api.Int32), &seven, []byte{0, 0, 0, 7})
	there(t, api.Nullable(api.Int32), nil, nil)
}

func TestSerdesRefuseWhatIsNotTheirs(t *testing.T) {
	type one struct{ A int }
	for _, c := range []struct {
		err  func([]byte) error
		data string
		want string
	}{
		{func(b []byte) error { _, err := api.Int32.Deserialize("", nil, b); return err }, "abc", "3 bytes instead of 4"},
		{func(b []byte) error { _, err := api.Bool.Deserialize("", nil, b); return err }, "\x02", "neither"},
		{func(b []byte) error { _, err := api.UUID.Deserialize("", nil, b); return err }, "123", "UUID"},
		{func(b []byte) error { _, err := api.UUID.Deserialize("", nil, b); return err }, "123e4567-e89b-12d3-a456-42661417400g", "UUID"},
		{func(b []byte) error { _, err := api.JSON[one]{}.Deserialize("", nil, b); return err }, "{", "unexpected end"},
		{func(b []byte) error { _, err := api.JSON[one]{Strict: true}.Deserialize("", nil, b); return err }, `{"B":1}`, "unknown field"},
		{func(b []byte) error { _, err := api.JSON[one]{Strict: true}.Deserialize("", nil, b); return err }, `{"A":1} {}`, "more than one"},
		{func(b []byte) error { _, err := api.SerdeFuncs[int]{}.Deserialize("", nil, b); return err }, "", "From"},
	} {
		if err := c.err([]byte(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v; expected %q", c.data, err, c.want)
		}
	}
}

func TestATypedTopicTellsWhatItCannotRead(t *testing.T) {
	topic := api.Topic[string, int32]{Name: "t", Key: api.String, Value: api.Int32}
	typed, err := topic.Read(&api.Record{Topic: "t", Partition: 3, Offset: 7, Key: []byte("k"), Value: []byte("x")})
	var failed *api.SerializationError
	if !errors.As(err, &failed) || failed.Part != "value" || typed.K != "k" || string(failed.Record.Value) != "x" {
		t.Fatalf("%v, %v", typed, err)
	}
	if want := "deserialize the value of t/3 at offset 7: int32: 1 bytes instead of 4"; err.Error() != want {
		t.Fatalf("%q instead of %q", err, want)
	}
	broken := api.Topic[string, int]{Name: "t", Key: api.String, Value: api.SerdeFuncs[int]{}}
	if _, err := broken.Record("k", 1); !errors.As(err, &failed) || err.Error() != "serialize the value of a record for topic t: there is no function To" {
		t.Fatalf("%v", err)
	}
	if typed, err := topic.Read(&api.Record{Topic: "t"}); err != nil || typed.V != 0 || typed.Record.Value != nil {
		t.Fatalf("a null is %v, %v", typed, err)
	}
}

// A topic's keys and values are Go's when it is read and written as a Topic.
func ExampleTopic() {
	client, end := cluster()
	defer end()
	ctx := context.Background()
	type Order struct {
		Item string
		Cups int
	}
	orders := api.Topic[string, Order]{Name: "orders", Key: api.String, Value: api.JSON[Order]{}}

	producer, err := client.Producer()
	if err != nil {
		fmt.Println(err)
	}
	if _, err := orders.Produce(ctx, producer, "anna", Order{"tea", 2}); err != nil {
		fmt.Println(err)
	}
	consumer, err := client.Consumer("kitchen", api.Topics("orders"), api.Property("auto.offset.reset", "earliest"))
	if err != nil {
		fmt.Println(err)
	}
	for r, err := range orders.Records(ctx, consumer) {
		fmt.Println(r.K, r.V.Cups, r.V.Item, "at offset", r.Offset, err)
		break
	}
	// Output: anna 2 tea at offset 0 <nil>
}
