package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kactor-go/kactor/actors/sim"
	"github.com/kactor-go/kactor/api"
	"github.com/kactor-go/kactor/broker/fake"
	"github.com/kactor-go/kactor/coordinator/assign"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
	"github.com/kactor-go/kactor/protocol/printable"
)

// hostile moves the cursor, forges a line, turns the direction of reading, and is long.
var hostile = "\x1b[31mEVIL\x1b[0m\r\nFORGED line\a\x00\u0085\u202e\u2028" + strings.Repeat("A", 3000)

// own is such a text that the application itself gives.
var own = strings.Replace(hostile, "EVIL", "MINE", 1)

// textFields gives a function for each field of text, and of bytes in which a member writes text, of a type of answers: it makes that of every element hostile, and tells whether there is any.
func textFields(t reflect.Type, path string, at func(v reflect.Value, leaf func(reflect.Value))) (names []string, alter []func(any) bool) {
	add := func(name string, set func(reflect.Value)) {
		names = append(names, name)
		alter = append(alter, func(m any) (done bool) {
			at(reflect.ValueOf(m).Elem(), func(v reflect.Value) { set(v); done = true })
			return done
		})
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name := path + "." + f.Name
		field := func(v reflect.Value, leaf func(reflect.Value)) {
			at(v, func(v reflect.Value) { leaf(v.Field(i)) })
		}
		elements := func(v reflect.Value, leaf func(reflect.Value)) {
			field(v, func(v reflect.Value) {
				for k := range v.Len() {
					leaf(v.Index(k))
				}
			})
		}
		var more []string
		var moreAlter []func(any) bool
		switch typ := f.Type; {
		case !f.IsExported() || f.Name == "UnknownTags":
		case typ.Kind() == reflect.String:
			add(name, func(v reflect.Value) { v.Field(i).SetString(hostile) })
		case typ.Kind() == reflect.Pointer && typ.Elem().Kind() == reflect.String:
			add(name, func(v reflect.Value) { v.Field(i).Set(reflect.ValueOf(&hostile)) })
		case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.String:
			add(name, func(v reflect.Value) { v.Field(i).Set(reflect.ValueOf([]string{hostile})) })
		case f.Name == "Assignment" && typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Uint8:
			add(name, func(v reflect.Value) {
				b, _ := assign.AppendAssignment(nil, []assign.Partition{{Topic: hostile}})
				v.Field(i).SetBytes(b)
			})
		case f.Name == "Metadata" && typ.Kind() == reflect.Slice:
			add(name, func(v reflect.Value) {
				v.Field(i).SetBytes([]byte(hostile))
				if id := v.FieldByName("MemberID"); id.IsValid() { // who cannot be understood is named
					id.SetString(hostile)
				}
			})
		case typ.Kind() == reflect.Struct:
			more, moreAlter = textFields(typ, name, field)
		case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct:
			more, moreAlter = textFields(typ.Elem(), name, elements)
		}
		names, alter = append(names, more...), append(alter, moreAlter...)
	}
	return names, alter
}

// setCodes makes every error code of an answer that one.
func setCodes(v reflect.Value, code protocol.Code) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Name == "ErrorCode" {
				v.Field(i).SetInt(int64(code))
			} else if f.IsExported() {
				setCodes(v.Field(i), code)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				setCodes(v.Index(i), code)
			}
		}
	}
}

// unfit says what is wrong with a text, if something is: most is the longest that of somebody else's may be in it.
func unfit(text string, most, all int) string {
	for _, r := range text {
		switch {
		case r == '\n': // several errors have several lines
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\u2028':
			return fmt.Sprintf("has %U", r)
		}
	}
	switch {
	case strings.Contains(text, "\nFORGED"):
		return "has a line that is not ours"
	case strings.Contains(text, strings.Repeat("A", most+1)):
		return fmt.Sprintf("has more than %d bytes of somebody else's", most)
	case len(text) > all:
		return fmt.Sprintf("has %d bytes", len(text))
	}
	return ""
}

// hostilePlay is a client that talks to a cluster of which one kind of answer is hostile.
type hostilePlay struct {
	t      *testing.T
	name   string
	mu     sync.Mutex
	met    int // texts that had what was planted
	raw    int // the same as data
	logged chan struct{}
}

func (p *hostilePlay) text(where, text string, most, all int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.Contains(text, "EVIL") {
		p.met++
	}
	if wrong := unfit(text, most, all); wrong != "" {
		p.t.Errorf("%s: %s %s: %.600q", p.name, where, wrong, text)
	}
}

// data looks at what the application is given as it was sent.
func (p *hostilePlay) data(text string) {
	if text == hostile {
		p.raw++
	} else if strings.Contains(text, "EVIL") {
		p.t.Errorf("%s: given is %.600q", p.name, text)
	}
}

