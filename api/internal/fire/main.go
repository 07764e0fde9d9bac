// The command fire breaks a real Kafka while records flow, and tells how long clients stood still and whether a record was lost, written twice, moved or put into a wrong topic. It holds what it saw against
// the logs with the checker of the simulator.
//
//	go run ./api/internal/fire [-version 4.3.0] [-long] [-repeats N] [-rate N] [-broker KEY=VALUE] [-v] kill pause roll elect again net siege soak part tamper idle mem clients
//
//	kafka.go    three brokers            load.go   producers, a group that reads, their history and the gaps between their records
//	killing.go  kill, roll               report.go what is printed, and what it is held against
//	pausing.go  pause, and who works     probe.go  how long the cluster itself is silent
//	elect.go    elections and partitions    idle.go   processor time and memory
//	proxy.go    a proxy before each broker    net.go  what it does to what passes
//	links.go    proxies between the brokers   part.go brokers that are cut off
//	siege.go    all at once              again.go  a topic that is deleted and created again
//	soak.go     a day in twenty minutes  tamper.go, liar.go  answers that are changed on their way
//	flow.go     when records come             beside.go  other clients, to compare with
//	clients.go  many clients in one process
//
// The short form of a programme is a few minutes at most, and tells what took too long; -long is what a release needs, and fails on it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// settings are the flags.
type settings struct {
	version string
	long    bool
	repeats int
	rate    int
	broker  []string // properties of the brokers, key=value
	besides besides
	keyed   bool // records have keys, and go where those are hashed to
	seed    uint64
	span    time.Duration
	log     *slog.Logger
}

// programme is a way to break a cluster.
type programme struct {
	name, about string
	linked      bool   // needs a cluster whose brokers can be cut off from each other
	broker      string // properties that the brokers need besides, with blanks between them
	run         func(ctx context.Context, s *settings, k *kafka, r *report) error
}

var programmes = []programme{
	{name: "kill", about: "kill -9 the leader, again and again", run: kill},
	{name: "pause", about: "SIGSTOP the leader, the coordinator and the controller for 2, 12 and 30 seconds: how far clients are behind the cluster itself", run: pause},
	{name: "roll", about: "restart all brokers, one after the other", run: roll},
	{name: "elect", about: "reassignments, elections and new partitions", run: elect},
	{name: "again", about: "delete a topic and create it again", run: again},
	{name: "net", about: "slow, lossy, cut and lying networks", run: badNetwork},
	{name: "siege", about: "kill, pause and cut connections all at once", run: siege},
	{name: "soak", about: "a day in twenty minutes: memory, goroutines and descriptors must not grow", run: soak},
	{name: "part", about: "cut a broker off from the others, from the clients, and from both", linked: true, run: partition},
	{name: "tamper", about: "change the answers of brokers on their way", run: tampered, broker: "group.min.session.timeout.ms=1000 group.initial.rebalance.delay.ms=0 group.consumer.min.session.timeout.ms=1000 group.consumer.session.timeout.ms=6000 " +
		"group.consumer.min.heartbeat.interval.ms=500 group.consumer.heartbeat.interval.ms=500"},
	{name: "idle", about: "the processor time of clients that nothing comes for", run: idle},
	{name: "mem", about: "the memory of a consumer that sleeps", run: memory},
	{name: "clients", about: "memory and processor time of 200 clients in one process that nobody uses", run: clients},
}

func main() {
	s := &settings{}
	flag.StringVar(&s.version, "version", "4.3.0", "of Kafka")
	flag.BoolVar(&s.long, "long", false, "the long form")
	flag.IntVar(&s.repeats, "repeats", 0, "how often a fault is repeated; 0: as the form says")
	flag.Func("broker", "KEY=VALUE: a property of the brokers, instead of Kafka's default; may be repeated", func(text string) error {
		if !strings.Contains(text, "=") {
			return errors.New("KEY=VALUE is needed")
		}
		s.broker = append(s.broker, text)
		return nil
	})
	flag.IntVar(&s.rate, "rate", 0, "records a second; 0: as the programme says")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: fire [flags] PROGRAMME ...")
		for _, p := range programmes {
			fmt.Fprintf(flag.CommandLine.Output(), "  %-8s %s\n", p.name, p.about)
		}
		flag.PrintDefaults()
	}
	flag.Var(&s.besides, "beside", "NAME=COMMAND: another client to measure beside kactor in kill, pause, roll and clients (see peers); may be repeated")
	verbose := flag.Bool("v", false, "print what the clients log")
	role := flag.String("child", "", "be what a programme measures")
	flag.DurationVar(&s.span, "span", 2*time.Hour, "how long the long form of tamper, and a child, take")
	flag.Uint64Var(&s.seed, "seed", 0, "what is changed by tamper follows from it; 0: with -long another each time")
	flag.Parse()
	if *verbose {
		s.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var err error
	switch *role {
	case "idle":
		err = idleChild(context.Background(), flag.Arg(0), s.span)
	case "mem":
		err = memoryChild(context.Background(), flag.Arg(0), s.span)
	case "clients":
		err = clientsChild(context.Background(), flag.Arg(0))
	case "soak":
		err = soakChild(context.Background(), flag.Arg(0), s.rate)
	default:
		err = fire(s, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fire:", err)
		os.Exit(1)
	}
}

func fire(s *settings, names []string) error {
	if len(names) == 0 {
		flag.Usage()
		return fmt.Errorf("no programme is named")
	}
	var chosen []programme
	for _, name := range names {
		i := slices.IndexFunc(programmes, func(p programme) bool { return p.name == strings.ToLower(strings.TrimPrefix(name, "B-")) })
		if i < 0 {
			return fmt.Errorf("there is no programme %q", name)
		}
		chosen = append(chosen, programmes[i])
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	var k *kafka
	defer func() {
		if k != nil {
			k.down()
		}
	}()
	failed := 0
	for _, p := range chosen {
		if k != nil && ((k.links != nil) != p.linked || k.more != p.broker) {
			k.down()
			k = nil
		}
		if k == nil {
			var err error
			if k, err = start(s.version, p, s.broker); err != nil {
				return err
			}
		}
		r := &report{name: p.name, log: s.log, strict: s.long}
		if err := p.run(ctx, s, k, r); err != nil {
			r.wrong = append(r.wrong, err.Error())
		}
		r.print(os.Stdout)
		if len(r.wrong) > 0 {
			failed++
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d programmes failed", failed, len(chosen))
	}
	return nil
}
