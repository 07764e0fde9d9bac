// Command kactor produces, consumes, decodes and measures with the kactor client.
//
//	kactor produce -b HOSTS -t TOPIC ...   one record a line of standard input
//	kactor consume -b HOSTS -t TOPIC ...   records to standard output
//	kactor consume -b HOSTS -t TOPIC -g G  the same as a member of the group G, which commits what it has written
//	kactor config -F FILE                  what a properties file comes to, and what in it is rarely meant
//	kactor doctor -b HOSTS                 the way to every broker, step by step, and what to look at where it ends
//	kactor fake                            brokers for development in one process
//	kactor verifiable-producer ...         what Kafka's own tool of that name does, for its system tests; and verifiable-consumer
//	kactor codec                           protocol messages between bytes and JSON, a line each
//	kactor bench --mode produce ...        one measurement, one line of JSON
//	kactor -C | -P | -L | -Q | -G ...      kcat's command lines, with kcat's output
//
// Every command prints its flags with -h, on standard output, and ends with 0. Properties with Kafka's names go in with -X name=value.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	args := os.Args[1:]
	if filepath.Base(os.Args[0]) == "kcat" {
		args = append([]string{"kcat"}, args...)
	}
	if err := run(ctx, args, os.Stdin, os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, errSaid) {
			fmt.Fprintln(os.Stderr, "kactor:", err)
		}
		os.Exit(1)
	}
}

const usage = `usage: kactor COMMAND [flags]

  produce   one record a line of standard input
  consume   records to standard output
  config    what a properties file comes to, and what in it is rarely meant
  doctor    the way to every broker, step by step, and what to look at where it ends
  fake      brokers for development in one process
  codec     protocol messages between bytes and JSON
  bench     one measurement
  kcat      what kcat does; the word may be left out where a flag follows: kactor -L -b HOSTS
  verifiable-producer, verifiable-consumer
            what Kafka's own tools of these names do

kactor COMMAND -h prints the flags of a command.
`

// errSaid is an error that has been told.
var errSaid = errors.New("see above")

// run runs a command. Who asks for its flags is told on out, and who gives others on errs.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) error {
	err := runCommand(ctx, args, in, out, errs)
	var flags flagError
	if !errors.As(err, &flags) {
		return err
	}
	to := errs
	if errors.Is(err, flag.ErrHelp) {
		to, err = out, nil
	}
	flags.of.SetOutput(to)
	flags.of.Usage()
	return err
}

// flagError is that flags could not be read, or are asked for.
type flagError struct {
	of *flag.FlagSet
	error
}

func (e flagError) Unwrap() error { return e.error }

// readFlags reads flags, and leaves it to run to tell of them.
func readFlags(f *flag.FlagSet, args []string) error {
	f.SetOutput(io.Discard)
	if err := f.Parse(args); err != nil {
		return flagError{f, err}
	}
	return nil
}

func runCommand(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) error {
	if isKcat(args) {
		return runKcat(ctx, args, in, out, errs)
	}
	if len(args) == 0 {
		fmt.Fprint(errs, usage)
		return errors.New("no command given")
	}
	switch args[0] {
	case "produce":
		return produce(ctx, args[1:], in, errs)
	case "consume":
		return consume(ctx, args[1:], out, errs)
	case "config":
		return config(args[1:], out)
	case "doctor":
		return doctor(ctx, args[1:], out, errs)
	case "fake":
		return runFake(ctx, args[1:], out, errs)
	case "verifiable-producer":
		return verifiableProducer(ctx, args[1:], out, errs)
	case "verifiable-consumer":
		return verifiableConsumer(ctx, args[1:], out, errs)
	case "codec":
		return codec(args[1:], in, out)
	case "bench":
		return runBench(ctx, args[1:], out)
	case "kcat":
		return runKcat(ctx, args[1:], in, out, errs)
	case "-h", "--help", "help":
		fmt.Fprint(out, usage)
		return nil
	}
	fmt.Fprint(errs, usage)
	return fmt.Errorf("unknown command %q", args[0])
}

// common are the flags that produce and consume share.
type common struct {
	brokers, topic string
	partition      int
	properties     properties
}

func (c *common) register(f *flag.FlagSet) {
	c.registerBrokers(f)
	f.StringVar(&c.topic, "t", "", "`TOPIC`")
	f.IntVar(&c.partition, "p", -1, "`PARTITION`; without it all of them")
}

// registerBrokers registers what says how the cluster is reached.
func (c *common) registerBrokers(f *flag.FlagSet) {
	f.StringVar(&c.brokers, "b", "", "`HOSTS`: bootstrap brokers, host:port,host:port")
	c.properties = properties{}
	f.Var(c.properties, "X", "`name=value`: a property with Kafka's name; may be repeated")
}

// parse reads the flags and checks what is common.
func parse(f *flag.FlagSet, args []string, c *common) error {
	if err := c.parseBrokers(f, args); err != nil {
		return err
	}
	switch {
	case c.topic == "":
		return errors.New("-t is missing: which topic?")
	case c.partition < -1:
		return fmt.Errorf("-p %d: partitions begin at 0", c.partition)
	}
	return nil
}

// parseBrokers reads the flags and checks how the cluster is reached.
func (c *common) parseBrokers(f *flag.FlagSet, args []string) error {
	if err := readFlags(f, args); err != nil {
		return err
	}
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	case c.brokers == "" && c.properties["bootstrap.servers"] == "":
		return errors.New("-b is missing: which brokers?")
	case c.brokers != "" && c.properties["bootstrap.servers"] != "":
		return errors.New("-b and -X bootstrap.servers contradict each other: give one")
	}
	if c.brokers != "" {
		c.properties["bootstrap.servers"] = c.brokers
	}
	return nil
}

// properties collects -X flags.
type properties map[string]string

func (p properties) String() string { return "" }

func (p properties) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q is not name=value", s)
	}
	if _, twice := p[name]; twice {
		return fmt.Errorf("%s is given twice", name)
	}
	p[name] = value
	return nil
}