// err looks at an error, and at all that is in it and ours.
func (p *hostilePlay) err(where string, err error) {
	if err == nil {
		return
	}
	switch err.(type) {
	case *net.DNSError, *net.OpError:
		return
	}
	p.text(where, err.Error(), printable.Most, 4096)
	switch u := err.(type) {
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			p.err(where, e)
		}
	case interface{ Unwrap() error }:
		p.err(where, u.Unwrap())
	}
}

// Enabled, Handle, WithAttrs and WithGroup make it the logger.
func (p *hostilePlay) Enabled(context.Context, slog.Level) bool { return true }
func (p *hostilePlay) WithAttrs([]slog.Attr) slog.Handler       { return p }
func (p *hostilePlay) WithGroup(string) slog.Handler            { return p }
func (p *hostilePlay) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "the end" {
		close(p.logged)
		return nil
	}
	p.text("log", r.Message, printable.Most, 4096)
	r.Attrs(func(a slog.Attr) bool { p.text("log", a.String(), printable.Most, 4096); return true })
	return nil
}

// run has the client do everything that a client does.
func (p *hostilePlay) run(w *sim.World, options []api.ClientOption) *slog.Logger {
	ctx, cancel := w.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	within := func(d time.Duration, f func(ctx context.Context)) {
		ctx, cancel := w.WithTimeout(ctx, d)
		defer cancel()
		f(ctx)
	}
	errs := func(where string, m map[string]error, err error) {
		p.err(where, err)
		for _, k := range slices.Sorted(maps.Keys(m)) {
			p.err(where, m[k])
		}
	}
	within(3*time.Second, func(ctx context.Context) {
		d, err := api.Diagnose(ctx, options...)
		if p.err("diagnose", err); err == nil {
			p.text("diagnosis", d.String(), printable.MostLong, 16<<10)
			p.err("diagnosis", d.Err())
		}
	})
	within(3*time.Second, func(ctx context.Context) {
		client, err := api.Dial(ctx, options...)
		if p.err("dial", err); err == nil {
			p.err("close", client.Shutdown(ctx))
		}
	})
	client, err := api.Dial(ctx, append(options, api.Lazy())...)
	if err != nil {
		p.t.Fatal(err)
	}
	a := client.Admin()
	within(2*time.Second, func(ctx context.Context) {
		m, err := a.CreateTopics(ctx, api.NewTopic{Name: "new", Partitions: 1, Replicas: 1})
		errs("create topics", m, err)
		m, err = a.CreatePartitions(ctx, map[string]int32{"new": 2})
		errs("create partitions", m, err)
		m, err = a.DeleteTopics(ctx, "new", "none", own)
		errs("delete topics", m, err)
	})
	var g sim.Group
	g.Go(w, "produce", func() {
		within(8*time.Second, func(ctx context.Context) {
			producer, err := client.Producer(api.Properties(map[string]string{"delivery.timeout.ms": "3000", "request.timeout.ms": "2000", "max.block.ms": "2000"}))
			if err != nil {
				p.t.Fatal(err)
			}
			for i := range 3 {
				_, err = producer.Produce(ctx, &api.Record{Topic: "t", Partition: int32(i % 2), Fixed: true, Value: []byte("v")})
				p.err("produce", err)
			}
			p.err("close", producer.Shutdown(ctx))
		})
	})
	for _, proto := range []string{"classic", "consumer"} {
		for range 2 {
			g.Go(w, "consume", func() {
				within(25*time.Second, func(ctx context.Context) { p.consume(ctx, w, client, proto) })
			})
		}
	}
	g.Go(w, "describe", func() {
		_ = w.Sleep(ctx, 5*time.Second)
		within(4*time.Second, func(ctx context.Context) {
			groups, err := a.ListGroups(ctx, api.GroupFilter{})
			p.err("list groups", err)
			for _, g := range groups {
				p.data(g.Group)
			}
			d, err := a.DescribeGroups(ctx, "classic", "consumer", "none", own)
			p.err("describe groups", err)
			for _, k := range slices.Sorted(maps.Keys(d)) {
				p.err("describe groups", d[k].Err)
				for _, m := range d[k].Members {
					p.data(m.ID)
				}
			}
		})
	})
	_ = g.Wait(ctx, w)
	within(4*time.Second, func(ctx context.Context) {
		topics, err := a.DescribeTopics(ctx, "t", "none", own)
		p.err("describe topics", err)
		for _, k := range slices.Sorted(maps.Keys(topics)) {
			p.err("describe topics", topics[k].Err)
		}
	})
	within(4*time.Second, func(ctx context.Context) { p.err("close", client.Shutdown(ctx)) })
	return client.System().Logger()
}

