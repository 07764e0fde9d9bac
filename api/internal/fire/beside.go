package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/kactor-go/kactor/broker"
	"github.com/kactor-go/kactor/protocol"
	"github.com/kactor-go/kactor/protocol/msg"
)

// peer is another client that is measured beside kactor: a process with a topic of its own in the same cluster, so that it sees the same faults. It is started with -brokers, -topic, -partitions and -rate, and prints a line
// for each record: "p PARTITION OFFSET" when it is acknowledged (-1: not known where), "c PARTITION OFFSET" when it is read, "e TEXT" for an error. When its standard input ends it flushes, prints "f", and reads on until it is killed.
type peer struct {
	flow
	name, topic string

	cmd     *exec.Cmd
	stdin   io.Closer
	flushed chan struct{}
	over    chan struct{}
	seen    map[place]int // how often what was acknowledged was read; under flow's lock
	fails   map[string]int
}

type place struct {
	partition int32
	offset    int64
}

// besides are the flags -beside NAME=COMMAND.
type besides []struct{ name, command string }

func (b *besides) String() string { return "" }

func (b *besides) Set(text string) error {
	name, command, ok := strings.Cut(text, "=")
	if !ok || command == "" {
		return fmt.Errorf("%q is not NAME=COMMAND", text)
	}
	*b = append(*b, struct{ name, command string }{name, command})
	return nil
}

// join lets a peer work beside the load.
func (l *load) join(ctx context.Context, name, command string, partitions int32) error {
	p := &peer{name: name, topic: l.topic + "-" + name, flushed: make(chan struct{}), over: make(chan struct{}), seen: map[place]int{}, fails: map[string]int{}}
	p.widen(partitions)
	if err := l.create(ctx, p.topic, partitions); err != nil {
		return err
	}
	if err := l.identified(ctx); err != nil {
		return err
	}
	p.cmd = exec.Command(command, "-brokers", strings.Join(l.hosts, ","), "-topic", p.topic, "-partitions", fmt.Sprint(partitions), "-rate", fmt.Sprint(l.rate))
	if apart(p.cmd); l.loud {
		p.cmd.Stderr = os.Stderr
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	l.peers = append(l.peers, p)
	go p.listen(out)
	return nil
}

// identified waits until every broker can give producer ids: a broker that was just started asks its controller for some at the first request, and refuses it (librdkafka 2.11 keeps two threads busy ever after).
func (l *load) identified(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, hang)
	defer cancel()
	for node := range int32(len(l.hosts)) {
		for {
			resp, err := broker.Call(ctx, l.client.System().Cluster(), broker.Route{Req: &msg.InitProducerIdRequest{TransactionTimeoutMs: 60000, ProducerID: -1, ProducerEpoch: -1}, To: broker.Target{Kind: broker.ToNode, Node: node + 1}})
			if err != nil {
				return err
			}
			if protocol.Code(resp.Resp.(*msg.InitProducerIdResponse).ErrorCode) == protocol.None {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	return nil
}

// listen takes in what a peer prints.
func (p *peer) listen(out io.Reader) {
	defer close(p.over)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.hear(lines.Text())
	}
}

func (p *peer) hear(line string) {
	if line == "f" {
		close(p.flushed)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if text, ok := strings.CutPrefix(line, "e "); ok {
		p.fails[text]++
		return
	}
	var kind string
	var at place
	if n, err := fmt.Sscan(line, &kind, &at.partition, &at.offset); n < 3 || int(at.partition) >= len(p.acked) {
		p.fails[fmt.Sprintf("%q is not understood: %v", line, err)]++
		return
	}
	if kind == "p" {
		p.acked[at.partition].event(time.Now(), at.offset)
		if at.offset >= 0 {
			p.seen[at] += 0
		}
		return
	}
	p.read[at.partition].event(time.Now(), at.offset)
	p.seen[at]++
}

// end lets a peer finish, and tells what became of its records.
func (p *peer) end() string {
	_ = p.stdin.Close()
	select {
	case <-p.flushed:
	case <-p.over:
	case <-time.After(time.Minute):
	}
	for limit := time.Now().Add(30 * time.Second); !p.caughtUp() && time.Now().Before(limit); {
		time.Sleep(50 * time.Millisecond)
	}
	_ = p.cmd.Process.Kill()
	<-p.over
	_ = p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	unread, twice := 0, 0
	for _, n := range p.seen {
		if n == 0 {
			unread++
		} else if n > 1 {
			twice++
		}
	}
	said := fmt.Sprintf("%s: %d records, %d acknowledged and not read, %d read twice", p.name, len(p.seen), unread, twice)
	for text, n := range p.fails {
		said += fmt.Sprintf("; %d times %s", n, text)
	}
	return said
}
