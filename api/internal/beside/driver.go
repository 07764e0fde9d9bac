package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// driver does steps with one client.
type driver interface {
	do(ctx context.Context, s Step) (Result, error)
}

// java is Java's client, in a process of its own that does the steps of many scripts.
type java struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	mu     sync.Mutex
	last   int
	waits  map[int]chan Result
	broken error
}

// startJava compiles the driver beside this file and starts it.
func startJava(ctx context.Context, root, jars, hosts, work string) (*java, error) {
	sources, err := filepath.Glob(filepath.Join(root, "api/internal/beside/*.java"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, hang)
	defer cancel()
	compile := exec.CommandContext(ctx, "javac", append([]string{"-cp", jars, "-d", work}, sources...)...)
	if out, err := compile.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("javac: %w: %s", err, out)
	}
	log, err := os.Create(filepath.Join(work, "java.log"))
	if err != nil {
		return nil, err
	}
	j := &java{waits: map[int]chan Result{}}
	j.cmd = exec.Command("java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", work+string(os.PathListSeparator)+jars, "Beside", hosts)
	j.cmd.Stderr = log
	if j.in, err = j.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := j.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := j.cmd.Start(); err != nil {
		return nil, err
	}
	go j.listen(out)
	return j, nil
}

func (j *java) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	var err error
	for err == nil && lines.Scan() {
		var r Result
		if len(lines.Bytes()) == 0 || lines.Bytes()[0] != '{' { // something that a library prints
			continue
		}
		if err = json.Unmarshal(lines.Bytes(), &r); err != nil {
			break
		}
		j.mu.Lock()
		wait, waits := j.waits[r.ID]
		delete(j.waits, r.ID)
		j.mu.Unlock()
		if waits { // else nobody waits any more
			wait <- r
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.broken = errors.Join(err, lines.Err(), errors.New("java has ended"))
	for _, wait := range j.waits {
		close(wait)
	}
	clear(j.waits)
}

func (j *java) do(ctx context.Context, s Step) (Result, error) {
	wait := make(chan Result, 1)
	j.mu.Lock()
	err := j.broken
	if err == nil {
		j.last++
		s.ID = j.last
		j.waits[s.ID] = wait
		var line []byte
		if line, err = json.Marshal(s); err == nil {
			_, err = j.in.Write(append(line, '\n'))
		}
	}
	j.mu.Unlock()
	if err != nil {
		return Result{}, err
	}
	select {
	case r, ok := <-wait:
		if !ok {
			return Result{}, errors.New("java has ended")
		}
		return r, nil
	case <-ctx.Done():
		j.mu.Lock()
		delete(j.waits, s.ID)
		j.mu.Unlock()
		return Result{}, fmt.Errorf("java: step %q: %w", s.Op, context.Cause(ctx))
	}
}

// close ends the process, by force if it does not end by itself.
func (j *java) close() {
	_ = j.in.Close()
	kill := time.AfterFunc(enough, func() { _ = j.cmd.Process.Kill() })
	defer kill.Stop()
	_ = j.cmd.Wait()
}
