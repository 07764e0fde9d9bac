package api

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kactor-go/kactor/protocol/compress"
)

// TestEveryOptionCanBeSet sees to it that no option of the table is forgotten in the code, and none of the code in the table.
func TestEveryOptionCanBeSet(t *testing.T) {
	names := map[string]bool{}
	for i := range options {
		o := &options[i]
		if names[o.name] {
			t.Errorf("%s is in the table twice", o.name)
		}
		names[o.name] = true
		switch {
		case o.doc == "":
			t.Errorf("%s is not explained", o.name)
		case setters[o.name] == nil:
			t.Errorf("%s has no setter", o.name)
		}
		for _, n := range slices.Concat(o.aliases, slices.Collect(maps.Keys(o.scaled)), []string{o.name}) {
			if _, ok := foreigner(n); ok || n != canonical(n) {
				t.Errorf("%s is an option, and no option", n)
			}
		}
	}
	for name := range setters {
		if !names[name] {
			t.Errorf("%s is not in the table", name)
		}
	}
}

// What follows from several options follows from all that were given, to Dial and to what is made of the client: acks=1 there and acks=all here gave a producer that is not idempotent, and other defaults stayed behind as well.
func TestDefaultsFollowFromAllOptions(t *testing.T) {
	for _, c := range []struct {
		name       string
		dial, here []string
		got        func(s *settings) any
		alone      []string // gives the same
		differs    []string // does not: or nothing would be shown
	}{
		{"idempotence", []string{"acks", "1"}, []string{"acks", "all"}, func(s *settings) any { return s.sender.Idempotent }, nil, []string{"acks", "1"}},
		{"idempotence without retries", []string{"retries", "0"}, []string{"retries", "5"}, func(s *settings) any { return s.sender.Idempotent }, nil, []string{"retries", "0"}},
		{"delivery time-out", []string{"request.timeout.ms", "300000"}, []string{"request.timeout.ms", "1000"}, func(s *settings) any { return s.sender.DeliveryTimeout }, nil, []string{"request.timeout.ms", "300000"}},
		{"level", []string{"compression.type", "gzip", "compression.gzip.level", "3"}, []string{"compression.type", "zstd"}, func(s *settings) any { return s.sender.Level }, []string{"compression.type", "zstd"},
			[]string{"compression.type", "gzip", "compression.gzip.level", "3"}},
		{"partitioner", []string{"partitioner.class", "roundrobin"}, []string{"partitioner.class", "default"}, func(s *settings) any { return s.sender.Partitioner == nil }, nil, []string{"partitioner.class", "roundrobin"}},
		{"partitioner that ignores keys", []string{"partitioner.class", "roundrobin"}, []string{"partitioner.ignore.keys", "false"}, func(s *settings) any { return fmt.Sprintf("%T", s.sender.Partitioner(rand.New(rand.NewPCG(1, 2)))) },
			[]string{"partitioner.class", "roundrobin"}, []string{"partitioner.ignore.keys", "true"}},
	} {
		set := func(base *settings, values []string) *settings {
			next := base.clone()
			for i := 0; i < len(values); i += 2 {
				if err := next.property(values[i], values[i+1]); err != nil {
					t.Fatal(err)
				}
			}
			return next
		}
		finished := func(s *settings) any {
			f, err := s.finished()
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			return c.got(f)
		}
		base := set(defaults(), append([]string{"bootstrap.servers", "a:1"}, c.dial...))
		finished(base)
		got, want, other := finished(set(base, c.here)), finished(set(defaults(), append([]string{"bootstrap.servers", "a:1"}, c.alone...))), finished(set(defaults(), append([]string{"bootstrap.servers", "a:1"}, c.differs...)))
		if got != want || got == other {
			t.Errorf("%s: %v with what is given to Dial, %v without it, %v with that alone", c.name, got, want, other)
		}
	}
}

