package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kactor-go/kactor/api"
)

// sample is what a soaked process is made of at a time.
type sample struct {
	heap, rss       int64
	goroutines, fds int
}

// soak is a day in twenty minutes: what happens once in some minutes happens once in some seconds, something breaks every fifteen seconds, clients come and go, and memory, goroutines and descriptors must not grow.
// The clients are in a process of their own, which checks each record as it comes and keeps nothing.
func soak(ctx context.Context, s *settings, k *kafka, r *report) error {
	span, rate := time.Minute, s.rate
	if s.long {
		span = 20 * time.Minute
	}
	if rate == 0 {
		rate = 4500
	}
	n, err := newNetwork(k.hosts)
	if err != nil {
		return err
	}
	defer n.close()
	client, err := api.Dial(ctx, api.Brokers(k.hosts...))
	if err != nil {
		return err
	}
	defer client.Shutdown(ctx)
	l := &load{client: client, topic: fmt.Sprintf("soak-%d", time.Now().UnixMilli())}
	l.partitions.Store(soakPartitions)
	if err := l.create(ctx, l.topic, soakPartitions); err != nil {
		return err
	}
	if err := l.whole(ctx); err != nil {
		return err
	}

	self, err := os.Executable()
	if err != nil {
		return err
	}
	var ways []string
	for _, p := range n.proxies {
		ways = append(ways, p.target+"="+p.listen.Addr().String())
	}
	cmd := exec.CommandContext(ctx, self, "-child", "soak", "-rate", fmt.Sprint(rate), strings.Join(ways, ",")+"/"+l.topic)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var samples []sample
	var sent, seen int64
	heard := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var m sample
			if text, ok := strings.CutPrefix(lines.Text(), "wrong: "); ok {
				r.wrong = append(r.wrong, text)
			} else if _, err := fmt.Sscanf(lines.Text(), "end %d %d", &sent, &seen); err == nil {
				continue
			} else if _, err := fmt.Sscan(lines.Text(), &m.heap, &m.rss, &m.goroutines, &m.fds); err == nil {
				samples = append(samples, m)
			}
		}
		heard <- cmd.Wait()
	}()

	end := time.Now().Add(span)
	for time.Until(end) > 0 && err == nil {
		time.Sleep(min(time.Until(end), 15*time.Second))
		err = l.trouble(ctx, k, n)
		r.faults++
	}
	_ = in.Close()
	if e := <-heard; err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	r.records += int(seen)
	if sent != seen {
		r.wrong = append(r.wrong, fmt.Sprintf("%d records were sent, %d came", sent, seen))
	}
	if len(samples) < 8 {
		return fmt.Errorf("only %d samples", len(samples))
	}
	r.notes = append(r.notes, fmt.Sprintf("%d samples over %s", len(samples), span))
	for _, m := range []struct {
		name  string
		of    func(sample) int64
		spare int64 // that it may grow besides a hundredth
	}{
		{"live heap in KiB", func(m sample) int64 { return m.heap >> 10 }, 512},
		{"resident memory in KiB", func(m sample) int64 { return m.rss >> 10 }, 1024},
		{"goroutines", func(m sample) int64 { return int64(m.goroutines) }, 2},
		{"descriptors", func(m sample) int64 { return int64(m.fds) }, 2},
	} {
		from, to := middle(samples[len(samples)/4:len(samples)/2], m.of), middle(samples[len(samples)*3/4:], m.of)
		r.notes = append(r.notes, fmt.Sprintf("%s: %d in the second quarter, %d in the last (medians)", m.name, from, to))
		if to > from+from/100+m.spare {
			r.exceeds("%s grow", m.name)
		}
	}
	return nil
}

