package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// kafka is a cluster of three real brokers, kept by .ci/kafka.
type kafka struct {
	tool, name, version string
	hosts               []string
	links               *links // between the brokers; nil: they reach each other directly
	more                string // properties that a programme needs besides
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
	return "", fmt.Errorf(".ci/kafka is not in this folder or one above it")
}

func (k *kafka) run(args ...string) (string, error) {
	cmd := exec.Command(k.tool, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", k.tool, strings.Join(args, " "), err, said.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}

// start starts three brokers that notice within three seconds that one of them is away.
func start(version string, p programme, properties []string) (*kafka, error) {
	dir, err := root()
	if err != nil {
		return nil, err
	}
	k := &kafka{tool: filepath.Join(dir, ".ci", "kafka"), name: fmt.Sprintf("fire-%d", os.Getpid()), version: version, more: p.broker}
	more := slices.Concat(strings.Fields(p.broker), properties)
	if p.linked {
		if k.links, err = newLinks(3); err != nil {
			return nil, err
		}
		more = append(more, "links="+k.links.String())
	}
	out, err := k.run(append([]string{"up", k.name, version, "3", "broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500", "controller.quorum.fetch.timeout.ms=1000", "controller.quorum.election.timeout.ms=500",
		"unclean.leader.election.enable=false", "offsets.topic.num.partitions=8", "leader.imbalance.check.interval.seconds=5", "leader.imbalance.per.broker.percentage=0"}, more...)...)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(out, "\n")
	k.hosts = strings.Split(lines[len(lines)-1], ",")
	return k, nil
}

func (k *kafka) signal(node int32, name string) error {
	_, err := k.run("signal", k.name, fmt.Sprint(node), name)
	return err
}

func (k *kafka) restart(node int32) error {
	_, err := k.run("start", k.name, fmt.Sprint(node))
	return err
}

func (k *kafka) down() {
	_, _ = k.run("down", k.name)
	if k.links != nil {
		k.links.close()
	}
}