// TestDefaultsAreThoseOfTheTable sets every option to its default and expects nothing to change.
func TestDefaultsAreThoseOfTheTable(t *testing.T) {
	for i := range options {
		o := &options[i]
		if o.name == "linger.ms" || o.kind == "list" { // a linger that is set is kept exactly; unset it adapts
			continue
		}
		want, got := defaults(), defaults()
		if err := got.property(o.name, o.def); err != nil {
			t.Errorf("%s=%s: %v", o.name, o.def, err)
			continue
		}
		got.held, want.held = nil, nil
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%s=%s changes the default settings:\n%+v\n%+v", o.name, o.def, want, got)
		}
	}
}

func TestPropertiesAreChecked(t *testing.T) {
	for _, c := range []struct {
		properties map[string]string
		says       string // "" for none
	}{
		{map[string]string{"linger.ms": "5ms"}, ""},
		{map[string]string{"linger_ms": "5"}, ""},
		{map[string]string{"queue.buffering.max.ms": "5"}, ""},
		{map[string]string{"batch.size": "1MiB", "max.request.size": "2 MiB"}, ""},
		{map[string]string{"linger.mss": "5"}, `unknown property "linger.mss"; did you mean "linger.ms"?`},
		{map[string]string{"ack": "all"}, `unknown property "ack"; did you mean "acks"?`},
		{map[string]string{"threads": "5", "config.strict": "true"}, `unknown property "threads"`},
		{map[string]string{"threads": "5", "config.strict": "FALSE"}, ""},
		{map[string]string{"batch.size": "0", "compression.type": "GZIP", "compression.gzip.level": "-1", "retry.backoff.ms": "0", "retry.backoff.max.ms": "0", "reconnect.backoff.ms": "0", "acks": "ALL", "auto.offset.reset": "smallest",
			"group.protocol": "CONSUMER", "enable.auto.commit": "True", "auto.commit.interval.ms": "0", "fetch.max.wait.ms": "0", "isolation.level": "READ_COMMITTED"}, ""},
		{map[string]string{"partitioner.class": "org.apache.kafka.clients.producer.RoundRobinPartitioner", "partition.assignment.strategy": "org.apache.kafka.clients.consumer.RangeAssignor"}, ""},
		{map[string]string{"queue.buffering.max.kbytes": "1048576", "queued.max.messages.kbytes": "65536", "compression.codec": "zstd", "compression.level": "5"}, ""},
		{map[string]string{"queue.buffering.max.kbytes": "9223372036854775807"}, "is no value of type bytes"},
		{map[string]string{"key.serializer": "org.apache.kafka.common.serialization.StringSerializer", "metric.reporters": "x", "metrics.context.a.b": "c"}, ""},
		{map[string]string{"sasl.jaas.config": "x required;"}, "sasl.jaas.config: SASL comes with a later release"},
		{map[string]string{"security.protocol": "SASL_SSL"}, "security.protocol: SASL_SSL: SASL comes with a later release"},
		{map[string]string{"ssl_cafile": "ca.pem"}, "ssl_cafile: give a *tls.Config with api.TLS"},
		{map[string]string{"dr_msg_cb": "f"}, "dr_msg_cb: Producer.Send takes a function for each record"},
		{map[string]string{"socket.nagle.disable": "True", "ssl.enabled.protocols": "TLSv1.2, TLSv1.3"}, ""},
		{map[string]string{"linger.ms": "soon"}, `linger.ms: "soon" is no value of type ms`},
		{map[string]string{"acks": "2"}, `acks: "2" is none of all, -1, 1, 0`},
		{map[string]string{"acks": "1", "enable.idempotence": "true"}, "acks: must be all with enable.idempotence"},
		{map[string]string{"max.in.flight.requests.per.connection": "6"}, "max.in.flight.requests.per.connection: must be at most 5"},
		{map[string]string{"delivery.timeout.ms": "100"}, "delivery.timeout.ms: 100ms is less than"},
		{map[string]string{"retry.backoff.ms": "5000"}, "retry.backoff.max.ms"},
		{map[string]string{"buffer.memory": "10"}, "buffer.memory: 10 is less than batch.size"},
		{map[string]string{"auto.offset.reset": "newest"}, `auto.offset.reset: "newest" is none of`},
		{map[string]string{"auto.offset.reset": "by_duration:P1DT2H3M4.5S"}, ""},
		{map[string]string{"auto.offset.reset": "by_duration:1h"}, "is no duration like"},
		{map[string]string{"compression.zstd.level": "23"}, "compression.zstd.level: 23 is not between"},
		{map[string]string{"security.protocol": "SSL"}, "api.TLS"},
		{map[string]string{"client.id": strings.Repeat("a", 40_000)}, "client.id: length out of bounds"},
		{map[string]string{"group.id": strings.Repeat("a", 40_000)}, "group.id: length out of bounds"},
		{map[string]string{"group.instance.id": "a\xffb"}, "group.instance.id: text that is not UTF-8"},
		{map[string]string{"transactional.id": "x"}, "transactions come with a later release"},
		{map[string]string{"fetch.max.wait.ms": "30000"}, "fetch.max.wait.ms"},
	} {
		c.properties["bootstrap.servers"] = "localhost:9092"
		client, err := Dial(context.Background(), Properties(c.properties), Lazy())
		if err == nil {
			_, producer := client.Producer()
			_, consumer := client.Consumer("")
			err = errors.Join(producer, consumer, client.Shutdown(context.Background()))
		}
		if got := fmt.Sprint(err); c.says == "" && err != nil || c.says != "" && !strings.Contains(got, c.says) {
			t.Errorf("%v: got %q, expected %q", c.properties, got, c.says)
		}
	}
	client, err := Dial(context.Background(), Brokers("localhost:9092"), Lazy())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Shutdown(context.Background())
	if _, err := client.Consumer(strings.Repeat("a", 40_000)); err == nil || !strings.Contains(err.Error(), "group.id: length out of bounds") {
		t.Errorf("a group of 40,000 letters: %v", err)
	}
}