func (p *hostilePlay) consume(ctx context.Context, w *sim.World, client *api.Client, proto string) {
	c, err := client.Consumer(proto, api.Properties(map[string]string{"group.protocol": proto, "auto.offset.reset": "earliest", "request.timeout.ms": "2000", "default.api.timeout.ms": "2000",
		"auto.commit.interval.ms": "1000"}), api.Topics("t"))
	if err != nil {
		p.t.Fatal(err)
	}
	end := w.Now().Add(15 * time.Second)
	for n := 0; n < 200 && w.Now().Before(end); n++ {
		poll, cancel := w.WithTimeout(ctx, time.Second)
		_, err = c.Poll(poll)
		cancel()
		p.err("poll", err)
		if err != nil {
			_ = w.Sleep(ctx, 100*time.Millisecond)
		}
	}
	tp := api.TopicPartition{Topic: "t"}
	p.err("commit", c.Commit(ctx))
	p.err("commit", c.Commit(ctx, api.OffsetAndMetadata{TopicPartition: tp, Offset: 1, Metadata: "m"}))
	offsets, err := c.Committed(ctx, tp)
	p.err("committed", err)
	for _, o := range offsets {
		p.text("committed", o.String(), printable.Most, 1024)
	}
	_, err = c.EndOffsets(ctx, tp, api.TopicPartition{Topic: own})
	p.err("end offsets", err)
	_, err = c.OffsetsForTimes(ctx, map[api.TopicPartition]time.Time{tp: w.Now()})
	p.err("offsets for times", err)
	_, err = c.Position(ctx, tp)
	p.err("position", err)
	_, err = c.Topics(ctx)
	p.err("topics", err)
	_, err = c.Partitions(ctx, "none")
	p.err("partitions", err)
	p.err("seek", c.Seek(api.TopicPartition{Topic: own}, 1))
	p.err("close", c.Shutdown(ctx))
}

// play has the client talk to a cluster whose answers alter changes.
func (p *hostilePlay) play(alter func(key, version int16, resp protocol.Response) bool) {
	p.logged = make(chan struct{})
	var log *slog.Logger
	if err := sim.Run(1, func(w *sim.World) error {
		cluster, err := fake.NewCluster(fake.Config{Nodes: 2, Topics: []fake.Topic{{Name: "t", Partitions: 2}}})
		if err != nil {
			return err
		}
		sim.NewNetwork(w, cluster)
		w.SetNetwork(&altered{w.Network(), alter})
		log = p.run(w, []api.ClientOption{api.World(w), api.Brokers("broker-1:9092"), api.Logger(slog.New(p)), api.Property("request.timeout.ms", "3000")})
		return nil
	}); err != nil {
		p.t.Errorf("%s: %v", p.name, err)
		return
	}
	log.Warn("the end")
	<-p.logged
}

// TestHostileTextIsNotShownAsItIs has a cluster whose answers have such text in one of their fields, each in turn, with and without error codes: no error, line of the log or diagnosis has it as it came. What is given as data has.
func TestHostileTextIsNotShownAsItIs(t *testing.T) {
	asked := map[int16]bool{}
	(&hostilePlay{t: t, name: "nothing"}).play(func(key, _ int16, _ protocol.Response) bool {
		asked[key] = true
		return false
	})
	met, raw := map[int16]int{}, map[int16]int{}
	for _, key := range slices.Sorted(maps.Keys(asked)) {
		names, alter := textFields(reflect.TypeOf(protocol.NewResponse(key)).Elem(), protocol.APIName(key), func(v reflect.Value, leaf func(reflect.Value)) { leaf(v) })
		for i, name := range names {
			for _, code := range []protocol.Code{protocol.None, protocol.GroupAuthorizationFailed} {
				p := &hostilePlay{t: t, name: fmt.Sprintf("%s, %s", name, code.Name())}
				p.play(func(k, _ int16, resp protocol.Response) bool {
					if k != key || !alter[i](resp) {
						return false
					}
					if code != protocol.None {
						setCodes(reflect.ValueOf(resp).Elem(), code)
					}
					return true
				})
				met[key] += p.met
				raw[key] += p.raw
			}
		}
	}
	for _, key := range []int16{msg.ProduceAPI, msg.MetadataAPI, msg.JoinGroupAPI, msg.ConsumerGroupHeartbeatAPI, msg.CreateTopicsAPI} {
		if met[key] == 0 {
			t.Errorf("%s: nothing was ever told of what it had", protocol.APIName(key))
		}
	}
	for _, key := range []int16{msg.ListGroupsAPI, msg.DescribeGroupsAPI, msg.ConsumerGroupDescribeAPI} {
		if raw[key] == 0 {
			t.Errorf("%s: nothing was given as it was sent", protocol.APIName(key))
		}
	}
	t.Log(met)
}
