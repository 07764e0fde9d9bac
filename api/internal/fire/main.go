// The command fire breaks a real Kafka while records flow, and tells how long clients stood still and whether a record was lost, written twice, moved or put into a wrong topic. It holds what it saw against
// the logs with the checker of the simulator.
//
//	go run ./api/internal/fire [-version 4.3.0] [-long] [-repeats N] [-rate N] [-v] kill pause roll elect net idle mem
//
//	kafka.go    three brokers            load.go   producers, a group that reads, their history and the gaps between their records
//	killing.go  kill, pause, roll        report.go what is printed, and what it is held against
//	elect.go    elections and partitions    idle.go   processor time and memory
//	proxy.go    a proxy before each broker    net.go  what it does to what passes
//
// The short form of a programme is a few minutes at most, and tells what took too long; -long is what a release needs, and fails on it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
)

// settings are the flags.
type settings struct {
	version string
	long    bool
	repeats int
	rate    int
	log     *slog.Logger
}

// programme is a way to break a cluster.
type programme struct {
	name, about string
	run         func(ctx context.Context, s *settings, k *kafka, r *report) error
}

var programmes = []programme{
	{"kill", "kill -9 the leader, again and again", kill},
	{"pause", "SIGSTOP the leader for 2, 12 and 60 seconds", pause},
	{"roll", "restart all brokers, one after the other", roll},
	{"elect", "reassignments, elections and new partitions", elect},
	{"net", "slow, lossy, cut and lying networks", badNetwork},
	{"idle", "the processor time of clients that nothing comes for", idle},
	{"mem", "the memory of a consumer that sleeps", memory},
}

func main() {
	s := &settings{}
	flag.StringVar(&s.version, "version", "4.3.0", "of Kafka")
	flag.BoolVar(&s.long, "long", false, "the long form")
	flag.IntVar(&s.repeats, "repeats", 0, "how often a fault is repeated; 0: as the form says")
	flag.IntVar(&s.rate, "rate", 1000, "records a second")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: fire [flags] PROGRAMME ...")
		for _, p := range programmes {
			fmt.Fprintf(flag.CommandLine.Output(), "  %-8s %s\n", p.name, p.about)
		}
		flag.PrintDefaults()
	}
	verbose := flag.Bool("v", false, "print what the clients log")
	role := flag.String("child", "", "be what a programme measures")
	span := flag.Duration("span", 0, "so long, as a child")
	flag.Parse()
	if *verbose {
		s.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var err error
	switch *role {
	case "idle":
		err = idleChild(context.Background(), flag.Arg(0), *span)
	case "mem":
		err = memoryChild(context.Background(), flag.Arg(0), *span)
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
	k, err := start(s.version)
	if err != nil {
		return err
	}
	defer k.down()
	failed := 0
	for _, p := range chosen {
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