// middle is the median.
func middle(samples []sample, of func(sample) int64) int64 {
	var all []int64
	for _, m := range samples {
		all = append(all, of(m))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// trouble breaks something, and mends it.
func (l *load) trouble(ctx context.Context, k *kafka, n *network) error {
	node := int32(rand.IntN(3)) + 1
	var err error
	switch rand.IntN(5) {
	case 0:
		if err = k.signal(node, "KILL"); err == nil {
			err = k.restart(node)
		}
	case 1:
		if err = k.signal(node, "STOP"); err == nil {
			time.Sleep(time.Second + rand.N(5*time.Second))
			err = k.signal(node, "CONT")
		}
	case 2:
		err = l.rotate(ctx)
	case 3:
		n.proxies[node-1].cut()
	default:
		n.set(int(node-1), weather{latency: 50 * time.Millisecond})
		time.Sleep(3 * time.Second)
		n.set(int(node-1), weather{})
	}
	if err == nil {
		err = l.whole(ctx)
	}
	return err
}

const (
	soakPartitions = 6
	soakProducers  = 2
)

// soaked is what soak looks at, in a process of its own.
type soaked struct {
	topic, group string
	dial         func() (*api.Client, error)
	sent, failed atomic.Int64
	next         [soakProducers][soakPartitions]int64 // that a reader of everything expects
	seen         atomic.Int64
}

// soakChild is the clients of a soak. It ends when its standard input does.
func soakChild(ctx context.Context, where string, rate int) error {
	ways, topic, _ := strings.Cut(where, "/")
	var hosts []string
	n := &network{byHost: map[string]string{}}
	for way := range strings.SplitSeq(ways, ",") {
		host, through, _ := strings.Cut(way, "=")
		hosts = append(hosts, host)
		n.byHost[host] = through
	}
	x := &soaked{topic: topic, group: "group-" + topic}
	x.dial = func() (*api.Client, error) {
		return api.Dial(ctx, api.Brokers(hosts...), api.Lazy(), api.Dialer(n.dial), api.Property("metadata.max.age.ms", "4000"), api.Property("connections.max.idle.ms", "7000"))
	}
	writes, stop := context.WithCancel(ctx)
	reads, halt := context.WithCancel(ctx)
	defer halt()
	defer stop()
	wrote := make(chan error, soakProducers)
	for i := range soakProducers {
		go func() { wrote <- x.write(writes, i, rate/soakProducers) }()
	}
	read := make(chan error, 1)
	go func() { read <- x.read(reads) }()
	came := make(chan error, 1)
	go func() { came <- x.comeAndGo(writes) }()
	go func() {
		for ; ; time.Sleep(2 * time.Second) {
			x.tell()
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	for range soakProducers {
		if err := <-wrote; err != nil {
			return err
		}
	}
	if err := <-came; err != nil {
		return err
	}
	for end := time.Now().Add(hang); x.seen.Load() < x.sent.Load() && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	halt()
	if err := <-read; err != nil {
		return err
	}
	if failed := x.failed.Load(); failed > 0 {
		fmt.Printf("wrong: %d records failed\n", failed)
	}
	fmt.Println("end", x.sent.Load(), x.seen.Load())
	return nil
}

// tell prints a sample.
func (x *soaked) tell() {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var rss int64
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		var size int64
		_, _ = fmt.Sscan(string(b), &size, &rss)
	}
	fds, _ := os.ReadDir("/proc/self/fd")
	fmt.Println(m.HeapAlloc, rss*int64(os.Getpagesize()), runtime.NumGoroutine(), len(fds))
}

// write sends numbered records to all partitions until ctx ends.
func (x *soaked) write(ctx context.Context, me, rate int) error {
	client, err := x.dial()
	if err != nil {
		return err
	}
	p, err := client.Producer()
	if err != nil {
		return err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	pad := strings.Repeat("x", 80)
	for i := 0; ctx.Err() == nil; <-tick.C {
		for range rate / 10 {
			partition := int32(i % soakPartitions)
			value := fmt.Appendf(nil, "%d %d %d %s", me, partition, i/soakPartitions, pad)
			i++
			x.sent.Add(1)
			done := func(_ api.RecordMetadata, err error) {
				if err != nil {
					x.failed.Add(1)
				}
			}
			if err := p.Send(context.Background(), &api.Record{Topic: x.topic, Partition: partition, Fixed: true, Value: value}, done); err != nil {
				return err
			}
		}
	}
	end, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	if err := p.Flush(end); err != nil {
		return err
	}
	return client.Shutdown(end)
}

// read reads everything, and tells what does not come in order, once.
func (x *soaked) read(ctx context.Context) error {
	client, err := x.dial()
	if err != nil {
		return err
	}
	c, err := client.Consumer("")
	if err != nil {
		return err
	}
	var parts []api.TopicPartition
	for i := range int32(soakPartitions) {
		parts = append(parts, api.TopicPartition{Topic: x.topic, Partition: i})
	}
	if err := c.AssignAt(api.AtStart, parts...); err != nil {
		return err
	}
	for ctx.Err() == nil {
		records, err := c.Poll(ctx)
		if err != nil && ctx.Err() == nil && !lasts(err) {
			fmt.Println("wrong:", err)
		}
		for _, m := range records {
			var who, partition int
			var number int64
			if _, err := fmt.Sscan(string(m.Value[:min(40, len(m.Value))]), &who, &partition, &number); err != nil || m.Partition != int32(partition) {
				fmt.Printf("wrong: %q in partition %d\n", m.Value, m.Partition)
				continue
			}
			if want := x.next[who][partition]; number != want {
				fmt.Printf("wrong: record %d of producer %d in partition %d came where %d was due\n", number, who, partition, want)
			}
			x.next[who][partition] = number + 1
			x.seen.Add(1)
		}
	}
	end, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	return client.Shutdown(end)
}

// comeAndGo lets a member of a group and a producer come, work for some seconds, and go, beside a member that stays.
func (x *soaked) comeAndGo(ctx context.Context) error {
	member := func(ctx context.Context) error {
		client, err := x.dial()
		if err != nil {
			return err
		}
		c, err := client.Consumer(x.group, api.Topics(x.topic))
		for err == nil && ctx.Err() == nil {
			if _, e := c.Poll(ctx); e != nil && ctx.Err() == nil {
				err = e
			}
		}
		end, cancel := context.WithTimeout(context.Background(), hang)
		defer cancel()
		if e := client.Shutdown(end); err == nil {
			err = e
		}
		return err
	}
	stays := make(chan error, 1)
	go func() { stays <- member(ctx) }()
	for ctx.Err() == nil {
		some, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := member(some)
		cancel()
		if err != nil {
			return err
		}
	}
	return <-stays
}
