// The command beside plays random scripts of a consumer's calls with Java's client and with this one, on the same real Kafka, and tells where they see something else: records, offsets, positions, calls of the
// listener, what the group has committed, kinds of errors. .ci/beside plays a short list.
//
//	go run ./api/internal/beside [-version 4.3.0] [-hosts HOST:PORT] [-protocol classic,consumer] [-kind KIND] [-seeds FROM:TO | FILE ...] [-shrink] [-trace] [-keep FOLDER]
//
//	script.go    steps and results           generate.go, members.go, calls.go   scripts out of seeds
//	driver.go    Java, in Script.java        kactor.go, polling.go               the same with this module
//	play.go      playing, shrinking          compare.go, exceptions.go           what is compared, and which differences are meant
//	tally.go     playing again, counting
//
// Each client has topics and a group of its own; Java's producer writes the same into both. What differs in one play of three is only told: a difference is what
// comes in two. A script that neither client brings to its end shows nothing, and is counted apart;
// so is one in which a client could not poll as often as max.poll.interval.ms says: what it shows then depends on the machine.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

type settings struct {
	version, hosts, seeds, protocols, kind, keep string
	workers                                      int
	shrink, trace                                bool
}

func main() {
	s := &settings{}
	flag.StringVar(&s.version, "version", "4.3.0", "of Kafka's client, and of the cluster that is started")
	flag.StringVar(&s.hosts, "hosts", "", "a cluster that runs; else one is started")
	flag.StringVar(&s.protocols, "protocol", "classic,consumer", "group.protocol of the scripts")
	flag.StringVar(&s.kind, "kind", "", "only scripts of that kind")
	flag.StringVar(&s.seeds, "seeds", "1:20", "FROM:TO")
	flag.IntVar(&s.workers, "workers", 4, "scripts at the same time")
	flag.BoolVar(&s.shrink, "shrink", false, "leave out of a script that shows a difference what it does not need")
	flag.BoolVar(&s.trace, "trace", false, "print all results")
	flag.StringVar(&s.keep, "keep", "", "the folder for all results of plays that show a difference, or nothing")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "beside:", err)
		os.Exit(1)
	}
}

// root finds the project's root.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".ci", "kafka")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New(".ci/kafka is not in this folder or one above it")
}

func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], nil
}

func run(ctx context.Context, s *settings) error {
	dir, err := root()
	if err != nil {
		return err
	}
	scripts, err := s.scripts(flag.Args())
	if err != nil {
		return err
	}
	tool := filepath.Join(dir, ".ci", "kafka")
	jars, err := output(tool, "jars", s.version)
	if err != nil {
		return err
	}
	if s.hosts == "" {
		name := fmt.Sprintf("beside-%d", os.Getpid())
		s.hosts, err = output(tool, "up", name, s.version, "1", "group.consumer.max.session.timeout.ms=60000", "group.consumer.session.timeout.ms=45000", "group.max.session.timeout.ms=60000")
		defer func() { _, _ = output(tool, "down", name) }()
		if err != nil {
			return err
		}
	}
	work, err := os.MkdirTemp("", "beside")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	j, err := startJava(ctx, dir, jars, s.hosts, work)
	if err != nil {
		return err
	}
	defer j.close()
	now := time.Now()
	p := &player{java: j, kactor: &kactor{hosts: s.hosts, scripts: map[string]*script{}}, run: fmt.Sprintf("b%x", now.UnixMilli()), base: now.UnixMilli() - 300_000, trace: s.trace, keep: s.keep}
	return s.all(ctx, p, scripts)
}

// scripts are those of files, or else of seeds.
func (s *settings) scripts(files []string) (out []Script, err error) {
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		var one Script
		if err := json.Unmarshal(text, &one); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		out = append(out, one)
	}
	if len(files) > 0 {
		return out, nil
	}
	var from, to uint64
	if _, err := fmt.Sscanf(s.seeds, "%d:%d", &from, &to); err != nil {
		return nil, fmt.Errorf("seeds %q: %w", s.seeds, err)
	}
	for seed := from; seed <= to; seed++ {
		for _, protocol := range strings.Split(s.protocols, ",") {
			out = append(out, generate(seed, protocol, s.kind))
		}
	}
	return out, nil
}

// all plays scripts and reports.
func (s *settings) all(ctx context.Context, p *player, scripts []Script) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	todo := make(chan Script)
	sum := tally{w: os.Stdout}
	for range s.workers {
		wg.Go(func() {
			for script := range todo {
				o := repeat(func() (*difference, error) { return p.play(ctx, script) }, func(d *difference) *exception { return explained(script, d) })
				less := script
				if s.shrink && o.differs() {
					var d *difference
					less, d = p.shrink(ctx, script, o.seen[0])
					o.seen = append(o.seen, d)
				}
				mu.Lock()
				sum.add(script, o)
				if s.shrink && o.differs() {
					fmt.Println(words(less))
				}
				mu.Unlock()
			}
		})
	}
	for _, script := range scripts {
		if ctx.Err() != nil {
			break
		}
		todo <- script
	}
	close(todo)
	wg.Wait()
	return sum.report()
}