func TestEverythingThatIsWrongIsTold(t *testing.T) {
	_, err := Dial(context.Background(), Brokers("x:1"), Property("acks", "7"), Property("nonsense", "1"))
	if got := fmt.Sprint(err); !strings.Contains(got, "acks") || !strings.Contains(got, "nonsense") {
		t.Errorf("the error is %q", got)
	}
	if _, err := Dial(context.Background()); err == nil || !strings.Contains(err.Error(), "bootstrap.servers") {
		t.Errorf("without brokers the error is %v", err)
	}
}

// Every key of Java's client, librdkafka and kafka-python is accepted with that client's default, or refused with a reason; none is unknown. The lists are what those clients print themselves.
func TestKeysOfOtherClients(t *testing.T) {
	for _, file := range []string{"java-4.3.0", "librdkafka-2.16.0", "kafka-python-3.0.12"} {
		text, err := os.ReadFile("testdata/keys/" + file + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			s := defaults()
			err := s.property(name, value)
			o, _ := lookUp(name)
			switch {
			case len(s.unknown) > 0:
				t.Errorf("%s: %s is unknown", file, name)
			case err == nil, o != nil && value == "": // it has no default there
			case !strings.HasPrefix(name, "sasl") || !strings.Contains(err.Error(), "SASL comes with a later release"):
				t.Errorf("%s: %s=%s: %v", file, name, value, err)
			}
		}
	}
}

