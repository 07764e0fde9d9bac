// Package peer is what the programs have in common that fire runs beside kactor: they write to every partition at an even pace, read with a group of two, and print what was acknowledged and read.
package peer

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Load is what fire asks for.
type Load struct {
	Brokers    []string
	Topic      string
	Partitions int
	Rate       int  // records a second, of both producers together
	Clients    int  // if positive: so many that do nothing
	Consumers  bool // of these each reads, too

	mu  sync.Mutex
	out *bufio.Writer
}

// Producer sends without waiting; done is called once for each record.
type Producer interface {
	Send(partition int32, value []byte, done func(offset int64, err error))
	Flush()
}

// Consumer reads until the program ends.
type Consumer func(read func(partition int32, offset int64))

// Parse takes the command line that fire gives: -brokers, -topic, -partitions, -rate.
func Parse() *Load {
	l := &Load{out: bufio.NewWriter(os.Stdout)}
	brokers := flag.String("brokers", "", "host:port, separated by commas")
	flag.StringVar(&l.Topic, "topic", "", "to write to and read")
	flag.IntVar(&l.Partitions, "partitions", 1, "of the topic")
	flag.IntVar(&l.Rate, "rate", 1000, "records a second")
	flag.IntVar(&l.Clients, "clients", 0, "so many that do nothing, instead of a load")
	flag.BoolVar(&l.Consumers, "consumers", false, "of these each reads a partition, too")
	flag.Parse()
	l.Brokers = strings.Split(*brokers, ",")
	return l
}

// Fail ends the program.
func Fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// say prints a line that fire understands: "p PARTITION OFFSET" when a record is acknowledged, "c PARTITION OFFSET" when it is read, "e TEXT" for an error, "f" when all is flushed.
func (l *Load) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, format+"\n", args...)
}

// Rest starts clients that do nothing, and keeps them until standard input ends.
func (l *Load) Rest(start func(i int) error) {
	for i := range l.Clients {
		if err := start(i); err != nil {
			Fail(err)
		}
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// Run writes and reads until standard input ends; then it flushes, and reads on until it is ended.
func (l *Load) Run(producers []Producer, consumers []Consumer) {
	go func() {
		for range time.Tick(5 * time.Millisecond) {
			l.mu.Lock()
			_ = l.out.Flush()
			l.mu.Unlock()
		}
	}()
	for _, c := range consumers {
		go c(func(partition int32, offset int64) { l.say("c %d %d", partition, offset) })
	}
	over := make(chan struct{})
	var writing sync.WaitGroup
	for _, p := range producers {
		writing.Go(func() { l.write(p, len(producers), over) })
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	close(over)
	writing.Wait()
	l.say("f")
	select {}
}

// write sends a share of the records ten times a second, one partition after the other.
func (l *Load) write(p Producer, producers int, over chan struct{}) {
	value := []byte(strings.Repeat("x", 100))
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for next := 0; ; {
		for range max(1, l.Rate/10/producers) {
			partition := int32(next % l.Partitions)
			next++
			p.Send(partition, value, func(offset int64, err error) {
				if err != nil {
					l.say("e %v", err)
				} else {
					l.say("p %d %d", partition, offset)
				}
			})
		}
		select {
		case <-tick.C:
		case <-over:
			p.Flush()
			return
		}
	}
}
