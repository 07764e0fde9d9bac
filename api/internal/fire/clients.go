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

	"github.com/kactor-go/kactor/api"
)

// manyClients is how many clients of one process are measured.
const manyClients = 200

// clients measures the memory and the processor time of 200 clients in one process that nobody uses: each has a producer that has written once, and then a consumer of one partition that nothing comes for as well.
func clients(ctx context.Context, s *settings, k *kafka, r *report) error {
	span := 20 * time.Second
	if s.long {
		span = 3 * time.Minute
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	admin, err := api.Dial(ctx, api.Brokers(k.hosts...))
	if err != nil {
		return err
	}
	defer admin.Shutdown(ctx)
	topic := fmt.Sprintf("clients-%d", time.Now().UnixMilli())
	if err := create(ctx, admin, topic, 6, 3); err != nil {
		return err
	}
	kactor := [2]use{}
	for i, consumers := range []bool{false, true} {
		where := []string{"-child", "clients", fmt.Sprintf("%s/%s/%d/%v", strings.Join(k.hosts, ","), topic, manyClients, consumers)}
		if kactor[i], err = resting(ctx, span, self, where...); err != nil {
			return err
		}
		r.notes = append(r.notes, fmt.Sprintf("kactor: %d clients with %s: %s", manyClients, [...]string{"a producer each", "a producer and a consumer each"}[i], kactor[i]))
		for _, p := range s.besides {
			u, err := resting(ctx, span, p.command, "-brokers", strings.Join(k.hosts, ","), "-topic", topic, "-clients", fmt.Sprint(manyClients), fmt.Sprintf("-consumers=%v", consumers))
			if err != nil {
				return err
			}
			r.notes = append(r.notes, fmt.Sprintf("%s beside it: %s", p.name, u))
		}
	}
	if u := kactor[0]; u.memory > 60<<20 || u.share > 0.01 {
		r.exceeds("with a producer each that is more than 60 MiB or 1 %%")
	}
	return nil
}

// use is what a process takes while it rests.
type use struct {
	memory int64   // resident
	share  float64 // of a core
}

func (u use) String() string {
	return fmt.Sprintf("%.1f MiB resident, %.2f %% of a core", float64(u.memory)/(1<<20), 100*u.share)
}

// resting starts a process, waits until it says that its clients are there, and measures it from a few seconds later on. It ends when its standard input does.
func resting(ctx context.Context, span time.Duration, command string, args ...string) (u use, err error) {
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return u, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return u, err
	}
	if err := cmd.Start(); err != nil {
		return u, err
	}
	defer func() {
		_ = in.Close()
		_ = cmd.Wait()
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return u, fmt.Errorf("%s: %q, %w", command, line, err)
	}
	time.Sleep(5 * time.Second)
	before, err := spent(cmd.Process.Pid)
	if err != nil {
		return u, err
	}
	time.Sleep(span)
	after, err := spent(cmd.Process.Pid)
	if err != nil {
		return u, err
	}
	u.share = (after - before).Seconds() / span.Seconds()
	u.memory, err = memoryOf(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid), "VmRSS")
	return u, err
}

// spent is the processor time of a process, in steps of ten milliseconds.
func spent(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	var user, system int64
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: %q", pid, b)
	}
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return 0, err
	}
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}

// clientsChild is what clients measures.
func clientsChild(ctx context.Context, where string) error {
	var n int
	var consumers bool
	f := strings.Split(where, "/")
	if _, err := fmt.Sscan(f[2]+" "+f[3], &n, &consumers); err != nil {
		return err
	}
	for i := range n {
		client, err := api.Dial(ctx, api.Brokers(strings.Split(f[0], ",")...))
		if err != nil {
			return err
		}
		p, err := client.Producer()
		if err != nil {
			return err
		}
		if _, err := p.Produce(ctx, &api.Record{Topic: f[1], Partition: int32(i % 6), Fixed: true, Value: []byte("the only one")}); err != nil {
			return err
		}
		if !consumers {
			continue
		}
		c, err := client.Consumer("")
		if err != nil {
			return err
		}
		if err := c.AssignAt(api.AtEnd, api.TopicPartition{Topic: f[1], Partition: int32(i % 6)}); err != nil {
			return err
		}
		go func() {
			for {
				if _, err := c.Poll(ctx); err != nil {
					return
				}
			}
		}()
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}