// What is given to a producer or a consumer must be theirs: TLS was ignored there, and the records went out as they were.
func TestOptionsBelongToRoles(t *testing.T) {
	client, err := Dial(context.Background(), Brokers("localhost:9092"), Lazy(), Properties(map[string]string{"fetch.max.wait.ms": "50s", "linger.ms": "2m", "delivery.timeout.ms": "60s"}))
	if err != nil {
		t.Fatalf("what only a producer or a consumer can find wrong: %v", err)
	}
	defer client.Shutdown(context.Background())
	producer := func(o ...ProducerOption) error { _, err := client.Producer(o...); return err }
	consumer := func(o ...ConsumerOption) error { _, err := client.Consumer("", o...); return err }
	fine, well := Property("delivery.timeout.ms", "10m"), Property("fetch.max.wait.ms", "500")
	for _, c := range []struct {
		what string
		err  error
		says string // "" for none
	}{
		{"a consumer's bounds do not concern a producer", producer(fine), ""},
		{"a producer's bounds do not concern a consumer", consumer(well), ""},
		{"its own do", producer(), "delivery.timeout.ms: 1m0s is less than"},
		{"and a consumer's", consumer(), "fetch.max.wait.ms"},
		{"a property", consumer(well, Property("acks", "all")), "acks is an option of a producer, not of a consumer"},
		{"a property of the client", producer(fine, Property("client.id", "x")), "client.id: a producer cannot change the client; give it to Dial"},
		{"one that says what the client has", producer(fine, Property("bootstrap.servers", "localhost:9092")), ""},
		{"one that all have", producer(fine, Property("request.timeout.ms", "5s")), ""},
	} {
		if got := fmt.Sprint(c.err); c.says == "" && c.err != nil || !strings.Contains(got, c.says) {
			t.Errorf("%s: got %q, expected %q", c.what, got, c.says)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct{ servers, want, says string }{
		{"a", "a:9092", ""},
		{"a:1, b ,c:3", "a:1 b:9092 c:3", ""},
		{"PLAINTEXT://a:1,plaintext://b", "a:1 b:9092", ""},
		{"SSL://a:1", "", "an address begins with SSL://, and security.protocol is PLAINTEXT"},
		{"[::1]:5,[::1]", "[::1]:5 [::1]:9092", ""},
		{"::1", "", "is not host:port"},
		{"a:b:c", "", "is not host:port"},
		{"http://a:1", "", "begins with HTTP://"},
		{":1", "", "is not host:port"},
		{"", "", "no broker is named"},
	} {
		s := defaults()
		err := s.property("bootstrap.servers", c.servers)
		if err == nil {
			_, err = s.finished()
		}
		if got := fmt.Sprint(err); c.says == "" && (err != nil || strings.Join(s.broker.Bootstrap, " ") != c.want) || !strings.Contains(got, c.says) {
			t.Errorf("%q: %v, %v", c.servers, s.broker.Bootstrap, err)
		}
	}
}

// An option of code fits where its role is made, and nowhere else: it does not compile.
func TestOptionsAreOfOneRole(t *testing.T) {
	client, producer, consumer := reflect.TypeFor[ClientOption](), reflect.TypeFor[ProducerOption](), reflect.TypeFor[ConsumerOption]()
	for role, makers := range map[reflect.Type][]any{
		client:   {Brokers, AllowedBrokers, ClientID, Logger, World, System, Dialer, TLS, Lazy, Hooks, Profile},
		producer: {Acks, Idempotence, Linger, BatchSize, Compression, CompressionLevel, Partitioner, ProducerInterceptors},
		consumer: {Topics, FromStart, FromEnd, FromLast, FromCommitted, ReadCommitted, AutoCommit, AutoCommitInterval, GroupProtocol, StaticMember, OnRebalance, OnCommit, OnReset, Assignors, ConsumerInterceptors},
	} {
		for i, maker := range makers {
			made := reflect.TypeOf(maker).Out(0)
			for _, other := range []reflect.Type{client, producer, consumer} {
				if made.Implements(other) != (other == role) {
					t.Errorf("maker %d of a %v: one that implements %v: %v", i, role, other, made.Implements(other))
				}
			}
		}
	}
	for _, maker := range []any{Property, Properties, File} {
		if made := reflect.TypeOf(maker).Out(0); !made.Implements(client) || !made.Implements(producer) || !made.Implements(consumer) {
			t.Errorf("%v is not for all", made)
		}
	}
}

// Options that have a function of their own do what the property of Kafka does.
func TestOptionsOfCodeAreProperties(t *testing.T) {
	producers := map[string]ProducerOption{
		"acks=all": Acks(AcksAll), "acks=1": Acks(AcksLeader), "acks=0": Acks(AcksNone), "enable.idempotence=false": Idempotence(false), "linger.ms=7": Linger(7 * time.Millisecond), "batch.size=5": BatchSize(5),
		"compression.type=zstd": Compression(compress.Zstd), "compression.level=4": CompressionLevel(4),
	}
	consumers := map[string]ConsumerOption{
		"auto.offset.reset=earliest": FromStart(), "auto.offset.reset=latest": FromEnd(), "auto.offset.reset=none": FromCommitted(), "auto.offset.reset=by_duration:P30DT1H0.5S": FromLast(721*time.Hour + 500*time.Millisecond),
		"isolation.level=read_committed": ReadCommitted(), "enable.auto.commit=false": AutoCommit(false), "auto.commit.interval.ms=2s": AutoCommitInterval(2 * time.Second), "group.protocol=classic": GroupProtocol(ProtocolClassic),
		"group.protocol=consumer": GroupProtocol(ProtocolConsumer), "group.protocol=auto": GroupProtocol(ProtocolAuto), "group.instance.id=a": StaticMember("a"),
	}
	effects := func(o setting) string {
		s := defaults()
		if err := o.set(s); err != nil {
			t.Error(err)
		}
		return fmt.Sprintf("%+v %+v %+v %q", s.sender, s.fetcher, s.group, s.held["compression.level"].value)
	}
	for property, o := range producers {
		if name, value, _ := strings.Cut(property, "="); effects(o) != effects(Property(name, value)) {
			t.Errorf("%s: %s, expected %s", property, effects(o), effects(Property(name, value)))
		}
	}
	for property, o := range consumers {
		if name, value, _ := strings.Cut(property, "="); effects(o) != effects(Property(name, value)) {
			t.Errorf("%s: %s, expected %s", property, effects(o), effects(Property(name, value)))
		}
	}
	if err := FromLast(-1).set(defaults()); err == nil {
		t.Error("a time to come is taken")
	}
}

// What is set and does nothing is told, once, when that is made which it was given to.
func TestNotesAreLogged(t *testing.T) {
	var log strings.Builder
	s := defaults()
	s.broker.Bootstrap = []string{"a:1"}
	s.logger = slog.New(slog.NewTextHandler(&log, nil))
	if err := apply(s, []Option{Properties(map[string]string{"threads": "4", "config.strict": "false", "metric.reporters": "x", "ssl.protocol": ""})}); err != nil {
		t.Fatal(err)
	}
	s.tell()
	s.of = ofProducer
	if err := apply(s, []Option{Property("acks", "1")}); err != nil {
		t.Fatal(err)
	}
	f, err := s.finished()
	if err != nil {
		t.Fatal(err)
	}
	f.tell()
	want := "level=WARN msg=\"unknown property \\\"threads\\\"\"\n" + "level=INFO msg=\"metric.reporters changes nothing: metrics are those of OpenTelemetry\"\n" + "level=INFO msg=\"enable.idempotence is off, because of acks or retries: records may be written twice, or in another order; enable.idempotence=false says that it is meant\"\n"
	if got := regexp.MustCompile(`time=\S+ `).ReplaceAllString(log.String(), ""); got != want {
		t.Errorf("logged:\n%s\nexpected:\n%s", got, want)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"P1D": 24 * time.Hour, "PT1H": time.Hour, "PT90M": 90 * time.Minute, "PT0.5S": time.Second / 2, "P2DT3H4M5S": 51*time.Hour + 4*time.Minute + 5*time.Second} {
		if got, err := isoDuration(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

var update = flag.Bool("update", false, "write testdata/surface.txt anew")

// TestSurface holds what the package exports against a file, so that no change of it goes unseen.
func TestSurface(t *testing.T) {
	files := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			lines = append(lines, exported(files, d)...)
		}
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile("testdata/surface.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/surface.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the surface has changed; go test ./api -run Surface -update writes it anew:\n%s", got)
	}
}

// exported gives a line for everything exported in a declaration.
func exported(files *token.FileSet, d ast.Decl) (lines []string) {
	text := func(n any) string {
		var b strings.Builder
		_ = printer.Fprint(&b, files, n)
		return strings.Join(strings.Fields(b.String()), " ")
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(strings.TrimPrefix(text(d.Recv.List[0].Type), "*"))) {
			d.Body, d.Doc = nil, nil
			lines = append(lines, text(d))
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					lines = append(lines, "type "+text(s))
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() {
						lines = append(lines, d.Tok.String()+" "+n.Name)
					}
				}
			}
		}
	}
	return lines
}
