package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/kactor-go/kactor/broker/fake"
)

// runFake runs a cluster in this process until ctx ends. The first line of its output is the addresses of the brokers.
func runFake(ctx context.Context, args []string, out, errs io.Writer) error {
	f := flag.NewFlagSet("kactor fake", flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprint(f.Output(), "kactor fake runs brokers for development on 127.0.0.1, and prints their addresses on its first line. Topics are created when they are first asked for.\n"+
			"Everything is kept in memory, and gone when it ends: with SIGINT or SIGTERM. Before, records are deleted and compacted as the configurations of topics and brokers have it (cleanup.policy, retention.ms, ...),\n"+
			"when Kafka would: retention is looked at every five minutes (log.retention.check.interval.ms), and the log cleaner does so every 15 seconds (log.cleaner.backoff.ms).\n")
		f.PrintDefaults()
	}
	cfg := fake.Config{AutoCreate: true, InternalTopics: true, AutoClean: true, Broker: map[string]string{}}
	topics := ""
	f.IntVar(&cfg.Nodes, "nodes", 1, "`N`: how many brokers")
	f.StringVar(&topics, "topics", "", "`LIST`: topics to create at the start, name:partitions,name:partitions; a name alone has one partition")
	f.StringVar(&cfg.Release, "release", "4.3", "`RELEASE` of Kafka whose versions the brokers speak: 0.10 to 4.3")
	f.IntVar(&cfg.Port, "port", 9092, "`PORT` of the first broker; the others take those that follow. 0: any that are free")
	f.Func("broker", "`NAME=VALUE`: a configuration of all brokers by Kafka's name, as in server.properties; may be given several times. Those that topics fall back on count, those named above, num.partitions, default.replication.factor and auto.create.topics.enable", func(v string) error {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return errors.New("it is NAME=VALUE")
		}
		cfg.Broker[name] = value
		return nil
	})
	if err := readFlags(f, args); err != nil {
		return err
	}
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	case cfg.Nodes < 1:
		return fmt.Errorf("--nodes %d: there is at least one broker", cfg.Nodes)
	case cfg.Release == "":
		return errors.New("--release is empty: which one?")
	}
	if _, said := cfg.Broker["auto.create.topics.enable"]; said {
		cfg.AutoCreate = false // it is as said there
	}
	var err error
	if cfg.Topics, err = parseTopics(topics); err != nil {
		return err
	}
	server, err := fake.Listen(cfg)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintln(out, strings.Join(server.Addrs(), ",")); err == nil {
		<-ctx.Done()
	}
	return errors.Join(err, server.Close())
}

// parseTopics reads name:partitions,name:partitions.
func parseTopics(list string) (topics []fake.Topic, err error) {
	if list == "" {
		return nil, nil
	}
	for item := range strings.SplitSeq(list, ",") {
		t := fake.Topic{Partitions: 1}
		name, count, counted := strings.Cut(item, ":")
		t.Name = name
		if counted {
			if t.Partitions, err = strconv.Atoi(count); err != nil || t.Partitions < 1 {
				return nil, fmt.Errorf("--topics: %q is not name:partitions, with at least one partition", item)
			}
		}
		topics = append(topics, t)
	}
	return topics, nil
}
